import type { Address } from "viem";
import {
  attributionLedgerAbi,
  commonPoolAbi,
  datanetRegistryAbi,
  modelRegistryAbi,
  paymentChannelsAbi,
  protocolParametersAbi,
} from "./contracts/index.ts";

/** ABIs of the protocol's contracts by name, for reading errors and events. */
export const protocolAbis = {
  ProtocolParameters: protocolParametersAbi,
  DatanetRegistry: datanetRegistryAbi,
  CommonPool: commonPoolAbi,
  ModelRegistry: modelRegistryAbi,
  PaymentChannels: paymentChannelsAbi,
  AttributionLedger: attributionLedgerAbi,
} as const;

type Deployed = Omit<typeof protocolAbis, "CommonPool">;

/** Address and ABI of each contract, to be spread into viem's calls. */
export type ProtocolContracts = {
  readonly [name in keyof Deployed]: { readonly address: Address; readonly abi: Deployed[name] };
};

/**
 * The protocol's contracts at their addresses.
 *
 * @example
 * await clients.public.readContract({ ...contracts.DatanetRegistry, functionName: "datanetCount" });
 */
export function protocolContracts(
  addresses: Readonly<Record<keyof ProtocolContracts, Address>>,
): ProtocolContracts {
  return {
    ProtocolParameters: { address: addresses.ProtocolParameters, abi: protocolParametersAbi },
    DatanetRegistry: { address: addresses.DatanetRegistry, abi: datanetRegistryAbi },
    ModelRegistry: { address: addresses.ModelRegistry, abi: modelRegistryAbi },
    PaymentChannels: { address: addresses.PaymentChannels, abi: paymentChannelsAbi },
    AttributionLedger: { address: addresses.AttributionLedger, abi: attributionLedgerAbi },
  };
}
