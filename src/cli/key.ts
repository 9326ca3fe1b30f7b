import type { Command } from "commander";
import type { Address } from "viem";
import { openChannel } from "../payments/index.ts";
import { type Digest, sameHex } from "../protocol/index.ts";
import { formatOpen, parsePositiveOpen } from "./amount.ts";
import { channelArgument } from "./channel-view.ts";
import { CliError, exitCodes } from "./errors.ts";
import { connect, type NodeClient } from "./http.ts";
import type { Io } from "./io.ts";
import { assertChain, assertFunds, openPurse, type Purse } from "./purse.ts";
import { subcommand } from "./subcommand.ts";
import { pairs } from "./table.ts";
import { withAccount } from "./wallet-account.ts";

type NewKeyJson = {
  readonly keyId: string;
  readonly secret: string;
  readonly signer: Address;
  readonly payee: Address;
  readonly channels: Address;
  readonly chainId: number;
};

type KeyJson = {
  readonly keyId: string;
  readonly label: string;
  readonly state: "waiting" | "active" | "closing" | "closed" | "revoked";
  readonly signer: string;
  readonly channelId: string | null;
  readonly remainingWei: string;
  readonly createdAtMs: number;
  readonly usage?: {
    readonly requests: number;
    readonly chargedWei: string;
    readonly promptTokens: number;
    readonly completionTokens: number;
  };
};

/** Adds `--key <secret>`. A secret on a command line is seen by the machine's other users: the variable is the better place. */
export function withKey(command: Command): Command {
  return command.option("--key <secret>", "API key; OPENLEDGER_API_KEY says it without showing it to others");
}

/** The API key given, or the one of the environment. */
export const givenKey = (key?: string): string | undefined =>
  key ?? (process.env.OPENLEDGER_API_KEY || undefined);

function requiredKey(key?: string): string {
  const secret = givenKey(key);
  if (secret !== undefined) return secret;
  throw new CliError("Which key?", {
    expected: "--key sk-ol-… or OPENLEDGER_API_KEY",
    actual: "neither",
    exitCode: exitCodes.usage,
  });
}

const bearer = (secret: string) => ({ headers: { authorization: `Bearer ${secret}` } });

/** `openledger key create|show|activate|revoke`: API keys, each with a payment channel behind it. */
export function define(command: Command, io: Io): void {
  withAccount(
    subcommand(command, "create", "Open a payment channel and create an API key that spends from it"),
    "account of your wallet that pays",
  )
    .requiredOption("--deposit <open>", "OPEN that goes into the channel", parsePositiveOpen)
    .option("--limit <open>", "the most the key may spend; the deposit unless given", parsePositiveOpen)
    .option("--label <text>", "what it is for", "")
    .addHelpText("after", "\nThe node's operator is trusted up to the limit, and no further.")
    .action((options) => create(io, options));
  withKey(subcommand(command, "show", "Show what a key has left and what it has used")).action(
    async ({ key }: { key?: string }) => {
      const found = await connect().get<KeyJson>("/v1/keys", bearer(requiredKey(key)));
      io.result(found, showKey(found));
    },
  );
  withKey(subcommand(command, "activate", "Bind a key to a channel that was opened for it before"))
    .argument("<channel>", "the channel's id", channelArgument)
    .action(async (channelId: Digest, { key }: { key?: string }) => {
      const found = await activate(connect(), requiredKey(key), channelId);
      io.result(found, showKey(found));
    });
  withKey(subcommand(command, "revoke", "Revoke a key; what it was charged stays owed")).action(
    async ({ key }: { key?: string }) => {
      const found = await connect().delete<KeyJson>("/v1/keys", bearer(requiredKey(key)));
      io.result(found, showKey(found));
    },
  );
}

const activate = (node: NodeClient, secret: string, channelId: Digest) =>
  node.post<KeyJson>("/v1/keys/activate", { channelId }, bearer(secret));

type CreateOptions = { as: string; deposit: bigint; limit?: bigint; label: string };

async function create(io: Io, { as, deposit, limit = deposit, label }: CreateOptions): Promise<void> {
  if (limit > deposit)
    throw new CliError("The key's limit is more than the deposit.", {
      expected: `at most ${formatOpen(deposit)} OPEN`,
      actual: `${formatOpen(limit)} OPEN`,
      exitCode: exitCodes.usage,
    });
  const node = connect();
  const purse = await openPurse(node, as, io);
  await assertFunds(purse, deposit);
  const made = await node.post<NewKeyJson>("/v1/keys", { label });
  assertOffer(node, purse, made);
  const { payee, signer, secret, keyId } = made;
  io.note(`Opening a channel of ${formatOpen(deposit)} OPEN …`);
  const { channelId, transactionHash } = await openChannel(purse, purse.contracts, {
    payee,
    signer,
    depositWei: deposit,
    limitWei: limit,
  });
  try {
    const key = await activate(node, secret, channelId);
    io.result(
      { ...key, secret, depositWei: deposit, limitWei: limit, transactionHash },
      [
        pairs([
          ["key", keyId],
          ["deposit", `${formatOpen(deposit)} OPEN in channel ${channelId}`],
          ["limit", `${formatOpen(limit)} OPEN`],
        ]),
        "",
        `Its secret, shown this once:\n\n  ${secret}\n`,
        `→ export OPENLEDGER_API_KEY=${secret}`,
      ].join("\n"),
    );
  } catch (cause) {
    throw new CliError(
      `The channel is open, but the key could not be bound to it: ${(cause as Error).message}`,
      {
        fix: [`./openledger key activate ${channelId} --key ${secret}`],
        code: "not-activated",
        details: { channelId, secret },
        cause,
      },
    );
  }
}

/** The money goes where the network says, whatever the offer says. */
function assertOffer(node: NodeClient, purse: Purse, { chainId, payee, channels }: NewKeyJson): void {
  assertChain(node, chainId);
  const { address } = purse.contracts.PaymentChannels;
  if (sameHex(payee, purse.operator) && sameHex(channels, address)) return;
  throw new CliError("The node's offer contradicts its own network; nothing was paid.", {
    expected: `payee ${purse.operator}, contract ${address}`,
    actual: `payee ${payee}, contract ${channels}`,
    code: "offer-mismatch",
  });
}

function showKey({ keyId, label, state, channelId, remainingWei, usage }: KeyJson): string {
  return pairs([
    ["key", label === "" ? keyId : `${keyId} (${label})`],
    ["state", state],
    ["channel", channelId ?? "none yet"],
    ["left", `${formatOpen(BigInt(remainingWei))} OPEN`],
    ...(usage === undefined
      ? []
      : ([
          ["used", `${formatOpen(BigInt(usage.chargedWei))} OPEN for ${usage.requests} answers`],
          ["tokens", `${usage.promptTokens} read, ${usage.completionTokens} written`],
        ] as const)),
  ]);
}
