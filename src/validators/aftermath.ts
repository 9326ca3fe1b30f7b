/** What anyone may do about a draw once it is over, and a validator does: count it, be paid, charge, accuse, execute. */
import {
  CallRevertedError,
  type ChainWriter,
  type ContractWrite,
  type ProtocolContracts,
} from "../chain/index.ts";
import { openReceipt, type PublishedBatch, toHex } from "../protocol/index.ts";
import type { Database } from "../store/index.ts";
import { everyReceipt } from "./lottery.ts";
import { findVerdict, finishDraw } from "./tables.ts";
import { type Draw, drawCount, readBallot, readDraw, readSeats } from "./verdicts.ts";

export type AftermathParts = {
  readonly database: Database;
  readonly chain: ChainWriter;
  readonly contracts: Pick<ProtocolContracts, "Verdicts" | "ProtocolParameters">;
  /** A batch that can still be challenged, as it was published. */
  readonly open: (draw: Draw) => Promise<PublishedBatch>;
  readonly log: (level: "info" | "warn", message: string) => void;
};

const maxWrites = 256;

/** Sends what may have been sent by somebody else already. @returns whether it was sent */
export async function attempt(
  { chain, log }: Pick<AftermathParts, "chain" | "log">,
  // biome-ignore lint/suspicious/noExplicitAny: any call of any of the contracts
  call: ContractWrite<any, any>,
): Promise<boolean> {
  try {
    await chain.write(call);
    return true;
  } catch (error) {
    if (!(error instanceof CallRevertedError)) throw error;
    log("info", `${call.functionName} is refused: ${error.message}`);
    return false;
  }
}

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
  if (counted.receipt === everyReceipt) await accuse(parts, counted, mine.answer === "wrong");
  if (counted.outcome === "wrong") {
    if (counted.timestamp >= counted.executableAt && (await execute(parts, counted)))
      await finishDraw(database, draw.drawId);
    return;
  }
  await finishDraw(database, draw.drawId);
}

/** Silence, and verdicts against the quorum, cost stake; who reports them gets a part. */
async function charge(parts: AftermathParts, draw: Draw): Promise<void> {
  const { chain, contracts } = parts;
  const { Verdicts } = contracts;
  const me = toHex(chain.account.address);
  const id = BigInt(draw.drawId);
  const judged = draw.quorum !== "none";
  let left = maxWrites;
  for (const validator of await readSeats(chain, contracts)) {
    if (validator === me || left-- === 0) continue;
    const ballot = await readBallot(chain, contracts, draw.drawId, validator);
    if (ballot.weight === 0n || ballot.charged) continue;
    if (ballot.answer === "none" && ballot.sequence === ballot.answered + 1)
      await attempt(parts, { ...Verdicts, functionName: "chargeSilence", args: [id, validator] });
    const against = (ballot.answer === "right" || ballot.answer === "wrong") && ballot.answer !== draw.quorum;
    if (judged && against)
      await attempt(parts, { ...Verdicts, functionName: "chargeVerdict", args: [id, id, validator] });
  }
  if (judged && draw.receipt !== everyReceipt) await chargeAudits(parts, draw);
}

/** Verdicts that were given on the accused receipt in an audit of the same batch. */
async function chargeAudits(parts: AftermathParts, accusation: Draw): Promise<void> {
  const { chain, contracts } = parts;
  const me = toHex(chain.account.address);
  const seats = await readSeats(chain, contracts);
  for (let drawId = 1; drawId < accusation.drawId; drawId++) {
    const audit = await readDraw(chain, contracts, drawId);
    if (audit.receipt !== everyReceipt || audit.batchId !== accusation.batchId) continue;
    for (const validator of seats) {
      if (validator === me) continue;
      const { weight, answer, receipt, charged } = await readBallot(chain, contracts, drawId, validator);
      const given = answer === "right" || answer === "wrong";
      if (
        weight === 0n ||
        charged ||
        !given ||
        receipt !== accusation.receipt ||
        answer === accusation.quorum
      )
        continue;
      await attempt(parts, {
        ...contracts.Verdicts,
        functionName: "chargeVerdict",
        args: [BigInt(drawId), BigInt(accusation.drawId), validator],
      });
    }
  }
}

/**
 * Who found a receipt wrong in an audit has everyone judge it, as soon as nobody can copy the verdict any more: the time to accuse is short
 * where phases are as long as windows.
 */
export async function accuse(parts: AftermathParts, audit: Draw, isWrong: boolean): Promise<void> {
  const { chain, contracts, database, log } = parts;
  const verdict = isWrong ? await findVerdict(database, audit.drawId) : undefined;
  if (verdict === undefined || !verdict.wrong) return;
  const before = await drawCount(chain, contracts);
  const value = await chain.public.readContract({
    ...contracts.ProtocolParameters,
    functionName: "demandFeeWei",
  });
  const args = [audit.attester, BigInt(audit.number), verdict.receipt] as const;
  if (await attempt(parts, { ...contracts.Verdicts, functionName: "accuse", args, value }))
    log(
      "warn",
      `Accused receipt ${verdict.receipt} of batch ${audit.number} of ${audit.attester} (draw ${before + 1}): ${verdict.reason}.`,
    );
}

/** Undoes a batch that a quorum found wrong. @returns whether nothing is left to do */
async function execute(parts: AftermathParts, draw: Draw): Promise<boolean> {
  let batch: PublishedBatch;
  try {
    batch = await parts.open(draw);
  } catch (error) {
    if ((error as { code?: string }).code === "unknown-batch") return true; // undone by a proof meanwhile
    throw error;
  }
  const { receipt, proof } = openReceipt(batch, draw.receipt);
  const args = [BigInt(draw.drawId), receipt, proof] as const;
  await attempt(parts, { ...parts.contracts.Verdicts, functionName: "execute", args });
  const after = await readDraw(parts.chain, parts.contracts, draw.drawId);
  return after.outcome !== "wrong";
}
