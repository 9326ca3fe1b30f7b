/**
 * A bad validator's process: seat, lottery, commitments and reveals are those of every validator; how it comes to a verdict is not.
 * It reports nobody, so that what it loses is not hidden by what it earns from others' faults.
 */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { type Address, decodeFunctionData } from "viem";
import { CallRevertedError } from "../../src/chain/index.ts";
import { bytesDigest, type Digest, sameHex, toBytes, toHex, zeroDigest } from "../../src/protocol/index.ts";
import { openDatabase } from "../../src/store/index.ts";
import { type BallotParts, stepBallot } from "../../src/validators/ballots.ts";
import { lotteryOf } from "../../src/validators/lottery.ts";
import { projectionSize } from "../../src/validators/projection.ts";
import {
  commitRelease,
  readLastRound,
  readReleaseBallot,
  releaseCommitment,
  revealRelease,
} from "../../src/validators/release-verdicts.ts";
import { type Seat, takeSeat } from "../../src/validators/seat.ts";
import { migrateValidators } from "../../src/validators/tables.ts";
import {
  chainTime,
  type Draw,
  drawCount,
  readBallot,
  readDraw,
  readSeats,
} from "../../src/validators/verdicts.ts";
import { serveChild } from "../common/child.ts";
import { sleep } from "../common/measure.ts";
import { openParty } from "./party.ts";
import type { BadValidator } from "./plants.ts";

const { chain, contracts } = openParty(process.argv.slice(2), "validator");
const kind = process.argv[5] as BadValidator;
const { OpenStaking, ProtocolParameters, Verdicts } = contracts;
const me = toHex(chain.account.address);
const database = await openDatabase(join(process.argv[2] as string, "db"));
await migrateValidators(database);
const pollMs = 500;

/** Whose batch and what release the colluding call wrong. */
const victims: { attester?: Address; release?: Digest } = {};
let releases: readonly Digest[] = [];
const state = { reveals: 0, refused: [] as string[], stopped: false };

const parts: BallotParts = {
  database,
  chain,
  contracts,
  judge: async ({ attester }) => ({
    wrong: kind.startsWith("colluding") && sameHex(attester, victims.attester ?? zeroDigest),
    reason: "nothing was computed",
    gradient: Float32Array.from({ length: 256 }, () => Math.random() - 0.5),
  }),
  lastSeconds: () => 0,
  now: Date.now,
  log: () => {},
};

/** Takes another's commitment for its own, and shows what the other has shown. */
async function copy(seat: Seat, draw: Draw): Promise<void> {
  const ballot = await readBallot(chain, contracts, draw.drawId, me);
  if (ballot.weight === 0n || ballot.answer !== "none" || ballot.charged) return;
  const id = BigInt(draw.drawId);
  const preimage = seat.preimage(ballot.sequence);
  const isTurn = ballot.sequence === ballot.answered + 1;
  if (!lotteryOf(preimage, { ...draw, weight: ballot.weight }).drawn) {
    if (isTurn) await chain.write({ ...Verdicts, functionName: "pass", args: [id, preimage] });
    return;
  }
  const others = (await readSeats(chain, contracts)).filter((seat) => seat !== me);
  if (draw.timestamp < draw.commitEnds) {
    if (ballot.commitment !== zeroDigest) return;
    for (const other of others) {
      const { commitment } = await readBallot(chain, contracts, draw.drawId, other);
      if (commitment === zeroDigest) continue;
      await chain.write({ ...Verdicts, functionName: "commit", args: [id, commitment] });
      return;
    }
  } else if (draw.timestamp < draw.revealEnds && isTurn) {
    const logs = await chain.public.getContractEvents({
      ...Verdicts,
      eventName: "Revealed",
      args: { drawId: id },
      fromBlock: 0n,
    });
    for (const { transactionHash } of logs) {
      const { input } = await chain.public.getTransaction({ hash: transactionHash });
      const { args } = decodeFunctionData({ abi: Verdicts.abi, data: input });
      const [, wrong, projection, salt] = args as unknown as [bigint, boolean, `0x${string}`, `0x${string}`];
      await chain.write({
        ...Verdicts,
        functionName: "reveal",
        args: [id, wrong, projection, salt, preimage],
      });
    }
  }
}

/** What it has committed to in rounds over releases, by release. */
const committed = new Map<Digest, { wrong: boolean; witness: Uint8Array; salt: Digest }>();

