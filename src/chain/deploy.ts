import {
  type Abi,
  type Address,
  encodeDeployData,
  getContractAddress,
  type Hex,
  stringToHex,
  zeroAddress,
} from "viem";
import type { ChainWriter } from "./clients.ts";
import { type ProtocolContracts, protocolCode, protocolContracts } from "./protocol-contracts.ts";
import { genesisFeeSplit, localSettings, type localValues, settingList } from "./settings.ts";

/** One transaction of a deployment. Its position is the deployer's nonce, which makes every address known beforehand. */
export type DeployStep = {
  /** What it does, as in "deploy ModelRegistry". */
  readonly what: string;
  /** Left out to create a contract. */
  readonly to?: Address;
  readonly data: Hex;
  /** How the transaction on a later boot must begin: all of `data`, or only this much of it. */
  readonly fixedPart?: Hex;
};

/** A contract on the chain is not the one this release brings. */
export class DeploymentMismatchError extends Error {
  override readonly name = "DeploymentMismatchError";
}

/**
 * Bring a deployment to its end: send the steps the deployer has not sent, compare those it has. The deployer's nonce
 * is the only record of progress, so the process may die anywhere and the next run continues with the same addresses.
 *
 * @param writer its account is the deployer: it must do nothing else before the deployment is complete
 * @returns how many steps were sent now
 */
export async function deploySteps(
  writer: ChainWriter,
  steps: readonly DeployStep[],
  say: (what: string) => void = () => {},
): Promise<number> {
  const deployer = writer.account.address;
  const done = await writer.public.getTransactionCount({ address: deployer });
  for (const [nonce, step] of steps.slice(0, done).entries())
    await compareStep(writer, deployer, nonce, step);
  for (const [index, step] of steps.slice(done).entries()) {
    const hash = await writer.send({ data: step.data, ...(step.to === undefined ? {} : { to: step.to }) });
    const receipt = await writer.waitForReceipt(hash);
    if (receipt.status !== "success") {
      throw new Error(
        `Step ${done + index} of the deployment, ${step.what}, reverted in transaction ${hash}.`,
      );
    }
    say(step.what);
  }
  return Math.max(0, steps.length - done);
}

async function compareStep(
  writer: ChainWriter,
  deployer: Address,
  nonce: number,
  step: DeployStep,
): Promise<void> {
  const sent = await transactionOf(writer, deployer, nonce);
  const expected = step.fixedPart ?? step.data;
  const sameTarget = (sent.to ?? zeroAddress).toLowerCase() === (step.to ?? zeroAddress).toLowerCase();
  const sameData = step.fixedPart === undefined ? sent.input === expected : sent.input.startsWith(expected);
  if (sameTarget && sameData) return;
  throw new DeploymentMismatchError(
    `Transaction ${nonce} of the deployer ${deployer} (${sent.hash}) is not this release's "${step.what}": the network was ` +
      `deployed by another release of OpenLedger, or the account did something else first. Run the release that made this network, ` +
      `or start a new network in an empty folder.`,
  );
}

/** The transaction of an account with this nonce, found by halving: the first block after which its count is higher. */
async function transactionOf(
  { public: client }: ChainWriter,
  address: Address,
  nonce: number,
): Promise<{ hash: Hex; to: Address | null; input: Hex }> {
  let low = 1n;
  let high = await client.getBlockNumber({ cacheTime: 0 });
  while (low < high) {
    const middle = (low + high) / 2n;
    const count = await client.getTransactionCount({ address, blockNumber: middle });
    if (count > nonce) high = middle;
    else low = middle + 1n;
  }
  const block = await client.getBlock({ blockNumber: low, includeTransactions: true });
  const found = block.transactions.find(
    (one) => one.from.toLowerCase() === address.toLowerCase() && one.nonce === nonce,
  );
  if (found === undefined)
    throw new Error(`Transaction ${nonce} of ${address} is not in block ${low}, where it must be.`);
  return found;
}

/** What differs from network to network; everything else follows from the deployer's address. */
export type ProtocolDeployment = {
  /** The bound under every window, seconds, for the life of the network. */
  readonly leastSeconds: bigint;
  /** Where they differ from a local network's. */
  readonly values?: Partial<Record<keyof typeof localValues, bigint>>;
  readonly vesting: {
    /** Seconds: the genesis block's time. */
    readonly start: bigint;
    /** Who receives what vests; community and ecosystem vest to the treasury. */
    readonly investors: Address;
    readonly team: Address;
  };
  /** Instead of the timelock, which owns the parameters and is the treasury. */
  readonly governance?: Address;
  /** Instead of the timelock and `OpenStaking`. */
  readonly payees?: { readonly treasury: Address; readonly stakersPool: Address };
};

export type ContractName = keyof ProtocolContracts;
type Addresses = Readonly<Record<ContractName, Address>>;
type Constructor = (addresses: Addresses, deployment: ProtocolDeployment) => readonly unknown[];

/** A twelfth of a year of 365.25 days, seconds. */
const month = 2_629_800n;

