/** An honest payer's process: it opens channels, keeps the receipts it was given, reports those that were never settled, and takes back what nobody settled. */
import { randomBytes } from "node:crypto";
import type { Address } from "viem";
import { openChannel } from "../../src/payments/index.ts";
import {
  type ChannelInterval,
  type Digest,
  domain,
  type Receipt,
  signVoucher,
  toHex,
} from "../../src/protocol/index.ts";
import { serveChild } from "../common/child.ts";
import { openParty } from "./party.ts";

const { chain, contracts } = openParty(process.argv.slice(2), "payer");
const { AttributionLedger, PaymentChannels } = contracts;

const methods = {
  address: () => toHex(chain.account.address),
  /** Opens a channel, and signs for all of it. */
  async pay({ payee, wei }: { payee: Address; wei: bigint }) {
    const salt = toHex(new Uint8Array(randomBytes(32))) as Digest;
    const { channelId } = await openChannel(chain, contracts, { payee: toHex(payee), depositWei: wei, salt });
    const where = domain(chain.chain.id, PaymentChannels.address);
    const signature = await signVoucher(where, { channelId, cumulative: wei }, chain.account as never);
    return { channelId, wei, signature };
  },
  async reportLate({ receipt, signature }: { receipt: Receipt; signature: `0x${string}` }) {
    const args = [receipt, signature] as const;
    await chain.write({ ...AttributionLedger, functionName: "reportLate", args });
  },
  /** Moves the channels' pointers back behind a batch that fell. */
  async restore({ attester, intervals }: { attester: Address; intervals: ChannelInterval[] }) {
    const args = [attester, intervals, BigInt(intervals.length)] as const;
    await chain.write({ ...AttributionLedger, functionName: "restore", args });
  },
  async startRefund(channelId: Digest) {
    await chain.write({ ...AttributionLedger, functionName: "startRefund", args: [channelId] });
  },
  async refund(channelId: Digest) {
    await chain.write({ ...AttributionLedger, functionName: "refund", args: [channelId] });
  },
};
export type PayerMethods = typeof methods;
serveChild(methods);
