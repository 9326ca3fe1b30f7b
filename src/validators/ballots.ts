/** The validator's own part in a draw: pass, or judge → keep → commit → reveal. */
import { randomBytes } from "node:crypto";
import type { ChainWriter, ProtocolContracts } from "../chain/index.ts";
import { type Address, bytesDigest, type Digest, sameHex, toHex } from "../protocol/index.ts";
import type { Database } from "../store/index.ts";
import type { Judgement } from "./judge.ts";
import { commitmentOf, lotteryOf } from "./lottery.ts";
import { projectGradient, projectionSeed } from "./projection.ts";
import type { Seat } from "./seat.ts";
import { findVerdict, keepVerdict, type StoredVerdict } from "./tables.ts";
import { type Draw, readBallot } from "./verdicts.ts";

export type BallotParts = {
  readonly database: Database;
  readonly chain: ChainWriter;
  readonly contracts: Pick<ProtocolContracts, "Verdicts">;
  /** Judges a receipt. @throws while what it takes cannot be had: it is tried again as long as there is time */
  readonly judge: (draw: Draw, receipt: number, preimage: Digest) => Promise<Judgement>;
  /** Seconds before the end of committing from which what could not be had counts as withheld. */
  readonly lastSeconds: (draw: Draw) => number;
  readonly now: () => number;
  readonly log: (level: "info" | "warn", message: string) => void;
};

/** What this round did: `waits` means that the phase for the next step has not come. */
export type BallotStep = "not counted" | "done" | "passed" | "committed" | "revealed" | "waits" | "missed";

/**
 * Takes the next step of a draw. Run again at any time, after a crash too: what was kept first is what is committed to and revealed.
 *
 */
export async function stepBallot(parts: BallotParts, seat: Seat, draw: Draw): Promise<BallotStep> {
  const { chain, contracts, log } = parts;
  const me = toHex(chain.account.address);
  const ballot = await readBallot(chain, contracts, draw.drawId, me);
  if (ballot.weight === 0n) return "not counted";
  if (ballot.answer !== "none" || ballot.charged) return "done";
  if (draw.timestamp >= draw.revealEnds) return "missed";
  const preimage = seat.preimage(ballot.sequence);
  const isTurn = ballot.sequence === ballot.answered + 1;
  const { drawn, receipt } = lotteryOf(preimage, { ...draw, weight: ballot.weight });
  const drawId = BigInt(draw.drawId);
  if (!drawn) {
    if (!isTurn) return "waits";
    await chain.write({ ...contracts.Verdicts, functionName: "pass", args: [drawId, preimage] });
    return "passed";
  }
  if (draw.timestamp < draw.commitEnds) {
    const verdict = await decide(parts, draw, receipt, preimage, me);
    if (verdict === undefined || sameHex(ballot.commitment, verdict.commitment)) return "waits";
    const args = [drawId, verdict.commitment] as const;
    await chain.write({ ...contracts.Verdicts, functionName: "commit", args });
    log(
      "info",
      `Draw ${draw.drawId}: committed to "${verdict.wrong ? "wrong" : "right"}" about receipt ${receipt} of batch ${draw.number} of ${draw.attester}: ${verdict.reason}.`,
    );
    return "committed";
  }
  const verdict = await findVerdict(parts.database, draw.drawId);
  if (verdict === undefined || !sameHex(ballot.commitment, verdict.commitment)) return "missed";
  if (!isTurn) return "waits";
  const args = [drawId, verdict.wrong, toHex(verdict.projection), verdict.salt, preimage] as const;
  await chain.write({ ...contracts.Verdicts, functionName: "reveal", args });
  log("info", `Draw ${draw.drawId}: revealed "${verdict.wrong ? "wrong" : "right"}".`);
  return "revealed";
}

/** The verdict that is kept, or is made and kept now; undefined while it cannot be made and there is time to try again. */
async function decide(
  parts: BallotParts,
  draw: Draw,
  receipt: number,
  preimage: Digest,
  validator: Address,
): Promise<StoredVerdict | undefined> {
  const { database, now, log } = parts;
  const kept = await findVerdict(database, draw.drawId);
  if (kept !== undefined) return kept;
  let judgement: Judgement;
  try {
    judgement = await parts.judge(draw, receipt, preimage);
  } catch (error) {
    const why = (error as Error).message;
    const left = draw.commitEnds - draw.timestamp;
    log("warn", `Draw ${draw.drawId} cannot be judged yet, ${left} s are left: ${why}`);
    if (left > parts.lastSeconds(draw)) return undefined;
    judgement = { wrong: true, reason: `withheld: ${why}`.slice(0, 500), gradient: null };
  }
  const { wrong, reason, gradient } = judgement;
  const projection =
    gradient === null ? new Uint8Array() : projectGradient(gradient, projectionSeed(draw.batchId, receipt));
  const salt = toHex(new Uint8Array(randomBytes(32)));
  const { batchId, drawId } = draw;
  const commitment = commitmentOf({
    batchId,
    receipt,
    wrong,
    projection: bytesDigest(projection),
    salt,
    validator,
  });
  return keepVerdict(database, { drawId, receipt, wrong, reason, projection, salt, commitment }, now());
}
