/**
 * # payments: who pays for a request, and what it costs
 *
 * A payer deposits OPEN in a channel on chain and signs, off chain, how much of it may be collected in total. Two ways to pay:
 *
 * - **API key**: a channel whose session signer this node holds, so that an unchanged OpenAI client can pay. The operator is
 *   trusted up to the signer's limit, and no further. `createKey` → the payer opens a channel naming that signer
 *   ({@link openChannel}) → `activateKey`.
 * - **Voucher**: a signature of the payer, or of a session signer it named, sent with each request.
 *
 * One request's money goes `reserve` → `charge` once, or `release`, all keyed by the request's id and inside the caller's
 * transaction; each may be called again with the same result. The charges of a channel are intervals that follow each other
 * without gap: `[0, a) [a, b) [b, c) …` wei of its cumulative amount; a receipt covers one.
 *
 * What always holds: charged + reserved ≤ the deposit, and ≤ what the payer allowed (the signer's limit, the voucher); what
 * is charged is covered by a signature; a channel that closes takes no new requests and is collected at once.
 *
 * - `channel`, `projection`: channels as the chain's events tell them; `voucher`, `payer`: who pays
 * - `keys`: API keys. Their signers are derived from the node's keystore, their secrets are kept as digests only
 * - `request`: reserve, charge, release, and the one meter; `collect`: vouchers → chain
 * - `service`, `routes`: the room's functions, and the same over HTTP
 */
export type { Channel, ChannelOnChain } from "./channel.ts";
export { remainingOf } from "./channel.ts";
export type { CollectEnd, CollectFailure, CollectResult } from "./collect.ts";
export {
  type PaymentDetails,
  PaymentError,
  type PaymentErrorCode,
  type PaymentRequiredCode,
  PaymentRequiredError,
  paymentErrorBody,
} from "./errors.ts";
export type { Key, KeyStatus, NewKey } from "./keys.ts";
export { type NewChannel, openChannel } from "./open-channel.ts";
export type { Credentials, Payer } from "./payer.ts";
export type { Charge, Reservation, Tokens, Usage } from "./request.ts";
export { paymentRoutes } from "./routes.ts";
export { openPayments, type Payments, type PaymentsDependencies } from "./service.ts";
export { formatVoucher, parseVoucher, type SignedVoucher, voucherHeader } from "./voucher.ts";
