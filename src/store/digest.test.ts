import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { keccak256 } from "viem";
import { fileDigest } from "./index.ts";

const scratch = mkdtempSync(join(tmpdir(), "openledger-digest-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

test("a file's digest is that of its bytes, whatever the pieces it is read in", async () => {
  const bytes = new Uint8Array(2 ** 19 + 77).map((_, i) => i * i);
  for (const length of [0, 1, 135, 136, 2 ** 18, 2 ** 18 + 1, bytes.length]) {
    const path = join(scratch, `${length}`);
    writeFileSync(path, bytes.subarray(0, length));
    assert.equal(await fileDigest(path), keccak256(bytes.subarray(0, length)), `${length} bytes`);
  }
  await assert.rejects(fileDigest(join(scratch, "absent")), /ENOENT/);
});
