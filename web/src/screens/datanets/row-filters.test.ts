import assert from "node:assert/strict";
import { test } from "node:test";
import { filtersInWords, readFilters, tokensText } from "./row-filters.ts";

const reader = (address: string) => {
  const search = new URLSearchParams(address);
  return (name: string) => search.get(name) ?? undefined;
};

test("what a bar writes into the address is what the node is asked for", () => {
  assert.deepEqual(readFilters(reader(`tokens=${tokensText({ from: 10, to: 14 })}&language=de&q=mill`)), {
    ...{ search: "mill", minTokens: 10, maxTokens: 14, language: "de" },
  });
  assert.deepEqual(readFilters(reader(`tokens=${tokensText({ from: 50, to: null })}&standing=withdrawn`)), {
    ...{ minTokens: 50, standing: "withdrawn" },
  });
});

test("an address with nonsense in it asks for all rows", () => {
  assert.deepEqual(readFilters(reader("tokens=-3&language=German&standing=lost&q=")), {});
});

test("filters are told in words", () => {
  assert.deepEqual(filtersInWords(readFilters(reader("tokens=5-5&language=unknown&q=a"))), [
    ...["with “a”", "of 5 tokens", "whose language cannot be told"],
  ]);
});
