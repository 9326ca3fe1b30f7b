/** A running node in which something has happened: what pages are tested on. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { demoApi } from "../../src/cli/demo-api.ts";
import {
  askAll,
  buyKey,
  collectReceipts,
  contributeValley,
  demoContext,
  fineTune,
  settleAndClaim,
} from "../../src/cli/demo-story.ts";
import { readValley, type Valley } from "../../src/cli/demo-valley.ts";
import {
  type NodeConfigInput,
  openNode,
  packageFolder,
  type RunningNode,
  readConfig,
} from "../../src/node/index.ts";

/** So many of a contributor's rows: two facts in seven wordings. */
const rowsEach = 14;
const open = 10n ** 18n;

const silent = { chapter() {}, say() {}, progress: () => ({ update() {}, end() {} }) };

export type World = { node: RunningNode; url: string; close(): Promise<void> };

/** A node with the small base model, in a temporary home. */
export async function openWorld(config: Partial<NodeConfigInput> = {}): Promise<World> {
  const home = mkdtempSync(join(tmpdir(), "openledger-web-"));
  const node = await openNode(
    readConfig(home, { port: 0, threads: 1, settleEveryMs: 0, settlementWindowSeconds: 1, ...config }),
    { log: () => {} },
  );
  return {
    node,
    url: node.url,
    close: async () => {
      await node.close();
      rmSync(home, { recursive: true, force: true });
    },
  };
}

function someOf(valley: Valley): Valley {
  const first = (text: string, rows: number) => `${text.trim().split("\n").slice(0, rows).join("\n")}\n`;
  return {
    ...valley,
    contributions: valley.contributions.map((text) => first(text, rowsEach)),
    heldOut: first(valley.heldOut, 24),
    questions: valley.questions.filter(
      ({ owner }, at, all) => all.findIndex((other) => other.owner === owner) === at,
    ),
  };
}

/** What {@link populate} has made happen. */
export type Known = Awaited<ReturnType<typeof populate>>;

/** Five people contribute, a release is trained, questions are paid for, a batch is settled and claimed. About half a minute. */
export async function populate({ node }: World) {
  const valley = someOf(readValley(join(packageFolder, "examples", "valley")));
  const context = demoContext(node, valley, silent);
  const { datanetId, version, contributors } = await contributeValley(context);
  const job = await fineTune(context, datanetId, version.version, { calibrated: false });
  const { secret, channelId } = await buyKey(context, open);
  const receipts = await collectReceipts(context, await askAll(context, "valley", "", secret));
  await settleAndClaim(context, receipts, contributors);
  const { transactions } = await context.api.get<{ transactions: { hash: string }[] }>(
    "/v1/explorer/transactions?limit=1",
  );
  return {
    datanetId,
    jobId: job.id,
    transactionHash: transactions[0]?.hash as string,
    releaseId: job.releaseId as string,
    contributor: contributors[0] as string,
    receiptId: receipts[0]?.receiptId as string,
    channelId,
    secret,
    /** A question that the release was taught the answer to. */
    question: valley.questions[0]?.question as string,
    answer: valley.questions[0]?.answer as string,
  };
}

/** Publishes what waits as the next version and trains a release on it, as the operator. */
export async function publishAndTrain({ node }: World, datanetId: string, model: string) {
  const { operate, get, follow } = demoApi(node.url, node.operatorToken);
  const { version } = await operate<{ version: number }>(`/v1/datanets/${datanetId}/versions`, {});
  const { id } = await operate<{ id: string }>("/v1/fine-tunes", {
    model,
    datanets: [{ datanetId, version }],
    recipe: { threads: 1, stopAtOptimum: false, stopLoss: 0.01, calibration: { retrainings: 0 } },
  });
  await follow(`/v1/fine-tunes/${id}/events`, () => {});
  const { state, error } = await get<{ state: string; error: string | null }>(`/v1/fine-tunes/${id}`);
  if (state !== "succeeded") throw new Error(`The job ended as ${state}: ${error}`);
  return { version, jobId: id };
}

/** One paid question, its receipt settled. @returns the answer */
export async function askAndSettle(
  { node }: World,
  model: string,
  question: string,
  secret: string,
): Promise<string> {
  const { text } = await demoApi(node.url, node.operatorToken).ask(model, question, secret);
  await node.inference.drain();
  await node.settlement.settle();
  return text;
}
