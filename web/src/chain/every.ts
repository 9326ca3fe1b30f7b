/** The ABIs of every contract of a network, by the names that the network lists: loaded where any call may have to be told in words. */
import type { Abi } from "viem";
import { abi as AgentRegistry } from "../../../src/chain/contracts/AgentRegistry.ts";
import { abi as AssetMarket } from "../../../src/chain/contracts/AssetMarket.ts";
import { abi as CommonPool } from "../../../src/chain/contracts/CommonPool.ts";
import { abi as DatanetRegistry } from "../../../src/chain/contracts/DatanetRegistry.ts";
import { abi as Demands } from "../../../src/chain/contracts/Demands.ts";
import { abi as FraudProofs } from "../../../src/chain/contracts/FraudProofs.ts";
import { abi as ModelRegistry } from "../../../src/chain/contracts/ModelRegistry.ts";
import { abi as OpenVesting } from "../../../src/chain/contracts/OpenVesting.ts";
import { abi as ReleaseVerdicts } from "../../../src/chain/contracts/ReleaseVerdicts.ts";
import { abi as RevenueSharesFactory } from "../../../src/chain/contracts/RevenueSharesFactory.ts";
import { abi as WOPEN } from "../../../src/chain/contracts/WOPEN.ts";
import { abis } from "./contracts.ts";

export const everyAbi: Readonly<Record<string, Abi>> = {
  ...abis,
  AgentRegistry,
  AssetMarket,
  CommonPool,
  DatanetRegistry,
  Demands,
  FraudProofs,
  ModelRegistry,
  CommunityVesting: OpenVesting,
  EcosystemVesting: OpenVesting,
  InvestorsVesting: OpenVesting,
  TeamVesting: OpenVesting,
  ReleaseVerdicts,
  RevenueSharesFactory,
  WOPEN,
};
