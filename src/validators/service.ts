/**
 * A validator: watches what is settled, proves what can be proven, judges what it is drawn for. Everything it must not forget is in its own
 * database before anything of it is sent, so it may be stopped anywhere and started again.
 */
import { CallRevertedError, type ChainWriter, type ProtocolContracts } from "../chain/index.ts";
import type { BaseModel } from "../modelfactory/index.ts";
import { type Address, bytesDigest, type Digest, sameHex, toHex } from "../protocol/index.ts";
import { chainFacts, type Disputes, openDisputes } from "../settlement/index.ts";
import type { Blobs, Database } from "../store/index.ts";
import { type AftermathParts, accuse, endDraw } from "./aftermath.ts";
import { attempt } from "./attempt.ts";
import { createAttester } from "./attest-index.ts";
import { type BallotStep, stepBallot } from "./ballots.ts";
import { ValidatorError } from "./errors.ts";
import { evidenceSchema, signEvidenceRequest } from "./evidence.ts";
import { type Judgement, type JudgeParts, judge } from "./judge.ts";
import { judgeRelease } from "./judge-release.ts";
import { batchIdOf, everyReceipt } from "./lottery.ts";
import type { NodeSource } from "./node-source.ts";
import { openRecord } from "./record.ts";
import { openReleaseRounds, type ReleaseStep } from "./release-rounds.ts";
import type { StoredReleaseVerdict } from "./release-tables.ts";
import { createReplayer } from "./replay.ts";
import { sealingKey, unseal } from "./sealing.ts";
import { takeSeat } from "./seat.ts";
import { executeSlashes } from "./slashes.ts";
import { type Statement, signStatement } from "./statements.ts";
import { migrateValidators, openDraws } from "./tables.ts";
import { type Draw, drawCount, readDraw } from "./verdicts.ts";

export type ValidatorDependencies = {
  readonly database: Database;
  readonly blobs: Blobs;
  /** The validator's own account. */
  readonly chain: ChainWriter;
  readonly contracts: ProtocolContracts;
  /** The base model its answers are computed with. */
  readonly base: BaseModel;
  /** Nodes to ask, by the operator whose batches they publish. */
  readonly nodes: ReadonlyMap<Address, NodeSource>;
  /** Opens an audit of every batch that nobody has opened one of, for the governed fee. */
  readonly opensAudits?: boolean;
  readonly threads?: number;
  /** Draws a hash chain lasts for; 4,096 unless given. */
  readonly chainLength?: number;
  readonly onBlock?: (listener: () => void) => () => void;
  readonly now?: () => number;
  readonly log?: (level: "info" | "warn", message: string) => void;
};

export type Round = {
  readonly seated: boolean;
  /** What was found of others' batches in this round. */
  readonly found: readonly {
    readonly attester: Address;
    readonly number: number;
    readonly state: string;
    readonly detail: string | null;
  }[];
  readonly steps: readonly { readonly drawId: number; readonly step: BallotStep }[];
  /** Rounds over releases' indexes. */
  readonly releases: readonly {
    readonly releaseId: Digest;
    readonly round: number;
    readonly step: ReleaseStep;
  }[];
  /** Slashes it has carried out. */
  readonly slashes: readonly bigint[];
};

export type Validator = {
  readonly address: Address;
  readonly disputes: Disputes;
  /** Does everything that can be done now, once. */
  round(): Promise<Round>;
  /** Rounds again and again, until closed. */
  start(options: { readonly intervalMs: number }): void;
  close(): Promise<void>;
};

