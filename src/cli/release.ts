/** `openledger release`: how validators judge a release's index, and the developer's bond behind it. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import type { LocalAccount } from "viem";
import { openKeystore } from "../chain/index.ts";
import { type DescribedCalibration, type Digest, sameHex, toHex } from "../protocol/index.ts";
import {
  backRelease,
  executeRefutation,
  openRound,
  type ReleaseStanding,
  readReleaseStanding,
  resolveRound,
  withdrawReleaseBond,
} from "../validators/index.ts";
import { formatOpen, parsePositiveOpen } from "./amount.ts";
import { explainRevert } from "./contract-errors.ts";
import { showTime } from "./dates.ts";
import { CliError, exitCodes } from "./errors.ts";
import { ApiError, connect, type NodeClient } from "./http.ts";
import type { Io } from "./io.ts";
import { assertFunds, type ChainView, now, openChain, openPurse, type Purse, transact } from "./purse.ts";
import { defineVersions } from "./release-versions.ts";
import { subcommand } from "./subcommand.ts";
import { pairs } from "./table.ts";
import { withAccount } from "./wallet-account.ts";

type Signing = { as: string; developer?: boolean };

export function define(command: Command, io: Io): void {
  command.addHelpText(
    "after",
    `
Validators judge a release's index once, by making it again from its data: two thirds of their stake attest or refute it. The model's owner
puts a bond behind the release first, and says with it that the data are served: a refuted release loses its bond. Where the network asks for
attestation, receipts of a release wait with their fees until it is attested.`,
  );
  subcommand(command, "show", "Show what stands behind a release, and what validators found of it")
    .argument("<release>", "its id, or a model for what it serves", releaseArgument)
    .action((release: string) => show(io, release));
  asOwner(subcommand(command, "bond", "Put OPEN behind a release; validators may judge it from then on"))
    .argument("<release>", "its id, or a model for what it serves", releaseArgument)
    .argument("[amount]", "how much OPEN (default: what is missing for a round)", parsePositiveOpen)
    .action((release: string, wei: bigint | undefined, signing: Signing) => bond(io, release, wei, signing));
  asOwner(
    subcommand(command, "judge", "Have validators judge a release that has its bond, for the governed fee"),
  )
    .argument("<release>", "its id, or a model for what it serves", releaseArgument)
    .action((release: string, signing: Signing) => judge(io, release, signing));
  asOwner(subcommand(command, "count", "Count a round that is over, or take the bond of a refuted release"))
    .argument("<release>", "its id, or a model for what it serves", releaseArgument)
    .action((release: string, signing: Signing) => count(io, release, signing));
  asOwner(
    subcommand(
      command,
      "deprecate",
      "Say that a release should no longer be chosen; its bond comes free later",
    ),
  )
    .argument("<release>", "its id, or a model for what it serves", releaseArgument)
    .option("--undo", "take that back")
    .action((release: string, options: Signing & { undo?: boolean }) => deprecate(io, release, options));
  defineVersions(command, io);
  asOwner(subcommand(command, "withdraw", "Take the bond of a deprecated release back; its attestation ends"))
    .argument("<release>", "its id, or a model for what it serves", releaseArgument)
    .action((release: string, signing: Signing) => withdraw(io, release, signing));
}

const asOwner = (command: Command): Command =>
  withAccount(command).option("--developer", "sign as the developer of the node in this home instead");

function releaseArgument(text: string): string {
  if (/^0x[0-9a-fA-F]{64}$/.test(text)) return text.toLowerCase();
  if (!text.startsWith("0x")) return text;
  throw new InvalidArgumentError("A release's id is 0x and 64 hex digits.");
}

/** The release that is named: an id is looked up nowhere, because the chain may know it where this node does not. */
async function idOf(node: NodeClient, release: string): Promise<Digest> {
  if (release.startsWith("0x")) return release as Digest;
  return (await node.get<{ id: Digest }>(`/v1/releases/${encodeURIComponent(release)}`)).id;
}

/** An account of the wallet, or the node's own developer, whose key lies in the same home. */
function open(node: NodeClient, { as, developer }: Signing, io: Io): Promise<Purse> {
  return developer === true
    ? openPurse(node, "developer", io, developerAccount(node))
    : openPurse(node, as, io);
}

function developerAccount({ settings }: NodeClient): LocalAccount {
  const file = join(settings.dataFolder, "keys.json");
  if (existsSync(file)) return openKeystore(file).account("developer");
  throw new CliError("There is no node's key here to sign by.", {
    expected: file,
    fix: ["Run it where the node runs, or name the owner's account of your wallet with --as."],
    exitCode: exitCodes.unfit,
    code: "no-node-keys",
  });
}

