import assert from "node:assert/strict";
import { test } from "node:test";
import { splitOf } from "./receipt.ts";

test("payments are named by the protocol's order, left-out heads included", () => {
  const address = (n: number): `0x${string}` => `0x${String(n).padStart(40, "0")}`;
  const [operator, treasury, developer, stakers, owner, pool, ada] = [1, 2, 3, 4, 5, 6, 7].map(address) as [
    `0x${string}`,
    `0x${string}`,
    `0x${string}`,
    `0x${string}`,
    `0x${string}`,
    `0x${string}`,
    `0x${string}`,
  ];
  const terms = { payees: { operator, treasury, developer, stakers }, datanets: [{ owner, pool }] };
  const named = (payees: `0x${string}`[], scores: { row: number; score: number }[]) =>
    splitOf({ payments: payees.map((payee) => ({ payee, amount: "1" })), terms, scores }).map(
      ({ who }) => who,
    );
  const score = [{ row: 0, score: 9 }];
  assert.deepEqual(named([operator, treasury, developer, stakers, owner, ada], score), [
    "operator",
    "treasury",
    "developer",
    "stakers",
    "Datanet owner",
    "contributor",
  ]);
  assert.deepEqual(named([operator, owner, pool], []), ["operator", "Datanet owner", "common pool"]);
  // The Datanet's owner contributed rows as well.
  assert.deepEqual(named([operator, owner, owner], score), ["operator", "Datanet owner", "contributor"]);
});
