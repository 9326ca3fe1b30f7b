import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { canonicalJson, jsonDigest, ProtocolError, textDigest } from "./index.ts";

const refused = (value: unknown, place: RegExp) =>
  assert.throws(
    () => canonicalJson(value),
    (error) => error instanceof ProtocolError && error.code === "not-canonical" && place.test(error.message),
  );

test("RFC 8785: keys sort by UTF-16 code units", () => {
  // The RFC's own example, section 3.2.3.
  const value = {
    "\u20ac": "Euro Sign",
    "\r": "Carriage Return",
    "\ufb33": "Hebrew Letter Dalet With Dagesh",
    "1": "One",
    "\ud83d\ude00": "Emoji: Grinning Face",
    "\u0080": "Control",
    "\u00f6": "Latin Small Letter O With Diaeresis",
  };
  assert.deepEqual(
    Object.values(
      JSON.parse(
        `[${canonicalJson(value)
          .match(/"[^"]*":/g)!
          .join("")
          .replaceAll(":", ",")
          .slice(0, -1)}]`,
      ),
    ),
    ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\ud83d\ude00", "\ufb33"],
  );
});

test("RFC 8785: the shortest escapes, no white space, literals as they are", () => {
  // Section 3.2.2, with the numbers that the protocol refuses left out.
  const value = { string: "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"/", literals: [null, true, false] };
  assert.equal(
    canonicalJson(value),
    '{"literals":[null,true,false],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
  );
  assert.equal(canonicalJson("\b\t\n\f\r\u001f\u007f\u2028"), '"\\b\\t\\n\\f\\r\\u001f\u007f\u2028"');
});

test("RFC 8785: integers are written as ECMAScript writes them, minus zero as zero", () => {
  assert.equal(canonicalJson([0, -0, -1, 9_007_199_254_740_991]), "[0,0,-1,9007199254740991]");
});

test("what other languages would read differently is refused, and the place is named", () => {
  refused({ rate: 0.1 }, /value\.rate is 0\.1/);
  refused([1, 2 ** 53], /value\[1\]/);
  refused([Number.NaN], /NaN/);
  refused({ a: undefined }, /value\.a/);
  refused([1n], /bigint/);
  refused({ at: new Date(0) }, /value\.at/);
  refused("\ud800", /lone surrogate/);
  refused({ "\udc00": 1 }, /key of value/);
  refused(JSON.parse("[".repeat(70) + "]".repeat(70)), /64 deep/);
});

test("no Unicode normalisation: what looks the same may be different", () => {
  assert.notEqual(textDigest("\u00e9"), textDigest("e\u0301"));
  assert.throws(() => textDigest("\ud800"), ProtocolError);
});

test("a digest survives any JSON round trip and depends on no order of keys", () => {
  const integers = fc
    .jsonValue({ depthSize: "small" })
    .map((value) =>
      JSON.parse(JSON.stringify(value), (_, member) =>
        typeof member === "number" ? Math.trunc(member % 2 ** 50) : member,
      ),
    );
  fc.assert(
    fc.property(integers, (value) => {
      const text = JSON.stringify(value);
      fc.pre(text.isWellFormed() && !/\\ud[89a-f]/i.test(text));
      const reversed = JSON.parse(text, (_, member) =>
        member !== null && typeof member === "object" && !Array.isArray(member)
          ? Object.fromEntries(Object.entries(member).reverse())
          : member,
      );
      assert.equal(jsonDigest(reversed), jsonDigest(value));
      assert.equal(canonicalJson(JSON.parse(canonicalJson(value))), canonicalJson(value));
    }),
    { numRuns: 300 },
  );
});