async function standingOf(chain: ChainView, releaseId: Digest): Promise<ReleaseStanding> {
  try {
    return await readReleaseStanding(chain, chain.contracts, releaseId);
  } catch (error) {
    throw explainRevert(error);
  }
}

/** @throws CliError unless the account owns the release's model */
async function assertOwner(purse: Purse, releaseId: Digest): Promise<void> {
  const { ModelRegistry } = purse.contracts;
  const { modelId } = await purse.public.readContract({
    ...ModelRegistry,
    functionName: "releaseOf",
    args: [releaseId],
    ...now,
  });
  const owner = await purse.public.readContract({
    ...ModelRegistry,
    functionName: "ownerOf",
    args: [modelId],
    ...now,
  });
  if (sameHex(owner, purse.account.address)) return;
  throw new CliError(`Model ${modelId} is not yours: only its owner may do this.`, {
    expected: toHex(owner),
    actual: toHex(purse.account.address),
    fix: [
      "Name the owner's account of your wallet with --as; --developer signs as the developer of the node in this home.",
    ],
    code: "not-owner",
  });
}

/** @throws CliError unless the release stands as one of these */
function assertOutcome(
  { outcome }: ReleaseStanding,
  may: readonly ReleaseStanding["outcome"][],
  what: string,
): void {
  if (may.includes(outcome)) return;
  throw new CliError(`This release cannot be ${what} now.`, {
    expected: may.map((one) => words[one]).join("; or "),
    actual: words[outcome],
    code: "wrong-outcome",
  });
}

const words: Readonly<Record<ReleaseStanding["outcome"], string>> = {
  none: "never judged",
  open: "being judged",
  "no quorum": "no two thirds agreed",
  attested: "attested",
  refuted: "refuted, under appeal",
  executed: "refuted, its bond is lost",
  overturned: "judged, but overturned by governance",
  withdrawn: "attested once, its bond was withdrawn",
};

const amount = (wei: bigint) => `${formatOpen(wei)} OPEN`;

function describe(standing: ReleaseStanding): string {
  const { round, timestamp } = standing;
  const lines: (readonly [string, string])[] = [
    ["release", standing.releaseId],
    ["state", words[standing.outcome]],
    [
      "receipts",
      !standing.required
        ? "settled: this network does not ask for attestation"
        : standing.attested
          ? "settled"
          : "wait until it is attested",
    ],
    ["bond", `${amount(standing.bondWei)}; a round takes ${amount(standing.requiredBondWei)}`],
  ];
  if (standing.withdrawableAt !== null) lines.push(["bond free", showTime(standing.withdrawableAt)]);
  if (round !== null) {
    lines.push(["round", `${round.round}, opened by ${round.opener}`]);
    lines.push([
      "stake",
      `${amount(round.total)}: ${amount(round.right)} right, ${amount(round.wrong)} wrong`,
    ]);
    if (round.outcome === "open")
      lines.push(
        timestamp < round.commitEnds
          ? ["commits until", showTime(round.commitEnds)]
          : ["reveals until", showTime(round.revealEnds)],
      );
    if (round.outcome === "refuted") lines.push(["bond lost", showTime(round.executableAt)]);
  }
  return pairs(lines);
}

/** How right its scores are, where the node has its manifest: the chain alone does not say. */
async function calibrationOf(node: NodeClient, releaseId: Digest): Promise<DescribedCalibration | null> {
  try {
    return (await node.get<{ calibration: DescribedCalibration }>(`/v1/releases/${releaseId}`)).calibration;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null;
    throw error;
  }
}

async function show(io: Io, release: string): Promise<void> {
  const node = connect();
  const releaseId = await idOf(node, release);
  const [standing, calibration] = await Promise.all([
    openChain(node).then((chain) => standingOf(chain, releaseId)),
    calibrationOf(node, releaseId),
  ]);
  io.result(
    { ...standing, calibration },
    [
      describe(standing),
      calibration === null
        ? "How right its scores are is not known here: this node has no manifest of it."
        : `Its scores are ${calibration.label}`,
      ...nextStep(standing),
    ].join("\n"),
  );
}

function nextStep({
  releaseId,
  outcome,
  bondWei,
  requiredBondWei,
  round,
  timestamp,
}: ReleaseStanding): string[] {
  const judged = ["attested", "refuted", "executed", "open"].includes(outcome);
  if (!judged && bondWei < requiredBondWei) return [`→ ./openledger release bond ${releaseId}`];
  if (!judged) return [`→ ./openledger release judge ${releaseId}`];
  const over =
    outcome === "open" ? round?.revealEnds : outcome === "refuted" ? round?.executableAt : undefined;
  return over !== undefined && timestamp >= over ? [`→ ./openledger release count ${releaseId}`] : [];
}