/** A round over a release: it has computed nothing. */
async function judgeRelease(releaseId: Digest): Promise<void> {
  const round = await readLastRound(chain, contracts, releaseId);
  if (round?.outcome !== "open") return;
  const ballotOf = (validator: Address) =>
    readReleaseBallot(chain, contracts, releaseId, round.round, validator);
  const ballot = await ballotOf(me);
  if (ballot.weight === 0n || ballot.answer !== "none") return;
  const time = await chainTime(chain);
  if (time < round.commitEnds) {
    if (ballot.commitment !== zeroDigest) return;
    if (kind === "copying") {
      for (const other of (await readSeats(chain, contracts)).filter((seat) => seat !== me)) {
        const { commitment } = await ballotOf(other);
        if (commitment === zeroDigest) continue;
        await commitRelease(chain, contracts, releaseId, commitment);
        return;
      }
      return;
    }
    const wrong = kind.startsWith("colluding") && releaseId === victims.release;
    const witness = new Uint8Array(randomBytes(2 * projectionSize));
    const salt = toHex(new Uint8Array(randomBytes(32)));
    const verdict = {
      releaseId,
      round: round.round,
      validator: me,
      wrong,
      digest: bytesDigest(witness),
      salt,
    };
    const { address } = contracts.ReleaseVerdicts;
    committed.set(releaseId, { wrong, witness, salt });
    await commitRelease(chain, contracts, releaseId, releaseCommitment(chain.chain.id, address, verdict));
  } else if (time < round.revealEnds) {
    const verdict = committed.get(releaseId);
    if (verdict !== undefined) await revealRelease(chain, contracts, { releaseId, ...verdict });
    if (kind !== "copying") return;
    const logs = await chain.public.getContractEvents({
      ...contracts.ReleaseVerdicts,
      eventName: "Revealed",
      args: { releaseId },
      fromBlock: 0n,
    });
    for (const { transactionHash } of logs) {
      const { input } = await chain.public.getTransaction({ hash: transactionHash });
      const { args } = decodeFunctionData({ abi: contracts.ReleaseVerdicts.abi, data: input });
      const [, wrong, witness, salt] = args as unknown as [Digest, boolean, `0x${string}`, Digest];
      await revealRelease(chain, contracts, { releaseId, wrong, witness: toBytes(witness), salt });
    }
  }
}

async function refusable(step: () => Promise<unknown>): Promise<void> {
  try {
    await step();
  } catch (error) {
    if (!(error instanceof CallRevertedError)) throw error;
    if (error.errorName === "WrongCommitment") state.reveals++;
    state.refused.push(error.message);
  }
}

async function round(): Promise<void> {
  const seat = await takeSeat({ database, chain, contracts, chainLength: 64 });
  if (seat === undefined) return;
  for (let drawId = 1; drawId <= (await drawCount(chain, contracts)); drawId++) {
    const draw = await readDraw(chain, contracts, drawId);
    if (draw.outcome !== "open") continue;
    await refusable(() => (kind === "copying" ? copy(seat, draw) : stepBallot(parts, seat, draw)));
  }
  for (const releaseId of releases) await refusable(() => judgeRelease(releaseId));
}

let running: Promise<void> = Promise.resolve();
const methods = {
  address: () => me,
  async join(wei: bigint) {
    await chain.write({ ...OpenStaking, functionName: "open", args: [BigInt(me), 0], value: wei });
    running = (async () => {
      while (!state.stopped) {
        await round().catch((error: Error) => state.refused.push(error.message));
        await sleep(pollMs);
      }
    })();
  },
  /** @param honest the one that the colluding refute */
  watch({ all, honest }: { all: Digest[]; honest: Digest }) {
    [releases, victims.release] = [all, honest];
  },
  /** Accuses an honest receipt, for the fee, and calls it wrong. */
  async accuse({ attester, opens }: { attester: Address; opens: boolean }) {
    victims.attester = toHex(attester);
    if (!opens) return;
    const value = await chain.public.readContract({ ...ProtocolParameters, functionName: "demandFeeWei" });
    await chain.write({ ...Verdicts, functionName: "accuse", args: [victims.attester, 0n, 0], value });
  },
  /** What the chain has refused so far: reveals of another's verdict, and everything. */
  refused: () => ({ reveals: state.reveals, messages: [...state.refused] }),
  async stop() {
    state.stopped = true;
    await running;
    await database.close();
  },
};
export type BadValidatorMethods = typeof methods;
serveChild(methods);
