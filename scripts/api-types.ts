/**
 * Writes `web/src/api/schema.d.ts`, the types of the node's HTTP API, and `docs/routes.md`, the list of its routes, from its OpenAPI document: the one a
 * fresh node answers with.
 *
 *   node scripts/api-types.ts            after a route has changed (boots a node in a temporary home)
 *   node scripts/api-types.ts --check    fails when what is committed is out of date
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { openNode, readConfig } from "../src/node/index.ts";

const typesFile = fileURLToPath(new URL("../web/src/api/schema.d.ts", import.meta.url));
const routesFile = fileURLToPath(new URL("../docs/routes.md", import.meta.url));
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

const documentSchema = z.object({
  paths: z.record(
    z.string(),
    z.record(z.string(), z.object({ summary: z.string(), tags: z.array(z.string()).min(1) })),
  ),
});

/** The API's routes as a page of Markdown: a table a tag. `document` is an OpenAPI document as JSON text. */
export function routesPage(document: string): string {
  const byTag = new Map<string, string[]>();
  for (const [path, methods] of Object.entries(documentSchema.parse(JSON.parse(document)).paths))
    for (const [method, { summary, tags }] of Object.entries(methods)) {
      const tag = tags[0] as string;
      const lines = byTag.get(tag) ?? [];
      lines.push(`| \`${method.toUpperCase()} ${path}\` | ${summary.replaceAll("|", "\\|")} |`);
      byTag.set(tag, lines);
    }
  const tables = [...byTag].map(
    ([tag, lines]) => `## ${tag}\n\n| route | |\n|---|---|\n${lines.join("\n")}\n`,
  );
  return `# Every route\n\nWritten by \`scripts/api-types.ts\`. Parameters, bodies and answers stand in a node's \`/openapi.json\`; [api.md](api.md) says how they are used.\n\n${tables.join("\n")}`;
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
  const document = await freshDocument();
  for (const [target, content] of [
    [typesFile, apiTypes(document)],
    [routesFile, routesPage(document)],
  ] as const)
    if (!process.argv.includes("--check")) writeFileSync(target, content);
    else if (!existsSync(target) || readFileSync(target, "utf8") !== content) {
      process.stderr.write(`${target} is out of date: run node scripts/api-types.ts.\n`);
      process.exitCode = 1;
    }
}
