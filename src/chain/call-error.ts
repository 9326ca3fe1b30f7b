import {
  type Abi,
  BaseError,
  type ContractErrorName,
  decodeErrorResult,
  type Hex,
  isHex,
  parseAbi,
} from "viem";

/** Names and ABIs whose errors can be put into words. */
export type AbiByName = Readonly<Record<string, Abi>>;

/** A call or transaction that a contract refused. */
export class CallRevertedError extends Error {
  override readonly name = "CallRevertedError";
  /** The contract's custom error, or "Error" for a reason in words; undefined if no ABI known here has it. */
  readonly errorName: string | undefined;
  readonly args: readonly unknown[];
  /** The bytes the contract returned. */
  readonly data: Hex;

  constructor(message: string, data: Hex, errorName: string | undefined, args: readonly unknown[]) {
    super(message);
    this.data = data;
    this.errorName = errorName;
    this.args = args;
  }
}

const builtIn = parseAbi(["error Error(string)", "error Panic(uint256)"]);

/**
 * An error of viem's as a person reads it: the contract's own error with its arguments by name, looked up in every ABI
 * given, because a contract passes on the errors of those it calls.
 *
 * @returns a {@link CallRevertedError}, or the error itself when it is no revert
 */
export function readableCallError(error: unknown, what: string, abis: AbiByName): unknown {
  const data = revertDataOf(error);
  return data === undefined ? error : revertedWith(data, what, abis);
}

/** @param what what was tried, as in "DatanetRegistry.create" */
function revertedWith(data: Hex, what: string, abis: AbiByName): CallRevertedError {
  if (data === "0x")
    return new CallRevertedError(`${what} reverted without saying why.`, data, undefined, []);
  for (const [contract, abi] of [["", builtIn] as const, ...Object.entries(abis)]) {
    try {
      const decoded = decodeErrorResult({ abi, data }) as {
        errorName: ContractErrorName;
        args?: readonly unknown[];
        abiItem: { inputs?: readonly { name?: string }[] };
      };
      const { errorName, args = [] } = decoded;
      const inputs = decoded.abiItem.inputs ?? [];
      const text = args.map((value, i) => `${inputs[i]?.name || i}: ${showValue(value)}`).join(", ");
      const message =
        contract === "" && errorName === "Error"
          ? `${what} reverted: ${args[0]}`
          : `${what} reverted with ${errorName}(${text})${contract === "" ? "" : ` of ${contract}`}`;
      return new CallRevertedError(message, data, errorName, args);
    } catch {
      // not an error of this ABI
    }
  }
  return new CallRevertedError(
    `${what} reverted with unknown data ${data.slice(0, 74)}`,
    data,
    undefined,
    [],
  );
}

function revertDataOf(error: unknown): Hex | undefined {
  if (!(error instanceof BaseError)) return undefined;
  let found: Hex | undefined;
  error.walk((inner) => {
    const { data, raw, code } = inner as { data?: unknown; raw?: unknown; code?: unknown };
    if (isHex(raw)) found ??= raw;
    else if (isHex(data) && code === 3) found ??= data;
    return false;
  });
  return found;
}

function showValue(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(showValue).join(", ")}]`;
  if (typeof value === "object" && value !== null) {
    return `{${Object.entries(value)
      .map(([name, inner]) => `${name}: ${showValue(inner)}`)
      .join(", ")}}`;
  }
  return String(value);
}
