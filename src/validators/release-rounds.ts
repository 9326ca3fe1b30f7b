/** The validator's part in rounds over releases: judge → keep → commit → reveal, then count, charge, be paid, execute. */
import { randomBytes } from "node:crypto";
import { CallRevertedError, type ChainWriter, followEvents, type ProtocolContracts } from "../chain/index.ts";
import { type Address, bytesDigest, type Digest, sameHex, toHex } from "../protocol/index.ts";
import type { Database } from "../store/index.ts";
import type { AttestOptions } from "./attest-index.ts";
import { agreeing } from "./charges.ts";
import { farPart, isWithin } from "./projection.ts";
import type { Record } from "./record.ts";
import {
  addRound,
  findReleaseVerdict,
  finishRound,
  keepReleaseVerdict,
  openRounds,
  type RoundKey,
  type StoredReleaseVerdict,
} from "./release-tables.ts";
import {
  chargeWitness,
  closeBallot,
  commitRelease,
  exampleSeed,
  executeRefutation,
  type ReleaseBallot,
  type ReleaseRound,
  readReleaseBallot,
  readReleaseRound,
  releaseCommitment,
  resolveRound,
  revealRelease,
  witnessSeed,
} from "./release-verdicts.ts";
import { chainTime, readSeats } from "./verdicts.ts";

type Seeds = Required<Pick<AttestOptions, "seed" | "witnessSeed">>;

export type ReleaseJudgement = {
  readonly wrong: boolean;
  /** In words, for the validator's own log and its statement. */
  readonly reason: string;
  /** No bytes where nothing was computed. */
  readonly witness: Uint8Array;
  /** Every check, as JSON. */
  readonly report: string;
};

export type ReleaseRoundParts = {
  readonly database: Database;
  readonly chain: ChainWriter;
  readonly contracts: Pick<ProtocolContracts, "ReleaseVerdicts" | "Verdicts">;
  readonly record: Record;
  /**
   * Makes a release's index again.
   *
   * @param seeds of the examples to look at, the validator's own, and of the witness, the round's
   * @throws while what it takes cannot be had: it is tried again as long as there is time
   */
  readonly judge: (releaseId: Digest, seeds: Seeds) => Promise<ReleaseJudgement>;
  /** Says what was found, once nobody can copy it any more. */
  readonly publish: (verdict: StoredReleaseVerdict) => Promise<void>;
  readonly onBlock?: (listener: () => void) => () => void;
  readonly now: () => number;
  readonly log: (level: "info" | "warn", message: string) => void;
};

/** What this round did: `waits` means that the phase for the next step has not come. */
export type ReleaseStep = "not counted" | "done" | "committed" | "revealed" | "waits" | "missed";

export type ReleaseRounds = {
  /** Takes every step that can be taken now, once. */
  step(): Promise<(RoundKey & { readonly step: ReleaseStep })[]>;
  stop(): Promise<void>;
};

/** Follows the rounds that are opened, and answers them. */
export async function openReleaseRounds(parts: ReleaseRoundParts): Promise<ReleaseRounds> {
  const { database, chain, contracts, log } = parts;
  const follower = await followEvents({
    name: "release-rounds",
    database,
    client: chain.public,
    contracts: { ReleaseVerdicts: contracts.ReleaseVerdicts },
    handle: async (events, tx) => {
      for (const event of events)
        if (event.eventName === "RoundOpened")
          await addRound(tx, { releaseId: toHex(event.args.releaseId), round: Number(event.args.round) });
    },
    ...(parts.onBlock === undefined ? {} : { onBlock: parts.onBlock }),
  });
  return {
    async step() {
      await follower.reached(await chain.public.getBlockNumber({ cacheTime: 0 }));
      const steps: (RoundKey & { step: ReleaseStep })[] = [];
      for (const key of await openRounds(database)) {
        try {
          const round = await readReleaseRound(chain, contracts, key.releaseId, key.round);
          if (round === undefined) continue;
          steps.push({ ...key, step: await stepRound(parts, round, await chainTime(chain)) });
          await endRound(parts, key);
        } catch (error) {
          // A phase may end between the look at it and the block: the next turn sees what became of it, and other rounds go on.
          if (!(error instanceof CallRevertedError)) throw error;
          log("warn", `Round ${key.round} of release ${key.releaseId}: ${error.message}`);
        }
      }
      return steps;
    },
    stop: () => follower.stop(),
  };
}

/** Takes the next step of a round. Run again at any time, after a crash too: what was kept first is what is committed to and revealed. */
async function stepRound(
  parts: ReleaseRoundParts,
  round: ReleaseRound,
  timestamp: number,
): Promise<ReleaseStep> {
  const { chain, contracts, database, publish, log } = parts;
  const validator = toHex(chain.account.address);
  const name = `Round ${round.round} of release ${round.releaseId}`;
  const ballot = await readReleaseBallot(chain, contracts, round.releaseId, round.round, validator);
  if (ballot.weight === 0n) return "not counted";
  if (ballot.answer !== "none" || ballot.charged) return "done";
  if (timestamp >= round.revealEnds) return "missed";
  if (timestamp < round.commitEnds) {
    const verdict = await decide(parts, round, timestamp);
    if (verdict === undefined || sameHex(ballot.commitment, verdict.commitment)) return "waits";
    // Making an index again takes long: who is too late now has nothing to send.
    if ((await chainTime(chain)) >= round.commitEnds) return "missed";
    await commitRelease(chain, contracts, round.releaseId, verdict.commitment);
    log("info", `${name}: committed to "${verdict.wrong ? "wrong" : "right"}": ${verdict.reason}.`);
    return "committed";
  }
  const verdict = await findReleaseVerdict(database, round);
  if (verdict === undefined || !sameHex(ballot.commitment, verdict.commitment)) return "missed";
  await revealRelease(chain, contracts, verdict);
  log("info", `${name}: revealed "${verdict.wrong ? "wrong" : "right"}".`);
  await publish(verdict).catch((error: Error) =>
    log("warn", `${name}: nothing is published: ${error.message}`),
  );
  return "revealed";
}

