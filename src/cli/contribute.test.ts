import assert from "node:assert/strict";
import { test } from "node:test";
import { exampleDigest, examplesDigest } from "../protocol/index.ts";
import { assertSameRows } from "./contribute.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

test("a preview of other rows than were sent is not signed", () => {
  const rows = [
    { prompt: "a", completion: "b" },
    { prompt: "c", completion: "d" },
  ];
  const text = bytes(`\uFEFF${rows.map((row) => JSON.stringify(row)).join("\r\n\n")}\n`);
  const preview = { examplesDigest: examplesDigest(rows.map(exampleDigest)), exampleCount: 2 };
  assertSameRows(text, preview);
  const other = examplesDigest([...rows].reverse().map(exampleDigest));
  assert.throws(() => assertSameRows(text, { ...preview, examplesDigest: other }), /nothing was signed/);
  assert.throws(() => assertSameRows(text, { ...preview, exampleCount: 3 }), /nothing was signed/);
});
