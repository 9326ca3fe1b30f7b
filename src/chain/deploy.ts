import { type Address, encodeDeployData, getContractAddress, type Hex, stringToHex, zeroAddress } from "viem";
import type { ChainWriter } from "./clients.ts";
import {
  attributionLedgerAbi,
  attributionLedgerBytecode,
  datanetRegistryAbi,
  datanetRegistryBytecode,
  modelRegistryAbi,
  modelRegistryBytecode,
  protocolParametersAbi,
  protocolParametersBytecode,
} from "./contracts/index.ts";
import { type ProtocolContracts, protocolContracts } from "./protocol-contracts.ts";
import { type ProtocolSettings, settingList } from "./settings.ts";

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

export type ProtocolDeployment = {
  /** Owns the parameters: the timelock, or on a network without one an account. */
  readonly governance: Address;
  /** The bound under every window, seconds, for the life of the network. */
  readonly leastSeconds: bigint;
  readonly settings: ProtocolSettings;
};

/** The addresses a deployer's contracts have or will have. */
export function protocolAddresses(deployer: Address): Record<keyof ProtocolContracts, Address> {
  const at = (nonce: bigint) => getContractAddress({ from: deployer, nonce });
  const AttributionLedger = at(3n);
  return {
    ProtocolParameters: at(0n),
    DatanetRegistry: at(1n),
    ModelRegistry: at(2n),
    AttributionLedger,
    // The ledger's constructor makes the channels, as its first creation.
    PaymentChannels: getContractAddress({ from: AttributionLedger, nonce: 1n }),
  };
}

/** The steps that deploy the protocol; `ProtocolParameters` lists its contracts from the start. */
export function protocolSteps(
  deployer: Address,
  { governance, leastSeconds, settings }: ProtocolDeployment,
): DeployStep[] {
  const addresses = protocolAddresses(deployer);
  const listed = Object.entries(addresses).map(([name, at]) => ({
    name: stringToHex(name, { size: 32 }),
    at,
  }));
  return [
    {
      what: "deploy ProtocolParameters",
      data: encodeDeployData({
        abi: protocolParametersAbi,
        bytecode: protocolParametersBytecode,
        args: [governance, leastSeconds, settings.feeSplit, settingList(settings), listed],
      }),
      // The values it started with are history; governance may have changed them since.
      fixedPart: protocolParametersBytecode,
    },
    {
      what: "deploy DatanetRegistry",
      data: encodeDeployData({
        abi: datanetRegistryAbi,
        bytecode: datanetRegistryBytecode,
        args: [addresses.ProtocolParameters],
      }),
    },
    {
      what: "deploy ModelRegistry",
      data: encodeDeployData({
        abi: modelRegistryAbi,
        bytecode: modelRegistryBytecode,
        args: [addresses.ProtocolParameters, addresses.DatanetRegistry],
      }),
    },
    {
      what: "deploy AttributionLedger and PaymentChannels",
      data: encodeDeployData({
        abi: attributionLedgerAbi,
        bytecode: attributionLedgerBytecode,
        args: [addresses.ProtocolParameters, addresses.ModelRegistry],
      }),
    },
  ];
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
