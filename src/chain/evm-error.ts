import { decodeErrorResult, type Hex, isHex, parseAbi } from "viem";
import { RpcError, rpcCodes } from "./errors.ts";

const builtIn = parseAbi(["error Error(string)", "error Panic(uint256)"]);

/**
 * The engine's error as a go-ethereum node would word it, because wallets and client libraries recognise those words
 * ("nonce too low", "insufficient funds", "execution reverted"); the engine's own words follow where they say more.
 */
export function readableError(code: number, message: string, details: unknown): RpcError {
  const data = revertData(details);
  if (data !== undefined) return new RpcError(rpcCodes.reverted, `execution reverted${reasonOf(data)}`, data);
  if (isHalt(details))
    return new RpcError(rpcCodes.server, message.replace(/^Transaction ran out of gas$/, "out of gas"));
  const text = message.trim().split("\n")[0] ?? message;
  for (const [pattern, prefix] of prefixes) {
    if (pattern.test(text)) return new RpcError(rpcCodes.server, `${prefix}: ${text}`);
  }
  return new RpcError(code, text);
}

const prefixes: readonly (readonly [RegExp, string])[] = [
  [/nonce too low/i, "nonce too low"],
  [/doesn't have enough funds/i, "insufficient funds for gas * price + value"],
  [/requires at least \d+ gas/i, "intrinsic gas too low"],
  [/^Known transaction/i, "already known"],
  [/invalid chainId/i, "invalid chain id"],
  [/exceeds (transaction gas cap|block gas limit)|greater than the cap/i, "exceeds block gas limit"],
  [/replacement/i, "replacement transaction underpriced"],
];

function revertData(details: unknown): Hex | undefined {
  if (typeof details !== "object" || details === null || !("reason" in details)) return undefined;
  const { reason } = details;
  if (typeof reason !== "object" || reason === null || !("Revert" in reason)) return undefined;
  return isHex(reason.Revert) ? reason.Revert : undefined;
}

function isHalt(details: unknown): boolean {
  return typeof details === "object" && details !== null && "reason" in details;
}

function reasonOf(data: Hex): string {
  try {
    const { errorName, args } = decodeErrorResult({ abi: builtIn, data });
    return errorName === "Error" ? `: ${args[0]}` : `: panic code 0x${args[0].toString(16)}`;
  } catch {
    return "";
  }
}
