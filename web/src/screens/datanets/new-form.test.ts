import assert from "node:assert/strict";
import { test } from "node:test";
import { readForm } from "./new-form.ts";

function form(fields: Record<string, string>): FormData {
  const data = new FormData();
  const given = { name: "The valley", domain: "People", license: "CC0-1.0", overlap: "0", ...fields };
  for (const [name, value] of Object.entries(given)) data.set(name, value);
  return data;
}

test("what is left empty is what the node takes for nothing asked", () => {
  assert.deepEqual(readForm(form({ "refuse contamination": "on" })), {
    card: { name: "The valley", domain: "People", description: "", license: "CC0-1.0" },
    rules: { refuse: ["contamination"], maskPersonalData: false },
    overlap: null,
    curators: [],
    access: { kind: "public" },
  });
});

test("everything that can be asked is read", () => {
  const curator = `0x${"Ab".repeat(20)}`;
  const read = readForm(
    form({
      ...{ languages: "EN, de", minTokens: "4", maxTokens: "200", stake: "1.5", mask: "on", overlap: "2" },
      ...{ curators: `${curator}\n${curator}`, access: "request", terms: "Only for study." },
      contributors: curator,
    }),
  );
  assert.deepEqual(read.rules, {
    ...{ refuse: [], maskPersonalData: true, languages: ["en", "de"], minTokens: 4, maxTokens: 200 },
    ...{ stakeWei: "1500000000000000000", contributors: [curator.toLowerCase()] },
  });
  assert.deepEqual([read.overlap, read.curators.length, read.curators[0]], [2, 2, curator.toLowerCase()]);
  assert.deepEqual(read.access, { kind: "request", terms: "Only for study." });
  const token = { access: "token", terms: "Holders.", contract: curator };
  assert.deepEqual(readForm(form(token)).access, {
    ...{ kind: "token", terms: "Holders.", contract: curator.toLowerCase(), least: "1" },
  });
});

test("what is wrong is told by its field", () => {
  for (const [fields, message] of [
    [{ languages: "english" }, /^Languages/],
    [{ curators: "0x12" }, /^Curators/],
    [{ contributors: "ada" }, /^Whose rows/],
    [{ minTokens: "9", maxTokens: "3" }, /^Length/],
    [{ minTokens: "-1" }, /^At least/],
    [{ access: "request" }, /^Terms/],
    [{ access: "token", terms: "Yes." }, /^Token/],
    [{ access: "token", terms: "Yes.", contract: `0x${"ab".repeat(20)}`, least: "0.5" }, /^How much/],
  ] as const)
    assert.throws(() => readForm(form(fields)), { message });
});
