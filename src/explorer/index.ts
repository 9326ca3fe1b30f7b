/**
 * # explorer: what happened on the chain
 *
 * Blocks, transactions, events, accounts and contracts in tables, decoded into the contracts' own words, and the routes that
 * read them.
 *
 * - {@link openExplorer}: indexes from genesis and follows new blocks. A batch's rows and the cursor commit together, so that
 *   after a crash the index goes on where it was: no gaps, nothing twice.
 * - {@link explorerRoutes}: `/v1/explorer/…`, read only.
 * - {@link protocolInstances}: contracts that listed contracts make are recognized by the event that names them.
 *
 * Everything here is derived from the chain. If the chain is another one than the index was made from, or the contracts it was
 * decoded by have changed, all rows are dropped and made anew, and the log says why. To decode a new contract, list it.
 *
 * `block.ts` reads a block, `rows.ts` makes its rows (pure), `write.ts` writes them, `indexer.ts` turns the wheel; `abi.ts`
 * decodes bytes that anybody may have sent, with a limit on everything; `read.ts` has every query.
 */
export { type Argument, abiLimits, type Value } from "./abi.ts";
export { ExplorerError, type ExplorerErrorCode } from "./errors.ts";
export { type InstanceRule, protocolInstances } from "./registry.ts";
export { explorerRoutes } from "./routes.ts";
export { type Explorer, type ExplorerDependencies, openExplorer, type Summary } from "./service.ts";
export type { BlocksSince, EventSince } from "./since.ts";