export async function openValidator(dependencies: ValidatorDependencies): Promise<Validator> {
  const { database, chain, contracts, nodes, base, now = Date.now, log = () => {} } = dependencies;
  const { chainLength = 4_096, opensAudits = false, threads = 1 } = dependencies;
  await migrateValidators(database);
  const me = toHex(chain.account.address);
  const sourceOf = (attester: Address): NodeSource => {
    const source = nodes.get(toHex(attester));
    if (source !== undefined) return source;
    throw new ValidatorError(
      "bad-node",
      `No node is known that publishes batches of ${attester}: name it with --node.`,
    );
  };
  const disputes = await openDisputes({
    database,
    blobs: dependencies.blobs,
    chain,
    contracts,
    indexOf: async (release) => {
      for (const source of nodes.values()) {
        const found = await source.release(release).catch((error: Error) => {
          log("warn", `A node did not give release ${release}: ${error.message}`);
          return undefined;
        });
        if (found !== undefined) return found.index;
      }
      return undefined;
    },
    fetchContent: async (attester, number) => nodes.get(toHex(attester))?.content(attester, number),
    ...(dependencies.onBlock === undefined ? {} : { onBlock: dependencies.onBlock }),
    now,
    log,
  });
  const judgeParts: JudgeParts = {
    chain,
    facts: chainFacts(chain, contracts),
    replay: createReplayer(base, { threads }),
    domain: { chainId: chain.chain.id, verifyingContract: toHex(contracts.AttributionLedger.address) },
  };
  const where = { chainId: chain.chain.id, verdicts: contracts.Verdicts.address };

  async function judgeDraw(draw: Draw, position: number, preimage: Digest): Promise<Judgement> {
    const source = sourceOf(draw.attester);
    const batch = await disputes.open(draw.attester, draw.number);
    const opened = batch.receipts[position];
    if (opened === undefined || !sameHex(batch.committed.receipts.root, draw.receiptsRoot))
      throw new ValidatorError(
        "no-evidence",
        `Batch ${draw.number} of ${draw.attester} is not the one drawn.`,
      );
    const release = await source.release(opened.receipt.releaseId);
    const key = sealingKey();
    const asked = { drawId: draw.drawId, preimage, publicKey: key.publicKey };
    const request = await signEvidenceRequest(where, asked, chain.account as never);
    const sealed = await source.evidence(request);
    const evidence = evidenceSchema.parse(JSON.parse(new TextDecoder().decode(unseal(key, sealed))));
    return judge(judgeParts, batch, position, release, evidence);
  }

  const ballotParts = {
    database,
    chain,
    contracts,
    judge: judgeDraw,
    lastSeconds: ({ commitEnds, revealEnds }: Draw) => Math.max(2, (revealEnds - commitEnds) / 5),
    now,
    log,
  };
  const attest = createAttester(base);
  const { onBlock } = dependencies;
  const record = await openRecord({
    ...{ database, chain, contracts },
    ...(onBlock === undefined ? {} : { onBlock }),
  });
  const releases = await openReleaseRounds({
    database,
    chain,
    contracts,
    record,
    judge: (releaseId, seeds) =>
      judgeRelease({ chain, contracts, attest, nodes: () => nodes.values() }, releaseId, seeds),
    publish: publishIndex,
    ...(dependencies.onBlock === undefined ? {} : { onBlock: dependencies.onBlock }),
    now,
    log,
  });
  const aftermath: AftermathParts & { contracts: ProtocolContracts } = {
    database,
    chain,
    contracts,
    record,
    log,
  };

  /** What was found of a release's index, and the witness behind its digest on chain; every node may keep it. */
  async function publishIndex({
    releaseId,
    round,
    wrong,
    reason,
    witness,
  }: StoredReleaseVerdict): Promise<void> {
    const statement: Statement = {
      schema: "openledger/statement/1",
      kind: "index",
      subject: releaseId,
      validator: me,
      issuedAt: Math.floor(now() / 1_000),
      body: {
        round,
        verdict: wrong ? "wrong" : "right",
        reason: reason.replaceAll(/[^\x20-\x7e]/g, "?"),
        witness: toHex(witness),
        digest: bytesDigest(witness),
      },
    };
    const signed = await signStatement(where, statement, chain.account as never);
    for (const source of nodes.values())
      await source
        .publish(signed)
        .catch((error: Error) =>
          log("warn", `${source.url} does not keep what was found of release ${releaseId}: ${error.message}`),
        );
  }

  /** One audit a batch, by whoever opens it first. */
  async function openAudits(): Promise<void> {
    const value = await chain.public.readContract({
      ...contracts.ProtocolParameters,
      functionName: "demandFeeWei",
    });
    const seen = new Set<string>();
    for (let drawId = await drawCount(chain, contracts); drawId >= 1 && seen.size < 1_000; drawId--)
      seen.add((await readDraw(chain, contracts, drawId)).batchId);
    for (const { attester, number, state, receiptsRoot } of await disputes.watched(100)) {
      if (state !== "honest") continue;
      const generation = Number(
        (
          await chain.public.readContract({
            ...contracts.AttributionLedger,
            functionName: "batchOf",
            args: [attester, BigInt(number)],
          })
        ).generation,
      );
      if (seen.has(batchIdOf(attester, number, generation, receiptsRoot))) continue;
      const args = [attester, BigInt(number)] as const;
      await attempt({ chain, log }, { ...contracts.Verdicts, functionName: "audit", args, value });
    }
  }

  async function round(): Promise<Round> {
    const found = await disputes.checkAll();
    await disputes.enforce();
    const seat = await takeSeat({ database, chain, contracts, chainLength });
    if (seat !== undefined && opensAudits) await openAudits();
    await record.catchUp();
    const steps: { drawId: number; step: BallotStep }[] = [];
    for (const drawId of await openDraws(database, await drawCount(chain, contracts))) {
      const draw = await readDraw(chain, contracts, drawId);
      try {
        const step = seat === undefined ? "not counted" : await stepBallot(ballotParts, seat, draw);
        steps.push({ drawId, step });
        if (step === "revealed" && draw.receipt === everyReceipt) await accuse(aftermath, draw);
        await endDraw(aftermath, draw);
      } catch (error) {
        // A phase may end between the look at it and the block: the next round sees what became of it, and other draws go on.
        if (!(error instanceof CallRevertedError)) throw error;
        log("warn", `Draw ${drawId}: ${error.message}`);
      }
    }
    const releaseSteps = await releases.step();
    const slashes = await executeSlashes(aftermath);
    return {
      seated: seat !== undefined,
      found: found.map(({ attester, number, state, detail }) => ({ attester, number, state, detail })),
      steps,
      releases: releaseSteps,
      slashes,
    };
  }

  let closed = false;
  let running: Promise<unknown> = Promise.resolve();
  let timer: NodeJS.Timeout | undefined;
  return {
    address: me,
    disputes,
    round: () => {
      const turn = running.then(round);
      running = turn.catch(() => {});
      return turn;
    },
    start({ intervalMs }) {
      const next = async () => {
        if (closed) return;
        running = running
          .then(round)
          .catch((error: Error) => log("warn", `A round ended early: ${error.message}`));
        await running;
        if (!closed) timer = setTimeout(next, intervalMs);
      };
      void next();
    },
    async close() {
      closed = true;
      clearTimeout(timer);
      await running;
      await releases.stop();
      await record.stop();
      await disputes.close();
    },
  };
}
