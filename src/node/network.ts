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
  localSettings,
  type Network,
  openEmbeddedChain,
  openKeystore,
  type ProtocolContracts,
  protocolAbis,
  protocolAddresses,
  totalSupplyWei,
} from "../chain/index.ts";
import type { NodeConfig } from "./config.ts";

const open = 10n ** 18n;

/** Accounts this node acts by. Each signs for one room only, so that no two compete for a nonce. */
export const nodeAccounts = ["deployer", "operator", "developer", "curator", "treasury", "stakers"] as const;
export type NodeAccount = (typeof nodeAccounts)[number];

/** How the billion is given out at genesis, in hundredths of a per cent. On a local network the liquidity account is the faucet. */
const genesisShares = {
  community: 5_171n,
  ecosystem: 1_000n,
  investors: 1_829n,
  team: 1_500n,
  liquidity: 500n,
} as const;

/** What an account of the node is given on first boot, for gas, fees and bonds. */
const startingBalance: Record<NodeAccount, bigint> = {
  deployer: 10n * open,
  operator: 100_000n * open,
  developer: 1_000n * open,
  curator: 1_000n * open,
  treasury: 0n,
  stakers: 0n,
};

export type NodeNetwork = {
  readonly chain: EmbeddedChain;
  readonly network: Network;
  readonly contracts: ProtocolContracts;
  readonly keys: Keystore;
  readonly accounts: Readonly<Record<NodeAccount, LocalAccount>>;
  readonly reader: ChainReader;
  /** The writer of an account: one per account, because it gives out the account's nonces. */
  writer(account: LocalAccount): ChainWriter;
  /** Gives OPEN of the liquidity account away: local networks only. */
  faucet(to: Address, amountWei: bigint): Promise<void>;
};

export async function openNetwork(
  config: NodeConfig,
  rpcUrl: () => string,
  log: (message: string) => void,
  onStep: (step: string) => void = () => {},
): Promise<NodeNetwork> {
  const keys = openKeystore(join(config.home, "keys.json"));
  const genesis: Record<Address, bigint> = {};
  for (const [name, share] of Object.entries(genesisShares))
    genesis[keys.account(name).address] = (totalSupplyWei * share) / 10_000n;
  const chain = await openEmbeddedChain({
    dir: join(config.home, "chain"),
    chainId: config.chainId,
    genesis,
    feeCollector: keys.account("fees").address,
    minTipWei: config.minTipWei,
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
    const contracts = await deployProtocol(
      writer(accounts.deployer),
      {
        governance: accounts.deployer.address,
        leastSeconds: 1n,
        settings: localSettings(
          { treasury: accounts.treasury.address, stakersPool: accounts.stakers.address },
          {
            settlementWindowSeconds: BigInt(config.settlementWindowSeconds),
            closeTimeoutSeconds: BigInt(config.closeTimeoutSeconds),
            minimumBondWei: config.minimumBondWei,
            registrationFeeWei: config.registrationFeeWei,
          },
        ),
      },
      (step) => onStep(`the chain: ${step}`),
    );
    chain.reserveFor([contracts.AttributionLedger.address, contracts.PaymentChannels.address]);
    const addresses = protocolAddresses(accounts.deployer.address);
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
      writer,
      faucet,
    };
  } catch (error) {
    await chain.close();
    throw error;
  }
}
