import { z } from "zod";
import type { Address, Digest } from "../../src/protocol/index.ts";
import {
  type Channel,
  type Model,
  modelsSchema,
  type Network,
  networkSchema,
  newKeySchema,
  type Receipt,
  type Report,
  reportSchema,
} from "./answers.ts";
import {
  assertNetwork,
  type ChannelCall,
  type ChannelPayment,
  handInVoucher,
  openChannelCall,
  readChannel,
  voucherPay,
} from "./channel.ts";
import { type ChatAnswer, type ChatAsk, type ChatStream, chat, type Pay, streamChat } from "./chat.ts";
import { type Contribution, contribute } from "./contribute.ts";
import { OpenLedgerError } from "./errors.ts";
import { createHttp, type Fetch, jsonBody, jsonType } from "./http.ts";
import {
  type ReceiptEvidence,
  readReceipt,
  type VerifiedReceipt,
  verifyReceipt,
  waitForReceipt,
} from "./receipt.ts";

export type ClientOptions = {
  /** Where the node's HTTP API answers, as in `http://127.0.0.1:4000`. */
  readonly baseUrl: string;
  /** Pays with an API key, up to its limit; the operator is trusted that far. */
  readonly apiKey?: string;
  /** Pays with vouchers instead: the operator is trusted with one answer at most. It wins over an API key. */
  readonly channel?: ChannelPayment;
  /** What the node's network must be; nothing is signed for another. Whatever the node says, unless given. */
  readonly network?: Partial<Network>;
  readonly fetch?: Fetch;
};

/** A key that pays once the channel is open: send `call` from a wallet, then `activate()`. */
export type NewKey = {
  readonly keyId: string;
  /** Told this once. */
  readonly secret: string;
  readonly call: ChannelCall;
  activate(): Promise<void>;
};

export type Client = {
  /** The node's network, asked once. @throws OpenLedgerError `wrong-network` when it is not the one that was meant */
  network(): Promise<Network>;
  models(): Promise<readonly Model[]>;
  /** Asks, and waits for the whole answer. */
  chat(ask: ChatAsk): Promise<ChatAnswer>;
  /** Asks, and gives the answer as it is written. */
  stream(ask: ChatAsk): ChatStream;
  receipt(receiptId: Digest): Promise<Receipt>;
  /** Waits until an answer has its receipt, two minutes unless told otherwise. */
  waitForReceipt(requestId: string, options?: { timeoutMs?: number; signal?: AbortSignal }): Promise<Receipt>;
  /** Fetches everything a receipt commits to and checks it here. @param evidence the answer, to check its texts as well */
  verifyReceipt(receiptId: Digest, evidence?: ReceiptEvidence): Promise<VerifiedReceipt>;
  contribute(contribution: Contribution): Promise<Report>;
  /** What became of a contribution: the counts, and up to 500 of its rows from the `offset`-th on. */
  contribution(contributionId: number, page?: { offset?: number; limit?: number }): Promise<Report>;
  /** The channel that pays. */
  channel(): Promise<Channel>;
  /** Signs a voucher for exactly the end of a receipt, so that no larger one is collected. Verify the receipt first. */
  acknowledge(receipt: Receipt): Promise<Channel>;
  /** Asks for an API key and says which transaction opens the channel behind it. */
  createKey(options: {
    payer: Address;
    depositWei: bigint;
    limitWei?: bigint;
    label?: string;
  }): Promise<NewKey>;
};

/**
 * A client of one node.
 *
 * @example
 * const client = createClient({ baseUrl: "http://127.0.0.1:4000", apiKey: "sk-ol-…" });
 * for await (const piece of client.stream({ model: "valley", messages })) process.stdout.write(piece);
 */
export function createClient(options: ClientOptions): Client {
  const { apiKey, channel } = options;
  const http = createHttp(options.baseUrl, options.fetch ?? ((...args) => globalThis.fetch(...args)));
  let asked: Promise<Network> | undefined;
  const network = () => {
    asked ??= http
      .json(networkSchema, "/v1/network")
      .then((found) => assertNetwork(found, options.network))
      .catch((error) => {
        asked = undefined;
        throw error;
      });
    return asked;
  };
  const headers: Readonly<Record<string, string>> =
    apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
  const pay: Pay = channel === undefined ? async () => headers : voucherPay(http, network, channel);
  const payment = () => {
    if (channel !== undefined) return channel;
    throw new OpenLedgerError(0, "no-channel", "This client has no channel: give createClient a `channel`.");
  };
  return {
    network,
    models: () => http.json(modelsSchema, "/v1/models"),
    chat: (ask) => chat(http, pay, ask),
    stream: (ask) => streamChat(http, pay, ask),
    receipt: (receiptId) => readReceipt(http, receiptId),
    waitForReceipt: (requestId, waiting) => waitForReceipt(http, requestId, waiting),
    async verifyReceipt(receiptId, { request, text } = {}) {
      const expected = await network();
      const audit = await http.json(z.unknown(), `/v1/receipts/${receiptId}/audit`);
      return verifyReceipt(audit, expected, {
        receiptId,
        ...(request === undefined ? {} : { request }),
        ...(text === undefined ? {} : { text }),
      });
    },
    contribute: async (contribution) => contribute(http, await network(), contribution),
    contribution: (contributionId, { offset = 0, limit = 100 } = {}) =>
      http.json(reportSchema, `/v1/contributions/${contributionId}?offset=${offset}&limit=${limit}`),
    channel: () => readChannel(http, payment().channelId),
    async acknowledge({ receiptId, bundle: { receipt } }) {
      if (receipt.channelId !== payment().channelId)
        throw new OpenLedgerError(
          0,
          "other-channel",
          `Receipt ${receiptId} was paid from channel ${receipt.channelId}.`,
        );
      return handInVoucher(http, await network(), payment(), receipt.to);
    },
    async createKey({ payer, depositWei, limitWei = depositWei, label = "" }) {
      const known = await network();
      const made = await http.json(newKeySchema, "/v1/keys", {
        method: "POST",
        headers: jsonType,
        body: jsonBody({ label }),
      });
      const { keyId, secret, signer } = made;
      const call = openChannelCall(known, { payer, depositWei, limitWei, signer });
      return {
        keyId,
        secret,
        call,
        async activate() {
          await http.send("/v1/keys/activate", {
            method: "POST",
            headers: { ...jsonType, authorization: `Bearer ${secret}` },
            body: jsonBody({ channelId: call.channelId }),
          });
        },
      };
    },
  };
}
