/**
 * # @openledger/client
 *
 * Ask models on an OpenLedger node, pay for answers, check whom they pay, and contribute examples: from a browser or from Node. It
 * needs `fetch` and nothing else of its surroundings; of OpenLedger it holds `protocol/` only, so that what is signed and what is
 * checked is computed here and not believed.
 *
 * ```ts
 * const client = createClient({ baseUrl: "http://127.0.0.1:4000", apiKey: "sk-ol-…" });
 * const answer = await client.chat({ model: "valley", messages: [{ role: "user", content: "Where does Mirel Dosan live?" }] });
 * const receipt = await client.waitForReceipt(answer.requestId!);
 * const { holds, checks } = await client.verifyReceipt(receipt.receiptId, answer);
 * ```
 *
 * - `client`: {@link createClient}, everything in one object
 * - `chat`: answers, whole or piece by piece; `channel`: paying by vouchers, and opening a channel from any wallet
 * - `receipt`: reading, waiting, checking; `contribute`: examples under a signed consent
 * - `errors`: {@link OpenLedgerError}; `http`, `answers`: what goes over the wire, checked as it comes in
 *
 * Amounts are `bigint` wei.
 */
export type { Channel, Model, Network, Receipt, Report } from "./answers.ts";
export { type ChannelCall, type ChannelPayment, openChannelCall } from "./channel.ts";
export type { ChatAnswer, ChatAsk, ChatMessage, ChatStream } from "./chat.ts";
export { type Client, type ClientOptions, createClient } from "./client.ts";
export type { Contribution, ContributorAccount } from "./contribute.ts";
export { OpenLedgerError } from "./errors.ts";
export { type ReceiptEvidence, type VerifiedReceipt, verifyReceipt } from "./receipt.ts";
