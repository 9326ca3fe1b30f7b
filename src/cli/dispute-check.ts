/** `openledger dispute check|prove`: read what an attester published of a batch, find every lie in it, prove one. */
import { createReadStream, existsSync } from "node:fs";
import type { Command } from "commander";
import type { Address } from "viem";
import {
  type CommittedBatch,
  type Digest,
  type IndexRow,
  type Lie,
  listLies,
  noBalances,
  openBatch,
  type PublishedBatch,
  type ReceiptFacts,
  receiptLies,
  toBytes,
  toHex,
  type Withheld,
  zeroAddress,
  zeroDigest,
} from "../protocol/index.ts";
import { chainFacts, contentFrom, describeLie, openIndex, prove, readContent } from "../settlement/index.ts";
import { explainRevert } from "./contract-errors.ts";
import { findSettled, type Settled } from "./dispute-batches.ts";
import { CliError, exitCodes } from "./errors.ts";
import { cannotRead } from "./files.ts";
import { ApiError, connect, type NodeClient } from "./http.ts";
import type { Io } from "./io.ts";
import { wholeNumber } from "./numbers.ts";
import { assertFunds, type ChainView, openChain, openPurse } from "./purse.ts";
import { subcommand } from "./subcommand.ts";
import { addressArgument, withAccount } from "./wallet-account.ts";

type Source = { readonly content?: string; readonly from?: string };

const withSource = (command: Command) =>
  command
    .argument("<attester>", "whose batch", addressArgument)
    .argument("<batch>", "its number", wholeNumber)
    .option("--content <file>", "what was published, as the attester's node serves it")
    .option("--from <url>", "another node to get it from");

export function defineCheck(command: Command, io: Io): void {
  withSource(
    subcommand(command, "check", "Read what was published of a batch, and name every lie in it"),
  ).action((attester: Address, number: bigint, source: Source) => check(io, attester, number, source));
  withAccount(
    withSource(subcommand(command, "prove", "Prove a lie of a batch on chain, which undoes it")),
    "account that proves, and is rewarded",
  )
    .option("--lie <number>", "which one, as check lists them from 0", wholeNumber, 0n)
    .action((attester: Address, number: bigint, options: Source & { as: string; lie: bigint }) =>
      proveLie(io, attester, number, options),
    );
}

type Checked = {
  readonly lies: readonly Lie[];
  readonly withheld: readonly string[];
  /** Receipts whose scores could not be checked: their release's index is not to be had. */
  readonly unscored: number;
};

async function check(io: Io, attester: Address, number: bigint, source: Source): Promise<void> {
  const node = connect();
  const chain = await openChain(node);
  const { lies, withheld, unscored } = await readAndCheck(node, chain, attester, number, source);
  const honest = lies.length === 0 && withheld.length === 0;
  io.result(
    {
      attester,
      number: Number(number),
      honest,
      lies: lies.map((lie) => ({ kind: lie.kind, detail: describeLie(lie) })),
      withheld,
      unscored,
    },
    [
      ...lies.map((lie, at) => `Lie ${at}: ${describeLie(lie)}`),
      ...withheld.map((what) => `Withheld: ${what}`),
      ...(unscored === 0
        ? []
        : [`The scores of ${unscored} receipts are unchecked: the index of their release is not to be had.`]),
      ...(honest ? [`Batch ${number} of ${attester} is what it says.`] : []),
      ...(lies.length > 0 ? [`→ ./openledger dispute prove ${attester} ${number}`] : []),
    ].join("\n"),
  );
  if (honest) return;
  throw new CliError(`Batch ${number} of ${attester} is not true.`, {
    actual: `${lies.length} lies, ${withheld.length} parts withheld`,
    code: lies.length > 0 ? "lying" : "withheld",
  });
}

async function proveLie(
  io: Io,
  attester: Address,
  number: bigint,
  { as, lie: which, ...source }: Source & { as: string; lie: bigint },
): Promise<void> {
  const node = connect();
  const purse = await openPurse(node, as, io);
  const { lies } = await readAndCheck(node, purse, attester, number, source);
  const lie = lies[Number(which)];
  if (lie === undefined)
    throw new CliError(`There is no lie ${which} in batch ${number} of ${attester}.`, {
      actual: lies.length === 0 ? "no lie was found" : `${lies.length} were found, counted from 0`,
      fix: [`./openledger dispute check ${attester} ${number}`],
      code: "no-lie",
    });
  await assertFunds(purse, 0n);
  const { transactionHash } = await prove(
    purse,
    purse.contracts,
    { attester, number: Number(number) },
    lie,
  ).catch((error: unknown) => {
    throw explainRevert(error);
  });
  const creditWei = await purse.public.readContract({
    ...purse.contracts.AttributionLedger,
    functionName: "creditOf",
    args: [purse.account.address],
  });
  io.result(
    {
      attester,
      number: Number(number),
      proven: { kind: lie.kind, detail: describeLie(lie) },
      creditWei,
      transactionHash,
    },
    `Proven: ${describeLie(lie)} Batch ${number} and those after it are undone.\n→ ./openledger dispute withdraw\n→ ./openledger dispute restore ${attester}`,
  );
}

