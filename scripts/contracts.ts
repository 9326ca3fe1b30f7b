/**
 * Compiles `contracts/src` and writes one typed module per contract to `src/chain/contracts/`: its ABI and its creation
 * bytecode. They are committed, so that running OpenLedger needs no compiler.
 *
 * `node scripts/contracts.ts` rewrites them; with `--check` it only compares and fails when one is out of date.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { forge } from "./forge.ts";

const sources = new URL("../contracts/src/", import.meta.url);

/** What is deployed, or called with an ABI: one contract a file. Libraries are inlined into their users. */
const names = readdirSync(sources)
  .filter((file) => file.endsWith(".sol"))
  .map((file) => file.slice(0, -".sol".length))
  .sort();

const out = new URL("../contracts/out/", import.meta.url);
const target = new URL("../src/chain/contracts/", import.meta.url);
const notice = "// Written by scripts/contracts.ts from contracts/src; change those and run it again.\n";

/** @returns the text of every generated file, by name */
function generate(): Map<string, string> {
  const files = new Map<string, string>();
  for (const name of names) {
    const artifact = JSON.parse(readFileSync(new URL(`${name}.sol/${name}.json`, out), "utf8"));
    const { abi, bytecode } = artifact as {
      abi: unknown[];
      bytecode: { object: string; linkReferences: object };
    };
    if (Object.keys(bytecode.linkReferences).length > 0)
      throw new Error(`${name} needs linking: make the library's functions internal.`);
    const lines = abi.map((entry) => `  ${JSON.stringify(entry)},\n`).join("");
    files.set(
      `${name}.ts`,
      `${notice}export const abi = [\n${lines}] as const;\n\nexport const bytecode =\n  "${bytecode.object}" as const;\n`,
    );
  }
  const exports = names.map((name) => {
    const short = name.charAt(0).toLowerCase() + name.slice(1);
    return `export { abi as ${short}Abi, bytecode as ${short}Bytecode } from "./${name}.ts";\n`;
  });
  files.set("index.ts", `${notice}${exports.join("")}`);
  return files;
}

/** @returns what differs from the committed files, in words; empty when they are up to date */
function stale(files: ReadonlyMap<string, string>): string[] {
  const committed = existsSync(target) ? readdirSync(target) : [];
  const wrong = [...files]
    .filter(([name, text]) => !committed.includes(name) || read(name) !== text)
    .map(([name]) => name);
  const extra = committed.filter((name) => !files.has(name));
  return [
    ...wrong.map((name) => `${name} is out of date`),
    ...extra.map((name) => `${name} has no contract`),
  ];
}

function read(name: string): string {
  return readFileSync(new URL(name, target), "utf8");
}

if (import.meta.main) {
  const status = forge(["build", "--skip", "test"], "ignore");
  if (status !== 0) process.exit(status);
  const files = generate();
  const problems = stale(files);
  if (process.argv.includes("--check")) {
    for (const problem of problems)
      console.error(`src/chain/contracts/${problem}: run node scripts/contracts.ts`);
    process.exitCode = problems.length === 0 ? 0 : 1;
  } else {
    rmSync(target, { recursive: true, force: true });
    mkdirSync(target, { recursive: true });
    for (const [name, text] of files) writeFileSync(new URL(name, target), text);
    console.log(
      `src/chain/contracts: ${names.length} contracts, ${problems.length === 0 ? "unchanged" : problems.join(", ")}`,
    );
  }
}
