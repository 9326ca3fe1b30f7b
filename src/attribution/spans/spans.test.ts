import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import fc from "fast-check";
import {
  buildSpanIndex,
  findSpansSlowly,
  openSpanIndex,
  type SpanDocument,
  SpanIndexError,
  type SpanSource,
} from "./index.ts";
import { wordsOf } from "./reference.ts";
import { suffixArray } from "./suffix-array.ts";

const folder = mkdtempSync(join(tmpdir(), "openledger-spans-"));
after(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;
const fresh = () => join(folder, `${files++}.spans`);

const sources: SpanSource[] = [
  { datanetId: "1", version: 1, license: "CC0-1.0" },
  { datanetId: "7", version: 2, license: "CC-BY-4.0" },
];
const people = ["a", "b", "c"].map((digit) => `0x${digit.repeat(40)}`);
const documentsOf = (texts: readonly (readonly string[])[]): SpanDocument[] =>
  texts.map((each, row) => ({
    texts: each,
    source: row % 2,
    row,
    contributor: people[(row * 7) % 3] as string,
  }));

async function openOf(documents: readonly SpanDocument[], options = {}) {
  const path = fresh();
  const report = await buildSpanIndex(documents, sources, path, options);
  return { path, report, index: openSpanIndex(path) };
}

const all = { limit: 10_000, bitsMin: 0 };

describe("suffix array", () => {
  test("is the order of the suffixes, on random and on repetitive text", () => {
    const slow = (s: readonly number[]) =>
      s
        .map((_, i) => i)
        .sort((a, b) => {
          for (let i = 0; ; i++) {
            if (a + i === s.length || b + i === s.length) return b - a;
            if (s[a + i] !== s[b + i]) return (s[a + i] as number) - (s[b + i] as number);
          }
        });
    const symbols = (max: number) => fc.array(fc.nat(max), { maxLength: 120 });
    const repeated = fc
      .tuple(symbols(2), fc.integer({ min: 1, max: 20 }))
      .map(([s, times]) => Array.from({ length: times }, () => s).flat());
    fc.assert(
      fc.property(fc.oneof(symbols(1), symbols(3), symbols(50), repeated), (s) => {
        assert.deepEqual([...suffixArray(Int32Array.from(s), 51)], slow(s));
      }),
      { numRuns: 400 },
    );
  });
});

/** Few pieces, so that runs repeat; every kind of script, gap, mark and control character among them. */
const piece = fc.constantFrom(
  ..."the|mill|miller|Mühle|e\u0301te\u0301|a|aa| |  |\n| \n|\t|\u3000|.|,|\u0000|\u0007|\u200d|谷|水車小屋|ภาษาไทย|👩‍🌾|👍🏽|🇩🇪|🇩🇪🇫🇷|हिन्दी|عَرَبِيّ|\ud800|\udc00|\ufffd|'s|1,000".split(
    "|",
  ),
  " ".repeat(70),
  "a".repeat(70),
);
const words = (maxLength: number) =>
  fc
    .array(fc.tuple(piece, fc.constantFrom("", " ", " ")), { maxLength })
    .map((pairs) => pairs.flat().join(""));
const random = fc.string({ unit: "grapheme", maxLength: 12 });
const texts = fc.array(fc.array(fc.oneof(words(12), random), { maxLength: 3 }), { maxLength: 10 });

describe("spans", () => {
  test("are those of the slow search, whatever the parts and the pages", async () => {
    await fc.assert(
      fc.asyncProperty(
        texts,
        fc.oneof(words(25), random),
        fc.integer({ min: 1, max: 3 }),
        async (given, ask, parts) => {
          const documents = documentsOf(given);
          const answer = ask + (given[0]?.[0] ?? "");
          const size = Math.max(128, ...given.flat().map(({ length }) => length)) * parts;
          const { index } = await openOf(documents, { partWords: size, partBytes: 5 * size, memoryBytes: 1 });
          const found = index.find(answer, all);
          index.close();
          assert.deepEqual(found, findSpansSlowly(documents, sources, answer, all));
        },
      ),
      { numRuns: 150 },
    );
  });

  test("stand word for word in the answer and in the documents, and can be extended on neither side", async () => {
    await fc.assert(
      fc.asyncProperty(texts, words(25), async (given, answer) => {
        const documents = documentsOf(given);
        const { index } = await openOf(documents);
        const { spans } = index.find(answer, all);
        index.close();
        const formed = answer.toWellFormed();
        const asked = wordsOf(answer);
        const occurs = (text: string) => {
          const wanted = wordsOf(text).map((word) => word.text);
          return documents.some((document) =>
            document.texts.some((each) => {
              const at = each.toWellFormed();
              const has = wordsOf(each).map((word) => word.text);
              return at.includes(text) && has.some((_, i) => wanted.every((word, k) => has[i + k] === word));
            }),
          );
        };
        for (const { text, at, documents: holders } of spans) {
          assert.ok(occurs(text), JSON.stringify(text));
          assert.ok(holders.count > 0);
          for (const { start, end } of at) {
            assert.equal(formed.slice(start, end), text);
            const first = asked.findIndex((word) => word.start === start);
            const last = asked.findIndex((word) => word.end === end);
            assert.ok(first >= 0 && last >= first, "a span begins and ends with a word");
            assert.ok(
              !spans.some((other) =>
                other.at.some((o) => o.start <= start && o.end >= end && (o.start < start || o.end > end)),
              ),
              "no span lies inside of another",
            );
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  test("never split a character as people see it", async () => {
    const text = "e\u0301te\u0301 👩‍🌾👍🏽🇩🇪🇫🇷 हिन्दी ภาษาไทยกำ 한국어 日本が́ עִבְרִית عَرَبِيّ नमस्ते";
    const { index } = await openOf(
      documentsOf([[text.slice(0, 9)], [text.slice(5, 30)], [text], [[...text].reverse().join("")]]),
    );
    const whole = new Intl.Segmenter("und", { granularity: "grapheme" });
    for (const answer of [text, [...text].reverse().join(""), `${text.slice(3)} x ${text.slice(0, 20)}`]) {
      const edges = new Set([answer.length, ...Array.from(whole.segment(answer), ({ index: at }) => at)]);
      const { spans } = index.find(answer, all);
      assert.ok(spans.length > 0);
      for (const { at } of spans)
        for (const { start, end } of at)
          assert.ok(edges.has(start) && edges.has(end), answer.slice(start, end));
    }
    index.close();
  });

  test("name documents and contributors, the earliest first, with the licence", async () => {
    const { index } = await openOf(
      documentsOf([
        ["nothing here"],
        ["the old mill by the weir"],
        [""],
        ["x", "at the old mill by the weir today"],
        ["the old mill"],
      ]),
    );
    const [span, ...others] = index.find("Go to the old mill by the weir, he said.", { bitsMin: 4 }).spans;
    assert.equal(span?.text, "the old mill by the weir");
    assert.deepEqual(span.at, [{ start: 6, end: 30 }]);
    assert.equal(span.occurrences, 2);
    assert.deepEqual(span.documents, {
      count: 2,
      first: [
        { source: sources[1], row: 1, contributor: people[1] },
        { source: sources[1], row: 3, contributor: people[0] },
      ],
    });
    assert.deepEqual(span.contributors, { count: 2, first: [people[1], people[0]] });
    assert.deepEqual(others, []);
    index.close();
  });

  test("do not cross from one text or document into the next, nor from one message into another", async () => {
    const { index } = await openOf(documentsOf([["the old", "mill stands"], ["mill stands"]]));
    const found = index.find("the old mill stands", all).spans.map(({ text }) => text);
    assert.deepEqual(found.sort(), ["mill stands", "the old"]);
    index.close();
  });

  test("of an empty answer, of an empty index and of one word", async () => {
    const { index } = await openOf(documentsOf([["Korvane keeps the sluice"], [], [""]]));
    assert.deepEqual(index.find("").spans, []);
    assert.deepEqual(index.find(" \n ").spans, []);
    assert.deepEqual(index.find("unheard").spans, []);
    assert.equal(index.find("Korvane", all).spans[0]?.text, "Korvane");
    assert.deepEqual(index.find("Korvan", all).spans, [], "a word is matched whole");
    index.close();
    const { index: none, report } = await openOf([]);
    assert.deepEqual(none.find("anything").spans, []);
    assert.equal(report.words, 0);
    none.close();
  });

  test("very repetitive text and a huge answer take bounded time", async () => {
    const run = "a ".repeat(100_000);
    const documents = documentsOf([[run], [run], ["aaaa".repeat(50_000)], ["a".repeat(200_000)]]);
    const began = performance.now();
    const { index, report } = await openOf(documents, { partWords: 200_000, partBytes: 1_000_000 });
    assert.ok(report.parts > 1);
    const { spans, searched } = index.find("a ".repeat(1_000_000), all);
    assert.ok(searched < 70_000);
    assert.equal(spans.length, 1);
    assert.ok((spans[0]?.words as number) > 32_000);
    const expected = 2 * (100_000 - (spans[0]?.words as number) + 1);
    assert.equal(spans[0]?.occurrences, expected);
    index.close();
    assert.ok(performance.now() - began < 10_000, `took ${performance.now() - began} ms`);
  });
});

describe("the file", () => {
  test("is the same for the same documents", async () => {
    const documents = documentsOf([["the old mill"], ["by the weir"]]);
    const [one, two] = [await openOf(documents), await openOf(documents)];
    assert.deepEqual(readFileSync(one.path), readFileSync(two.path));
    one.index.close();
    two.index.close();
  });

  test("cut short anywhere, or with any bit changed, is refused, and the message says what to do", async () => {
    const { path, index } = await openOf(documentsOf([["the old mill"], ["by the weir"]]));
    index.close();
    const bytes = readFileSync(path);
    const refused = (changed: Uint8Array) => {
      const bad = fresh();
      writeFileSync(bad, changed);
      assert.throws(
        () => openSpanIndex(bad),
        (error) => error instanceof SpanIndexError && /Build it again/.test(error.message),
      );
    };
    for (let length = 0; length < bytes.length; length++) refused(bytes.subarray(0, length));
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] as number) ^ (1 << (at % 8));
      refused(changed);
    }
    refused(Buffer.concat([bytes, Buffer.from([0])]));
  });

  test("holds no text that is too long to sort in one part", async () => {
    await assert.rejects(
      buildSpanIndex(documentsOf([["x".repeat(2 ** 21 + 1)]]), sources, fresh()),
      (error) => error instanceof SpanIndexError && error.code === "too-large",
    );
  });
});
