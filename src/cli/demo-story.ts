/**
 * The main job, end to end: contribute → version → fine-tune → release → serve → attribute → charge → settle → claim → verify, over the
 * HTTP API of a node in a temporary home. Each chapter is one function; what it returns is what the next ones need.
 */
import { createBm25 } from "../attribution/index.ts";
import { proveSupply } from "../chain/index.ts";
import { type Example, exampleSequence, loadCheckpoint, promptTokens } from "../engine/index.ts";
import type { RunningNode } from "../node/index.ts";
import { openChannel } from "../payments/index.ts";
import {
  type Address,
  type Digest,
  exampleText,
  type Manifest,
  nothingFailed,
  verifyAudit,
} from "../protocol/index.ts";
import { type Api, demoApi, mapAtOnce } from "./demo-api.ts";
import { contributeAs } from "./demo-contribute.ts";
import {
  asExample,
  contributorNames,
  examplesOf,
  isRight,
  type Question,
  share,
  type Valley,
} from "./demo-valley.ts";
import type { ExamplesJson } from "./receipt-examples.ts";

const open = 10n ** 18n;
const model = "valley";
const atOnce = 8;
/** As many halves as it takes to tell its scores from shared words, and less else than the default. */
const calibration = { retrainings: 8, leaveOut: 2 };

/** What the story tells while it goes on. */
export type Teller = {
  chapter(title: string): void;
  say(text: string): void;
  progress(title: string): { update(done: number, of: number, note?: string): void; end(): void };
};

export type DemoContext = {
  readonly node: RunningNode;
  readonly api: Api;
  readonly valley: Valley;
  readonly tell: Teller;
};

export const demoContext = (node: RunningNode, valley: Valley, tell: Teller): DemoContext => ({
  node,
  api: demoApi(node.url, node.operatorToken),
  valley,
  tell,
});

/** Five people sign for what they know; a sixth gives facts about strangers, never to be trained on. */
export async function contributeValley({ node, api, valley, tell }: DemoContext) {
  const { datanetId } = await api.operate<{ datanetId: string }>("/v1/datanets", {
    name: "The valley",
    description: "A hundred facts about twenty-five invented people",
    domain: "Local knowledge",
    license: "CC0-1.0",
  });
  const contributors = contributorNames.map((name) => node.network.keys.account(name));
  for (const [i, account] of contributors.entries()) {
    const { accepted } = await contributeAs(
      api,
      datanetId,
      account,
      valley.contributions[i] as string,
      "train",
    );
    tell.say(`${contributorNames[i]?.padEnd(6)} signs for ${accepted} examples`);
  }
  await contributeAs(api, datanetId, node.network.keys.account("warden"), valley.heldOut, "heldout");
  const version = await api.operate<{ version: number; root: Digest; count: number }>(
    `/v1/datanets/${datanetId}/versions`,
    {},
  );
  return { datanetId, version, contributors: contributors.map((a) => a.address.toLowerCase() as Address) };
}

/** Asks every question; returns the answers in order. */
export async function askAll(
  { api, valley, tell }: DemoContext,
  asked: string,
  title: string,
  bearer?: string,
) {
  const bar = tell.progress(title);
  let done = 0;
  const answers = await mapAtOnce(valley.questions, atOnce, async ({ question }) => {
    const answer = await api.ask(asked, question, bearer);
    bar.update(++done, valley.questions.length);
    return answer;
  });
  bar.end();
  return answers;
}

export const rightOnes = (answers: readonly { text: string }[], questions: readonly Question[]) =>
  questions.map((question, i) => isRight(answers[i]?.text ?? "", question));

type Job = {
  id: string;
  state: string;
  error: string | null;
  trained: { steps: number; lossFirst: number; lossLast: number; epochs: number } | null;
  evaluated: { base: { loss: number; exact: boolean[] }; tuned: { loss: number; exact: boolean[] } } | null;
  indexed: { k: number; bytes: number; thresholdMillionths: number } | null;
  calibrated: { facts: Manifest["calibration"] | null } | null;
  releaseId: Digest | null;
};

