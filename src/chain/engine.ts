import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { Hex } from "viem";
import { startEvm } from "./engine-process.ts";
import { type EngineDiedError, RpcError, rpcCodes } from "./errors.ts";
import { readableError } from "./evm-error.ts";

/** Everything that decides how blocks are executed. Two engines with the same rules and records make the same hashes. */
export type EngineRules = {
  readonly chainId: number;
  readonly hardfork: string;
  readonly genesisTimestampSec: number;
  /** Address → wei. */
  readonly genesis: Readonly<Record<string, bigint>>;
  readonly feeCollector: Hex;
  readonly blockGasLimit: bigint;
};

/**
 * The EVM: EDR (revm) in a process of its own, which may die of what it executes. It mines only when told to and keeps
 * nothing on disk.
 */
export type Engine = {
  /** Any JSON-RPC method EDR has, the ones that must never be public included. @throws RpcError, {@link EngineDiedError} */
  request(method: string, params?: readonly unknown[]): Promise<unknown>;
  /**
   * Several requests in order, nothing between them; their results. If one fails the others after it are not carried
   * out, and the error does not say which it was.
   */
  requestAll(calls: readonly { method: string; params: readonly unknown[] }[]): Promise<unknown[]>;
  /**
   * Mine what is in the memory pool, in the order it was sent.
   * @returns the block's number, hash and transaction hashes
   */
  mine(timestampSec: number): Promise<MinedBlock>;
  /** Memory the EVM's process holds now, bytes. */
  residentBytes(): Promise<number>;
  latest(): Promise<MinedBlock>;
  /** A fresh EVM at its genesis block, whether the last one lives or not. */
  restart(): Promise<void>;
  close(): Promise<void>;
};

export type MinedBlock = {
  readonly number: number;
  readonly hash: Hex;
  readonly timestampSec: number;
  readonly transactions: readonly Hex[];
};

/** The newest rules Ethereum's main network runs that the engine has. */
export const engineHardfork = "osaka";

/** Name and version of the engine installed, as log headers write it. */
export function engineVersion(): string {
  const entry = createRequire(import.meta.url).resolve("@nomicfoundation/edr");
  for (let folder = dirname(entry); folder !== dirname(folder); folder = dirname(folder)) {
    try {
      const { name, version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
      if (name === "@nomicfoundation/edr") return `${name} ${version}`;
    } catch {
      // no package.json in this folder: look one higher
    }
  }
  throw new Error(`No package.json of @nomicfoundation/edr lies above ${entry}.`);
}

/**
 * Start an engine at its genesis block.
 *
 * @param memoryBytes resident memory of the EVM's process at which it is ended
 * @param onDeath called when that process has ended by itself; nothing but `restart` helps then
 */
export async function createEngine(
  rules: EngineRules,
  { memoryBytes, onDeath }: { memoryBytes: number; onDeath: (error: EngineDiedError) => void },
): Promise<Engine> {
  let evm = await startEvm(rules, memoryBytes, onDeath);
  const ask = async (body: object) => answerOf(await evm.request(JSON.stringify(body)));
  const request = (method: string, params: readonly unknown[] = []) =>
    ask({ jsonrpc: "2.0", id: 1, method, params });
  const requestAll = (calls: readonly object[]) =>
    ask(calls.map((call) => ({ jsonrpc: "2.0", id: 1, ...call }))) as Promise<unknown[]>;

  async function latest(): Promise<MinedBlock> {
    const block = (await request("eth_getBlockByNumber", ["latest", false])) as {
      number: Hex;
      hash: Hex;
      timestamp: Hex;
      transactions: Hex[];
    };
    return {
      number: Number(block.number),
      hash: block.hash,
      timestampSec: Number(block.timestamp),
      transactions: block.transactions,
    };
  }

  async function mine(timestampSec: number): Promise<MinedBlock> {
    await request("evm_mine", [timestampSec]);
    return latest();
  }

  async function restart(): Promise<void> {
    await evm.stop();
    evm = await startEvm(rules, memoryBytes, onDeath);
  }

  return {
    request,
    requestAll,
    mine,
    latest,
    restart,
    residentBytes: () => evm.residentBytes(),
    close: () => evm.stop(),
  };
}

function answerOf(text: string): unknown {
  const response = JSON.parse(text);
  if (response.error === undefined) return response.result ?? null;
  const { code, message, data: details } = response.error;
  if (typeof code !== "number" || typeof message !== "string")
    throw new RpcError(rpcCodes.internal, "The engine answered with an error of unknown form.");
  throw readableError(code, message, details);
}