async function readAndCheck(
  node: NodeClient,
  chain: ChainView,
  attester: Address,
  number: bigint,
  source: Source,
): Promise<Checked> {
  const settled = await findSettled(chain, attester, number);
  const committed = await committedOf(chain, settled);
  const content = await readContent(await contentOf(node, attester, number, source), committed).catch(
    (error: Error) => {
      throw new CliError(error.message, { code: "bad-content", cause: error });
    },
  );
  const { batch, withheld } = openBatch(committed, content);
  if (withheld.length > 0) return { lies: [], withheld: withheld.map(showWithheld), unscored: 0 };
  const lies: Lie[] = [...listLies(batch)];
  const facts = factsReader(node, chain);
  let unscored = 0;
  for (const [at, { query }] of batch.receipts.entries()) {
    const found = await facts(batch, at);
    if (found.release !== null && found.index === null && query !== "0x") unscored++;
    lies.push(...receiptLies(batch, at, found));
  }
  return { lies, withheld: [], unscored };
}

async function committedOf(chain: ChainView, settled: Settled): Promise<CommittedBatch> {
  const { attester, number, batch, intervals, at } = settled;
  const [{ timestamp }, previous] = await Promise.all([
    chain.public.getBlock({ blockNumber: at[0] }),
    number === 0n
      ? undefined
      : chain.public.readContract({
          ...chain.contracts.AttributionLedger,
          functionName: "batchOf",
          args: [attester, number - 1n],
        }),
  ]);
  const commitment = ({ root, count }: { root: Digest; count: number }) => ({ root: toHex(root), count });
  return {
    attester,
    number: Number(number),
    receipts: commitment(batch.receipts),
    journal: commitment(batch.journal),
    balances: commitment(batch.balances),
    previousBalances:
      previous === undefined || batch.previousBalancesRoot === zeroDigest
        ? noBalances
        : { root: toHex(batch.previousBalancesRoot), count: previous.balanceCount },
    intervals: intervals.map(({ channelId, from, to }) => ({ channelId: toHex(channelId), from, to })),
    settledAt: timestamp,
  };
}

async function contentOf(
  node: NodeClient,
  attester: Address,
  number: bigint,
  { content, from }: Source,
): Promise<AsyncIterable<Uint8Array>> {
  if (content !== undefined) {
    if (existsSync(content)) return createReadStream(content);
    throw cannotRead(content, { code: "ENOENT" });
  }
  const found =
    from === undefined
      ? await ownContent(node, attester, number)
      : await contentFrom(from, attester, Number(number)).catch((error: Error) => {
          throw new CliError(error.message, { exitCode: exitCodes.unfit, cause: error });
        });
  if (found !== undefined) return found;
  throw new CliError(`What batch ${number} of ${attester} was made from is not to be had here.`, {
    fix: [
      "--from <url> names the attester's node, --content <file> a file.",
      `./openledger dispute demand ${attester} ${number} receipt 0 --bond`,
    ],
    code: "no-content",
  });
}

async function ownContent(node: NodeClient, attester: Address, number: bigint) {
  try {
    return (await node.send("GET", `/v1/batches/${attester}/${number}/content`)).body ?? undefined;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return undefined;
    throw error;
  }
}

/** Reads what the chain says of a receipt's release, and the release's index from the node, once each. */
function factsReader(node: NodeClient, chain: ChainView) {
  const facts = chainFacts(chain, chain.contracts);
  const indexes = new Map<Digest, Promise<ReceiptFacts["index"]>>();
  return async ({ receipts, committed }: PublishedBatch, at: number): Promise<ReceiptFacts> => {
    const { releaseId, issuedAt, channelId } = (receipts[at] as PublishedBatch["receipts"][number]).receipt;
    const release = await facts.release(releaseId);
    if (release === undefined) return { release: null, terms: null, index: null, settleable: true };
    const [payee] = await chain.public.readContract({
      ...chain.contracts.PaymentChannels,
      functionName: "collectedOf",
      args: [channelId],
    });
    let index = indexes.get(releaseId);
    if (index === undefined) {
      index = indexOf(node, releaseId).then((rows) => openIndex(release.facts, rows));
      indexes.set(releaseId, index);
    }
    return {
      release: release.facts,
      terms: await facts.terms(release, issuedAt, payee),
      index: await index,
      settleable: await facts.settleable(releaseId, committed.settledAt),
    };
  };
}

type IndexJson = { readonly contributors: readonly Address[]; readonly rows: readonly `0x${string}`[] };

async function indexOf(node: NodeClient, releaseId: Digest): Promise<readonly IndexRow[] | undefined> {
  try {
    const { contributors, rows } = await node.get<IndexJson>(`/v1/releases/${releaseId}/index`);
    return rows.map((bytes, row) => ({
      row,
      payee: contributors[row] ?? zeroAddress,
      bytes: toBytes(bytes),
    }));
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return undefined;
    throw error;
  }
}

const showWithheld = (withheld: Withheld): string =>
  withheld.list === "receipt"
    ? `the ${withheld.digest} of receipt ${withheld.index}`
    : `the ${withheld.list} are not those that were committed`;
