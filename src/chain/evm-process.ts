/**
 * The EVM: EDR (revm), alone in a process that may die. While something executes, the engine keeps a note of every
 * instruction and three and a half copies of every call's input, and no setting avoids that
 * (https://github.com/NomicFoundation/edr/issues/1657), so a few cents of gas can ask for more memory than a machine has.
 * The process watches what it uses and ends itself before the machine suffers; the log has all that is needed to start again.
 *
 * It is told its rules first, then takes JSON-RPC bodies one after the other, and ends with its parent.
 */
import { writeFileSync } from "node:fs";
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
import type { EngineRules } from "./engine.ts";
import type { ToEvm } from "./engine-process.ts";

/** Memory grows by about 1 MB a millisecond at most. */
const watchEveryMs = 10;

const bytesOf = (hex: string) => Buffer.from(hex.slice(2), "hex");

async function openProvider(rules: EngineRules): Promise<Provider> {
  const context = new EdrContext();
  await context.registerProviderFactory(GENERIC_CHAIN_TYPE, genericChainProviderFactory());
  const blockGasLimit = BigInt(rules.blockGasLimit);
  return context.createProvider(
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
      coinbase: bytesOf(rules.feeCollector),
      defaultTransactionGasLimit: blockGasLimit,
      transactionGasCap: blockGasLimit,
      genesisState: [
        ...Object.entries(rules.genesis).map(([address, balance]) => ({
          address: bytesOf(address),
          balance,
        })),
        ...l1GenesisState(l1HardforkFromString(rules.hardfork)),
      ],
      hardfork: rules.hardfork,
      initialParentBeaconBlockRoot: new Uint8Array(32),
      minGasPrice: 0n,
      mining: { autoMine: false, blockGasLimit, memPool: { order: MineOrdering.Fifo } },
      network: {
        genesisBlockGasLimit: blockGasLimit,
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
}

let provider: Promise<Provider> | undefined;
let memoryBytes = Number.POSITIVE_INFINITY;
let under = 0;
let watch: NodeJS.Timeout | undefined;
let turn: Promise<void> = Promise.resolve();

function watchMemory(): void {
  const usedBytes = process.memoryUsage.rss();
  if (usedBytes <= memoryBytes) return;
  process.send!({ usedBytes }, () => process.kill(process.pid, "SIGKILL"));
}

async function answer(id: number, body: string): Promise<void> {
  const { data } = await (await provider!).handleRequest(body);
  process.send!({ id, text: typeof data === "string" ? data : JSON.stringify(data) });
}

/** One at a time and in order: so the parent knows which request was being carried out when this process ends. */
function take(id: number, body: string): void {
  if (under++ === 0) watch = setInterval(watchMemory, watchEveryMs);
  turn = turn
    .then(() => answer(id, body))
    .catch((error: Error) => void process.send!({ id, failure: error.message }))
    .finally(() => {
      if (--under === 0) clearInterval(watch);
    });
}

process.on("message", (message: ToEvm) => {
  if ("rules" in message) {
    memoryBytes = message.memoryBytes;
    provider = openProvider(message.rules);
    provider.then(
      () => process.send!({ ready: true }),
      (error: Error) => process.send!({ refused: error.message }),
    );
  } else if ("memory" in message) process.send!({ id: message.id, text: String(process.memoryUsage.rss()) });
  else take(message.id, message.body);
});
process.on("disconnect", () => process.kill(process.pid, "SIGKILL"));
// A terminal and a service manager signal the whole group; the parent closes this process when it has sealed its log.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => {});
try {
  // Should the machine run out of memory all the same, the kernel ends this process before the one with the database.
  writeFileSync("/proc/self/oom_score_adj", "800");
} catch {
  // not Linux, or not permitted
}
