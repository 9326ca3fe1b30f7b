import assert from "node:assert/strict";
import { test } from "node:test";
import { datanetVersion } from "./finetune.ts";

test("a Datanet's version is a number at a number", () => {
  assert.deepEqual(datanetVersion("12@3", datanetVersion("1@1")), [
    { datanetId: "1", version: 1 },
    { datanetId: "12", version: 3 },
  ]);
  for (const wrong of ["1", "1@", "@1", "0@1", "1@0", "1@1.5", "a@1", "1@1 "])
    assert.throws(() => datanetVersion(wrong), /1@1/, wrong);
});
