/**
 * Writes `web/src/api/schema.d.ts`, the types of the node's HTTP API, from its OpenAPI document: the one a fresh node answers with.
 *
 *   node scripts/api-types.ts            after a route has changed (boots a node in a temporary home)
 *   node scripts/api-types.ts --check    fails when the committed types are out of date
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openNode, readConfig } from "../src/node/index.ts";

const target = fileURLToPath(new URL("../web/src/api/schema.d.ts", import.meta.url));
const generator = fileURLToPath(
  new URL("../web/node_modules/openapi-typescript/bin/cli.js", import.meta.url),
);

/** The API's types as TypeScript source. `document` is an OpenAPI 3.1 document as JSON text. */
export function apiTypes(document: string): string {
  const folder = mkdtempSync(join(tmpdir(), "openledger-api-"));
  try {
    const [input, output] = [join(folder, "openapi.json"), join(folder, "schema.d.ts")];
    writeFileSync(input, document);
    const { status, stderr } = spawnSync(process.execPath, [generator, input, "--output", output], {
      encoding: "utf8",
    });
    if (status !== 0) throw new Error(`openapi-typescript ended with exit code ${status}: ${stderr}`);
    return readFileSync(output, "utf8");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function freshDocument(): Promise<string> {
  const home = mkdtempSync(join(tmpdir(), "openledger-api-"));
  const node = await openNode(readConfig(home, { port: 0, settleEveryMs: 0 }), { log: () => {} });
  try {
    return await (await fetch(`${node.url}/openapi.json`)).text();
  } finally {
    await node.close();
    rmSync(home, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  const types = apiTypes(await freshDocument());
  if (!process.argv.includes("--check")) writeFileSync(target, types);
  else if (readFileSync(target, "utf8") !== types) {
    process.stderr.write(`${target} is out of date: run node scripts/api-types.ts.\n`);
    process.exitCode = 1;
  }
}