/** The verdict that is kept, or is made and kept now; undefined while it cannot be made and there is time to try again. */
async function decide(
  { database, chain, contracts, judge, now, log }: ReleaseRoundParts,
  round: ReleaseRound,
  timestamp: number,
): Promise<StoredReleaseVerdict | undefined> {
  const kept = await findReleaseVerdict(database, round);
  if (kept !== undefined) return kept;
  const { releaseId } = round;
  const validator = toHex(chain.account.address);
  let judgement: ReleaseJudgement;
  try {
    judgement = await judge(releaseId, {
      seed: exampleSeed(releaseId, round.round, validator),
      witnessSeed: witnessSeed(releaseId, round.round),
    });
  } catch (error) {
    const why = (error as Error).message;
    const left = round.commitEnds - timestamp;
    log("warn", `Release ${releaseId} cannot be judged yet, ${left} s are left: ${why}`);
    if (left > Math.max(2, (round.revealEnds - round.commitEnds) / 5)) return undefined;
    const reason = `withheld: ${why}`.slice(0, 500);
    judgement = { wrong: true, reason, witness: new Uint8Array(), report: "[]" };
  }
  const { wrong, reason, witness, report } = judgement;
  const salt = toHex(new Uint8Array(randomBytes(32)));
  const commitment = releaseCommitment(chain.chain.id, toHex(contracts.ReleaseVerdicts.address), {
    ...{ releaseId, round: round.round, validator, wrong, salt },
    digest: bytesDigest(witness),
  });
  const verdict = { releaseId, round: round.round, wrong, reason, witness, report, salt, commitment };
  return keepReleaseVerdict(database, verdict, now());
}

/** What anyone may do about a round once it is over, and a validator does. Each step is made once on chain, whoever makes it. */
async function endRound(parts: ReleaseRoundParts, key: RoundKey): Promise<void> {
  const { chain, contracts, database, record } = parts;
  const read = async () =>
    (await readReleaseRound(chain, contracts, key.releaseId, key.round)) as ReleaseRound;
  const timestamp = await chainTime(chain);
  const before = await read();
  if (timestamp < before.revealEnds) return;
  if (before.outcome === "open")
    await attempt(parts, "resolve", resolveRound(chain, contracts, key.releaseId));
  const round = await read();
  if (round.outcome === "open") return;
  const me = toHex(chain.account.address);
  const seats = await readSeats(chain, contracts);
  const ballots = new Map<Address, ReleaseBallot>();
  for (const validator of seats)
    ballots.set(validator, await readReleaseBallot(chain, contracts, key.releaseId, key.round, validator));
  const shown = await record.witnessesIn(key.releaseId, key.round);
  const right = round.outcome === "attested" ? shown.filter(({ wrong }) => !wrong) : [];
  const agreed = agreeing(right, (validator) => ballots.get(validator)?.weight ?? 0n, round.total);
  for (const [validator, ballot] of ballots) {
    if (ballot.weight === 0n) continue;
    const close = (how: Parameters<typeof closeBallot>[2]) =>
      attempt(parts, how, closeBallot(chain, contracts, how, { ...key, validator }));
    const judged = round.quorum !== "none" && round.outcome !== "overturned";
    if (validator === me) {
      const won = ballot.answer !== "none" && (round.quorum === "none" || ballot.answer === round.quorum);
      if (won && !ballot.paid && round.fee > 0n) await close("payFee");
    } else if (!ballot.charged && ballot.answer === "none") await close("chargeSilence");
    else if (!ballot.charged && judged && ballot.answer !== round.quorum) await close("chargeVerdict");
    const said = right.find((one) => one.validator === validator);
    const [first] = agreed;
    if (said === undefined || first === undefined || validator === me || ballot.charged) continue;
    if (!isWithin(said.projection, first.projection, farPart))
      await attempt(
        parts,
        "chargeWitness",
        chargeWitness(chain, contracts, { ...key, validator }, said.projection, agreed),
      );
  }
  if (round.outcome === "refuted") {
    if (timestamp < round.executableAt) return;
    await attempt(parts, "execute", executeRefutation(chain, contracts, key.releaseId));
    if ((await read()).outcome === "refuted") return;
  }
  await finishRound(database, key);
}

/** What may have been sent by somebody else already. */
async function attempt(
  { log }: Pick<ReleaseRoundParts, "log">,
  what: string,
  sent: Promise<unknown>,
): Promise<void> {
  await sent.catch((error: Error) => {
    if (!(error instanceof CallRevertedError)) throw error;
    log("info", `${what} is refused: ${error.message}`);
  });
}
