/** What a proposal would do: its calls in words, and whether they would go through if governance made them now. */
import {
  type Abi,
  type Address,
  decodeFunctionData,
  encodeFunctionData,
  type Hex,
  hexToString,
  stringToHex,
} from "viem";
import { showArguments } from "../../../src/chain/arguments.ts";
import { type ChainView, contractName, now } from "../chain/view.ts";
import { money } from "../lib/format.ts";
import { type FeeSplit, feeHeads, percentOf, showParameter } from "./parameter.ts";

/** One call of a proposal. */
export type Call = { readonly target: Address; readonly valueWei: bigint; readonly data: Hex };

export type Told = {
  readonly text: string;
  /** What is called: a contract's name, or an address. */
  readonly target: string;
  /** A parameter's name where one is set. */
  readonly sets?: { readonly name: string; readonly value: bigint };
  readonly divides?: FeeSplit;
};

/** A parameter's id is its name. */
export const parameterId = (name: string): Hex => stringToHex(name, { size: 32 });
export const parameterName = (id: Hex): string => hexToString(id, { size: 32 });

/** Sets a parameter. */
export const setCall = ({ at }: ChainView, name: string, value: bigint): Call =>
  callOf(at.ProtocolParameters, "set", [parameterId(name), value]);
/** Divides fees otherwise. */
export const splitCall = ({ at }: ChainView, split: FeeSplit): Call =>
  callOf(at.ProtocolParameters, "setFeeSplit", [split]);
/** Gives back what a slash took. */
export const overturnCall = ({ at }: ChainView, slashId: bigint): Call =>
  callOf(at.OpenStaking, "overturn", [slashId]);

const callOf = (
  { address, abi }: { address: Address; abi: Abi },
  functionName: string,
  args: readonly unknown[],
): Call => ({ target: address, valueWei: 0n, data: encodeFunctionData({ abi, functionName, args }) });

/** A call in words: the contract's name, the function and its arguments; parameters in their units. */
export async function tell(chain: ChainView, { target, valueWei, data }: Call): Promise<Told> {
  const name = contractName(chain, target);
  const named = name ?? target.toLowerCase();
  const open = `${money(valueWei).amount} ${money(valueWei).unit}`;
  const paid = valueWei === 0n ? "" : ` with ${open}`;
  if (data === "0x") return { text: `Send ${open} to ${named}`, target: named };
  try {
    const { everyAbi } = await import("../chain/every.ts");
    const abi = everyAbi[name ?? ""] ?? [];
    const { functionName, args = [] } = decodeFunctionData({ abi, data });
    if (name === "ProtocolParameters" && functionName === "set") {
      const sets = { name: parameterName(args[0] as Hex), value: args[1] as bigint };
      return { text: `Set ${sets.name} to ${showParameter(sets.name, sets.value)}`, target: named, sets };
    }
    if (name === "ProtocolParameters" && functionName === "setFeeSplit") {
      const divides = args[0] as FeeSplit;
      const heads = feeHeads.map((head) => `${head} ${percentOf(divides[head])}`).join(", ");
      return { text: `Divide fees: ${heads} of data`, target: named, divides };
    }
    if (name === "OpenStaking" && functionName === "overturn")
      return { text: `Give back what slash ${args[0]} took`, target: named };
    return {
      text: `${named}.${functionName}(${showArguments(abi, functionName, args)})${paid}`,
      target: named,
    };
  } catch {
    return { text: `Call ${named} with data that no known contract describes${paid}`, target: named };
  }
}

/** Whether a call would go through if the timelock made it now; if not, why. */
export async function simulate(
  chain: ChainView,
  { target, valueWei, data }: Call,
): Promise<{ passes: true } | { passes: false; why: string }> {
  try {
    await chain.public.call({
      account: chain.at.OpenTimelock.address,
      to: target,
      value: valueWei,
      data,
      ...now,
    });
    return { passes: true };
  } catch (error) {
    const { explain } = await import("../chain/errors.ts");
    return { passes: false, why: explain(error).message };
  }
}
