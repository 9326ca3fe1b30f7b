import { BaseError, decodeErrorResult, type Hex } from "viem";
import { words } from "../lib/format.ts";
import { abis } from "./contracts.ts";

/** The bytes a contract reverted with, wherever a client's error carries them. */
function revertData(error: unknown): Hex | undefined {
  if (!(error instanceof BaseError)) return undefined;
  let found: Hex | undefined;
  error.walk((inner) => {
    const data = (inner as { data?: unknown }).data;
    const hex = typeof data === "object" && data !== null ? (data as { data?: unknown }).data : data;
    if (typeof hex === "string" && /^0x[0-9a-f]{8,}$/i.test(hex)) found = hex as Hex;
    return found !== undefined;
  });
  return found;
}

/** Errors that figures alone do not explain. */
const sentences: Readonly<Record<string, (args: readonly unknown[]) => string>> = {
  GovernorUnexpectedProposalState: ([, , expected]) =>
    BigInt(String(expected)) === 0n
      ? "The same was proposed before in the same words: say how this one differs."
      : "It is not the time for this: look what comes next on the proposal's page.",
  GovernorInsufficientProposerVotes: () => "You have too few votes to propose: lock and delegate OPEN first.",
  GovernorAlreadyCastVote: () => "You have voted on this already; a vote cannot be changed.",
};

/** An error of the chain in a person's words: the contract's own name for it and its figures, or the node's sentence. */
export function explain(error: unknown): Error {
  const data = revertData(error);
  if (data !== undefined) {
    for (const abi of Object.values(abis)) {
      try {
        const { errorName, args } = decodeErrorResult({ abi: abi as never, data }) as {
          errorName: string;
          args?: readonly unknown[];
        };
        const told = sentences[errorName]?.(args ?? []);
        if (told !== undefined) return new Error(told, { cause: error });
        const figures = args?.length ? ` (${args.map(String).join(", ")})` : "";
        return new Error(`The contract refused: ${words(errorName)}${figures}.`, { cause: error });
      } catch {
        // Not this contract's error.
      }
    }
  }
  if (error instanceof BaseError) return new Error(error.shortMessage, { cause: error });
  return error instanceof Error ? error : new Error(String(error));
}
