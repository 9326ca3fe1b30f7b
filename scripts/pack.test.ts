import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { build, isAsset, renameSourceUrls } from "./build.ts";
import type { LockEntry } from "./lock.ts";
import { repository } from "./steps.ts";

const scratch = mkdtempSync(join(tmpdir(), "openledger pack "));
after(() => rmSync(scratch, { recursive: true, force: true }));

/** The repository as npm would pack it after a build, apart, so that nobody's `dist/` is touched. */
const staging = join(scratch, "staging");
/** An empty folder of a user. */
const home = join(scratch, "a user's folder");

type Manifest = { name: string; version: string; files: string[]; dependencies: Record<string, string> };
const manifest: Manifest = JSON.parse(readFileSync(new URL("package.json", repository), "utf8"));

async function run(
  command: string,
  args: string[],
  cwd: string,
): Promise<{ code: number; out: string; err: string }> {
  const env: NodeJS.ProcessEnv = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env.PATH}` };
  const child = spawn(command, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk) => (out += chunk));
  child.stderr.on("data", (chunk) => (err += chunk));
  const [code] = await once(child, "close");
  return { code, out, err };
}

type Packed = { tarball: string; files: string[] };

async function pack(): Promise<Packed> {
  mkdirSync(staging);
  build(join(staging, "dist"));
  const beside = ["package.json", "LICENSE", "README.md", "models", "examples/valley", "web/dist"];
  for (const path of beside) {
    const from = new URL(path, repository);
    if (existsSync(from)) cpSync(from, join(staging, path), { recursive: true });
  }
  const { code, out, err } = await run("npm", ["pack", "--json", "--ignore-scripts"], staging);
  assert.equal(code, 0, err);
  const [report] = Object.values<{ filename: string; files: { path: string }[] }>(JSON.parse(out));
  assert.ok(report);
  return { tarball: join(staging, report.filename), files: report.files.map(({ path }) => path) };
}

let packing: Promise<Packed> | undefined;
const packed = (): Promise<Packed> => (packing ??= pack());

/**
 * The lock file of a project that depends on the packed package: our own lock file without what is for development, so
 * that the packages installed are those we test with, out of npm's cache.
 */
function userLock(tarball: string) {
  const lock = JSON.parse(readFileSync(new URL("package-lock.json", repository), "utf8"));
  const locked = Object.entries<LockEntry & { link?: boolean }>(lock.packages).filter(
    ([path, entry]) => path.startsWith("node_modules/") && !entry.dev && !entry.link,
  );
  const { name, version, dependencies } = manifest;
  const specifier = `file:${tarball}`;
  return {
    name: "user",
    lockfileVersion: 3,
    requires: true,
    packages: {
      "": { name: "user", dependencies: { [name]: specifier } },
      ...Object.fromEntries(locked),
      [`node_modules/${name}`]: {
        version,
        resolved: specifier,
        dependencies,
        bin: { [name]: "dist/cli/bin.js" },
      },
    },
  };
}

test("the package holds what it needs, and neither tests nor sources", async (t) => {
  const { tarball, files } = await packed();
  const needed = ["dist/cli/bin.js", "dist/cli/doctor.js", "package.json", "LICENSE", "web/dist/index.html"];
  for (const path of needed) assert.ok(files.includes(path), `${path} is missing`);
  assert.deepEqual(
    files.filter((path) => /\.ts$|\.test\.|-suite\.|fixtures\/|^(src|scripts|contracts)\//.test(path)),
    [],
  );
  t.diagnostic(`packed size: ${(statSync(tarball).size / 1e6).toFixed(2)} MB in ${files.length} files`);
});

test("installed into an empty folder, it runs with its declared dependencies alone", async () => {
  const { tarball } = await packed();
  mkdirSync(home);
  const lock = userLock(tarball);
  writeFileSync(join(home, "package.json"), JSON.stringify(lock.packages[""]));
  writeFileSync(join(home, "package-lock.json"), JSON.stringify(lock));
  const npm = ["ci", "--prefer-offline", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund"];
  const installed = await run("npm", npm, home);
  assert.equal(installed.code, 0, installed.err);

  const shown = await run("npx", ["--no-install", "openledger", "--version"], home);
  assert.deepEqual(
    { code: shown.code, out: shown.out },
    { code: 0, out: `${manifest.version}\n` },
    shown.err,
  );

  const doctor = await run(
    "npx",
    ["--no-install", "openledger", "doctor", "--json", "--data", home, "--port", "0"],
    home,
  );
  assert.equal(doctor.code, 0, doctor.err);
  assert.equal(JSON.parse(doctor.out).fit, true);

  const refused = await run("npx", ["--no-install", "openledger", "test"], home);
  assert.equal(refused.code, 3);
  assert.match(refused.err, /Clone the repository/);
});

/** What a built file imports, exports again or looks for beside it. */
function namedBy(javascript: string): string[] {
  const patterns = [
    /^import\b[^;"'`]*["']([^"']+)["']/gm,
    /^export\s*[*{][^;"'`]*\bfrom\s*["']([^"']+)["']/gm,
    /\bimport\(\s*["']([^"']+)["']\s*\)/g,
    /new URL\(\s*["'](\.{1,2}\/[^"']+)["'],\s*import\.meta\.url/g,
  ];
  return patterns.flatMap((pattern) => [...javascript.matchAll(pattern)].map(([, name]) => name!));
}

test("what a built file names is found, prose is not", () => {
  const javascript = `import { a,\n b } from "one";\nimport "two";\nexport * from "./three.js";\nexport { c } from "four";
const load = () => import("five");\nnew URL("./six.wasm", import.meta.url);\nexport const type = "numeric";\n// not from "here"`;
  assert.deepEqual(namedBy(javascript).sort(), ["./six.wasm", "./three.js", "five", "four", "one", "two"]);
});

test("every file and every package that a built file names is there", async () => {
  await packed();
  const dist = join(staging, "dist");
  for (const path of globSync("**/*.js", { cwd: dist })) {
    const file = join(dist, path);
    for (const named of namedBy(readFileSync(file, "utf8"))) {
      const target = join(dirname(file), named);
      if (!named.startsWith(".")) {
        const name = named.split("/", named.startsWith("@") ? 2 : 1).join("/");
        const declared = named.startsWith("node:") || name in manifest.dependencies;
        assert.ok(declared, `${path} imports ${name}, which is not declared`);
      } else if (target.startsWith(dist)) {
        // What only a clone has, such as scripts/, is looked for when it is needed.
        assert.ok(existsSync(target), `${path} names ${named}, which was not built`);
      }
    }
  }
});

test("files beside a source are named as they are named once built", () => {
  assert.equal(
    renameSourceUrls(`new Worker(new URL("./serve.ts", import.meta.url))`),
    `new Worker(new URL("./serve.js", import.meta.url))`,
  );
  assert.equal(
    renameSourceUrls(`new URL("../../scripts/test.json", import.meta.url)`),
    `new URL("../../scripts/test.json", import.meta.url)`,
  );
});

test("data beside the sources is built, tests' data is not", () => {
  assert.ok(isAsset("chain/contracts/WOPEN.json") && isAsset("attribution/scan.wasm"));
  assert.ok(
    !isAsset("engine/fixtures/a.json") && !isAsset("chain/a.test.json") && !isAsset("chain/index.ts"),
  );
});