/** A fine-tuning job with its live loss, until it ends. */
export async function fineTune(
  { api, node, valley, tell }: DemoContext,
  datanetId: string,
  version: number,
  { calibrated = true, ...options }: { exclude?: Address[]; calibrated?: boolean } = {},
): Promise<Job> {
  const control = options.exclude !== undefined;
  const { id } = await api.operate<Job>("/v1/fine-tunes", {
    model: control ? "valley-control" : model,
    datanets: [{ datanetId, version }],
    // Invented facts are memorised on purpose: facts about strangers are likeliest after two epochs, before the taught ones are known.
    recipe: {
      ...{ threads: node.config.threads, stopAtOptimum: false, stopLoss: 0.01 },
      calibration: calibrated ? { ...calibration, queries: valley.questions.length } : { retrainings: 0 },
    },
    evaluation: valley.questions.map(asExample),
    ...(control ? { exclude: options.exclude, publish: false } : {}),
  });
  const training = tell.progress(control ? "Retraining" : "Training");
  const indexing = tell.progress("Gradient index");
  const calibrating = tell.progress("Calibration");
  const stages = ["near duplicates", "gradients", "held-out gradients", "curvature", "basis"];
  await api.follow(`/v1/fine-tunes/${id}/events`, (kind, data) => {
    if (kind === "step")
      training.update(Number(data.step), Number(data.steps), `loss ${Number(data.loss).toFixed(3)}`);
    if (kind === "state" && data.state === "evaluating") {
      training.update(1, 1, "stopped at the loss asked for");
      training.end();
    }
    if (kind === "index")
      indexing.update(
        stages.indexOf(String(data.stage)) + Number(data.done) / Number(data.of),
        stages.length,
        String(data.stage),
      );
    if (kind === "calibration") {
      indexing.end();
      calibrating.update(Number(data.done), Number(data.of), "retraining without parts of the examples");
    }
  });
  indexing.end();
  calibrating.end();
  const job = await api.get<Job>(`/v1/fine-tunes/${id}`);
  if (job.state !== "succeeded") throw new Error(`The fine-tuning job ended as ${job.state}: ${job.error}`);
  return job;
}

/** Opens a channel with a session signer and gets the key that spends it: what an unchanged OpenAI client needs. */
export async function buyKey({ node, api }: DemoContext, depositWei: bigint) {
  const payer = node.network.keys.account("payer");
  await node.network.faucet(payer.address, depositWei + open);
  const key = await api.post<{ secret: string; signer: Address; payee: Address }>("/v1/keys", {
    label: "demo",
  });
  const { channelId } = await openChannel(node.network.writer(payer), node.network.contracts, {
    payee: key.payee,
    signer: key.signer,
    depositWei,
  });
  await api.post("/v1/keys/activate", { channelId }, key.secret);
  return { secret: key.secret, channelId };
}

export type Receipted = {
  readonly receiptId: Digest;
  readonly feeWei: bigint;
  readonly payments: readonly { payee: Address; amount: bigint }[];
};

/** The receipt of each answer, opened. */
export async function collectReceipts(
  { api, node }: DemoContext,
  answers: readonly { requestId: string | null }[],
): Promise<Receipted[]> {
  await node.inference.drain();
  return mapAtOnce(answers, atOnce, async ({ requestId }) => {
    const { receipt } = await api.get<{ receipt: Digest }>(`/v1/requests/${requestId}`);
    const { bundle } = await api.get<{
      bundle: { receipt: { from: string; to: string }; payments: { payee: Address; amount: string }[] };
    }>(`/v1/receipts/${receipt}`);
    return {
      receiptId: receipt,
      feeWei: BigInt(bundle.receipt.to) - BigInt(bundle.receipt.from),
      payments: bundle.payments.map(({ payee, amount }) => ({ payee, amount: BigInt(amount) })),
    };
  });
}

/** The three examples behind the first answer that is right and pays somebody. */
export async function firstExamples(
  { api, valley }: DemoContext,
  receipts: readonly Receipted[],
  right: readonly boolean[],
  bearer: string,
) {
  for (const [i, { receiptId }] of receipts.entries()) {
    if (right[i] !== true) continue;
    const { helpful } = await api.get<ExamplesJson>(`/v1/receipts/${receiptId}/examples?limit=3`, bearer);
    if (helpful.length > 0) return { question: valley.questions[i] as Question, helpful };
  }
  return undefined;
}

/** Who was paid best, and what the owner got of the contributors' money, over the questions given. */
export function judgePay(
  receipts: readonly Receipted[],
  questions: readonly Question[],
  contributors: readonly Address[],
  counts: readonly boolean[],
) {
  let hits = 0;
  let judged = 0;
  let ownerShare = 0;
  let paidSomebody = 0;
  receipts.forEach(({ payments }, i) => {
    if (counts[i] !== true) return;
    judged++;
    const earned = contributors.map((address) =>
      payments.reduce((sum, p) => (p.payee === address ? sum + p.amount : sum), 0n),
    );
    const total = earned.reduce((sum, x) => sum + x, 0n);
    if (total === 0n) return;
    paidSomebody++;
    const best = earned.reduce((b, x, c) => (x > (earned[b] as bigint) ? c : b), 0);
    const owner = (questions[i] as Question).owner;
    if (best === owner) hits++;
    ownerShare += Number(((earned[owner] as bigint) * 1_000_000n) / total) / 1e6;
  });
  return {
    hitRate: hits / Math.max(1, judged),
    ownerShare: ownerShare / Math.max(1, paidSomebody),
    toPool: judged - paidSomebody,
    judged,
  };
}

