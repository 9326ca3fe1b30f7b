/** `openledger gov propose set|fee-split|send|call`: what governance should do. */
import { setTimeout as pause } from "node:timers/promises";
import { type Command, InvalidArgumentError } from "commander";
import { type Abi, type AbiFunction, type Address, encodeFunctionData, type Hex } from "viem";
import { type ProtocolContracts, protocolAbis } from "../chain/index.ts";
import { toHex } from "../protocol/index.ts";
import { abiValue } from "./abi-value.ts";
import { formatOpen, parseOpen, parsePositiveOpen } from "./amount.ts";
import { explainRevert } from "./contract-errors.ts";
import { CliError, exitCodes } from "./errors.ts";
import { readFeeSplit, readParameter } from "./gov-parameters.ts";
import { readVotes } from "./gov-votes.ts";
import { connect } from "./http.ts";
import type { Io } from "./io.ts";
import { basisPoints } from "./numbers.ts";
import { type FeeHead, feeHeads, parameterId, parseParameter, showParameter } from "./parameter.ts";
import { type Call, describeSetting, findProposal, nextStep, readProposals, showCall } from "./proposal.ts";
import { now, openPurse, type Purse, transact } from "./purse.ts";
import { subcommand } from "./subcommand.ts";
import { recipientArgument, withAccount } from "./wallet-account.ts";

/** Contracts that governance can call: those there is one of. */
const contractNames = Object.keys(protocolAbis).filter(
  (name): name is keyof ProtocolContracts => name !== "CommonPool" && name !== "RevenueShares",
);

type Options = { as: string; description?: string };
type CallOptions = Options & { value?: bigint };

export function definePropose(command: Command, io: Io): void {
  const propose = subcommand(command, "propose", "Propose what governance should do");
  const kind = (name: string, summary: string) =>
    withAccount(subcommand(propose, name, summary), "account that proposes").option(
      "--description <text>",
      "why; what it does, unless given",
    );
  kind("set", "Set a parameter")
    .argument("<parameter>", "its name: ./openledger gov parameters")
    .argument("<value>", "in its own unit, or as in 10OPEN, 7d, 2.5%")
    .action((name: string, text: string, options: Options) => proposeSet(io, name, text, options));
  kind("fee-split", "Divide fees otherwise; heads that are not named stay as they are")
    .argument("<heads...>", "as in operator=1000 data=55%, in basis points or per cent", headArgument)
    .addHelpText(
      "after",
      `\nHeads: ${feeHeads.join(", ")}. The first five sum to 100 %; owners is the Datanets' owners' part of data.`,
    )
    .action((heads: Partial<Record<FeeHead, number>>, options: Options) =>
      proposeFeeSplit(io, heads, options),
    );
  kind("send", "Send OPEN of the treasury")
    .argument("<address>", "who receives it", recipientArgument)
    .argument("<amount>", "how much OPEN", parsePositiveOpen)
    .action((to: Address, wei: bigint, options: Options) =>
      submit(
        io,
        [{ target: to, valueWei: wei, data: "0x" }],
        `Send ${formatOpen(wei)} OPEN to ${to}`,
        options,
      ),
    );
  kind("call", "Call any function of any contract of the network, as governance")
    .argument("<contract>", contractNames.join(", "))
    .argument("<function>", "its name")
    .argument("[args...]", "its arguments; lists and structs as JSON")
    .option("--value <open>", "OPEN of the treasury sent along", parseOpen)
    .action((contract: string, name: string, args: string[], options: CallOptions) =>
      proposeCall(io, contract, name, args, options),
    );
}

function headArgument(
  text: string,
  before: Partial<Record<FeeHead, number>> = {},
): Partial<Record<FeeHead, number>> {
  const [head = "", part = ""] = text.split("=", 2);
  if (!(feeHeads as readonly string[]).includes(head))
    throw new InvalidArgumentError(
      `A head is one of ${feeHeads.join(", ")} with its part, as in data=5000 or data=50%.`,
    );
  return { ...before, [head]: basisPoints(part) };
}

const outOfBounds = (what: string, bounds: string, actual: string) =>
  new CliError(`No vote can set ${what} to this.`, {
    expected: bounds,
    actual,
    exitCode: exitCodes.usage,
    code: "out-of-bounds",
  });

async function proposeSet(io: Io, name: string, text: string, options: Options): Promise<void> {
  const value = parseParameter(name, text);
  const purse = await openPurse(connect(), options.as, io);
  const { lowest, highest } = await readParameter(purse, name);
  if (value < lowest || value > highest)
    throw outOfBounds(
      name,
      `from ${showParameter(name, lowest)} to ${showParameter(name, highest)}`,
      showParameter(name, value),
    );
  const call = callOf(purse, "ProtocolParameters", "set", [parameterId(name), value]);
  await assertPossible(purse, call);
  await submit(io, [call], describeSetting(name, value), options, purse);
}

