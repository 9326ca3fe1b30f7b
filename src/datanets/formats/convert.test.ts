import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { type ConvertOptions, convert, openConversion } from "./convert.ts";
import { chatParquet, collect, docx, fileOf, parquet, pdf } from "./fixtures/files.ts";
import type { ConvertedRow } from "./source.ts";

const rowsOf = (name: string, content: string | Uint8Array, options?: ConvertOptions, size?: number) =>
  collect(convert(fileOf(name, content, size), options));

const example = (row: ConvertedRow | undefined) => {
  assert.ok(row !== undefined && "example" in row, JSON.stringify(row));
  return row.example;
};
const chat = (user: string, assistant: string, system?: string) => ({
  messages: [
    ...(system === undefined ? [] : [{ role: "system", content: system }]),
    { role: "user", content: user },
    { role: "assistant", content: assistant },
  ],
});
const lines = (...rows: unknown[]) => rows.map((row) => JSON.stringify(row)).join("\n");

describe("shapes", () => {
  const shapes: [name: string, row: unknown, becomes: unknown][] = [
    [
      "an example",
      { prompt: "The sky is", completion: " blue." },
      { prompt: "The sky is", completion: " blue." },
    ],
    ["chat messages", chat("q", "a", "s"), chat("q", "a", "s")],
    ["chat messages beside other columns", { id: 7, ...chat("q", "a") }, chat("q", "a")],
    [
      "ShareGPT",
      {
        conversations: [
          { from: "human", value: "q" },
          { from: "gpt", value: "a" },
        ],
        system: "s",
      },
      chat("q", "a", "s"),
    ],
    [
      "parts of text",
      {
        messages: [
          { role: "user", content: [{ type: "text", text: "q" }] },
          { role: "model", content: "a" },
        ],
        id: 1,
      },
      chat("q", "a"),
    ],
    [
      "alpaca",
      { instruction: "Add.", input: "1 + 1", output: "2", text: "Add. 1 + 1 2" },
      chat("Add.\n1 + 1", "2"),
    ],
    ["alpaca without input", { instruction: "Hi.", input: "", output: "Ho." }, chat("Hi.", "Ho.")],
    [
      "alpaca with history",
      { instruction: "c", input: "", output: "d", history: [["a", "b"]] },
      { messages: [...chat("a", "b").messages, ...chat("c", "d").messages] },
    ],
    ["question and answer", { question: "q", answer: "a" }, chat("q", "a")],
    [
      "question with context",
      { QUESTION: "q", CONTEXTS: ["c", "d"], LONG_ANSWER: "a" },
      chat("c\nd\n\nq", "a"),
    ],
    ["input and output", { input: "q", output: 42 }, chat("q", "42")],
    ["a prompt and a response", { prompt: "q", response: "a" }, chat("q", "a")],
    ["text", { text: "All of it." }, { prompt: "", completion: "All of it." }],
  ];
  for (const [name, row, becomes] of shapes)
    test(name, async () => {
      const [found, ...more] = await rowsOf("a.jsonl", lines(row));
      assert.deepEqual(example(found), becomes);
      assert.deepEqual(found?.source, { file: "a.jsonl", line: 1 });
      assert.deepEqual(more, []);
    });

  test("an example keeps the source that stands beside it", async () => {
    const source = { file: "report.pdf", page: 3 };
    const [found] = await rowsOf("a.jsonl", lines({ example: chat("q", "a"), source }));
    assert.deepEqual(found, { source, example: chat("q", "a") });
  });

  test("rows that do not fit are refused one by one, each with its reason", async () => {
    const found = await rowsOf(
      "a.jsonl",
      [
        lines(
          { question: "q", answer: "a" },
          { question: "q" },
          { question: "", answer: "a" },
          { question: "q", answer: " " },
        ),
        lines({ question: { deep: 1 }, answer: "a" }, ["q", "a"]),
        '{"question":"q","question":"r","answer":"a"}',
        '{"question":',
      ].join("\n"),
    );
    const reasons = found.map((row) =>
      "refused" in row ? [row.source.line, row.refused.code, row.refused.message] : 0,
    );
    assert.deepEqual(reasons, [
      0,
      [2, "not-an-example", "The row has no column answer. Its columns: question."],
      [3, "not-an-example", "Column question is blank: there is no question."],
      [
        4,
        "not-an-example",
        "the last message must be the assistant's and must not be blank: it is what a model learns from.",
      ],
      [5, "not-an-example", "Column question holds no text, but a list or an object."],
      [6, "not-an-object", "The row is a list; expected an object with columns."],
      [7, "broken-json", 'Character 17 of the row: the key "question" occurs twice.'],
      [8, "broken-json", "Character 13 of the row: expected a value, the line ends."],
    ]);
  });

  test("columns that fit nothing are named, with how to map them", async () => {
    const [found, ...more] = await rowsOf("a.csv", "Frage,Antwort\nWer?,Ich.\n");
    assert.ok(found && "refused" in found);
    assert.equal(found.refused.code, "unknown-columns");
    assert.match(
      found.refused.message,
      /The file has: Frage, Antwort\..*prompt=Frage and completion=Antwort/,
    );
    assert.deepEqual(found.refused.columns, ["Frage", "Antwort"]);
    assert.deepEqual(more, []);
  });
});

