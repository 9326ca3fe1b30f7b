import type { Command } from "commander";
import type { Io } from "./io.ts";

/** What a command's file exports. */
export type CommandModule = {
  /** Adds arguments, options and the action to a command that already has its name and summary. */
  define: (command: Command, io: Io) => void;
};

/** One line of `openledger --help`, and how to load the command behind it. */
export type CommandEntry = {
  name: string;
  /** Heading of the help under which the command stands. */
  group: "Run" | "Use a running node" | "Check" | "Develop";
  /** One line, sentence case, no full stop. */
  summary: string;
  load: () => Promise<CommandModule>;
};

/** Every command, in the order of the help. Nothing is loaded until it is called. */
export const commands: readonly CommandEntry[] = [
  {
    name: "up",
    group: "Run",
    summary: "Start the platform: chain, contracts, API and web application",
    load: () => import("./up.ts"),
  },
  {
    name: "demo",
    group: "Run",
    summary: "Tell the main job as a story, on a node in a temporary home",
    load: () => import("./demo.ts"),
  },
  {
    name: "model",
    group: "Run",
    summary: "Base models: pull from a Hugging Face hub, list, inspect",
    load: () => import("./model.ts"),
  },
  {
    name: "backup",
    group: "Run",
    summary: "Everything a node owns in one file, from a running node or a stopped one's folder",
    load: () => import("./backup.ts"),
  },
  {
    name: "restore",
    group: "Run",
    summary: "Put a node back from a backup, into an empty folder",
    load: () => import("./restore.ts"),
  },
  {
    name: "status",
    group: "Use a running node",
    summary: "Show the running node at a glance",
    load: () => import("./status.ts"),
  },
  {
    name: "datanet",
    group: "Use a running node",
    summary: "List, create, curate, publish, read and withdraw from Datanets",
    load: () => import("./datanet.ts"),
  },
  {
    name: "contribute",
    group: "Use a running node",
    summary: "Give rows to a Datanet under a consent that your own key signs",
    load: () => import("./contribute.ts"),
  },
  {
    name: "finetune",
    group: "Use a running node",
    summary: "Fine-tune a model on Datanet versions and release it",
    load: () => import("./finetune.ts"),
  },
  {
    name: "models",
    group: "Use a running node",
    summary: "List the models that can be asked, and their prices",
    load: () => import("./models.ts"),
  },
  {
    name: "key",
    group: "Use a running node",
    summary: "Create, show, activate and revoke API keys, each with a payment channel",
    load: () => import("./key.ts"),
  },
  {
    name: "operator",
    group: "Use a running node",
    summary: "People whose wallets act in the operator's name when they are signed in",
    load: () => import("./operator.ts"),
  },
  {
    name: "operator-key",
    group: "Use a running node",
    summary: "Keys with a part of the operator's rights, and the log of what was done in its name",
    load: () => import("./operator-key.ts"),
  },
  {
    name: "chat",
    group: "Use a running node",
    summary: "Ask a model; then see whose data shaped the answer and who is paid",
    load: () => import("./chat.ts"),
  },
  {
    name: "receipts",
    group: "Use a running node",
    summary: "List receipts, newest first",
    load: () => import("./receipts.ts"),
  },
  {
    name: "receipt",
    group: "Use a running node",
    summary: "Show a receipt and the split of its fee",
    load: () => import("./receipt.ts"),
  },
  {
    name: "settle",
    group: "Use a running node",
    summary: "Bring waiting receipts to the chain now, as the node's operator",
    load: () => import("./settle.ts"),
  },
  {
    name: "claim",
    group: "Use a running node",
    summary: "Pay out what an address has earned",
    load: () => import("./claim.ts"),
  },
  {
    name: "balance",
    group: "Use a running node",
    summary: "Show what an account has, and what it has earned",
    load: () => import("./balance.ts"),
  },
  {
    name: "blobs",
    group: "Use a running node",
    summary: "Remove blobs that nothing names, or change the master key, as the node's operator",
    load: () => import("./blobs.ts"),
  },
  {
    name: "wallet",
    group: "Use a running node",
    summary: "Your own accounts: list, send, faucet, export and import keys, add the network to a wallet",
    load: () => import("./wallet.ts"),
  },
  {
    name: "channel",
    group: "Use a running node",
    summary: "Payment channels: open, top up, sign vouchers, close",
    load: () => import("./channel.ts"),
  },
  {
    name: "token",
    group: "Use a running node",
    summary: "OPEN itself: prove its supply, wrap, unwrap, vesting",
    load: () => import("./token.ts"),
  },
  {
    name: "gov",
    group: "Use a running node",
    summary: "Governance: votes, parameters, proposals",
    load: () => import("./gov.ts"),
  },
  {
    name: "stake",
    group: "Use a running node",
    summary: "Staking: pools, delegation, unbonding, rewards, slashes",
    load: () => import("./stake.ts"),
  },
  {
    name: "release",
    group: "Use a running node",
    summary: "A model's releases: history, rollback, export; a release's bond and what validators found",
    load: () => import("./release.ts"),
  },
  {
    name: "dispute",
    group: "Use a running node",
    summary: "Check what attesters settle, prove lies, demand what is withheld",
    load: () => import("./dispute.ts"),
  },
  {
    name: "validator",
    group: "Run",
    summary: "Check what operators settle: take a seat, judge answers by computing them again",
    load: () => import("./validator.ts"),
  },
  {
    name: "market",
    group: "Use a running node",
    summary: "Buy, sell, give away and divide Datanets, models and agents",
    load: () => import("./market.ts"),
  },
  {
    name: "verify",
    group: "Check",
    summary:
      "Check a receipt (digests, scores, threshold, split, signature), or a release by training it again",
    load: () => import("./verify.ts"),
  },
  {
    name: "pretrain",
    group: "Develop",
    summary: "Make the base model from nothing",
    load: () => import("./pretrain.ts"),
  },
  {
    name: "doctor",
    group: "Check",
    summary:
      "Check that this machine can run a node: Node.js, native packages, disk, memory, port, data folder",
    load: () => import("./doctor.ts"),
  },
  {
    name: "test",
    group: "Develop",
    summary: "Run every check and test of a clone, or those below the given paths",
    load: () => import("./test.ts"),
  },
  {
    name: "bench",
    group: "Develop",
    summary: "Measure a part of a clone against a peer in the same run",
    load: () => import("./bench.ts"),
  },
];