async function proposeFeeSplit(
  io: Io,
  heads: Partial<Record<FeeHead, number>>,
  options: Options,
): Promise<void> {
  const purse = await openPurse(connect(), options.as, io);
  const current = await readFeeSplit(purse);
  const next = current.map((part) => ({ ...part, bps: heads[part.head] ?? part.bps }));
  for (const { head, bps, lowest, highest } of next)
    if (bps < lowest || bps > highest)
      throw outOfBounds(
        `the ${head}'s part`,
        `from ${lowest / 100} % to ${highest / 100} %`,
        `${bps / 100} %`,
      );
  const whole = next.filter(({ head }) => head !== "owners").reduce((sum, { bps }) => sum + bps, 0);
  if (whole !== 10_000)
    throw new CliError("The five heads of a fee must sum to 100 %.", {
      expected: "100 %",
      actual: `${whole / 100} %: ${next
        .filter(({ head }) => head !== "owners")
        .map(({ head, bps }) => `${head} ${bps / 100} %`)
        .join(", ")}`,
      exitCode: exitCodes.usage,
      code: "not-a-whole",
    });
  const split = Object.fromEntries(next.map(({ head, bps }) => [head, bps]));
  const words = next
    .filter(({ head }) => heads[head] !== undefined)
    .map(({ head, bps }) => `${head} ${bps / 100} %`);
  const call = callOf(purse, "ProtocolParameters", "setFeeSplit", [split]);
  await assertPossible(purse, call);
  await submit(io, [call], `Divide fees otherwise: ${words.join(", ")}`, options, purse);
}

async function proposeCall(
  io: Io,
  contract: string,
  name: string,
  texts: readonly string[],
  options: CallOptions,
): Promise<void> {
  const key = contractNames.find((known) => known === contract);
  if (key === undefined)
    throw new CliError(`There is no contract "${contract}".`, {
      expected: contractNames.join(", "),
      exitCode: exitCodes.usage,
    });
  const functions = (protocolAbis[key] as Abi).filter(
    (item): item is AbiFunction =>
      item.type === "function" && item.stateMutability !== "view" && item.stateMutability !== "pure",
  );
  const found = functions.find((item) => item.name === name && item.inputs.length === texts.length);
  if (found === undefined) {
    const same = functions.filter((item) => item.name === name);
    throw new CliError(`${contract} has no function ${name} with ${texts.length} arguments.`, {
      expected: (same.length > 0 ? same : functions).map(signature).join(", "),
      exitCode: exitCodes.usage,
    });
  }
  const args = found.inputs.map((input, at) => abiValue(input, texts[at] as string));
  const purse = await openPurse(connect(), options.as, io);
  const call = { ...callOf(purse, key, found, args), valueWei: options.value ?? 0n };
  await submit(io, [call], showCall(purse, call), options, purse);
}

const signature = ({ name, inputs }: AbiFunction) =>
  `${name}(${inputs.map((input) => `${input.type} ${input.name ?? ""}`.trim()).join(", ")})`;

function callOf(
  purse: Purse,
  contract: keyof ProtocolContracts,
  item: string | AbiFunction,
  args: readonly unknown[],
): Call {
  const { address, abi } = purse.contracts[contract];
  const data: Hex = encodeFunctionData({
    abi: (typeof item === "string" ? abi : [item]) as Abi,
    functionName: typeof item === "string" ? item : item.name,
    args,
  });
  return { target: toHex(address), valueWei: 0n, data };
}

/** @throws CliError in words, when the call would revert if the timelock made it now: then no vote on it could be carried out */
async function assertPossible(purse: Purse, { target, valueWei, data }: Call): Promise<void> {
  const { address } = purse.contracts.OpenTimelock;
  try {
    await purse.public.call({ account: address, to: target, value: valueWei, data, ...now });
  } catch (error) {
    throw explainRevert(purse.explain(error, "the proposal's call"));
  }
}

async function submit(
  io: Io,
  calls: readonly Call[],
  what: string,
  { as, description = what }: Options,
  opened?: Purse,
): Promise<void> {
  const purse = opened ?? (await openPurse(connect(), as, io));
  await waitForVotes(purse);
  const { transactionHash } = await transact(purse, {
    ...purse.contracts.OpenGovernor,
    functionName: "propose",
    args: [
      calls.map(({ target }) => target),
      calls.map(({ valueWei }) => valueWei),
      calls.map(({ data }) => data),
      description,
    ],
  });
  const made = (await readProposals(purse)).find(({ createdIn }) => createdIn === toHex(transactionHash));
  if (made === undefined) throw new CliError(`Transaction ${transactionHash} made no proposal.`);
  const proposal = await findProposal(purse, made.id);
  io.result(
    { ...proposal, transactionHash },
    [
      `Proposal ${proposal.number}: ${description}`,
      ...proposal.calls.map(({ text }) => `  ${text}`),
      `Next: ${nextStep(proposal)}`,
    ].join("\n"),
  );
}

/** Votes count from the second after they were delegated: that much can be waited for. */
async function waitForVotes(purse: Purse): Promise<void> {
  const { votesWei, delegatedWei, proposalThresholdWei } = await readVotes(
    purse,
    toHex(purse.account.address),
  );
  if (votesWei < proposalThresholdWei && delegatedWei >= proposalThresholdWei) await pause(1_100);
}
