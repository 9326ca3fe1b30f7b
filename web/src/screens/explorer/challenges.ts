/** What was held against batches, as the chain has it: accusations and audits with their verdicts, and batches that fell. */
import { queryOptions } from "@tanstack/react-query";
import type { Address, Hex } from "viem";
import { proofNames } from "../../../../src/chain/proof-names.ts";
import { api, ask } from "../../api/client.ts";
import { blockTimeMs, type ChainView, chainView, everyEvent, now } from "../../chain/view.ts";
import { words } from "../../lib/format.ts";

/** As many of each as a screen shows. */
const shownMax = 50;

/** In the order of `Verdicts.Outcome`. */
const outcomes = [
  "open",
  "too few voted",
  "found right",
  "found wrong",
  "found wrong, batch undone",
  "overturned on appeal",
] as const;

/** `Verdicts.AUDIT`: nobody accused one receipt, those who vote draw their own. */
const audit = 0xffff_ffff;

async function readDraw(chain: ChainView, drawId: bigint) {
  const draw = await chain.public.readContract({
    ...chain.at.Verdicts,
    functionName: "drawOf",
    args: [drawId],
    ...now,
  });
  return {
    drawId,
    attester: draw.attester.toLowerCase() as Address,
    number: draw.number,
    receipt: draw.receipt === audit ? null : draw.receipt,
    opener: draw.opener.toLowerCase() as Address,
    outcome: outcomes[draw.outcome] ?? "open",
    /** Of so many seats. */
    ...{ found: draw.rightCount + draw.wrongCount, wrong: draw.wrongCount, drawn: draw.seatsDrawn },
    endsMs: draw.revealEnds * 1_000,
  };
}

/** The newest draws first. */
async function readDraws(chain: ChainView) {
  const { Verdicts } = chain.at;
  const last = await chain.public.readContract({ ...Verdicts, functionName: "drawCount", ...now });
  const ids = Array.from({ length: Math.min(Number(last), shownMax) }, (_, at) => last - BigInt(at));
  return { count: last, newest: await Promise.all(ids.map((drawId) => readDraw(chain, drawId))) };
}

/** What a proof was of: the function that took it, in words. */
async function proofOf(hash: Hex): Promise<string> {
  const { transaction } = await ask(
    api.GET("/v1/explorer/transactions/{hash}", { params: { path: { hash } } }),
  );
  const { function: called } = transaction;
  return called === null ? "a call of another contract" : (proofNames[called] ?? words(called));
}

/** Batches that fell, the newest first; with one falls every later one of its attester. */
async function readUndone(chain: ChainView) {
  const events = await everyEvent(chain, (range) =>
    chain.public.getContractEvents({
      ...chain.at.AttributionLedger,
      eventName: "BatchesUndone",
      strict: true,
      ...range,
    }),
  );
  const newest = await Promise.all(
    events
      .slice(-shownMax)
      .reverse()
      .map(async ({ args, blockNumber, transactionHash, logIndex }) => ({
        key: `${transactionHash}:${logIndex}`,
        attester: args.attester.toLowerCase() as Address,
        ...{ first: Number(args.number), last: Number(args.end) - 1 },
        prover: args.prover.toLowerCase() as Address,
        slashedWei: args.slashed,
        proof: await proofOf(transactionHash),
        atMs: await blockTimeMs(chain, blockNumber),
        transactionHash: transactionHash as Hex,
      })),
  );
  return { count: events.length, newest };
}

/** Accusations, audits and what fell, as the chain has them now. */
export const challengesQuery = queryOptions({
  queryKey: ["challenges"],
  queryFn: async () => {
    const chain = await chainView();
    const [draws, undone] = await Promise.all([readDraws(chain), readUndone(chain)]);
    return { draws, undone };
  },
  refetchInterval: 5_000,
});

/** Items demanded of attesters, and what this node found of others' batches. */
export const disputesQuery = queryOptions({
  queryKey: ["disputes"],
  queryFn: ({ signal }) => ask(api.GET("/v1/disputes", { params: { query: { limit: shownMax } }, signal })),
  refetchInterval: 5_000,
});

export type Draw = Awaited<ReturnType<typeof readDraw>>;
export type Undone = Awaited<ReturnType<typeof readUndone>>["newest"][number];
