import { chmodSync, mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import {
  type ChainWriter,
  chainClients,
  localNetwork,
  openKeystore,
  type ProtocolContracts,
  protocolAbis,
} from "../chain/index.ts";
import { defaultHome } from "../node/index.ts";
import { type Address, toHex } from "../protocol/index.ts";
import { openBlobFolder, openDatabase } from "../store/index.ts";
import {
  type NodeSource,
  networkSchema,
  nodeSource,
  openValidator,
  type Round,
} from "../validators/index.ts";
import { formatOpen, parsePositiveOpen } from "./amount.ts";
import { CliError, exitCodes } from "./errors.ts";
import type { Io } from "./io.ts";
import { contractsOf } from "./purse.ts";
import { nodeUrl, settingsFromEnvironment } from "./settings.ts";
import { openBase, withBase } from "./verify-base.ts";

type Options = {
  home: string;
  node: string[];
  base?: string;
  threads: number;
  stake?: bigint;
  openAudits?: boolean;
  every: number;
  once?: boolean;
};

/** `openledger validator`: checks what operators settle, with its own keys and its own folder, beside nobody's node. */
export function define(command: Command, io: Io): void {
  withBase(command)
    .option(
      "--home <folder>",
      "the validator's own folder: keys, verdicts, hash chains",
      join(defaultHome(), "validator"),
    )
    .option(
      "--node <url>",
      "a node whose batches are checked, once for each; the first is the way to the chain",
      (url: string, before: string[]) => [...before, url],
      [] as string[],
    )
    .option("--stake <amount>", "OPEN to open the validator's pool with, if it has none", parsePositiveOpen)
    .option("--open-audits", "open an audit of every batch that has none, for the governed fee")
    .option("--every <seconds>", "pause between rounds", Number, 5)
    .option("--once", "one round, then end")
    .addHelpText(
      "after",
      `
A round reads every batch that can be challenged and proves what is wrong with it, takes a seat in the lottery, and answers each draw:
who is drawn computes the answer's gradient again, commits to a verdict, and reveals it. In a round over a release it makes the release's
index again and judges that. What was committed stands in the folder before it
is sent, so the program may be stopped at any time; but whoever is away when it is drawn is charged for silence.
It needs the base model's folder (--base), OPEN for gas, and a pool with the governed minimum of its own stake (--stake).`,
    )
    .action(async (options: Options) => run(io, options));
}

async function run(io: Io, options: Options): Promise<void> {
  if (!(options.every >= 1))
    throw new CliError("--every takes seconds, 1 at least.", { exitCode: exitCodes.usage });
  const settings = settingsFromEnvironment();
  const urls = options.node.length > 0 ? options.node : [nodeUrl(settings)];
  const nodes = new Map<Address, NodeSource>();
  let network: { chainId: number; contracts: Readonly<Record<string, Address>> } | undefined;
  for (const url of urls) {
    const source = nodeSource(url);
    const said = networkSchema.safeParse(await source.get("v1/network"));
    if (!said.success)
      throw new CliError(`${url} does not say which network it is of.`, { exitCode: exitCodes.unfit });
    if (said.data.network.chainId !== settings.chainId)
      throw new CliError(`The node at ${url} is on another chain; nothing was signed.`, {
        expected: `chain ${settings.chainId}`,
        actual: `chain ${said.data.network.chainId}`,
        exitCode: exitCodes.unfit,
      });
    nodes.set(toHex(said.data.operator), source);
    network ??= said.data.network;
  }
  const { chainId, contracts: addresses } = network as NonNullable<typeof network>;
  const rpcUrl = `${(urls[0] as string).replace(/\/+$/, "")}/rpc`;
  const home = resolve(options.home);
  mkdirSync(home, { recursive: true });
  chmodSync(home, 0o700);
  const account = openKeystore(join(home, "keys.json")).account("validator");
  const contracts = contractsOf(addresses);
  const chain = chainClients({
    rpcUrl,
    network: localNetwork({ chainId, rpcUrls: [rpcUrl], contracts: addresses }),
    abis: protocolAbis,
    account,
  });
  const base = await openBase(options.base);
  await ensurePool(chain, contracts, options.stake);
  await using database = await closing(await openDatabase(join(home, "db")));
  const validator = await openValidator({
    database: database.value,
    blobs: await openBlobFolder(join(home, "blobs")),
    chain,
    contracts,
    base,
    nodes,
    opensAudits: options.openAudits === true,
    threads: options.threads,
    log: (level, message) => (level === "warn" ? io.warn(message) : io.note(message)),
  });
  try {
    if (options.once === true) {
      const round = await validator.round();
      io.result({ validator: validator.address, ...round }, describe(validator.address, round));
      return;
    }
    io.result(
      { validator: validator.address, home, nodes: urls },
      `Validator ${validator.address}\nfolder    ${home}\nnodes     ${urls.join(", ")}\nEnd it with Ctrl-C; what it has committed to is revealed when it runs again.`,
    );
    validator.start({ intervalMs: options.every * 1_000 });
    await new Promise<void>((done) => {
      process.once("SIGINT", done);
      process.once("SIGTERM", done);
    });
  } finally {
    await validator.close();
  }
}

async function closing<T extends { close(): Promise<void> }>(value: T) {
  return { value, [Symbol.asyncDispose]: () => value.close() };
}

/** Opens the validator's pool where there is none. @throws CliError where there is nothing to open it with */
async function ensurePool(
  chain: ChainWriter,
  contracts: ProtocolContracts,
  stake: bigint | undefined,
): Promise<void> {
  const me = toHex(chain.account.address);
  const poolId = BigInt(me);
  const read = { ...contracts.OpenStaking, args: [poolId], blockTag: "pending" } as const;
  const has = await chain.public.readContract({ ...read, functionName: "poolOf" }).then(
    () => true,
    () => false,
  );
  if (has) return;
  const least = await chain.public.readContract({
    ...contracts.ProtocolParameters,
    functionName: "minimumStakeWei",
    blockTag: "pending",
  });
  const balance = await chain.public.getBalance({ address: me });
  if (stake === undefined || balance <= stake)
    throw new CliError("The validator has no pool, so it cannot take a seat.", {
      expected: `--stake of at least ${formatOpen(least)} OPEN, and something left for gas`,
      actual: `${stake === undefined ? "no --stake" : `--stake ${formatOpen(stake)}`}; ${formatOpen(balance)} OPEN`,
      fix: [
        `./openledger wallet send ${me} <amount>`,
        `./openledger validator --stake ${formatOpen(least)}`,
        "Its stake earns, and judges, from the next epoch on.",
      ],
      exitCode: exitCodes.unfit,
    });
  await chain.write({ ...contracts.OpenStaking, functionName: "open", args: [poolId, 0], value: stake });
}

function describe(address: Address, { seated, found, steps, releases }: Round): string {
  return [
    `Validator ${address}${seated ? "" : ": no seat yet, its stake does not earn before the next epoch"}`,
    ...found.map(
      ({ attester, number, state, detail }) =>
        `batch ${number} of ${attester}: ${state}${detail ? `: ${detail}` : ""}`,
    ),
    ...steps.map(({ drawId, step }) => `draw ${drawId}: ${step}`),
    ...releases.map(({ releaseId, round, step }) => `round ${round} of release ${releaseId}: ${step}`),
  ].join("\n");
}
