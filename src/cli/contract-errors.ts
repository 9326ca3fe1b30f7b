import { CallRevertedError } from "../chain/index.ts";
import { formatOpen } from "./amount.ts";
import { showTime } from "./dates.ts";
import { CliError, type ErrorDescription } from "./errors.ts";
import { poolName } from "./pool-name.ts";

/** In the order of `IGovernor.ProposalState`. */
export const proposalStates = [
  "pending",
  "active",
  "canceled",
  "defeated",
  "succeeded",
  "queued",
  "expired",
  "executed",
] as const;

/** A contract's error in words; its arguments come in the contract's order. */
type Words = (args: readonly unknown[]) => Omit<ErrorDescription, "code">;

const open = (wei: unknown) => `${formatOpen(BigInt(wei as bigint))} OPEN`;
const time = (seconds: unknown) => showTime(BigInt(seconds as bigint));
const text = (value: unknown) => String(value).toLowerCase();

const words: Readonly<Record<string, Words>> = {
  // payment channels
  UnknownChannel: ([id]) => ({
    message: `There is no channel ${id}.`,
    fix: ["./openledger channel list"],
  }),
  ChannelClosed: ([id]) => ({ message: `Channel ${id} is closed.`, fix: ["./openledger channel list"] }),
  NotPayer: ([id, caller]) => ({
    message: `Channel ${id} is not yours: only its payer may do this.`,
    actual: `you are ${text(caller)}`,
    fix: ["Name the payer's account of your wallet with --as."],
  }),
  CloseNotRequested: ([id]) => ({
    message: `Nobody has asked to close channel ${id} yet.`,
    fix: [`./openledger channel close ${id}`],
  }),
  BeyondDeposit: ([, cumulative, deposit]) => ({
    message: "The voucher is worth more than the channel holds.",
    expected: `at most ${open(deposit)}`,
    actual: open(cumulative),
    fix: ["./openledger channel topup <channel> <amount>"],
  }),
  // releases
  UnknownRelease: ([id]) => ({
    message: `Release ${id} was never published on this chain.`,
    fix: ["./openledger models"],
  }),
  NotDeprecated: ([id]) => ({
    message: "The bond stays behind a release that may still be chosen.",
    fix: [`./openledger release deprecate ${id}`],
  }),
  TooFewJudges: ([judges, least]) => ({
    message: "Too few validators have a seat to judge this.",
    expected: `${least} at least`,
    actual: String(judges),
    fix: ["./openledger validator takes a seat, with stake of its own."],
  }),
  // tokens and vesting
  ERC20InsufficientBalance: ([account, balance, needed]) => ({
    message: `${text(account)} has too little of this token.`,
    expected: formatOpen(BigInt(needed as bigint)),
    actual: formatOpen(BigInt(balance as bigint)),
  }),
  NotBeneficiary: ([caller, beneficiary]) => ({
    message: "Only the beneficiary may do this.",
    expected: text(beneficiary),
    actual: text(caller),
    fix: ["Name the beneficiary's account of your wallet with --as."],
  }),
  NothingToRelease: () => ({
    message: "Nothing is to be released now.",
    fix: ["./openledger token vesting"],
  }),
  NeverVotes: () => ({ message: "What this vesting holds belongs to a treasury, and never votes." }),
  // staking
  UnknownPool: ([id]) => ({
    message: `There is no pool ${poolName(BigInt(id as bigint))}.`,
    fix: ["./openledger stake pools"],
  }),
  PoolExists: ([id]) => ({
    message: `Pool ${poolName(BigInt(id as bigint))} is open already.`,
    fix: [`./openledger stake delegate ${poolName(BigInt(id as bigint))} <amount> adds to it.`],
  }),
  PoolClosed: ([id]) => ({
    message: `Pool ${poolName(BigInt(id as bigint))} was slashed away, and is closed for good.`,
    fix: ["./openledger stake pools"],
  }),
  UnderAppeal: ([id, until]) => ({
    message: `A slash of pool ${poolName(BigInt(id as bigint))} is under appeal: nobody joins it meanwhile, and nobody takes out what is not theirs.`,
    expected: `not before ${time(until)}`,
    fix: ["./openledger stake slashes"],
  }),
  BeyondStake: ([asked, bonded]) => ({
    message: "You have less than that in this pool.",
    expected: `at most ${open(bonded)}`,
    actual: open(asked),
    fix: ["./openledger stake rewards"],
  }),
  NotOperator: ([id, caller]) => ({
    message: `Pool ${poolName(BigInt(id as bigint))} is not yours.`,
    actual: `you are ${text(caller)}`,
    fix: ["Name the operator's account of your wallet with --as."],
  }),
  TooManyPools: ([, most]) => ({ message: `An account can be in ${most} pools at most.` }),
  CommissionTooHigh: ([bps, most]) => ({
    message: "This commission is too high.",
    expected: `at most ${Number(most) / 100} %`,
    actual: `${Number(bps) / 100} %`,
  }),
  NoSuchSlash: ([id]) => ({
    message: `There is no slash ${id} that waits for its appeal to end.`,
    fix: ["./openledger stake slashes"],
  }),
  // the market
  NotListed: ([id]) => ({ message: `Listing ${id} is not for sale.`, fix: ["./openledger market list"] }),
  NotSeller: ([id, caller]) => ({
    message: `Listing ${id} is not yours.`,
    actual: `you are ${text(caller)}`,
    fix: ["Name the seller's account of your wallet with --as."],
  }),
  Stale: ([id]) => ({
    message: `Listing ${id} is void: what it offers has changed hands since.`,
    fix: ["./openledger market list"],
  }),
  Expired: ([id, at]) => ({ message: `Listing ${id} has expired.`, expected: `before ${time(at)}` }),
  NotWhole: ([, shares, supply]) => ({
    message: "Only who holds every share redeems the token.",
    expected: `${supply} shares`,
    actual: `${shares} shares`,
  }),
  ERC721NonexistentToken: ([id]) => ({ message: `There is no token ${id}.` }),
  ERC20InsufficientAllowance: () => ({
    message: "The seller no longer lets the market move these.",
    fix: ["./openledger market list"],
  }),
  // disputes
  BondTooSmall: ([bond, needed]) => ({
    message: "The bond in the ledger is too small for this.",
    expected: open(needed),
    actual: open(bond),
    fix: ["./openledger dispute demand … --bond puts up what a demand needs."],
  }),
  NoSuchBatch: ([attester, number]) => ({
    message: `There is no batch ${number} of ${text(attester)} that stands.`,
    fix: ["./openledger dispute list"],
  }),
  AlreadyFinal: ([attester, number]) => ({
    message: `Batch ${number} of ${text(attester)} is final: it cannot be challenged any more.`,
  }),
  NotLate: ([, deadline]) => ({
    message: "This receipt is not late: it is settled, or has time left.",
    expected: `not before ${time(deadline)}`,
  }),
  NotSigned: () => ({ message: "The operator of the channel did not sign this receipt." }),
  DemandTooLate: ([until]) => ({
    message: "Nothing can be demanded of this batch any more.",
    expected: `before ${time(until)}`,
  }),
  NoSuchItem: ([index, count]) => ({
    message: `There is no position ${index} in this list.`,
    expected: `0 to ${BigInt(count as bigint) - 1n}`,
  }),
  AlreadyDemanded: () => ({
    message: "This was demanded before.",
    fix: ["./openledger dispute demands"],
  }),
  NotOpen: () => ({ message: "This demand is settled already.", fix: ["./openledger dispute demands"] }),
  // governance
  UnbondingTooShort: ([actual, needed]) => ({
    message:
      "Stake must not leave before what it could be slashed for is decided: unbondingSeconds is too short for this.",
    expected: `unbondingSeconds of at least ${needed}`,
    actual: `${actual}`,
    fix: [`First: ./openledger gov propose set unbondingSeconds ${needed}`],
  }),
  AppealTooShort: ([actual, needed]) => ({
    message: "An appeal must leave governance time to overturn a slash: appealSeconds is too short for this.",
    expected: `appealSeconds of at least ${needed}`,
    actual: `${actual}`,
    fix: [`First: ./openledger gov propose set appealSeconds ${needed}`],
  }),
  GovernorInsufficientProposerVotes: ([proposer, votes, threshold]) => ({
    message: `${text(proposer)} has too few votes to propose.`,
    expected: formatOpen(BigInt(threshold as bigint)),
    actual: formatOpen(BigInt(votes as bigint)),
    fix: ["./openledger gov lock <amount>", "./openledger gov delegate"],
  }),
  GovernorUnexpectedProposalState: ([id, state, expected]) => unexpectedState(id, state, expected),
  GovernorAlreadyCastVote: ([voter]) => ({ message: `${text(voter)} has voted on this proposal already.` }),
  GovernorUnableToCancel: ([, account]) => ({
    message: "Only its proposer takes a proposal back, and only before the vote begins.",
    actual: `you are ${text(account)}`,
  }),
  TimelockUnexpectedOperationState: () => ({
    message: "The timelock of this proposal has not ended yet.",
    fix: ["./openledger gov show <proposal> says when it does; --wait waits for it."],
  }),
};