describe("mapping", () => {
  const text = "Frage,Antwort,Stil\nWer?,Ich.,kurz\n";
  test("columns", async () => {
    const [chatted] = await rowsOf("a.csv", text, {
      mapping: { prompt: "Frage", completion: "Antwort", system: "Stil" },
    });
    assert.deepEqual(example(chatted), chat("Wer?", "Ich.", "kurz"));
    const [completed] = await rowsOf("a.csv", text, {
      mapping: { prompt: "Frage", completion: "Antwort" },
      as: "completion",
    });
    assert.deepEqual(example(completed), { prompt: "Wer?", completion: "Ich." });
    const [raw] = await rowsOf("a.csv", text, { mapping: { completion: "Antwort" } });
    assert.deepEqual(example(raw), { prompt: "", completion: "Ich." });
  });
  test("templates", async () => {
    const mapping = { prompt: "Answer {Stil}: {Frage}", completion: "Antwort" };
    const [found] = await rowsOf("a.csv", text, { mapping });
    assert.deepEqual(example(found), chat("Answer kurz: Wer?", "Ich."));
  });
  test("a template does not fill in what a cell holds", async () => {
    const [found] = await rowsOf("a.csv", "a,b\n{b},c\n", { mapping: { prompt: "{a}", completion: "b" } });
    assert.deepEqual(example(found), chat("{b}", "c"));
  });
  test("a column that is not there", async () => {
    const [found] = await rowsOf("a.csv", text, { mapping: { prompt: "Question", completion: "Antwort" } });
    assert.ok(found && "refused" in found);
    assert.match(found.refused.message, /names "Question", .*Its columns: Frage, Antwort, Stil\./);
  });
});

