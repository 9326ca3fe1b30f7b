import type { Digest } from "../protocol/index.ts";
import type { Jobs, Queries, Transaction } from "../store/index.ts";
import { type Channel, findChannel, isAtRisk } from "./channel.ts";
import { PaymentError, PaymentRequiredError } from "./errors.ts";
import type { Payer } from "./payer.ts";
import { askToCollect } from "./projection.ts";
import { assertUnpublished, keepVoucher } from "./voucher.ts";

/** What a request has cost: the interval `[from, to)` of its channel's cumulative amount, wei. */
export type Charge = { readonly channelId: Digest; readonly from: bigint; readonly to: bigint };

export type Reservation = {
  readonly requestId: string;
  readonly channelId: Digest;
  readonly keyId: string | null;
  /** The most the request may cost, wei. */
  readonly maxWei: bigint;
  readonly state: "reserved" | "charged" | "released";
  readonly charge: Charge | null;
  readonly reservedAtMs: number;
};

/** What was generated, for the meter. */
export type Tokens = { readonly promptTokens: number; readonly completionTokens: number };

type Parts = { readonly jobs: Jobs; readonly now: () => number };
type Row = {
  requestId: string;
  channelId: Digest;
  keyId: string | null;
  maxWei: bigint;
  state: Reservation["state"];
  fromWei: bigint | null;
  toWei: bigint | null;
  reservedAtMs: number;
};

const requestIdPattern = /^[\x21-\x7e]{1,200}$/;
/** Amounts on chain have 96 bits. */
const weiMax = 2n ** 96n - 1n;
const columns = `request_id as "requestId", channel_id as "channelId", key_id as "keyId", max_wei as "maxWei", state,
  from_wei as "fromWei", to_wei as "toWei", reserved_at_ms as "reservedAtMs"`;

function reservationOf({ fromWei, toWei, ...row }: Row): Reservation {
  const charge =
    fromWei === null || toWei === null ? null : { channelId: row.channelId, from: fromWei, to: toWei };
  return { ...row, charge };
}

/** Undefined for a request nobody reserved for. */
export async function findReservation(queries: Queries, requestId: string): Promise<Reservation | undefined> {
  const [row] = await queries.query<Row>(`select ${columns} from payments.requests where request_id = $1`, [
    requestId,
  ]);
  return row && reservationOf(row);
}

/**
 * Sets aside what a request may cost at most. The budget is checked by the statement that writes it, so requests at the
 * same time cannot spend the same money. The same request id again gives the same reservation.
 *
 * @param input.maxWei more than 0
 * @throws PaymentRequiredError when the channel does not carry it
 * @throws PaymentError `request-conflict` when the id stands for something else, `bad-amount`
 */
export async function reserve(
  { now }: Parts,
  tx: Transaction,
  input: { readonly requestId: string; readonly payer: Payer; readonly maxWei: bigint },
): Promise<Reservation> {
  const { requestId, payer, maxWei } = input;
  if (!requestIdPattern.test(requestId))
    throw new PaymentError(
      "bad-amount",
      `A request id is 1 to 200 visible ASCII characters; got ${JSON.stringify(requestId.slice(0, 40))}.`,
    );
  if (maxWei <= 0n || maxWei > weiMax)
    throw new PaymentError("bad-amount", `A request may cost from 1 wei to 2⁹⁶ − 1 wei; got ${maxWei}.`);
  const keyId = payer.kind === "key" ? payer.keyId : null;
  const before = await findReservation(tx, requestId);
  if (before !== undefined) {
    if (before.channelId === payer.channelId && before.keyId === keyId && before.maxWei === maxWei)
      return before;
    throw new PaymentError(
      "request-conflict",
      `Request ${requestId} is reserved for already: ${before.maxWei} wei of ${before.channelId}; now ${maxWei} wei of ${payer.channelId} were asked.`,
    );
  }
  if (payer.kind === "voucher") await keepVoucher(tx, payer.voucher, now());
  await spend(tx, payer, maxWei);
  const [row] = await tx.query<Row>(
    `insert into payments.requests (request_id, channel_id, key_id, max_wei, state, reserved_at_ms)
     values ($1, $2, $3, $4, 'reserved', $5) returning ${columns}`,
    [requestId, payer.channelId, keyId, maxWei, now()],
  );
  return reservationOf(row!);
}

