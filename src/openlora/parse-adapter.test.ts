import assert from "node:assert/strict";
import { test } from "node:test";
import { parseAdapter } from "./adapters.ts";
import { randomAdapter, tinyBaseName, tinyConfig } from "./fixtures/tiny-base.ts";

const base = { name: tinyBaseName, config: tinyConfig, rank: 4 };

test("an adapter is served whatever folder or organisation its trainer loaded the base from", () => {
  for (const baseName of ["tests/tiny", "tiny", "./models/tiny/", "C:\\models\\tiny", "another/tiny"]) {
    const { digest, files } = randomAdapter(1, { baseName });
    assert.equal(parseAdapter(digest, files, base).config.rank, 4, baseName);
  }
});

test("an adapter of another base is refused, with what to do when it is the same under another name", () => {
  const { digest, files } = randomAdapter(1, { baseName: "tiny/other" });
  assert.throws(() => parseAdapter(digest, files, base), {
    code: "adapter-refused",
    message:
      /made for the base model "tiny\/other", this is "tests\/tiny"\. If they are the same, name it so/,
  });
});

test("an adapter with no room for its rank is refused with the rank to serve with", () => {
  const { digest, files } = randomAdapter(1, { rank: 5 });
  assert.throws(() => parseAdapter(digest, files, base), {
    code: "adapter-refused",
    message: /has rank 5; there is room for 4: serve with rank 5/,
  });
});
