import type { Address } from "viem";
import * as generated from "./contracts/index.ts";

const vesting = { abi: generated.openVestingAbi, bytecode: generated.openVestingBytecode } as const;

/** ABI and creation code of each contract that a network is deployed with, by name. */
export const protocolCode = {
  ProtocolParameters: {
    abi: generated.protocolParametersAbi,
    bytecode: generated.protocolParametersBytecode,
  },
  OpenTimelock: { abi: generated.openTimelockAbi, bytecode: generated.openTimelockBytecode },
  GOPEN: { abi: generated.gOPENAbi, bytecode: generated.gOPENBytecode },
  WOPEN: { abi: generated.wOPENAbi, bytecode: generated.wOPENBytecode },
  CommunityVesting: vesting,
  EcosystemVesting: vesting,
  InvestorsVesting: vesting,
  TeamVesting: vesting,
  OpenStaking: { abi: generated.openStakingAbi, bytecode: generated.openStakingBytecode },
  OpenGovernor: { abi: generated.openGovernorAbi, bytecode: generated.openGovernorBytecode },
  DatanetRegistry: { abi: generated.datanetRegistryAbi, bytecode: generated.datanetRegistryBytecode },
  ModelRegistry: { abi: generated.modelRegistryAbi, bytecode: generated.modelRegistryBytecode },
  PaymentChannels: { abi: generated.paymentChannelsAbi, bytecode: generated.paymentChannelsBytecode },
  AttributionLedger: { abi: generated.attributionLedgerAbi, bytecode: generated.attributionLedgerBytecode },
  FraudProofs: { abi: generated.fraudProofsAbi, bytecode: generated.fraudProofsBytecode },
  Demands: { abi: generated.demandsAbi, bytecode: generated.demandsBytecode },
  RevenueSharesFactory: {
    abi: generated.revenueSharesFactoryAbi,
    bytecode: generated.revenueSharesFactoryBytecode,
  },
  AssetMarket: { abi: generated.assetMarketAbi, bytecode: generated.assetMarketBytecode },
  AgentRegistry: { abi: generated.agentRegistryAbi, bytecode: generated.agentRegistryBytecode },
  Verdicts: { abi: generated.verdictsAbi, bytecode: generated.verdictsBytecode },
  ReleaseVerdicts: { abi: generated.releaseVerdictsAbi, bytecode: generated.releaseVerdictsBytecode },
  CuratorElections: { abi: generated.curatorElectionsAbi, bytecode: generated.curatorElectionsBytecode },
  JobEscrow: { abi: generated.jobEscrowAbi, bytecode: generated.jobEscrowBytecode },
} as const;

type Code = typeof protocolCode;

/** Address and ABI of each contract, to be spread into viem's calls. */
export type ProtocolContracts = {
  readonly [name in keyof Code]: { readonly address: Address; readonly abi: Code[name]["abi"] };
};

/** ABIs by name, for reading errors and events: those of every deployed contract, and of contracts that these make. */
export const protocolAbis = {
  ...(Object.fromEntries(Object.entries(protocolCode).map(([name, { abi }]) => [name, abi])) as {
    readonly [name in keyof Code]: Code[name]["abi"];
  }),
  CommonPool: generated.commonPoolAbi,
  RevenueShares: generated.revenueSharesAbi,
} as const;

/**
 * The protocol's contracts at their addresses.
 *
 * @example
 * await clients.public.readContract({ ...contracts.DatanetRegistry, functionName: "datanetCount" });
 */
export function protocolContracts(
  addresses: Readonly<Record<keyof ProtocolContracts, Address>>,
): ProtocolContracts {
  return Object.fromEntries(
    Object.entries(protocolCode).map(([name, { abi }]) => [
      name,
      { address: addresses[name as keyof ProtocolContracts], abi },
    ]),
  ) as unknown as ProtocolContracts;
}