async function spend(tx: Transaction, payer: Payer, maxWei: bigint): Promise<void> {
  const voucher = payer.kind === "voucher" ? payer.voucher : undefined;
  const signedBy = payer.kind === "key" ? payer.signer : payer.voucher.signedBy;
  const spent = await tx.query(
    `update payments.channels set reserved = reserved + $2
     where channel_id = $1 and not closed and closes_at_sec = 0
       and (signer = $3 or ($4::numeric is not null and payer = $3))
       and ($4::numeric is null or $4 > published)
       and charged + reserved + $2 <= least(deposit, coalesce($4, deposit),
         case when payer = $3 and $4::numeric is not null then deposit else signer_limit end)
       and ($5::text is null or exists (select 1 from payments.keys where key_id = $5 and revoked_at_ms is null))
     returning channel_id`,
    [
      payer.channelId,
      maxWei,
      signedBy,
      voucher?.cumulative ?? null,
      payer.kind === "key" ? payer.keyId : null,
    ],
  );
  if (spent.length === 0) throw refusal(await findChannel(tx, payer.channelId), payer, maxWei);
}

/** Why the statement above found nothing to write to. */
function refusal(channel: Channel | undefined, payer: Payer, maxWei: bigint): PaymentRequiredError {
  const { channelId } = payer;
  if (channel === undefined)
    return new PaymentRequiredError("unknown_channel", `Channel ${channelId} is not known here.`, {
      channelId,
    });
  if (channel.closed)
    return new PaymentRequiredError("channel_closed", `Channel ${channelId} is closed. Open another.`, {
      channelId,
    });
  if (channel.closesAtSec !== 0) {
    return new PaymentRequiredError(
      "channel_closing",
      `The payer asked to close channel ${channelId}; it takes no new requests. Open another.`,
      { channelId },
    );
  }
  const byPayer = payer.kind === "voucher" && payer.voucher.signedBy === channel.payer;
  const signedBy = payer.kind === "key" ? payer.signer : payer.voucher.signedBy;
  if (!byPayer && signedBy !== channel.signer) {
    return new PaymentRequiredError(
      "signer_changed",
      `Channel ${channelId} has the signer ${channel.signer} now, no longer ${signedBy}.`,
      { channelId },
    );
  }
  if (payer.kind === "voucher") assertUnpublished(channel, payer.voucher.cumulative);
  const needed = channel.charged + channel.reserved + maxWei;
  const [[covered, what]] = (
    [
      [channel.deposit, "its deposit is"],
      ...(byPayer ? [] : [[channel.signerLimit, "its signer's limit is"] as const]),
      ...(payer.kind === "voucher" ? [[payer.voucher.cumulative, "the voucher is for"] as const] : []),
    ] as [bigint, string][]
  ).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)) as [[bigint, string]];
  if (covered >= needed)
    return new PaymentRequiredError("revoked_key", "The API key was revoked.", { channelId });
  return new PaymentRequiredError(
    "overspent",
    `Channel ${channelId} cannot carry this request: ${what} ${covered} wei, needed are ${needed} wei ` +
      `(${channel.charged} charged, ${channel.reserved} for requests under way, up to ${maxWei} for this one).`,
    { channelId, expectedWei: needed, actualWei: covered },
  );
}

/**
 * Charges a reserved request, once: its interval starts where the channel's last charge ended. Charging it again gives the
 * same interval. What was reserved beyond the fee is free again.
 *
 * @param feeWei more than 0 and at most what was reserved; an answer that costs nothing is released instead
 * @throws PaymentError `unknown-request`, `request-conflict`, `bad-amount`
 */