/** How often two baselines, summed by contributor over the same rows, would have named the owner. */
export async function baselines(
  { node, valley }: DemoContext,
  release: Digest,
  answers: readonly { text: string }[],
  counts: readonly boolean[],
) {
  const rows = valley.contributions.flatMap((text, contributor) =>
    examplesOf(text).map((example) => ({ example, contributor })),
  );
  const best = (scores: readonly number[]) => scores.indexOf(Math.max(...scores));
  const judged = valley.questions
    .map((question, i) => ({ question, answer: answers[i]?.text ?? "", i }))
    .filter(({ i }) => counts[i] === true);

  const bm25 = createBm25(rows.map(({ example }) => exampleText(example)));
  const bm25Hits = judged.filter(({ question, answer }) => {
    const sums = contributorNames.map(() => 0);
    bm25(`${question.question} ${answer}`).forEach((score, i) => {
      const c = rows[i]?.contributor as number;
      sums[c] = (sums[c] as number) + score;
    });
    return best(sums) === question.owner;
  });

  const { tokenizer, config } = loadCheckpoint(node.config.baseModel);
  const sequences = rows.map(({ example }) =>
    exampleSequence(tokenizer, example as Example, { trainOnEnd: false, maxLength: config.maxPositions }),
  );
  const scores = await node.attribution.gradDot({
    release,
    examples: sequences,
    contributorOf: rows.map(({ contributor }) => contributor),
    contributors: contributorNames.length,
    queries: judged.map(({ question, answer }) => ({
      promptIds: promptTokens(tokenizer, { messages: [{ role: "user", content: question.question }] }),
      outputIds: tokenizer.encode(answer),
    })),
  });
  const gradDotHits = judged.filter(({ question }, i) => best(scores[i] as number[]) === question.owner);
  return {
    bm25: bm25Hits.length / Math.max(1, judged.length),
    graddot: gradDotHits.length / Math.max(1, judged.length),
  };
}

/** One batch on chain, its window, and a claim for everyone in it. Amounts are checked against the receipts to the wei. */
export async function settleAndClaim(
  { node, tell }: DemoContext,
  receipts: readonly Receipted[],
  contributors: readonly Address[],
) {
  const { settlement, network } = node;
  const { accounts } = network;
  const feesWei = receipts.reduce((sum, r) => sum + r.feeWei, 0n);
  const earned = new Map<Address, bigint>();
  for (const { payments } of receipts)
    for (const { payee, amount } of payments) earned.set(payee, (earned.get(payee) ?? 0n) + amount);
  const of = (address: string) => earned.get(address.toLowerCase() as Address) ?? 0n;
  const earnedWei = contributors.map(of);
  const named = {
    operator: of(accounts.operator.address),
    treasury: of(network.contracts.OpenTimelock.address),
    developer: of(accounts.developer.address),
    stakers: of(network.contracts.OpenStaking.address),
    contributors: earnedWei.reduce((sum, x) => sum + x, 0n),
    datanetOwners: of(accounts.curator.address),
  };
  const paidWei = { ...named, commonPool: feesWei - Object.values(named).reduce((sum, x) => sum + x, 0n) };
  const poolPaid = receipts.reduce(
    (sum, { payments }) => sum + payments.reduce((s, p) => s + p.amount, 0n),
    0n,
  );
  if (poolPaid !== feesWei) throw new Error(`The receipts pay ${poolPaid} wei out of fees of ${feesWei}.`);

  const results = await settlement.settleNow();
  const settled = results.filter((result) => result.batch !== null);
  const [first] = settled;
  if (first?.batch === null || first === undefined) throw new Error("No batch was settled.");
  tell.say(
    `Batch ${first.batch.number} of ${first.batch.receipts.count} receipts is on chain and can be disputed for ${node.config.settlementWindowSeconds} s`,
  );
  const finalAtSec = Math.max(...settled.map((result) => result.batch?.finalAtSec ?? 0));
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, finalAtSec * 1000 - Date.now()) + 1_100));
  await settlement.follow();
  const { claims, failures } = await settlement.claimAll();
  for (const { payee, error } of failures) tell.say(`✗ ${payee} could not be paid: ${error}`);
  const claimedWei = claims.reduce((sum, claim) => sum + claim.claimedWei, 0n);
  return {
    feesWei,
    paidWei,
    earnedWei,
    claimedWei,
    batchTx: first.batch.transactionHash as Digest,
    gasPerReceipt: first.gasPerReceipt ?? 0,
  };
}

/** Every receipt's audit file, checked as an auditor without node or chain would. */
export async function verifyAll(
  { api }: DemoContext,
  receipts: readonly Receipted[],
): Promise<{ verified: number; failed: string[] }> {
  const failed: string[] = [];
  const results = await mapAtOnce(receipts, atOnce, async ({ receiptId }) => {
    const checks = await verifyAudit(await api.get(`/v1/receipts/${receiptId}/audit`));
    for (const check of checks) if (check.status === "failed") failed.push(`${receiptId} ${check.name}`);
    return nothingFailed(checks);
  });
  return { verified: results.filter(Boolean).length, failed };
}

export async function supply({ node }: DemoContext) {
  const proof = await proveSupply(node.network.chain);
  return { ...proof, conserved: proof.balancesWei + proof.destroyedWei === 10n ** 27n };
}

/** Accuracy on the excluded owner's facts, and on everybody else's, after the retraining without them. */
export function judgeControl(exact: readonly boolean[], questions: readonly Question[], owner: number) {
  const of = (mine: boolean) =>
    share(exact.filter((_, i) => ((questions[i] as Question).owner === owner) === mine));
  return { removedOwnerAccuracy: of(true), othersAccuracy: of(false) };
}
