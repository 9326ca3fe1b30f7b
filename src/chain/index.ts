/**
 * # chain: the OPEN chain
 *
 * An Ethereum chain in this process (EDR, revm) with a durable log of our own, and what everything else needs to talk to
 * it or to any Ethereum node.
 *
 * - {@link openEmbeddedChain}: one sequencer. A transaction is written to the log and flushed to the disk, then mined,
 *   then acknowledged; the log replays to the same block hashes on the next start. The operator orders transactions and
 *   sets the time: trusted for that, and for nothing else.
 * - {@link createRpc}: JSON-RPC 2.0 over HTTP and WebSocket for wallets. A strict list of methods, the same limits.
 * - {@link chainClients}: viem clients, in process or by URL; safe nonces; errors in the contracts' own words.
 * - {@link deployProtocol}: the protocol's contracts, at addresses known beforehand, resumed after a crash.
 * - {@link followEvents}: events into the database, each exactly once.
 * - {@link openKeystore}: this node's accounts. {@link localNetwork}, {@link addEthereumChainParameter}: networks as values.
 *
 * Facts that hold for ever on an embedded chain: base fee 0, a minimum tip, tips go to the fee collector, no blob
 * transactions, 10²⁷ wei at genesis and none later. A block is final as soon as it is there.
 *
 * The folder holds `blocks.log` (see `record.ts` for its format), `lock` and `lock.json`. Copy `blocks.log` to back up.
 */
export { showArguments } from "./arguments.ts";
export { limitBody } from "./body.ts";
export type { AbiByName } from "./call-error.ts";
export { CallRevertedError } from "./call-error.ts";
export {
  type ChainReader,
  type ChainSource,
  type ChainWriter,
  type ContractWrite,
  chainClients,
  type TransactionRequest,
} from "./clients.ts";
export * from "./contracts/index.ts";
export {
  DeploymentMismatchError,
  type DeployStep,
  deployProtocol,
  deploySteps,
  type ProtocolDeployment,
  protocolAddresses,
} from "./deploy.ts";
export {
  type ChainStatus,
  type EmbeddedChain,
  type EmbeddedChainOptions,
  openEmbeddedChain,
} from "./embedded.ts";
export { ChainLogError, RpcError, rpcCodes } from "./errors.ts";
export {
  type ChainEvent,
  type EventFollower,
  type FollowedContracts,
  type FollowOptions,
  followEvents,
  HistoryChangedError,
} from "./events.ts";
export { type NetworkRules, totalSupplyWei } from "./genesis.ts";
export { exportPrivateKey, type Keystore, openKeystore } from "./keys.ts";
export { type Labels, type MetricsPage, metricsPage } from "./metrics.ts";
export {
  type AddEthereumChainParameter,
  addEthereumChainParameter,
  type ContractAddresses,
  localChainId,
  localNetwork,
  type Network,
  openCurrency,
  viemChain,
} from "./networks.ts";
export { proofNames } from "./proof-names.ts";
export {
  type ProtocolContracts,
  protocolAbis,
  protocolCode,
  protocolContracts,
} from "./protocol-contracts.ts";
export { createRateLimiter, isLoopback, type RateLimit, type RateLimiter, subscriberOf } from "./rate.ts";
export type { ChainLogger, ReplayProgress } from "./replay.ts";
export { createRpc, type Rpc } from "./rpc.ts";
export { defaultRate, type RpcHandlerOptions, type RpcRequest, rpcLimits } from "./rpc-handler.ts";
export { refuseUpgrade } from "./rpc-socket.ts";
export {
  genesisFeeSplit,
  genesisValues,
  localSettings,
  localValues,
  type SettingName,
  settingList,
} from "./settings.ts";
export { addressOf, createShares, type Shares } from "./shares.ts";
export { proveSupply, SupplyError, type SupplyProgress, type SupplyProof } from "./supply.ts";
