/** Who owes stake after a draw, and is charged: silence, a verdict against the quorum, a projection that was made up. */
import type { ChainWriter, ProtocolContracts } from "../chain/index.ts";
import { type Address, toHex } from "../protocol/index.ts";
import { attempt } from "./attempt.ts";
import { everyReceipt } from "./lottery.ts";
import { farPart, isWithin, nearPart } from "./projection.ts";
import type { Record, Shown } from "./record.ts";
import { type Draw, readBallot, readDraw, readSeats } from "./verdicts.ts";

export type ChargeParts = {
  readonly chain: ChainWriter;
  readonly contracts: Pick<ProtocolContracts, "Verdicts">;
  readonly record: Record;
  readonly log: (level: "info" | "warn", message: string) => void;
};

/** As the contract has it. */
const leastJudges = 3;

/** Charges everyone else with all that can be charged after this draw; what has been charged already is passed over. */
export async function charge(parts: ChargeParts, draw: Draw): Promise<void> {
  const { chain, contracts, record } = parts;
  const me = toHex(chain.account.address);
  const args = [BigInt(draw.drawId)] as const;
  for (const validator of await readSeats(chain, contracts)) {
    if (validator === me) continue;
    const ballot = await readBallot(chain, contracts, draw.drawId, validator);
    if (ballot.weight === 0n || ballot.charged || ballot.answer !== "none") continue;
    if (ballot.sequence === ballot.answered + 1)
      await attempt(parts, {
        ...contracts.Verdicts,
        functionName: "chargeSilence",
        args: [...args, validator],
      });
  }
  if (draw.receipt === everyReceipt || draw.quorum === "none") return;
  await chargeShown(parts, draw, draw);
  for (const drawId of await record.auditsOf(draw.attester, draw.number)) {
    const audit = await readDraw(chain, contracts, drawId);
    if (audit.batchId === draw.batchId) await chargeShown(parts, audit, draw);
  }
}

/** What was revealed on the accused receipt, in the accusation or in an audit of the same batch. */
async function chargeShown(parts: ChargeParts, draw: Draw, accusation: Draw): Promise<void> {
  const { chain, contracts, record } = parts;
  const me = toHex(chain.account.address);
  const agreed = accusation.quorum === "right" ? await agreedOn(parts, accusation) : [];
  for (const { validator, receipt, wrong, projection } of await record.shownIn(draw.drawId)) {
    if (validator === me || receipt !== accusation.receipt) continue;
    const against = wrong !== (accusation.quorum === "wrong");
    const [first] = agreed;
    const madeUp = first !== undefined && !wrong && !isWithin(projection, first.projection, farPart);
    if (!against && !madeUp) continue;
    if ((await readBallot(chain, contracts, draw.drawId, validator)).charged) continue;
    const named = [BigInt(draw.drawId), BigInt(accusation.drawId), validator] as const;
    if (against) await attempt(parts, { ...contracts.Verdicts, functionName: "chargeVerdict", args: named });
    else
      await attempt(parts, {
        ...contracts.Verdicts,
        functionName: "chargeProjection",
        args: [
          ...named,
          toHex(projection),
          agreed.map(({ validator: who }) => who),
          agreed.map(({ projection: shown }) => toHex(shown)),
        ],
      });
  }
}

/** Who found an accused receipt right, and has seen the same gradient. */
async function agreedOn(
  { chain, contracts, record }: ChargeParts,
  accusation: Draw,
): Promise<readonly Shown[]> {
  const right = (await record.shownIn(accusation.drawId)).filter(({ wrong }) => !wrong);
  const weights = new Map<Address, bigint>();
  for (const { validator } of right) {
    const { weight } = await readBallot(chain, contracts, accusation.drawId, validator);
    weights.set(validator, weight);
  }
  return agreeing(right, (validator) => weights.get(validator) ?? 0n, accusation.drawn);
}

/**
 * Who has seen the same of what all of these found right: as many as decide anything, or nobody. The first is who the others are near to,
 * as the contracts ask.
 *
 * @param right by address, ascending
 * @param all stake that judged it, wei
 */
export function agreeing(
  right: readonly Shown[],
  weightOf: (validator: Address) => bigint,
  all: bigint,
): readonly Shown[] {
  for (const [i, first] of right.entries()) {
    const group = right.slice(i).filter(({ projection }) => isWithin(projection, first.projection, nearPart));
    const stake = group.reduce((sum, { validator }) => sum + weightOf(validator), 0n);
    if (group.length >= leastJudges && 3n * stake >= 2n * all) return group;
  }
  return [];
}

/** Who called the receipt that this validator found right in an audit right as well, and shows another gradient than its own. */
export async function findMadeUp(
  { chain, record }: Pick<ChargeParts, "chain" | "record">,
  audit: Draw,
  mine: { readonly receipt: number; readonly wrong: boolean; readonly projection: Uint8Array },
): Promise<Address | undefined> {
  const me = toHex(chain.account.address);
  // Of an answer that is not traced nobody has anything to show.
  if (mine.wrong || !isWithin(mine.projection, mine.projection, nearPart)) return undefined;
  return (await record.shownIn(audit.drawId)).find(
    ({ validator, receipt, wrong, projection }) =>
      validator !== me &&
      !wrong &&
      receipt === mine.receipt &&
      !isWithin(projection, mine.projection, farPart),
  )?.validator;
}
