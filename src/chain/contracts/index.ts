// Written by scripts/contracts.ts from contracts/src; change those and run it again.
export { abi as anchorAbi, bytecode as anchorBytecode } from "./Anchor.ts";
export { abi as assetMarketAbi, bytecode as assetMarketBytecode } from "./AssetMarket.ts";
export { abi as attributionLedgerAbi, bytecode as attributionLedgerBytecode } from "./AttributionLedger.ts";
export { abi as commonPoolAbi, bytecode as commonPoolBytecode } from "./CommonPool.ts";
export { abi as curatorElectionsAbi, bytecode as curatorElectionsBytecode } from "./CuratorElections.ts";
export { abi as datanetRegistryAbi, bytecode as datanetRegistryBytecode } from "./DatanetRegistry.ts";
export { abi as gOPENAbi, bytecode as gOPENBytecode } from "./GOPEN.ts";
export { abi as modelRegistryAbi, bytecode as modelRegistryBytecode } from "./ModelRegistry.ts";
export { abi as openGovernorAbi, bytecode as openGovernorBytecode } from "./OpenGovernor.ts";
export { abi as openStakingAbi, bytecode as openStakingBytecode } from "./OpenStaking.ts";
export { abi as openTimelockAbi, bytecode as openTimelockBytecode } from "./OpenTimelock.ts";
export { abi as openVestingAbi, bytecode as openVestingBytecode } from "./OpenVesting.ts";
export { abi as paymentChannelsAbi, bytecode as paymentChannelsBytecode } from "./PaymentChannels.ts";
export { abi as protocolParametersAbi, bytecode as protocolParametersBytecode } from "./ProtocolParameters.ts";
export { abi as revenueSharesAbi, bytecode as revenueSharesBytecode } from "./RevenueShares.ts";
export { abi as revenueSharesFactoryAbi, bytecode as revenueSharesFactoryBytecode } from "./RevenueSharesFactory.ts";
export { abi as wOPENAbi, bytecode as wOPENBytecode } from "./WOPEN.ts";
