/** The embedded chain with the protocol on it, and this node's accounts with something to pay for gas. */
import { join } from "node:path";
import type { Address, LocalAccount } from "viem";
import {
  type ChainReader,
  type ChainWriter,
  chainClients,
  deployProtocol,
  type EmbeddedChain,
  type Keystore,
  localNetwork,
  localValues,
  type Network,
  openEmbeddedChain,
  openKeystore,
  type ProtocolContracts,
  protocolAbis,
  protocolAddresses,
  totalSupplyWei,
} from "../chain/index.ts";
import { forwardClock } from "./clock.ts";
import type { NodeConfig } from "./config.ts";

const open = 10n ** 18n;

/** Accounts this node acts by. Each signs for one room only, so that no two compete for a nonce. */
export const nodeAccounts = ["deployer", "operator", "developer", "curator"] as const;
export type NodeAccount = (typeof nodeAccounts)[number];

/**
 * How the billion is given out at genesis, in hundredths of a per cent. What vests lies at the vesting contracts' addresses from
 * the first block on; on a local network the liquidity account is the faucet.
 */
const genesisShares = {
  CommunityVesting: 5_171n,
  EcosystemVesting: 1_000n,
  InvestorsVesting: 1_829n,
  TeamVesting: 1_500n,
} as const;
const liquidityShare = 500n;

/** What an account of the node is given on first boot, for gas, fees and bonds. */
const startingBalance: Record<NodeAccount, bigint> = {
  deployer: 10n * open,
  operator: 100_000n * open,
  developer: 1_000n * open,
  curator: 1_000n * open,
};

export type NodeNetwork = {
  readonly chain: EmbeddedChain;
  readonly network: Network;
  readonly contracts: ProtocolContracts;
  readonly keys: Keystore;
  readonly accounts: Readonly<Record<NodeAccount, LocalAccount>>;
  readonly reader: ChainReader;
  /** The clock that blocks are timed by: what is said of the chain goes by the same. */
  readonly nowMs: () => number;
  /** The writer of an account: one per account, because it gives out the account's nonces. */
  writer(account: LocalAccount): ChainWriter;
  /** Gives OPEN of the liquidity account away: local networks only. */
  faucet(to: Address, amountWei: bigint): Promise<void>;
  close(): Promise<void>;
};

export async function openNetwork(
  config: NodeConfig,
  rpcUrl: () => string,
  log: (message: string) => void,
  onStep: (step: string) => void = () => {},
  nowMs: () => number = forwardClock(),
): Promise<NodeNetwork> {
  const keys = openKeystore(join(config.home, "keys.json"));
  const addresses = protocolAddresses(keys.account("deployer").address);
  const genesis: Record<Address, bigint> = {
    [keys.account("liquidity").address]: (totalSupplyWei * liquidityShare) / 10_000n,
  };
  for (const [name, share] of Object.entries(genesisShares))
    genesis[addresses[name as keyof typeof genesisShares]] = (totalSupplyWei * share) / 10_000n;
  let minTipWei = config.minTipWei;
  const chain = await openEmbeddedChain({
    dir: join(config.home, "chain"),
    chainId: config.chainId,
    genesis,
    feeCollector: addresses.OpenTimelock,
    minTipWei: () => minTipWei,
    nowMs,
    ...(config.engineMemoryMiB === undefined ? {} : { engineMemoryBytes: config.engineMemoryMiB * 2 ** 20 }),
    log: (level, message) => {
      if (level !== "info") log(message);
    },
  });
  try {
    const writers = new Map<Address, ChainWriter>();
    const writer = (account: LocalAccount) => {
      let known = writers.get(account.address);
      if (known === undefined) {
        known = chainClients({ embedded: chain, account, abis: protocolAbis });
        writers.set(account.address, known);
      }
      return known;
    };
    const liquidity = writer(keys.account("liquidity"));
    const faucet = async (to: Address, amountWei: bigint) => {
      const receipt = await liquidity.waitForReceipt(await liquidity.send({ to, value: amountWei }));
      if (receipt.status !== "success") throw new Error(`The faucet's transfer to ${to} reverted.`);
    };
    const accounts = Object.fromEntries(
      nodeAccounts.map((name) => [name, keys.account(name)]),
    ) as unknown as Record<NodeAccount, LocalAccount>;
    for (const name of nodeAccounts) {
      const { address } = accounts[name];
      const used = (await liquidity.public.getTransactionCount({ address })) > 0;
      if (!used && startingBalance[name] > 0n && (await liquidity.public.getBalance({ address })) === 0n)
        await faucet(address, startingBalance[name]);
    }
    const genesisBlock = await liquidity.public.getBlock({ blockNumber: 0n });
    const contracts = await deployProtocol(
      writer(accounts.deployer),
      {
        leastSeconds: 1n,
        values: {
          settlementWindowSeconds: BigInt(config.settlementWindowSeconds),
          closeTimeoutSeconds: BigInt(config.closeTimeoutSeconds),
          minimumBondWei: config.minimumBondWei,
          registrationFeeWei: config.registrationFeeWei,
          minimumTipWei: config.minTipWei,
          // Stake outlasts what it could be slashed for, however long the window.
          unbondingSeconds:
            2n * BigInt(config.settlementWindowSeconds) +
            2n * localValues.verdictSeconds +
            localValues.appealSeconds +
            5n,
        },
        vesting: {
          start: genesisBlock.timestamp,
          investors: keys.account("investors").address,
          team: keys.account("team").address,
        },
      },
      (step) => onStep(`the chain: ${step}`),
    );
    chain.reserveFor([
      contracts.AttributionLedger.address,
      contracts.PaymentChannels.address,
      contracts.FraudProofs.address,
      contracts.Demands.address,
      contracts.Verdicts.address,
      contracts.ReleaseVerdicts.address,
      contracts.JobEscrow.address,
    ]);
    const readMinTip = async () => {
      minTipWei = await liquidity.public.readContract({
        ...contracts.ProtocolParameters,
        functionName: "minimumTipWei",
      });
    };
    await readMinTip();
    const stop = secondAfterBlocks(chain, readMinTip, log);
    return {
      chain,
      /** Read when asked for: where the node listens is known only once it does. */
      get network() {
        return localNetwork({ chainId: config.chainId, rpcUrls: [rpcUrl()], contracts: addresses });
      },
      contracts,
      keys,
      accounts,
      reader: liquidity,
      nowMs,
      writer,
      faucet,
      close: async () => {
        stop();
        await chain.close();
      },
    };
  } catch (error) {
    await chain.close();
    throw error;
  }
}

/**
 * Does something after blocks: a second later, so that what a block changed from its next second on is seen, and once for many.
 *
 * @returns how to stop
 */
function secondAfterBlocks(
  chain: EmbeddedChain,
  act: () => Promise<void>,
  log: (message: string) => void,
): () => void {
  let timer: NodeJS.Timeout | undefined;
  const run = () => {
    timer = undefined;
    act().catch((error: Error) => log(`The minimum tip could not be read: ${error.message}`));
  };
  const stopListening = chain.onBlock(() => {
    timer ??= setTimeout(run, 1_000).unref();
  });
  return () => {
    stopListening();
    clearTimeout(timer);
  };
}
