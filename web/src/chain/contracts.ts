/** The ABIs of the contracts that screens read and call; the bytecode beside them is left out of what browsers load. */
import { abi as AttributionLedger } from "../../../src/chain/contracts/AttributionLedger.ts";
import { abi as CuratorElections } from "../../../src/chain/contracts/CuratorElections.ts";
import { abi as GOPEN } from "../../../src/chain/contracts/GOPEN.ts";
import { abi as JobEscrow } from "../../../src/chain/contracts/JobEscrow.ts";
import { abi as OpenGovernor } from "../../../src/chain/contracts/OpenGovernor.ts";
import { abi as OpenStaking } from "../../../src/chain/contracts/OpenStaking.ts";
import { abi as OpenTimelock } from "../../../src/chain/contracts/OpenTimelock.ts";
import { abi as PaymentChannels } from "../../../src/chain/contracts/PaymentChannels.ts";
import { abi as ProtocolParameters } from "../../../src/chain/contracts/ProtocolParameters.ts";
import { abi as Verdicts } from "../../../src/chain/contracts/Verdicts.ts";

export const abis = {
  AttributionLedger,
  CuratorElections,
  GOPEN,
  JobEscrow,
  OpenGovernor,
  OpenStaking,
  OpenTimelock,
  PaymentChannels,
  ProtocolParameters,
  Verdicts,
} as const;