export async function charge(
  { jobs, now }: Parts,
  tx: Transaction,
  requestId: string,
  feeWei: bigint,
  tokens: Tokens = { promptTokens: 0, completionTokens: 0 },
): Promise<Charge> {
  const before = await known(tx, requestId);
  if (before.charge !== null) {
    const { from, to } = before.charge;
    if (to - from === feeWei) return before.charge;
    throw new PaymentError(
      "request-conflict",
      `Request ${requestId} was charged ${to - from} wei; it cannot be charged ${feeWei} wei as well.`,
    );
  }
  if (before.state === "released")
    throw new PaymentError("request-conflict", `Request ${requestId} was released: reserve for it anew.`);
  if (feeWei <= 0n || feeWei > before.maxWei)
    throw new PaymentError(
      "bad-amount",
      `Request ${requestId} may cost from 1 to ${before.maxWei} wei; its fee is ${feeWei} wei.`,
    );
  const { channelId } = before;
  await tx.query(
    "update payments.channels set charged = charged + $2, reserved = reserved - $3 where channel_id = $1",
    [channelId, feeWei, before.maxWei],
  );
  const channel = (await findChannel(tx, channelId))!;
  const [from, to] = [channel.charged - feeWei, channel.charged];
  await tx.query(
    `update payments.requests set state = 'charged', from_wei = $2, to_wei = $3, prompt_tokens = $4, completion_tokens = $5,
       finished_at_ms = $6 where request_id = $1`,
    [requestId, from, to, tokens.promptTokens, tokens.completionTokens, now()],
  );
  if (isAtRisk(channel, Math.floor(now() / 1000))) await askToCollect(jobs, tx, channelId, to);
  return { channelId, from, to };
}

/**
 * Gives back what was set aside for a request that will not be charged. Safe to call again, for a charged request (nothing is
 * left to give back) and for one that was never reserved for.
 *
 * @returns what became of the request
 */
export async function release(
  { now }: Pick<Parts, "now">,
  tx: Transaction,
  requestId: string,
): Promise<"released" | "charged" | "unknown"> {
  const before = await findReservation(tx, requestId);
  if (before === undefined) return "unknown";
  if (before.state !== "reserved") return before.state;
  await tx.query("update payments.channels set reserved = reserved - $2 where channel_id = $1", [
    before.channelId,
    before.maxWei,
  ]);
  await tx.query(
    "update payments.requests set state = 'released', finished_at_ms = $2 where request_id = $1",
    [requestId, now()],
  );
  return "released";
}

async function known(tx: Transaction, requestId: string): Promise<Reservation> {
  const found = await findReservation(tx, requestId);
  if (found !== undefined) return found;
  throw new PaymentError("unknown-request", `Nothing is reserved for request ${requestId}. Reserve first.`);
}

/** Requests that are neither charged nor released, oldest first: what a pipeline that died left behind. */
export async function openReservations(
  queries: Queries,
  { beforeMs, limit = 100 }: { beforeMs: number; limit?: number },
): Promise<Reservation[]> {
  const rows = await queries.query<Row>(
    `select ${columns} from payments.requests where state = 'reserved' and reserved_at_ms < $1
     order by reserved_at_ms, request_id limit $2`,
    [beforeMs, Math.min(limit, 1_000)],
  );
  return rows.map(reservationOf);
}

/** What was used: charged requests only, for reads and refusals cost nothing. */
export type Usage = {
  readonly requests: number;
  readonly chargedWei: bigint;
  readonly promptTokens: number;
  readonly completionTokens: number;
};

/** Sums of what a key or a channel was charged since a time, epoch milliseconds; one meter for all routes. */
export async function usage(
  queries: Queries,
  {
    sinceMs,
    ...of
  }: ({ readonly keyId: string } | { readonly channelId: Digest }) & { readonly sinceMs: number },
): Promise<Usage> {
  const [column, value] = "keyId" in of ? ["key_id", of.keyId] : ["channel_id", of.channelId];
  const [sums] = await queries.query<Usage>(
    `select count(*) as requests, coalesce(sum(to_wei - from_wei), 0) as "chargedWei",
       coalesce(sum(prompt_tokens), 0)::bigint as "promptTokens",
       coalesce(sum(completion_tokens), 0)::bigint as "completionTokens"
     from payments.requests where ${column} = $1 and state = 'charged' and finished_at_ms >= $2`,
    [value, sinceMs],
  );
  return sums!;
}
