import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { type ConvertOptions, convert } from "./convert.ts";
import {
  collect,
  deepDocx,
  docx,
  encryptedPdf,
  fileOf,
  parquet,
  pdf,
  streamOf,
  zipBombDocx,
} from "./fixtures/files.ts";
import { fileInput } from "./input.ts";
import { formatLimits } from "./limits.ts";
import type { ConvertedRow, Source } from "./source.ts";

const rowsOf = (name: string, content: string | Uint8Array, options?: ConvertOptions) =>
  collect(convert(fileOf(name, content), options));

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** What is still held, bytes: what waits to be collected says nothing of what a reader keeps. */
function heldBytes(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** A row in short: "ok", or the code with the place. */
const told = (row: ConvertedRow) => {
  if ("example" in row) return "ok";
  const { file: _, ...place } = row.source;
  return [row.refused.code, place] as const;
};
const only = (code: string, place: Omit<Source, "file"> = {}) => [[code, place]];
const row = (n: number) => `{"question":"q${n}","answer":"a${n}"}\n`;
const good = parquet({ question: ["a", "b", "c"], answer: ["d", "e", "f"] });

describe("files that cannot be read, by name", () => {
  const flipped = Uint8Array.from(good, (byte, at) => (at > 8 && at < 120 ? byte ^ 0xff : byte));
  const files: [string, string | Uint8Array, string, Omit<Source, "file">, RegExp][] = [
    ["empty.jsonl", "", "empty-file", {}, /no bytes/],
    ["mark.txt", "\uFEFF", "empty-file", {}, /no row and no text/],
    ["heading.csv", "question,answer\n", "empty-file", {}, /no row/],
    ["list.json", "[]", "empty-file", {}, /no row/],
    ["cut.parquet", good.subarray(0, good.length - 20), "broken-parquet", {}, /cut short/],
    ["short.parquet", good.subarray(0, 8), "broken-parquet", {}, /shorter/],
    ["flipped.parquet", flipped, "broken-parquet", { row: 1 }, /Row group 1 of 2 cannot be read/],
    ["not.parquet", "question,answer\nq,a\n", "unknown-format", {}, /name says parquet/],
    ["locked.pdf", encryptedPdf(), "encrypted", {}, /locked with a password/],
    ["cut.pdf", Buffer.from("%PDF-1.7\nnothing"), "broken-pdf", {}, /cannot be read/],
    ["bomb.docx", zipBombDocx(40), "zip-bomb", {}, /more than 32 MiB of text; it was not unpacked further/],
    ["sheet.xlsx", docxWithout(), "unknown-format", {}, /no Word document/],
    ["cut.docx", docx(["a"]).subarray(0, 300), "broken-docx", {}, /cannot be read/],
    ["deep.docx", deepDocx(30_000), "broken-docx", {}, /cannot be read/],
    ["old.doc", Uint8Array.of(0xd0, 0xcf, 0x11, 0xe0, 0xa1), "unknown-format", {}, /without a password/],
    ["a.jsonl.gz", Uint8Array.of(0x1f, 0x8b, 8, 0), "unknown-format", {}, /Unpack it/],
    ["a.bin", Uint8Array.of(1, 0, 2, 0, 3), "unknown-format", {}, /UTF-16 needs a byte order mark/],
    ["marked.json", "nothing of JSON", "broken-json", { line: 1 }, /found "n"/],
    ["cut.json", '[{"question":"q', "cut-short", { line: 1 }, /within a string/],
    ["deep.json", `[{"a":${"[".repeat(100)}`, "broken-json", { line: 1 }, /nested/],
    ["quote.csv", 'question,answer\nq,"a\nr,b\n', "broken-csv", { line: 3 }, /never closed/],
  ];
  for (const [name, content, code, place, message] of files)
    test(name, async () => {
      const found = await rowsOf(name, content);
      assert.deepEqual(found.map(told), only(code, place), JSON.stringify(found).slice(0, 400));
      assert.match((found[0] as { refused: { message: string } }).refused.message, message);
    });

  test("a row of a CSV with other cells than the heading says how many, of one as of several", async () => {
    const messages = (await rowsOf("cells.csv", "question,answer\nq\nq,a,b\n")).map((row) =>
      "refused" in row ? row.refused.message : "",
    );
    assert.match(messages[0] as string, /^The row has 1 cell, the heading 2 columns\./);
    assert.match(messages[1] as string, /^The row has 3 cells, the heading 2 columns\./);
  });

  test("what was read before a file breaks is kept", async () => {
    const late = Uint8Array.from(good);
    const groups = late.length / 2;
    late.fill(0xff, Math.floor(groups * 0.45), Math.floor(groups * 0.6));
    const found = await rowsOf("late.parquet", late);
    assert.equal((found.at(-1) as { refused: { code: string } }).refused.code, "broken-parquet");
    assert.deepEqual((await rowsOf("cut.json", `[${row(1)},{"question`)).map(told), [
      "ok",
      ["cut-short", { line: 2 }],
    ]);
  });

  test("a Parquet file is read where it lies, and so is one that was cut", async () => {
    const folder = mkdtempSync(join(tmpdir(), "openledger-formats-"));
    try {
      writeFileSync(join(folder, "a.parquet"), good);
      writeFileSync(join(folder, "b.parquet"), Buffer.concat([good.subarray(0, 40), good.subarray(60)]));
      const whole = await collect(convert(fileInput(join(folder, "a.parquet"))));
      assert.deepEqual(whole.map(told), ["ok", "ok", "ok"]);
      const cut = await collect(convert(fileInput(join(folder, "b.parquet"))));
      assert.deepEqual([cut.length, told(cut[0]!)[0]], [1, "broken-parquet"]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

/** A zip file that is a workbook. */
function docxWithout(): Uint8Array {
  const bytes = Buffer.from(docx(["a"]));
  for (let at = bytes.indexOf("word/"); at >= 0; at = bytes.indexOf("word/", at + 1))
    bytes.write("xlsx/", at);
  return bytes;
}

describe("texts as machines write them", () => {
  const texts: [string, Uint8Array | string][] = [
    ["a byte order mark", `\uFEFF${row(1)}${row(2)}`],
    ["CRLF", `${row(1)}${row(2)}`.replaceAll("\n", "\r\n")],
    ["UTF-16 LE", Buffer.from(`\uFEFF${row(1)}${row(2)}`, "utf16le")],
    ["UTF-16 BE", Buffer.from(`\uFEFF${row(1)}${row(2)}`, "utf16le").swap16()],
    ["no newline at the end", `${row(1)}${row(2)}`.trimEnd()],
  ];
  for (const [name, text] of texts)
    test(`JSON Lines: ${name}`, async () => {
      const found = await rowsOf("a.jsonl", text);
      assert.deepEqual(found.map(told), ["ok", "ok"]);
      assert.deepEqual(
        found.map(({ source }) => source.line),
        [1, 2],
      );
    });

  for (const encoding of ["utf8", "utf16le"] as const)
    test(`CSV: ${encoding}, CRLF within and between cells`, async () => {
      const text = '\uFEFFquestion,answer\r\n"q\r\n1",é\r\nq2,a2\r\n';
      const found = await rowsOf("a.csv", Buffer.from(text, encoding));
      assert.deepEqual(
        found.map(({ source }) => [source.line, source.row]),
        [
          [2, 1],
          [4, 2],
        ],
      );
      const [first] = found;
      assert.ok(first && "example" in first && "messages" in first.example);
      assert.deepEqual(
        first.example.messages.map(({ content }) => content),
        ["q\r\n1", "é"],
      );
    });

  test("bytes that are no UTF-8 are refused where they stand", async () => {
    const latin = (text: string) => Buffer.from(text, "latin1");
    assert.deepEqual(
      (await rowsOf("a.jsonl", latin(`${row(1)}{"question":"é","answer":"a"}\n${row(3)}`))).map(told),
      ["ok", ["bad-encoding", { line: 2 }], "ok"],
    );
    assert.deepEqual((await rowsOf("a.csv", latin("question,answer\nq,é\nq,a\n"))).map(told), [
      ["bad-encoding", { line: 2, row: 1 }],
      "ok",
    ]);
    assert.deepEqual((await rowsOf("a.txt", latin("caf\xe9\n\nBar."))).map(told), [
      ["bad-encoding", { line: 1, offset: 0 }],
      "ok",
    ]);
  });
});

describe("tables as people keep them", () => {
  test("changing columns", async () => {
    const found = await rowsOf("a.csv", "question,answer\nq1,a1\nq2\nq3,a3,more\nq4,a4\n");
    assert.deepEqual(found.map(told), [
      "ok",
      ["different-columns", { line: 3, row: 2 }],
      ["different-columns", { line: 4, row: 3 }],
      "ok",
    ]);
  });

  test("formulas stay the text they are, and are pointed out", async () => {
    const [formula, number, list] = await rowsOf(
      "a.csv",
      "question,answer\nq,=cmd|'/c calc'!A0\nq,-5.2\nq,- item\n",
    );
    assert.ok(formula && "example" in formula && "messages" in formula.example);
    assert.equal(formula.example.messages[1]?.content, "=cmd|'/c calc'!A0");
    assert.deepEqual(formula.notes, ["Column answer begins like a spreadsheet formula; it is kept as text."]);
    assert.ok(number && list && !("notes" in number) && !("notes" in list));
  });

  test("columns without a name, or with one twice", async () => {
    const text = "q,q,,answer\na,b,c,d\n";
    const mapping = { prompt: "{q} {q (2)} {column 3}", completion: "answer" };
    const [found] = await rowsOf("a.csv", text, { mapping });
    assert.ok(found && "example" in found && "messages" in found.example);
    assert.equal(found.example.messages[0]?.content, "a b c");
  });

  const emptyRows = 1_000_000;
  const empties: [string, string, string, object][] = [
    ["a.jsonl", row(1), "\n", { line: 2 }],
    ["a.csv", "question,answer\nq,a\n", ",\n", { line: 3, row: 2 }],
    ["blank.csv", "question,answer\nq,a\n", "\n", { line: 3, row: 2 }],
  ];
  for (const [name, head, empty, place] of empties)
    test(`a million empty rows: ${name}`, async () => {
      function* pieces() {
        yield head;
        for (let at = 0; at < 100; at++) yield empty.repeat(emptyRows / 100);
      }
      const found = await collect(convert(streamOf(name, pieces())));
      assert.deepEqual(found.map(told), ["ok", ["empty-row", place]]);
      assert.equal((found[1] as { refused: { rows: number } }).refused.rows, emptyRows);
    });
});

describe("more than is held", () => {
  function* longLine(open: string, close: string) {
    yield row(1);
    yield open;
    for (let at = 0; at < 100; at++) yield "x".repeat(2 ** 20);
    yield close;
    yield row(3);
  }

  test("a line of 100 MB is refused by its place, and the next one is read", async () => {
    const found = await collect(convert(streamOf("a.jsonl", longLine('{"question":"', '"}\n'))));
    assert.deepEqual(found.map(told), ["ok", ["too-long", { line: 2 }], "ok"]);
    assert.match(
      (found[1] as { refused: { message: string } }).refused.message,
      /104857\d+ bytes; at most 1 MiB/,
    );
  });

  test("so is a row of JSON, and a line of text", async () => {
    const found = await collect(
      convert(streamOf("a.json", ["[", ...[...longLine(',{"question":"', '"},')]].values()), {
        format: "json",
      }),
    );
    assert.deepEqual(found.slice(0, 3).map(told), ["ok", ["too-long", { line: 2, row: 2 }], "ok"]);
    const text = await collect(convert(streamOf("a.txt", longLine("", "\n"))));
    assert.deepEqual(text.map(told), [["too-long", { line: 2, offset: row(1).length }], "ok"]);
  });

  test("behind a cell of 100 MB nothing of a CSV is read, which is said", async () => {
    const pieces = [
      "question,answer\nq,a\n",
      'q,"',
      ...Array.from({ length: 100 }, () => "x".repeat(2 ** 20)),
    ];
    const found = await collect(convert(streamOf("a.csv", pieces)));
    assert.deepEqual(found.map(told), ["ok", ["too-long", { line: 3 }]]);
  });

  test("an example that fits into no contribution", async () => {
    const found = await rowsOf("a.jsonl", `{"question":"q","answer":"${"x".repeat(300_000)}"}\n`);
    assert.deepEqual(found.map(told), only("too-long", { line: 1 }));
  });

  test("a document that is read whole has a limit", async () => {
    const limits = { ...formatLimits, heldBytesMax: 1_000 };
    for (const [name, content] of [
      ["a.pdf", pdf([["x".repeat(900)]])],
      ["a.parquet", good],
    ] as const) {
      const found = await collect(
        convert(fileOf(name, content), {}, name === "a.pdf" ? limits : { ...limits, heldBytesMax: 100 }),
      );
      assert.deepEqual(found.map(told), only("too-large"));
    }
  });

  test("a thread that does not get on is ended by name", async () => {
    const found = await collect(
      convert(fileOf("a.pdf", pdf([["x"]])), {}, { ...formatLimits, stepMsMax: 1 }),
    );
    assert.deepEqual(found.map(told), only("too-slow"));
  });

  test("a row group that says it unpacks to more than is held", async () => {
    const found = await collect(
      convert(fileOf("a.parquet", good), {}, { ...formatLimits, rowGroupBytesMax: 10 }),
    );
    assert.deepEqual(found.map(told), only("too-large", { row: 1 }));
  });

  test("a Parquet file of 635 bytes that becomes a million rows is given up by name, and the process lives", async () => {
    const rows = 1_000_000;
    const bomb = parquet({ question: Array(rows).fill("a"), answer: Array(rows).fill("a") }, rows);
    assert.ok(bomb.length < 1_000, `${bomb.length} bytes`);
    for (const less of [{ memoryMiBMax: 64 }, { threadMiBMax: 32 }]) {
      const found = await collect(convert(fileOf("a.parquet", bomb), {}, { ...formatLimits, ...less }));
      // A batch may have come before the thread was measured; nothing comes after.
      const read = found.slice(0, -1).map(told);
      assert.equal(told(found.at(-1)!)[0], "too-large", JSON.stringify(less));
      assert.ok(read.length < rows && read.every((each) => each === "ok"), `${read.length} rows`);
    }
  });

  test("300 MB of JSON Lines pass in bounded memory", async () => {
    const block = Array.from(
      { length: 1_000 },
      (_, n) => `{"question":"q${n}","answer":"${"word ".repeat(400)}"}\n`,
    ).join("");
    const blocks = Math.ceil(300e6 / block.length);
    const input = streamOf(
      "a.jsonl",
      (function* () {
        for (let at = 0; at < blocks; at++) yield block;
      })(),
    );
    let count = 0;
    let peak = 0;
    for await (const found of convert(input)) {
      assert.ok("example" in found);
      if (++count % 10_000 === 0) peak = Math.max(peak, heldBytes());
    }
    assert.equal(count, blocks * 1_000);
    assert.ok(peak < 192 * 2 ** 20, `${(peak / 2 ** 20).toFixed(0)} MiB are held`);
  });
});

test("headings of megabytes are no headings: they do not stand before each of thousands of texts", async () => {
  const headings = [1, 2, 3, 4, 5, 6].map((level) => `${"#".repeat(level)} ${"h".repeat(900_000)}\n\n`);
  const text = `${headings.join("")}${"w ".repeat(32_000)}\n`;
  const chunks = (async function* () {
    yield Buffer.from(text);
  })();
  let characters = 0;
  for await (const row of convert({ name: "a.md", chunks }, { characters: 100 }))
    characters += JSON.stringify(row).length;
  assert.ok(characters < 6 * text.length, `${characters} characters were made of ${text.length}`);
});
