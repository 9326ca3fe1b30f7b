/**
 * # node: the composition root
 *
 * {@link openNode} builds a whole node from one {@link NodeConfig}: the chain with the protocol on it (`network`), every room's service
 * (`services`), their routes (`app`), and the HTTP server (`server`). `routes` holds the few answers that need more than one room; `guard`
 * keeps the operator token.
 */
export { type BackupOptions, type BackupSource, writeBackup } from "./backup.ts";
export {
  ConfigError,
  defaultHome,
  type NodeConfig,
  type NodeConfigInput,
  packageFolder,
  readConfig,
  runningNode,
} from "./config.ts";
export { type Delegation, delegationData } from "./delegations.ts";
export { operatorTokenFile } from "./guard.ts";
export { type NodeAccount, type NodeNetwork, nodeAccounts, openNetwork } from "./network.ts";
export { type OpenNodeOptions, openNode, type RunningNode } from "./node.ts";
export { checkBackup, type Restored, restoreBackup } from "./restore.ts";
export { version } from "./version.ts";
