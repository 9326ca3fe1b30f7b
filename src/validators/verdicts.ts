/** The `Verdicts` contract as this room reads it: draws, ballots, seats. Read as of now, not as of the last block. */
import type { ChainReader, ProtocolContracts } from "../chain/index.ts";
import { type Address, type Digest, toHex } from "../protocol/index.ts";
import { ValidatorError } from "./errors.ts";
import { batchIdOf, type LotteryTerms } from "./lottery.ts";

type Contracts = Pick<ProtocolContracts, "Verdicts">;

export const outcomes = ["open", "no quorum", "right", "wrong", "executed", "overturned"] as const;
export const answers = ["none", "not drawn", "right", "wrong"] as const;

export type Draw = Omit<LotteryTerms, "weight"> & {
  readonly drawId: number;
  readonly attester: Address;
  readonly number: number;
  readonly batchId: Digest;
  /** Seconds. */
  readonly commitEnds: number;
  readonly revealEnds: number;
  readonly executableAt: number;
  readonly outcome: (typeof outcomes)[number];
  readonly quorum: (typeof answers)[number];
  /** Stake that was not shown not to be drawn, wei. */
  readonly drawn: bigint;
  readonly opener: Address;
  /** What opening it cost, wei. */
  readonly fee: bigint;
  /** The chain's time now, seconds. */
  readonly timestamp: number;
};

export type SeatedBallot = {
  readonly weight: bigint;
  readonly sequence: number;
  readonly receipt: number;
  readonly answer: (typeof answers)[number];
  readonly charged: boolean;
  readonly paid: boolean;
  readonly commitment: Digest;
  readonly projection: Digest;
  /** keccak256 of the next preimage, and how many draws were answered. */
  readonly tip: Digest;
  readonly answered: number;
};

const now = { blockTag: "pending" } as const;

/** The chain's time as the next transaction will see it, seconds. */
export async function chainTime({ public: read }: Pick<ChainReader, "public">): Promise<number> {
  return Number((await read.getBlock({ blockTag: "pending", includeTransactions: false })).timestamp);
}

export async function drawCount({ public: read }: Pick<ChainReader, "public">, { Verdicts }: Contracts) {
  return Number(await read.readContract({ ...Verdicts, functionName: "drawCount", ...now }));
}

/** @throws ValidatorError `unknown-draw` */
export async function readDraw(chain: ChainReader, { Verdicts }: Contracts, drawId: number): Promise<Draw> {
  if (drawId > (await drawCount(chain, { Verdicts })))
    throw new ValidatorError("unknown-draw", `There is no draw ${drawId}.`);
  const args = [BigInt(drawId)] as const;
  const [draw, timestamp] = await Promise.all([
    chain.public.readContract({ ...Verdicts, functionName: "drawOf", args, ...now }),
    chainTime(chain),
  ]);
  const receiptsRoot = toHex(draw.receiptsRoot);
  const attester = toHex(draw.attester);
  return {
    drawId,
    attester,
    number: draw.number,
    batchId: batchIdOf(attester, draw.number, draw.generation, receiptsRoot),
    receiptsRoot,
    total: draw.total,
    seatsDrawn: draw.seatsDrawn,
    receiptCount: draw.receiptCount,
    receipt: draw.receipt,
    commitEnds: Number(draw.commitEnds),
    revealEnds: Number(draw.revealEnds),
    executableAt: Number(draw.executableAt),
    outcome: outcomes[draw.outcome] ?? "open",
    quorum: answers[draw.quorum] ?? "none",
    drawn: draw.total - draw.notDrawn,
    opener: toHex(draw.opener),
    fee: draw.fee,
    timestamp,
  };
}

/** A validator's ballot in a draw, with its seat. A weight of 0: it is not counted. */
export async function readBallot(
  { public: read }: Pick<ChainReader, "public">,
  { Verdicts }: Contracts,
  drawId: number,
  validator: Address,
): Promise<SeatedBallot> {
  const [ballot, seat] = await Promise.all([
    read.readContract({ ...Verdicts, functionName: "ballotOf", args: [BigInt(drawId), validator], ...now }),
    readSeat({ public: read }, { Verdicts }, validator),
  ]);
  return {
    weight: ballot.weight,
    sequence: ballot.sequence,
    receipt: ballot.receipt,
    answer: answers[ballot.answer] ?? "none",
    charged: ballot.charged,
    paid: ballot.paid,
    commitment: toHex(ballot.commitment),
    projection: toHex(ballot.projection),
    tip: seat.tip,
    answered: seat.answered,
  };
}

export async function readSeat(
  { public: read }: Pick<ChainReader, "public">,
  { Verdicts }: Contracts,
  validator: Address,
) {
  const seat = await read.readContract({ ...Verdicts, functionName: "seatOf", args: [validator], ...now });
  return {
    tip: toHex(seat.tip),
    hasSeat: seat.position > 0,
    owes: seat.assigned - seat.answered,
    answered: seat.answered,
  };
}

/** Everyone with a seat. */
export async function readSeats({ public: read }: Pick<ChainReader, "public">, { Verdicts }: Contracts) {
  const seats = await read.readContract({ ...Verdicts, functionName: "seats", ...now });
  return seats.map((seat) => toHex(seat));
}
