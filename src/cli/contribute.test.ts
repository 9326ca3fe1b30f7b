import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { place } from "../datanets/index.ts";
import { exampleDigest, examplesDigest } from "../protocol/index.ts";
import { assertSameRows, type Part, readParts, startReading } from "./contribute-parts.ts";
import { list, type PreviewRow, showCounts, showListing, startListing } from "./contribute-show.ts";
import { createIo } from "./io.ts";

const quiet = createIo(true);

async function partsOf(
  paths: string[],
  reading = startReading(),
  limits?: { rowsMax: number; bytesMax: number },
) {
  const parts: Part[] = [];
  for await (const part of readParts(paths, {}, reading, quiet, limits)) parts.push(part);
  return parts;
}

function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "openledger-contribute-"));
  return work(folder).finally(() => rmSync(folder, { recursive: true }));
}

test("a preview of other rows than were read is not signed", () => {
  const examples = [
    { prompt: "a", completion: "b" },
    { prompt: "c", completion: "d" },
  ];
  const part = {
    rows: examples.map((example, at) => ({ source: { file: "a", line: at + 1 }, example, notes: [] })),
  };
  const preview = { examplesDigest: examplesDigest(examples.map(exampleDigest)), exampleCount: 2 };
  assertSameRows(part, preview);
  const other = examplesDigest([...examples].reverse().map(exampleDigest));
  assert.throws(() => assertSameRows(part, { ...preview, examplesDigest: other }), /nothing was signed/);
  assert.throws(() => assertSameRows(part, { ...preview, exampleCount: 3 }), /nothing was signed/);
});

test("where the Datanet masks personal data, what is signed is masked here as well", () => {
  const example = { prompt: "Write to", completion: " ada@example.org." };
  const part = { rows: [{ source: { file: "a" }, example, notes: [] }] };
  const preview = { examplesDigest: examplesDigest([exampleDigest(example)]), exampleCount: 1 };
  assertSameRows(part, { ...preview, mask: false });
  assert.throws(() => assertSameRows(part, { ...preview, mask: true }), /nothing was signed/);
});

test("files and folders become parts that fit into a contribution, in their order, and nothing is lost", () =>
  inFolder(async (folder) => {
    mkdirSync(join(folder, "docs", "deep"), { recursive: true });
    const rows = Array.from({ length: 5 }, (_, n) => JSON.stringify({ question: `q${n}`, answer: `a${n}` }));
    writeFileSync(join(folder, "a.jsonl"), [...rows, "{", ""].join("\n"));
    writeFileSync(join(folder, "docs", "deep", "b.md"), "# Bread\n\nFlour.\n");
    writeFileSync(join(folder, "docs", ".hidden"), "not read");
    const reading = startReading();
    const limits = { rowsMax: 4, bytesMax: 10_000 };
    const parts = await partsOf([join(folder, "a.jsonl"), join(folder, "docs")], reading, limits);
    assert.deepEqual(
      parts.map((part) => part.rows.map(({ source }) => place(source))),
      [
        ["a.jsonl:1", "a.jsonl:2", "a.jsonl:3", "a.jsonl:4"],
        ["a.jsonl:5", "deep/b.md:3"],
      ],
    );
    const [line] = Buffer.from(parts[1]!.text).toString().split("\n").slice(1);
    assert.deepEqual(JSON.parse(line!), {
      example: { prompt: "Bread\n\n", completion: "Flour." },
      source: { file: "deep/b.md", line: 3, offset: 9 },
    });
    assert.deepEqual(
      [reading.unreadRows, reading.unread.map(({ source }) => place(source))],
      [1, ["a.jsonl:6"]],
    );
    assert.deepEqual(
      reading.shapes.map(({ shape }) => shape.format),
      ["jsonl", "markdown"],
    );
    assert.equal(
      (await partsOf([join(folder, "a.jsonl")], startReading(), { rowsMax: 9, bytesMax: 150 })).length,
      5,
    );
  }));

test("a file that is not there is said before anything is read", async () => {
  await assert.rejects(partsOf(["/nowhere/a.jsonl"]), /Cannot read \/nowhere\/a\.jsonl/);
});

test("of many rows those that somebody should look at come first; all are counted, and shown when asked for", () => {
  const rows = Array.from({ length: 65 }, (_, at) => ({
    source: { file: "alpaca.json", line: 1, row: at + 1 },
    example: { prompt: "", completion: `answer ${at + 1}` },
    notes: [],
  }));
  const found = rows.map((_, at): PreviewRow => {
    const line = at + 1;
    if (line === 50)
      return { line, status: "accepted", reasons: [{ check: "personal-data", message: "An address." }] };
    if (line === 60)
      return { line, status: "refused", reasons: [{ check: "language", message: "Not English." }] };
    return { line, status: line > 62 ? "duplicate" : "accepted", reasons: [] };
  });
  const listing = startListing();
  list(listing, { rows }, found);
  const lines = showListing(listing, "examples").join("\n").split("\n");
  assert.match(lines[1] as string, /^alpaca\.json:1 row 60 +refused .*Not English\./);
  assert.match(lines[2] as string, /^alpaca\.json:1 row 50 +new .*An address\./);
  assert.match(lines[3] as string, /row 63 +duplicate/);
  assert.match(lines[6] as string, /row 1 +new/);
  assert.equal(lines.length, 22);
  assert.equal(lines.at(-1), "… and 45 more rows: --all lists every row, --json has them");
  assert.deepEqual(showCounts(listing), [
    "65 rows: 61 new, 3 duplicate, 1 refused.",
    "Noted: 1 personal data, 1 another language.",
  ]);
  const whole = startListing(true);
  list(whole, { rows }, found);
  const every = showListing(whole, "examples").join("\n").split("\n");
  assert.equal(every.length, 66);
  assert.match(every[50] as string, /row 50 .*An address\./, "in the order of the file");
});