describe("formats", () => {
  const table = [
    { question: "Who?", answer: 'I, "myself"' },
    { question: "Where?\nHere?", answer: "There; é" },
  ];
  const expected = table.map(({ question, answer }) => chat(question, answer));
  const cell = (text: string) => `"${text.replaceAll('"', '""')}"`;
  const csv = (mark: string) =>
    ["question", ...table.flatMap(({ question }) => [question])]
      .map((_, at) =>
        at === 0
          ? `question${mark}answer`
          : `${cell(table[at - 1]!.question)}${mark}${cell(table[at - 1]!.answer)}`,
      )
      .join("\r\n");
  const files: [name: string, content: string | Uint8Array, format: string, places: object[]][] = [
    ["a.jsonl", lines(...table), "jsonl", [{ line: 1 }, { line: 2 }]],
    [
      "a.json",
      JSON.stringify(table, null, 2),
      "json",
      [
        { line: 2, row: 1 },
        { line: 6, row: 2 },
      ],
    ],
    [
      "one.json",
      JSON.stringify(table),
      "json",
      [
        { line: 1, row: 1 },
        { line: 1, row: 2 },
      ],
    ],
    [
      "in.json",
      JSON.stringify({ version: 1, tags: ["x"], data: table }),
      "json",
      [
        { line: 1, row: 1 },
        { line: 1, row: 2 },
      ],
    ],
    [
      "by-name.json",
      JSON.stringify({ a: table[0], b: table[1] }),
      "json",
      [
        { line: 1, row: 1 },
        { line: 1, row: 2 },
      ],
    ],
    [
      "spread.jsonl",
      table.map((row) => JSON.stringify(row, null, 1)).join("\n"),
      "json",
      [
        { line: 1, row: 1 },
        { line: 5, row: 2 },
      ],
    ],
    [
      "a.csv",
      csv(","),
      "csv",
      [
        { line: 2, row: 1 },
        { line: 3, row: 2 },
      ],
    ],
    [
      "semicolons.csv",
      csv(";"),
      "csv",
      [
        { line: 2, row: 1 },
        { line: 3, row: 2 },
      ],
    ],
    [
      "a.tsv",
      csv("\t"),
      "tsv",
      [
        { line: 2, row: 1 },
        { line: 3, row: 2 },
      ],
    ],
    [
      "a.parquet",
      parquet(
        { question: table.map(({ question }) => question), answer: table.map(({ answer }) => answer) },
        1,
      ),
      "parquet",
      [{ row: 1 }, { row: 2 }],
    ],
  ];
  for (const [name, content, format, places] of files)
    test(name, async () => {
      const { shape, batches } = await openConversion(fileOf(name, content, 11));
      const found = (await collect(batches)).flat();
      assert.equal(shape?.format, format);
      assert.deepEqual(found.map(example), expected);
      assert.deepEqual(
        found.map(({ source }) => source),
        places.map((place) => ({ file: name, ...place })),
      );
    });

  test("one object that is a row", async () => {
    const [found, ...more] = await rowsOf("a.json", JSON.stringify({ id: 1, ...chat("q", "a") }, null, 2));
    assert.deepEqual([example(found), more], [chat("q", "a"), []]);
  });

  test("turns in a column of Parquet", async () => {
    const conversation = [
      { from: "human", value: "q" },
      { from: "gpt", value: "a" },
    ];
    const [found] = await rowsOf("a.parquet", chatParquet([conversation]));
    assert.deepEqual(example(found), chat("q", "a"));
  });

  test("turns in a cell of CSV, as JSON", async () => {
    const cellOfTurns = cell(JSON.stringify(chat("q", "a").messages));
    const [found] = await rowsOf("a.csv", `id,messages\n1,${cellOfTurns}\n`);
    assert.deepEqual(example(found), chat("q", "a"));
  });

  test("a PDF, by page", async () => {
    const found = await rowsOf(
      "a.pdf",
      pdf([["Bread needs flour,", "water and hyphen-", "ated words."], [], ["Page three."]]),
    );
    assert.deepEqual(found[0], {
      source: { file: "a.pdf", page: 2 },
      refused: {
        code: "no-text",
        message: "Page 2 holds no text. A scanned page needs text recognition first.",
      },
    });
    assert.deepEqual(found[1], {
      source: { file: "a.pdf", page: 1 },
      example: { prompt: "", completion: "Bread needs flour, water and hyphenated words.\n\nPage three." },
    });
  });

  test("a Word document, by heading", async () => {
    const found = await rowsOf(
      "a.docx",
      docx([["Heading1", "Bread"], "Flour &amp; water.", ["Heading2", "Rye"], "It is dark."], {
        "word/media/a.png": new Uint8Array(9),
      }),
    );
    assert.deepEqual(found, [
      { source: { file: "a.docx", row: 2 }, example: { prompt: "Bread\n\n", completion: "Flour & water." } },
      {
        source: { file: "a.docx", row: 4 },
        example: { prompt: "Bread\nRye\n\n", completion: "It is dark." },
      },
    ]);
  });

  test("Markdown, by heading, with where it stands", async () => {
    const text = "# Bread\n\nFlour.\n\n```\n# no heading\n```\n\nRye\n---\nDark.\n\n## Nothing\n";
    const found = await rowsOf("a.md", `\uFEFF${text}`);
    assert.deepEqual(found, [
      {
        source: { file: "a.md", line: 3, offset: 3 + text.indexOf("Flour") },
        example: { prompt: "Bread\n\n", completion: "Flour.\n\n```\n# no heading\n```" },
      },
      {
        source: { file: "a.md", line: 11, offset: 3 + text.indexOf("Dark") },
        example: { prompt: "Bread\nRye\n\n", completion: "Dark." },
      },
      {
        source: { file: "a.md", line: 13, offset: 3 + text.indexOf("## Nothing") },
        refused: { code: "no-text", message: 'The heading "Nothing" has no text below it.' },
      },
    ]);
  });

  test("how the bytes arrive does not matter", async () => {
    // U+FFFD is what lost text becomes: tables that hold it are refused row by row.
    const text = fc
      .string({ unit: "grapheme", minLength: 1, maxLength: 12 })
      .filter((value) => value.trim() !== "" && !value.includes("\uFFFD"));
    const row = fc.record({ question: text, answer: text });
    await fc.assert(
      fc.asyncProperty(
        fc.array(row, { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 1, max: 30 }),
        fc.constantFrom("jsonl", "json", "csv", "utf-16"),
        async (rows, size, kind) => {
          const as = {
            jsonl: () => lines(...rows),
            json: () => JSON.stringify({ data: rows }),
            csv: () =>
              [
                "question,answer",
                ...rows.map(({ question, answer }) => `${cell(question)},${cell(answer)}`),
              ].join("\n"),
            "utf-16": () => Buffer.from(`\uFEFF${lines(...rows)}`, "utf16le"),
          };
          const name = kind === "utf-16" ? "a.jsonl" : `a.${kind}`;
          const found = await rowsOf(name, as[kind as keyof typeof as](), {}, size);
          assert.deepEqual(
            found.map(example),
            rows.map(({ question, answer }) => chat(question, answer)),
          );
        },
      ),
      { numRuns: 60 },
    );
  });
});
