/** A challenge is only as good as its evidence: with a row, payee, proof, score or query that was never committed, the chain refuses it. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { commit, contentOf, facts, index } from "../protocol/fixtures/batch.ts";
import {
  type Hex,
  type Lie,
  noBalances,
  openBatch,
  receiptLies,
  toHex,
  zeroAddress,
} from "../protocol/index.ts";
import { openSetting, publishRelease, settleAs } from "./fixtures/liar.ts";
import { account, ben, open, openWorld, type World } from "./fixtures/world.ts";
import { prove } from "./prove.ts";

let world: World;
before(async () => {
  world = await openWorld({ minimumBondWei: open });
});
after(() => world.close());

const flip = (hex: Hex): Hex => `${hex.slice(0, -1)}${hex.endsWith("0") ? "1" : "0"}` as Hex;

test("a challenge with a forged row is refused by name and undoes nothing; with the true one the batch falls", async () => {
  const liar = account(320);
  const release = await publishRelease(world);
  const setting = await openSetting(world, liar, release, { bondWei: 3n * open, collectedWei: 10n ** 9n });
  const content = contentOf(0, 0, { scoreLie: 5 }, setting);
  const committed = { ...commit(content), number: 0, previousBalances: noBalances };
  await settleAs(world, liar, committed);
  const { batch, withheld } = openBatch(committed, content);
  assert.deepEqual(withheld, []);
  const lie = content.receipts
    .flatMap((_, i) => [...receiptLies(batch, i, facts)])
    .find((each): each is Lie & { kind: "score" } => each.kind === "score");
  assert.ok(lie?.row);
  const { receipt, row } = lie;
  const other = index[row.row + 1];
  assert.ok(other);
  const forged: [string, Partial<typeof lie>, RegExp][] = [
    ["a bit of the row", { row: { ...row, bytes: flip(row.bytes) } }, /BadProof/],
    ["another row", { row: { ...row, bytes: toHex(other.bytes) } }, /BadProof/],
    ["another's name on it", { row: { ...row, payee: zeroAddress } }, /BadProof/],
    ["a proof bent", { row: { ...row, proof: row.proof.map(flip) } }, /BadProof/],
    ["a proof cut short", { row: { ...row, proof: row.proof.slice(1) } }, /BadProof/],
    ["another query", { receipt: { ...receipt, query: flip(receipt.query) } }, /NotWhatWasHashed/],
    ["another list of scores", { receipt: { ...receipt, scores: flip(receipt.scores) } }, /NotWhatWasHashed/],
    ["another receipt", { receipt: { ...receipt, index: receipt.index + 1 } }, /BadProof/],
  ];
  const challenger = world.client(ben);
  const at = { attester: toHex(liar.address), number: 0 };
  const batches = () =>
    challenger.public.readContract({
      ...world.contracts.AttributionLedger,
      functionName: "attesterOf",
      args: [at.attester],
    });
  const before = await batches();
  for (const [what, change, refusal] of forged)
    await assert.rejects(prove(challenger, world.contracts, at, { ...lie, ...change }), refusal, what);
  assert.deepEqual(await batches(), before, "bond and batches stand");
  await prove(challenger, world.contracts, at, lie);
  assert.notDeepEqual(await batches(), before);
});
