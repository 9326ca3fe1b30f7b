import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { vectors } from "../../scripts/vectors.ts";

test("vectors.json is what scripts/vectors.ts writes", async () => {
  const committed = readFileSync(new URL("./vectors.json", import.meta.url), "utf8");
  assert.equal(await vectors(), committed, "run: node scripts/vectors.ts");
});
