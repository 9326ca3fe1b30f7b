import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { exampleDigest, textDigest } from "../protocol/index.ts";
import { DatanetError } from "./errors.ts";
import { readJson } from "./json.ts";
import { readUpload } from "./upload.ts";

async function* chunked(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

const read = (text: string | Uint8Array, size = 7, limits?: Parameters<typeof readUpload>[1]) =>
  readUpload(chunked(typeof text === "string" ? new TextEncoder().encode(text) : text, size), limits);

const good = '{"prompt":"a","completion":"b"}';

describe("uploads that are read", () => {
  const accepted: [string, string, number[]][] = [
    ["one line without a newline", good, [1]],
    ["a byte order mark", `\uFEFF${good}\n`, [1]],
    ["CRLF line ends", `${good}\r\n${good}\r\n`, [1, 2]],
    ["blank lines, which keep their number", `\n  \n${good}\n\n${good}\n\t\n`, [3, 5]],
    ["spaces around tokens and other key order", ' { "completion" : "b" , "prompt" : "a" } ', [1]],
    [
      "a conversation",
      '{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}]}',
      [1],
    ],
    ["escapes and text beyond the first plane", '{"prompt":"\\u00e9\\n\\"\u{1F600}","completion":"é"}', [1]],
  ];
  for (const [name, text, lines] of accepted) {
    test(name, async () => {
      const rows = await read(text);
      assert.deepEqual(
        rows.map(({ line }) => line),
        lines,
      );
      for (const row of rows) {
        assert.equal(row.digest, exampleDigest(row.example));
        assert.equal(row.digest, textDigest(row.json));
      }
    });
  }

  test("a source stands beside the example and changes nothing of its identity", async () => {
    const source = { file: "report.pdf", page: 3 };
    const [plain, sourced, bare] = await read(
      [good, JSON.stringify({ source, example: JSON.parse(good) }), `{"example":${good}}`].join("\n"),
    );
    assert.deepEqual(sourced, { ...plain, line: 2, source });
    assert.deepEqual(bare, { ...plain, line: 3 });
  });

  test("key order and spaces do not change the digest", async () => {
    const rows = await read(`${good}\n{ "completion":"b",  "prompt":"\\u0061"}`);
    assert.equal(rows[0]!.digest, rows[1]!.digest);
  });

  test("how the bytes arrive does not matter", async () => {
    const text = fc.string({ unit: "grapheme", minLength: 1 }).filter((value) => value.trim() !== "");
    const example = fc.record({ prompt: fc.string({ unit: "grapheme" }), completion: text });
    await fc.assert(
      fc.asyncProperty(
        fc.array(example, { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 1, max: 40 }),
        async (examples, size) => {
          const rows = await read(examples.map((value) => JSON.stringify(value)).join("\n"), size);
          assert.deepEqual(
            rows.map((row) => row.example as unknown),
            examples.map((value) => ({ ...value })),
          );
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe("uploads that are refused, with their place", () => {
  const refused: [string, string | Uint8Array, number, number, RegExp][] = [
    ["a missing quote", `${good}\n{"prompt":"a","completion":b}`, 2, 28, /expected a value, found "b"/],
    ["a trailing comma", '{"prompt":"a","completion":"b",}', 1, 32, /expected a key in quotes/],
    ["a missing colon", '{"prompt" "a"}', 1, 11, /expected ":"/],
    ["a line cut short", '{"prompt":"a","compl', 1, 21, /closing quote/],
    ["an object cut short", '{"prompt":"a"', 1, 14, /the line ends/],
    ["two objects on a line", `${good} ${good}`, 1, 33, /expected the end of the line/],
    ["a whole array instead of lines", `[${good}]`, 1, 1, /expected an object/],
    ["a control character", '{"prompt":"a\tb","completion":"c"}', 1, 13, /control character/],
    ["a bad escape", '{"prompt":"\\x41","completion":"c"}', 1, 12, /escape/],
    ["a number with a leading zero", '{"prompt":01,"completion":"c"}', 1, 11, /expected a value/],
    ["NaN", '{"prompt":NaN}', 1, 11, /expected a value/],
    ["single quotes", "{'prompt':'a'}", 1, 2, /key in quotes/],
    ["a byte order mark later on", `${good}\n\uFEFF${good}`, 2, 1, /expected a value/],
    ["a repeated key", '{"prompt":"a","prompt":"b","completion":"c"}', 1, 15, /"prompt" occurs twice/],
    ["nesting without end", `{"prompt":${"[".repeat(40)}`, 1, 42, /nested more than 32 deep/],
    [
      "an example that is none, within its source",
      '{"source":{"file":"a"},"example":{"prompt":"a","completion":5}}',
      1,
      61,
      /completion: .*expected string/i,
    ],
    ["a source without a file", `{"example":${good},"source":{"line":1}}`, 1, 53, /source\.file/],
    ["a line 0", `{"example":${good},"source":{"file":"a","line":0}}`, 1, 72, /source\.line/],
    ["something beside the example", `{"example":${good},"note":1}`, 1, 1, /beside the example: .*note/],
    ["neither shape", '{"text":"a"}', 1, 1, /expected an object with "messages"/],
    ["a number as text", '{"prompt":"a","completion":5}', 1, 28, /completion: .*expected string/i],
    ["a missing completion", '{"prompt":"a"}', 1, 1, /completion: /],
    ["an extra key", '{"prompt":"a","completion":"b","note":"c"}', 1, 1, /note/],
    ["an unknown role", '{"messages":[{"role":"bot","content":"a"}]}', 1, 22, /messages\.0\.role: /],
    ["no messages", '{"messages":[]}', 1, 13, /messages: /],
    ["messages that are text", '{"messages":"hello"}', 1, 13, /messages: /],
    ["nothing to learn: blank completion", '{"prompt":"a","completion":" "}', 1, 28, /completion is blank/],
    [
      "nothing to learn: the user speaks last",
      '{"messages":[{"role":"user","content":"a"}]}',
      1,
      14,
      /assistant/,
    ],
    ["a lone surrogate", '{"prompt":"\\ud800","completion":"c"}', 1, 1, /surrogate/],
    [
      "invalid UTF-8",
      Buffer.concat([Buffer.from('{"prompt":"é'), Buffer.from([0xff]), Buffer.from('"}')]),
      1,
      13,
      /not UTF-8/,
    ],
    [
      "UTF-8 cut short",
      Buffer.concat([Buffer.from(`${good}\n"`), Buffer.from([0xe2, 0x82])]),
      2,
      2,
      /not UTF-8/,
    ],
    ["UTF-16", Buffer.from(`\uFEFF${good}`, "utf16le"), 1, 1, /not UTF-8/],
  ];
  for (const [name, text, line, column, message] of refused) {
    test(name, async () => {
      await assert.rejects(read(text), (error) => {
        assert.ok(error instanceof DatanetError, String(error));
        assert.equal(error.code, "malformed-upload");
        assert.match(error.message, message);
        assert.deepEqual(error.details, { line, column }, error.message);
        assert.match(error.message, new RegExp(`^Line ${line}, column ${column}: .*Nothing .* stored\\.$`));
        return true;
      });
    });
  }

  test("nothing at all", async () => {
    for (const text of ["", "\n\n", "\uFEFF"]) {
      await assert.rejects(read(text), (error) => (error as DatanetError).code === "empty-upload");
    }
  });

  const limits = { lineBytesMax: 40, rowsMax: 3, totalBytesMax: 200 };
  const tooLarge: [string, string, number][] = [
    ["a line that is too long", `${good}\n${good.padEnd(41)}\n`, 2],
    ["a line that never ends is refused before it is read whole", "x".repeat(100), 1],
    ["too many rows", `${good}\n`.repeat(4), 4],
    ["too many bytes", "\n".repeat(201), 197],
  ];
  for (const [name, text, line] of tooLarge) {
    test(name, async () => {
      await assert.rejects(read(text, 7, limits), (error) => {
        assert.ok(error instanceof DatanetError);
        assert.deepEqual([error.code, error.details.line], ["too-large", line], error.message);
        return true;
      });
    });
  }
  test("at the limits is allowed", async () => {
    assert.equal((await read(`${good.padEnd(40)}\n`.repeat(3), 7, limits)).length, 3);
  });
});

test("the strict reader accepts exactly what JSON.parse accepts, but for repeated keys and depth", () => {
  const mutated = fc
    .tuple(
      fc.json({ maxDepth: 4 }),
      fc.array(fc.tuple(fc.nat(), fc.constantFrom(...'{}[]",:01e-.\\ tnu\u0001')), { maxLength: 2 }),
    )
    .map(([text, edits]) => {
      let result = text;
      for (const [at, character] of edits) {
        const place = at % (result.length + 1);
        result = result.slice(0, place) + character + result.slice(place + (at % 2));
      }
      return result;
    });
  fc.assert(
    fc.property(mutated, (text) => {
      let expected: unknown;
      let valid = true;
      try {
        expected = JSON.parse(text);
      } catch {
        valid = false;
      }
      const result = readJson(text);
      if ("fault" in result) {
        assert.ok(
          !valid || /occurs twice|nested/.test(result.fault.message),
          `${text}: ${result.fault.message}`,
        );
        assert.ok(result.fault.column >= 1 && result.fault.column <= text.length + 1);
      } else {
        assert.ok(valid, text);
        assert.deepEqual(result.value, expected);
      }
    }),
    { numRuns: 1000 },
  );
});

test("blank lines are no rows, and not without end", async () => {
  const chunks = (async function* () {
    yield new TextEncoder().encode("\n".repeat(5_000));
  })();
  await assert.rejects(
    readUpload(chunks, { lineBytesMax: 100, rowsMax: 10, totalBytesMax: 100_000 }),
    /most of them blank/,
  );
});

test("a row that is no example is named by its column in the time its length takes, whatever it holds", async () => {
  let value = `[${Array.from({ length: 30_000 }, () => 1).join(",")}]`;
  for (let depth = 0; depth < 28; depth++) value = `{"${"k".repeat(2_000)}":${value}}`;
  const chunks = (async function* () {
    yield new TextEncoder().encode(`{"prompt":"a","completion":"b","more":${value}}`);
  })();
  const beganMs = performance.now();
  await assert.rejects(readUpload(chunks), { code: "malformed-upload" });
  assert.ok(
    performance.now() - beganMs < 5_000,
    "it would be hours and gigabytes, were each value's path kept",
  );
});
