/**
 * # settlement: receipts → batches → ledger → claims
 *
 * Every delivered answer leaves a signed receipt that names whom its fee pays. This room keeps the receipts, commits to many
 * of them at once on chain, and helps payees to their money:
 *
 *     accept ─► waiting ─► vouchers collected ─► batch stored ─► bond raised ─► settled on chain ─► window ─► final ─► claimed
 *
 * What always holds: a receipt is in at most one batch that stands; a channel's receipts follow each other without gap; what
 * a batch pays is what it takes from its channels; the bond covers what is not final; nobody is paid twice. A crash between any
 * two steps is made good by the next run, because the batch is stored whole before anything of it is sent and the chain gives
 * every number once.
 *
 * A batch that is proven wrong is undone on chain: its receipts wait again and its channels are restored. Receipts that were in two
 * undone batches wait for a person, because settling a lie again costs the bond again.
 *
 * - `receipt`: taking them in, reading them; `batch`: what is stored of a batch, its trees
 * - `waiting`: picking what the next batch may hold; `settle`: collecting, building, sending; `standing`: what the chain says about batches, and recovering
 * - `claim`, `balance`: what payees have, and getting it to them; `ledger`: the contract; `loop`: settling in the background
 * - `service`, `routes`: the room's functions, and the same over HTTP
 *
 * Others settle as well, and may lie. What they publish is read, compared with the chain, and proven wrong where it is:
 *
 * - `content`: a batch as it is published; `facts`: what the chain says a receipt is judged by
 * - `watched`, `watch`: others' batches and what was found of them; `prove`: each lie as the transaction that undoes it
 * - `demand`: answering what is demanded of this operator, demanding what is withheld, enforcing silence
 * - `resettle`: taking over what is true of another attester's batch that fell
 * - `disputes`, `dispute-routes`: all of it as functions, and over HTTP
 *
 * - `relay`, `relay-routes`: first steps for who has no OPEN, paid by the operator within daily allowances
 */
export type { PayeeBalance } from "./balance.ts";
export type { BatchRow, BatchState } from "./batch.ts";
export type { SettlementChange, SettlementCursor } from "./changes.ts";
export type { Claim, ClaimProof, ClaimResult } from "./claim.ts";
export { contentFrom, contentLines, type PublishedContent, readContent } from "./content.ts";
export type { Demand, DemandKind } from "./demand.ts";
export { disputeRoutes } from "./dispute-routes.ts";
export { type Disputes, type DisputesDependencies, openDisputes } from "./disputes.ts";
export { SettlementError, type SettlementErrorCode } from "./errors.ts";
export { type ChainFacts, type ChainRelease, chainFacts } from "./facts.ts";
export type { LoopOptions, SettlementLoop } from "./loop.ts";
export { type Provable, prove } from "./prove.ts";
export type { ListedReceipt, ReceiptFilter, ReceiptState, StoredReceipt } from "./receipt.ts";
export {
  openRelays,
  type RelayDependencies,
  RelayLimitError,
  type RelayLimits,
  type Relays,
  relayLimits,
} from "./relay.ts";
export { limitReached, relayRoutes } from "./relay-routes.ts";
export { type SettlementRoutesOptions, settlementRoutes } from "./routes.ts";
export {
  openSettlement,
  type ReceiptView,
  type Settlement,
  type SettlementDependencies,
  type SettlementStatus,
} from "./service.ts";
export { type SettleLimits, type SettleResult, settleLimits } from "./settle.ts";
export { undoneMax } from "./waiting.ts";
export { describeLie, openIndex } from "./watch.ts";
