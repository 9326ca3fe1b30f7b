import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import {
  ContractDecoder,
  EdrContext,
  GENERIC_CHAIN_TYPE,
  genericChainProviderFactory,
  l1GenesisState,
  l1HardforkFromString,
  MineOrdering,
  type Provider,
} from "@nomicfoundation/edr";
import { type Hex, hexToBytes } from "viem";
import { RpcError, rpcCodes } from "./errors.ts";
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

/** The EVM: EDR (revm) in this process. It mines only when told to and keeps nothing on disk. */
export type Engine = {
  /** Any JSON-RPC method EDR has, the ones that must never be public included. @throws RpcError */
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
  latest(): Promise<MinedBlock>;
};

export type MinedBlock = {
  readonly number: number;
  readonly hash: Hex;
  readonly timestampSec: number;
  readonly transactions: readonly Hex[];
};

/** The newest rules Ethereum's main network runs that the engine has. */
export const engineHardfork = "osaka";

let context: Promise<EdrContext> | undefined;

/** EDR allows one context a process; every chain opened in it shares this one. */
function sharedContext(): Promise<EdrContext> {
  context ??= (async () => {
    const created = new EdrContext();
    await created.registerProviderFactory(GENERIC_CHAIN_TYPE, genericChainProviderFactory());
    return created;
  })();
  return context;
}

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

/** Start an engine at its genesis block. */
export async function createEngine(rules: EngineRules): Promise<Engine> {
  const provider = await (await sharedContext()).createProvider(
    GENERIC_CHAIN_TYPE,
    {
      allowBlocksWithSameTimestamp: true,
      allowUnlimitedContractSize: false,
      bailOnCallFailure: true,
      bailOnTransactionFailure: false,
      // With elasticity 1 the gas target is the gas limit, so a base fee of 0 can never rise: nothing is ever burnt.
      baseFeeConfig: [
        { activation: { blockNumber: 0n }, maxChangeDenominator: 8n, elasticityMultiplier: 1n },
      ],
      initialBaseFeePerGas: 0n,
      chainId: BigInt(rules.chainId),
      networkId: BigInt(rules.chainId),
      coinbase: hexToBytes(rules.feeCollector),
      defaultTransactionGasLimit: rules.blockGasLimit,
      transactionGasCap: rules.blockGasLimit,
      genesisState: [
        ...Object.entries(rules.genesis).map(([address, balance]) => ({
          address: hexToBytes(address as Hex),
          balance,
        })),
        ...l1GenesisState(l1HardforkFromString(rules.hardfork)),
      ],
      hardfork: rules.hardfork,
      initialParentBeaconBlockRoot: new Uint8Array(32),
      minGasPrice: 0n,
      mining: { autoMine: false, blockGasLimit: rules.blockGasLimit, memPool: { order: MineOrdering.Fifo } },
      network: {
        genesisBlockGasLimit: rules.blockGasLimit,
        genesisBlockTime: BigInt(rules.genesisTimestampSec),
      },
      observability: {},
      ownedAccounts: [],
      precompileOverrides: [],
    },
    { enable: false, decodeConsoleLogInputsCallback: () => [], printLineCallback: () => {} },
    { subscriptionCallback: () => {} },
    new ContractDecoder(),
  );
  const request = (method: string, params: readonly unknown[] = []) =>
    answerOf(provider, { jsonrpc: "2.0", id: 1, method, params });
  const requestAll = (calls: readonly object[]) =>
    answerOf(
      provider,
      calls.map((call) => ({ jsonrpc: "2.0", id: 1, ...call })),
    ) as Promise<unknown[]>;

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

  return { request, requestAll, mine, latest };
}

async function answerOf(provider: Provider, body: object): Promise<unknown> {
  const { data } = await provider.handleRequest(JSON.stringify(body));
  const response = typeof data === "string" ? JSON.parse(data) : data;
  if (response.error === undefined) return response.result ?? null;
  const { code, message, data: details } = response.error;
  if (typeof code !== "number" || typeof message !== "string")
    throw new RpcError(rpcCodes.internal, "The engine answered with an error of unknown form.");
  throw readableError(code, message, details);
}
