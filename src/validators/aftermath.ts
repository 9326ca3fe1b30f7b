/** What anyone may do about a draw once it is over, and a validator does: count it, charge, be paid, accuse, execute. */
import type { ProtocolContracts } from "../chain/index.ts";
import { toHex } from "../protocol/index.ts";
import type { Database } from "../store/index.ts";
import { attempt } from "./attempt.ts";
import { type ChargeParts, charge, findMadeUp } from "./charges.ts";
import { everyReceipt } from "./lottery.ts";
import { findVerdict, finishDraw } from "./tables.ts";
import { type Draw, readBallot, readDraw } from "./verdicts.ts";

export type AftermathParts = ChargeParts & {
  readonly database: Database;
  readonly contracts: Pick<ProtocolContracts, "Verdicts" | "ProtocolParameters">;
};

/** Ends a draw whose reveal phase is over. Each step is made once on chain, whoever makes it. */
export async function endDraw(parts: AftermathParts, draw: Draw): Promise<void> {
  const { chain, contracts, database } = parts;
  const { Verdicts } = contracts;
  if (draw.timestamp < draw.revealEnds) return;
  const id = BigInt(draw.drawId);
  if (draw.outcome === "open") await attempt(parts, { ...Verdicts, functionName: "resolve", args: [id] });
  const counted = await readDraw(chain, contracts, draw.drawId);
  if (counted.outcome === "open") return;
  await charge(parts, counted);
  const me = toHex(chain.account.address);
  const mine = await readBallot(chain, contracts, draw.drawId, me);
  const judged = mine.answer === "right" || mine.answer === "wrong";
  const won = counted.quorum === "none" ? judged : mine.answer === counted.quorum;
  if (won && !mine.paid && counted.fee > 0n)
    await attempt(parts, { ...Verdicts, functionName: "payFee", args: [id, me] });
  if (counted.receipt === everyReceipt && judged) await accuse(parts, counted);
  if (counted.outcome === "wrong") {
    if (counted.timestamp < counted.executableAt) return;
    await attempt(parts, { ...Verdicts, functionName: "execute", args: [id] });
    // Refused for good where a proof has undone the batch meanwhile.
  }
  await finishDraw(database, draw.drawId);
}

/**
 * Has everyone judge the receipt of an audit, as soon as nobody can copy the verdict any more: where this validator found it wrong, or where
 * another called it right and shows a gradient that is not the receipt's. The time to accuse is short where phases are as long as windows.
 */
export async function accuse(parts: AftermathParts, audit: Draw): Promise<void> {
  const { chain, contracts, database, log } = parts;
  const verdict = await findVerdict(database, audit.drawId);
  if (verdict === undefined) return;
  const idle = await findMadeUp(parts, audit, verdict);
  if (!verdict.wrong && idle === undefined) return;
  const why = verdict.wrong ? verdict.reason : `${idle} called it right and shows another gradient`;
  const value = await chain.public.readContract({
    ...contracts.ProtocolParameters,
    functionName: "demandFeeWei",
  });
  const args = [audit.attester, BigInt(audit.number), verdict.receipt] as const;
  if (await attempt(parts, { ...contracts.Verdicts, functionName: "accuse", args, value }))
    log("warn", `Accused receipt ${verdict.receipt} of batch ${audit.number} of ${audit.attester}: ${why}.`);
}
