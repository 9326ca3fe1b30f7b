import { CallRevertedError } from "../chain/index.ts";
import { formatOpen } from "./amount.ts";
import { showTime } from "./dates.ts";
import { CliError, type ErrorDescription } from "./errors.ts";

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
};

/** Errors of one name that mean different things: by the name and the number of arguments. */
const wordsByCount: Readonly<Record<string, Words>> = {
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
