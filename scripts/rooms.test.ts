import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { biomeWithRooms, floors } from "./rooms.ts";
import { repository } from "./steps.ts";

const scratch = mkdtempSync(join(tmpdir(), "openledger-rooms-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

/** Lints files with our configuration, apart, and tells which of them had an import refused. */
function refused(sources: Record<string, string>): string[] {
  const root = mkdtempSync(join(scratch, "house-"));
  cpSync(new URL("biome.json", repository), join(root, "biome.json"));
  for (const [path, source] of Object.entries(sources)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), `${source}\n`);
  }
  const biome = fileURLToPath(new URL("node_modules/@biomejs/biome/bin/biome", repository));
  const args = [
    biome,
    "lint",
    "--reporter=json",
    "--max-diagnostics=none",
    "--only=style/noRestrictedImports",
  ];
  const { stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: "utf8" });
  assert.match(stdout, /"diagnostics"/, stderr);
  const { diagnostics } = JSON.parse(stdout) as {
    diagnostics: { category: string; location: { path: unknown } }[];
  };
  for (const { category } of diagnostics) assert.equal(category, "lint/style/noRestrictedImports");
  return Object.keys(sources).filter((path) =>
    diagnostics.some(({ location }) => pathOf(location.path) === path),
  );
}

const pathOf = (path: unknown): string =>
  typeof path === "string" ? path : ((path as { file?: string } | null)?.file ?? "");

test("biome.json is what the table of floors makes", () => {
  const current = readFileSync(new URL("biome.json", repository), "utf8");
  assert.deepEqual(JSON.parse(current), JSON.parse(biomeWithRooms(current)));
});

test("every room in src/ stands in the table", () => {
  const rooms = readdirSync(new URL("src", repository), { withFileTypes: true });
  const unknown = rooms.filter((entry) => entry.isDirectory() && !floors.flat().includes(entry.name));
  assert.deepEqual(
    unknown.map(({ name }) => name),
    [],
  );
});

test("a room may import the index of lower rooms, and of no others", () => {
  const good: Record<string, string> = {};
  const bad: Record<string, string> = {};
  floors.forEach((rooms, floor) => {
    for (const room of rooms) {
      floors.forEach((others, otherFloor) => {
        for (const other of others.filter((name) => name !== room)) {
          const into = otherFloor < floor ? good : bad;
          into[`src/${room}/imports-${other}.ts`] = `import "../${other}/index.ts";`;
          bad[`src/${room}/imports-inside-${other}.ts`] = `import "../${other}/inside.ts";`;
        }
      });
    }
  });
  assert.deepEqual(refused({ ...good, ...bad }).sort(), Object.keys(bad).sort());
});

test("every way of importing is refused alike", () => {
  const bad = {
    "src/store/named.ts": `import { chain } from "../chain/index.ts";\nchain();`,
    "src/store/type.ts": `import type { Chain } from "../chain/index.ts";\nexport type Own = Chain;`,
    "src/store/again.ts": `export { chain } from "../chain/index.ts";`,
    "src/store/all.ts": `export * from "../chain/index.ts";`,
    "src/store/lazy.ts": `export const load = () => import("../chain/index.ts");`,
  };
  assert.deepEqual(refused(bad), Object.keys(bad));
});

test("the protocol imports nothing of Node or a server, since it runs in a browser too", () => {
  const bad = {
    "src/protocol/a.ts": `import "node:fs";`,
    "src/protocol/b.ts": `import "hono";`,
    "src/protocol/c.ts": `import "onnxruntime-node";`,
    "src/protocol/d.ts": `import "@nomicfoundation/edr";`,
  };
  const good = {
    "src/protocol/e.ts": `import "./digest.ts";\nimport "viem";`,
    "src/protocol/f.test.ts": `import "node:test";`,
    "src/engine/g.ts": `import "node:fs";\nimport "onnxruntime-node";`,
  };
  assert.deepEqual(refused({ ...good, ...bad }), Object.keys(bad));
});
