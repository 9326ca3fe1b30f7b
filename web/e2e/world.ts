/** A running node in which something has happened: what pages are tested on. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { encodeFunctionData, stringToHex } from "viem";
import { demoApi } from "../../src/cli/demo-api.ts";
import { contributeAs } from "../../src/cli/demo-contribute.ts";
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

export type World = {
  node: RunningNode;
  url: string;
  /** How far the node's clock is ahead of the machine's, milliseconds. */
  aheadMs(): number;
  /** Lets so much time pass on the node's chain. */
  later(seconds: number): Promise<void>;
  close(): Promise<void>;
};

/** A node with the small base model, in a temporary home. */
export async function openWorld(config: Partial<NodeConfigInput> = {}): Promise<World> {
  const home = mkdtempSync(join(tmpdir(), "openledger-web-"));
  let aheadMs = 0;
  const node = await openNode(readConfig(home, { port: 0, threads: 1, settleEveryMs: 0, ...config }), {
    log: () => {},
    machineMs: () => Date.now() + aheadMs,
  });
  return {
    node,
    url: node.url,
    aheadMs: () => aheadMs,
    later: async (seconds) => {
      aheadMs += 1_000 * seconds;
      await node.network.chain.mineEmptyBlock();
    },
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

const contextOf = ({ node }: World) =>
  demoContext(node, someOf(readValley(join(packageFolder, "examples", "valley"))), silent);

/** Five people contribute, and a version is published. */
export const giveValley = (world: World) => contributeValley(contextOf(world));

/** Somebody stakes and opens a pool. @returns the pool's name */
async function stakeIn({ node: { network } }: World): Promise<string> {
  const account = network.keys.account("vale");
  await network.faucet(account.address, 150n * open);
  await network.writer(account).write({
    ...network.contracts.OpenStaking,
    functionName: "open",
    args: [BigInt(account.address), 1_000],
    value: 100n * open,
  });
  return account.address.toLowerCase();
}

/** Somebody locks OPEN and proposes what it thinks of. */
async function proposeTip({ node: { network } }: World): Promise<void> {
  const { GOPEN, OpenGovernor, ProtocolParameters } = network.contracts;
  const proposer = network.writer(network.keys.account("perry"));
  const { address } = proposer.account;
  const locked = 20_000n * open;
  await network.faucet(address, locked + open);
  await proposer.write({ ...GOPEN, functionName: "deposit", value: locked });
  await proposer.write({ ...GOPEN, functionName: "delegate", args: [address] });
  // Votes are those of a second that is over.
  const votes = async () => {
    const { timestamp } = await proposer.public.getBlock({ blockTag: "pending" });
    return proposer.public.readContract({
      ...OpenGovernor,
      functionName: "getVotes",
      args: [address, timestamp - 1n],
      blockTag: "pending",
    });
  };
  while ((await votes()) < locked) await pause(100);
  const call = encodeFunctionData({
    ...ProtocolParameters,
    functionName: "set",
    args: [stringToHex("minimumTipWei", { size: 32 }), 2n * 10n ** 9n],
  });
  await proposer.write({
    ...OpenGovernor,
    functionName: "propose",
    args: [
      [ProtocolParameters.address],
      [0n],
      [call],
      "Double the minimum tip\nBlocks fill with transactions that nobody needs. A higher tip keeps them out.",
    ],
  });
}

/** What {@link populate} has made happen. */
export type Known = Awaited<ReturnType<typeof populate>>;

/** Five people contribute, a release is trained, questions are paid for, a batch is settled and claimed, a pool is opened and a proposal made. About half a minute. */
export async function populate(world: World) {
  const context = contextOf(world);
  const { valley } = context;
  const { datanetId, version, contributors } = await contributeValley(context);
  const job = await fineTune(context, datanetId, version.version, { calibrated: false });
  const { secret, channelId } = await buyKey(context, open);
  const receipts = await collectReceipts(context, await askAll(context, "valley", "", secret));
  await settleAndClaim(context, receipts, contributors);
  const pool = await stakeIn(world);
  await proposeTip(world);
  const { transactions } = await context.api.get<{ transactions: { hash: string }[] }>(
    "/v1/explorer/transactions?limit=1",
  );
  return {
    datanetId,
    version: version.version,
    jobId: job.id,
    transactionHash: transactions[0]?.hash as string,
    releaseId: job.releaseId as string,
    contributor: contributors[0] as string,
    receiptId: receipts[0]?.receiptId as string,
    channelId,
    secret,
    pool,
    /** A question that the release was taught the answer to. */
    question: valley.questions[0]?.question as string,
    answer: valley.questions[0]?.answer as string,
  };
}

/** Lets an account that is signed in act in the operator's name. */
export const admit = ({ node }: World, address: string) =>
  demoApi(node.url, node.operatorToken).admit(address);

const publish = ({ node }: World, datanetId: string) =>
  demoApi(node.url, node.operatorToken).operate<{ version: number }>(
    `/v1/datanets/${datanetId}/versions`,
    {},
  );

/** Starts a job that trains a release, as the operator. @returns its id */
export async function startTraining(
  { node }: World,
  model: string,
  data: { datanetId: string; version: number },
  recipe: object,
): Promise<string> {
  const { id } = await demoApi(node.url, node.operatorToken).operate<{ id: string }>("/v1/fine-tunes", {
    model,
    datanets: [data],
    recipe: { threads: 1, stopAtOptimum: false, calibration: { retrainings: 0 }, ...recipe },
  });
  return id;
}

/** Waits for a job's end. @throws Error unless it succeeded */
export async function trained({ node }: World, id: string): Promise<void> {
  const { get, follow } = demoApi(node.url, node.operatorToken);
  await follow(`/v1/fine-tunes/${id}/events`, () => {});
  const { state, error } = await get<{ state: string; error: string | null }>(`/v1/fine-tunes/${id}`);
  if (state !== "succeeded") throw new Error(`The job ended as ${state}: ${error}`);
}

/** Publishes what waits as the next version and trains a release on it, as the operator. */
export async function publishAndTrain(world: World, datanetId: string, model: string) {
  const { version } = await publish(world, datanetId);
  const jobId = await startTraining(world, model, { datanetId, version }, { stopLoss: 0.01 });
  await trained(world, jobId);
  return { version, jobId };
}

const words = "river mill bridge clock lantern orchard ferry anvil chapel harbour meadow quarry".split(" ");

/** A Datanet of its own with so many rows of different lengths, published. About a millisecond and a half a row. @returns its id */
export async function publishRows(world: World, rows: number): Promise<string> {
  const api = demoApi(world.url, world.node.operatorToken);
  const { datanetId } = await api.operate<{ datanetId: string }>("/v1/datanets", {
    name: `${rows} rows`,
    description: "Rows to scroll through",
    domain: "Tests",
    license: "CC0-1.0",
  });
  const text = Array.from({ length: rows }, (_, row) => {
    const word = (of: number) => words[(row * 7 + of * 5 + ((row * of) % 11)) % words.length];
    const long = Array.from({ length: 4 + (row % 40) }, (_, at) => word(at)).join(" ");
    return JSON.stringify({
      messages: [
        { role: "user", content: `Question ${row}: what stands beside the ${word(1)}?` },
        { role: "assistant", content: `Number ${row}: ${long}.` },
      ],
    });
  }).join("\n");
  await contributeAs(api, datanetId, world.node.network.keys.account("writer"), text, "train");
  await publish(world, datanetId);
  return datanetId;
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