/** A proposal's state as what is said of it. */
export const stateWords = (state: string): string =>
  ({
    defeated: "was defeated",
    canceled: "was taken back",
    succeeded: "has succeeded",
    expired: "has expired",
    executed: "was executed",
  })[state] ?? `is ${state}`;

/** `expected` is a set of states, one bit each; none at all when a proposal was to be made that exists. */
function unexpectedState(id: unknown, state: unknown, expected: unknown): Omit<ErrorDescription, "code"> {
  const bits = BigInt(expected as string);
  const actual = proposalStates[Number(state)] ?? "unknown";
  if (bits === 0n)
    return {
      message: "The same calls were proposed before in the same words.",
      actual: `proposal ${id} ${stateWords(actual)}`,
      fix: ["Say with --description how this one differs."],
    };
  return {
    message: "It is not the time for this.",
    expected: `a proposal that ${proposalStates
      .filter((_, bit) => (bits >> BigInt(bit)) & 1n)
      .map(stateWords)
      .join(" or ")}`,
    actual: stateWords(actual),
    // Of the others, nothing comes of waiting.
    fix: ["pending", "active", "succeeded", "queued"].includes(actual)
      ? ["./openledger gov list says what comes next, and when; --wait waits for it."]
      : ["./openledger gov list"],
  };
}

/** Errors of one name that mean different things: by the name and the number of arguments. */
const wordsByCount: Readonly<Record<string, Words>> = {
  "TooEarly/1": ([at]) => ({ message: "This is too early.", expected: `not before ${time(at)}` }),
  "TooEarly/2": ([, at]) => ({ message: "This is too early.", expected: `not before ${time(at)}` }),
};

/** `NotPayer` → `not-payer` */
const codeOf = (name: string) => name.replace(/(?<=[a-z0-9])[A-Z]/g, (letter) => `-${letter}`).toLowerCase();

/**
 * What a contract refused, in a sentence and with what to do.
 *
 * @returns a CliError for a revert; anything else unchanged
 */
export function explainRevert(error: unknown): unknown {
  if (!(error instanceof CallRevertedError)) return error;
  const { errorName, args } = error;
  if (errorName === undefined) return new CliError(`${error.message}`, { code: "reverted", cause: error });
  const own = words[errorName] ?? wordsByCount[`${errorName}/${args.length}`];
  const { message, ...rest } = own?.(args) ?? { message: `${error.message}.` };
  return new CliError(message, { ...rest, code: codeOf(errorName), cause: error });
}
