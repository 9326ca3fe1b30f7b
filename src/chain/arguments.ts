/** A call's arguments in words, for people who decide over it. */
import { type Abi, type AbiFunction, formatEther, getAbiItem } from "viem";

/** @param abi of the contract that is called */
export function showArguments(abi: Abi, functionName: string, args: readonly unknown[]): string {
  const { inputs = [] } = (getAbiItem({ abi, name: functionName, args }) ?? {}) as Partial<AbiFunction>;
  return args.map((value, at) => showArgument(value, inputs[at]?.name)).join(", ");
}

/** @param name as the contract has it: an `amount` is wei in every one of them, and shown whole in OPEN */
function showArgument(value: unknown, name?: string): string {
  if (Array.isArray(value)) return `[${value.map((part) => showArgument(part, name)).join(", ")}]`;
  if (typeof value === "bigint" && name === "amount") return `${formatEther(value)} OPEN`;
  if (typeof value !== "object" || value === null) return String(value);
  const inner = Object.entries(value).map(([name, part]) => `${name}: ${showArgument(part, name)}`);
  return `{${inner.join(", ")}}`;
}
