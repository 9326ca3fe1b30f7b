import type { Address } from "viem";
import {
  gOPENAbi,
  openGovernorAbi,
  openStakingAbi,
  openTimelockAbi,
  openVestingAbi,
  type ProtocolContracts,
  protocolAbis,
  protocolContracts,
  wOPENAbi,
} from "../chain/index.ts";
import { CliError, exitCodes } from "./errors.ts";

/** The economy's contracts by name, beside those of `ProtocolContracts`. */
const moreAbis = {
  WOPEN: wOPENAbi,
  GOPEN: gOPENAbi,
  OpenGovernor: openGovernorAbi,
  OpenStaking: openStakingAbi,
  OpenTimelock: openTimelockAbi,
  CommunityVesting: openVestingAbi,
  EcosystemVesting: openVestingAbi,
  InvestorsVesting: openVestingAbi,
  TeamVesting: openVestingAbi,
} as const;

/** ABIs by name, for reading errors, events and calls. */
export const economyAbis = { ...protocolAbis, ...moreAbis } as const;

/** Address and ABI of each contract, to be spread into viem's calls. */
export type Economy = ProtocolContracts & {
  readonly [name in keyof typeof moreAbis]: {
    readonly address: Address;
    readonly abi: (typeof moreAbis)[name];
  };
};

/** @throws CliError, when a contract is asked for that this network does not have */
export function economyOf(addresses: Readonly<Record<string, Address>>): Economy {
  const contracts = { ...protocolContracts(addresses as Parameters<typeof protocolContracts>[0]) };
  for (const [name, abi] of Object.entries(moreAbis))
    Object.defineProperty(contracts, name, {
      enumerable: addresses[name] !== undefined,
      get() {
        const address = addresses[name];
        if (address !== undefined) return { address, abi };
        throw new CliError(`This network has no ${name}.`, {
          actual: Object.keys(addresses).join(", "),
          fix: ["It was made by an earlier release. Start a new network in an empty home."],
          exitCode: exitCodes.unfit,
          code: "no-contract",
        });
      },
    });
  return contracts as Economy;
}