async function bond(io: Io, release: string, wei: bigint | undefined, signing: Signing): Promise<void> {
  const node = connect();
  const releaseId = await idOf(node, release);
  const purse = await open(node, signing, io);
  const before = await standingOf(purse, releaseId);
  await assertOwner(purse, releaseId);
  if (before.outcome === "refuted" || before.outcome === "executed")
    assertOutcome(before, ["none", "no quorum", "attested", "overturned", "withdrawn", "open"], "backed");
  const missing = before.requiredBondWei > before.bondWei ? before.requiredBondWei - before.bondWei : 0n;
  const value = wei ?? missing;
  if (value === 0n)
    throw new CliError("The release has its bond already.", {
      actual: amount(before.bondWei),
      fix: [`./openledger release bond ${releaseId} <amount> adds to it.`],
      code: "has-bond",
    });
  const { transactionHash } = await sent(purse, value, () =>
    backRelease(purse, purse.contracts, releaseId, value),
  );
  const standing = await standingOf(purse, releaseId);
  io.result(
    { ...standing, depositedWei: value, transactionHash },
    [`${amount(value)} stand behind the release now.`, describe(standing), ...nextStep(standing)].join("\n"),
  );
}

async function judge(io: Io, release: string, signing: Signing): Promise<void> {
  const node = connect();
  const releaseId = await idOf(node, release);
  const purse = await open(node, signing, io);
  const before = await standingOf(purse, releaseId);
  assertOutcome(before, ["none", "no quorum", "overturned", "withdrawn"], "judged");
  if (before.bondWei < before.requiredBondWei)
    throw new CliError("The release does not have its bond.", {
      expected: amount(before.requiredBondWei),
      actual: amount(before.bondWei),
      fix: [`./openledger release bond ${releaseId}`],
      code: "no-bond",
    });
  const { transactionHash } = await sent(purse, before.feeWei, () =>
    openRound(purse, purse.contracts, releaseId),
  );
  const standing = await standingOf(purse, releaseId);
  io.result(
    { ...standing, paidWei: before.feeWei, transactionHash },
    [`Validators judge the release, for ${amount(before.feeWei)}.`, describe(standing)].join("\n"),
  );
}

async function count(io: Io, release: string, signing: Signing): Promise<void> {
  const node = connect();
  const releaseId = await idOf(node, release);
  const purse = await open(node, signing, io);
  const before = await standingOf(purse, releaseId);
  assertOutcome(before, ["open", "refuted"], "counted");
  const over = (before.outcome === "open" ? before.round?.revealEnds : before.round?.executableAt) ?? 0;
  if (before.timestamp < over)
    throw new CliError("This is too early.", { expected: `not before ${showTime(over)}`, code: "too-early" });
  const step = before.outcome === "open" ? resolveRound : executeRefutation;
  const { transactionHash } = await sent(purse, 0n, () => step(purse, purse.contracts, releaseId));
  const standing = await standingOf(purse, releaseId);
  io.result({ ...standing, transactionHash }, [describe(standing), ...nextStep(standing)].join("\n"));
}

async function deprecate(io: Io, release: string, options: Signing & { undo?: boolean }): Promise<void> {
  const node = connect();
  const releaseId = await idOf(node, release);
  const purse = await open(node, options, io);
  await standingOf(purse, releaseId);
  await assertOwner(purse, releaseId);
  const { transactionHash } = await transact(purse, {
    ...purse.contracts.ModelRegistry,
    functionName: "setDeprecated",
    args: [releaseId, options.undo !== true],
  });
  const standing = await standingOf(purse, releaseId);
  io.result({ ...standing, deprecated: options.undo !== true, transactionHash }, describe(standing));
}

async function withdraw(io: Io, release: string, signing: Signing): Promise<void> {
  const node = connect();
  const releaseId = await idOf(node, release);
  const purse = await open(node, signing, io);
  const before = await standingOf(purse, releaseId);
  await assertOwner(purse, releaseId);
  assertOutcome(before, ["none", "no quorum", "attested", "overturned", "withdrawn"], "let go of its bond");
  const { transactionHash } = await sent(purse, 0n, () =>
    withdrawReleaseBond(purse, purse.contracts, releaseId),
  );
  const standing = await standingOf(purse, releaseId);
  io.result(
    { ...standing, withdrawnWei: before.bondWei, transactionHash },
    [`${amount(before.bondWei)} are back.`, describe(standing)].join("\n"),
  );
}

/** Sends, and says in words what a contract refuses. */
async function sent<Receipt>(purse: Purse, wei: bigint, send: () => Promise<Receipt>): Promise<Receipt> {
  await assertFunds(purse, wei);
  try {
    return await send();
  } catch (error) {
    throw explainRevert(error);
  }
}