/** Beneficiary, wrapper, start, cliff, duration after the cliff, whether it votes before it is released. */
const linear: Constructor = (a, { vesting }) => [
  a.OpenTimelock,
  a.GOPEN,
  vesting.start,
  0n,
  48n * month,
  false,
];
const withCliff =
  (beneficiary: "investors" | "team"): Constructor =>
  (a, { vesting }) => [vesting[beneficiary], a.GOPEN, vesting.start, 12n * month, 36n * month, true];

/**
 * The constructors in the order of deployment: a contract's place is the deployer's nonce, so every address is known before
 * anything is deployed, contracts name each other for good, and nobody ever owns what governance owns.
 */
const constructors: Readonly<Record<ContractName, Constructor>> = {
  ProtocolParameters: (a, deployment) => [
    deployment.governance ?? a.OpenTimelock,
    deployment.leastSeconds,
    genesisFeeSplit,
    settingList(
      localSettings(
        deployment.payees ?? { treasury: a.OpenTimelock, stakersPool: a.OpenStaking },
        deployment.values,
      ),
    ),
    Object.entries(a).map(([name, at]) => ({ name: stringToHex(name, { size: 32 }), at })),
  ],
  OpenTimelock: (a) => [a.ProtocolParameters, a.OpenGovernor],
  GOPEN: () => [],
  WOPEN: () => [],
  CommunityVesting: linear,
  EcosystemVesting: linear,
  InvestorsVesting: withCliff("investors"),
  TeamVesting: withCliff("team"),
  OpenStaking: (a) => [a.ProtocolParameters, a.Verdicts, a.ReleaseVerdicts, a.AgentRegistry],
  OpenGovernor: (a) => [
    a.GOPEN,
    a.OpenStaking,
    a.OpenTimelock,
    a.ProtocolParameters,
    [a.CommunityVesting, a.EcosystemVesting, a.InvestorsVesting, a.TeamVesting],
  ],
  DatanetRegistry: (a) => [a.ProtocolParameters],
  ModelRegistry: (a) => [a.ProtocolParameters, a.DatanetRegistry],
  PaymentChannels: (a) => [a.ProtocolParameters, a.AttributionLedger],
  AttributionLedger: (a) => [
    a.ProtocolParameters,
    a.PaymentChannels,
    a.FraudProofs,
    a.Demands,
    a.Verdicts,
    a.ReleaseVerdicts,
  ],
  FraudProofs: (a) => [a.AttributionLedger, a.ModelRegistry],
  Demands: (a) => [a.AttributionLedger, a.ModelRegistry],
  RevenueSharesFactory: () => [],
  AssetMarket: (a) => [[a.DatanetRegistry, a.ModelRegistry, a.AgentRegistry], a.RevenueSharesFactory],
  AgentRegistry: (a) => [a.ProtocolParameters, a.OpenStaking],
  CuratorElections: (a) => [a.DatanetRegistry],
  Verdicts: (a) => [a.ProtocolParameters, a.OpenStaking, a.AttributionLedger],
  ReleaseVerdicts: (a) => [
    a.ProtocolParameters,
    a.OpenStaking,
    a.Verdicts,
    a.ModelRegistry,
    a.AttributionLedger,
  ],
  // Last, so that a network that was made before goes on: its addresses stay, and this one is deployed at its next start.
  JobEscrow: (a) => [a.ModelRegistry],
};

const order = Object.keys(constructors) as (keyof typeof constructors)[];

/** The addresses a deployer's contracts have or will have. */
export function protocolAddresses(deployer: Address): Record<ContractName, Address> {
  return Object.fromEntries(
    order.map((name, nonce) => [name, getContractAddress({ from: deployer, nonce: BigInt(nonce) })]),
  ) as Record<ContractName, Address>;
}

/** The steps that deploy the protocol; `ProtocolParameters` lists its contracts from the start. */
export function protocolSteps(deployer: Address, deployment: ProtocolDeployment): DeployStep[] {
  const addresses = protocolAddresses(deployer);
  return order.map((name) => {
    const { abi, bytecode } = protocolCode[name];
    const args = constructors[name](addresses, deployment);
    return {
      what: `deploy ${name}`,
      data: encodeDeployData({ abi: abi as Abi, bytecode, args }),
      // The values it started with are history; governance may have changed them since.
      ...(name === "ProtocolParameters" ? { fixedPart: bytecode } : {}),
    };
  });
}

/**
 * Deploy the protocol's contracts on the first boot; on later ones, check that they are this release's.
 *
 * @throws DeploymentMismatchError
 */
export async function deployProtocol(
  writer: ChainWriter,
  deployment: ProtocolDeployment,
  say?: (what: string) => void,
): Promise<ProtocolContracts> {
  const deployer = writer.account.address;
  await deploySteps(writer, protocolSteps(deployer, deployment), say);
  const addresses = protocolAddresses(deployer);
  for (const [name, address] of Object.entries(addresses)) {
    const code = await writer.public.getCode({ address });
    if (code === undefined)
      throw new DeploymentMismatchError(`There is no code at ${address}, where ${name} must be.`);
  }
  return protocolContracts(addresses);
}
