import { createHash, randomBytes } from "node:crypto";
import type { ChainReader, Keystore, ProtocolContracts } from "../chain/index.ts";
import { type Address, type Digest, sameHex, toHex } from "../protocol/index.ts";
import type { Database, Queries } from "../store/index.ts";
import { type Channel, findChannel, remainingOf } from "./channel.ts";
import { PaymentError } from "./errors.ts";

/** An API key: a payment channel whose session signer this node holds. What can be lost with it is the signer's limit. */
export type Key = {
  readonly keyId: string;
  readonly label: string;
  /** The address to name as the channel's signer. */
  readonly signer: Address;
  /** Null until activated. */
  readonly channelId: Digest | null;
  readonly createdAtMs: number;
  readonly activatedAtMs: number | null;
  readonly revokedAtMs: number | null;
};

/** A key with what it may still spend, and its channel once it has one. */
export type KeyStatus = Key & { readonly remainingWei: bigint; readonly channel: Channel | null };

/** What a payer needs to open the channel that stands behind a new key. */
export type NewKey = {
  readonly keyId: string;
  /** Shown once: only its digest is kept. */
  readonly secret: string;
  readonly signer: Address;
  readonly payee: Address;
  readonly channels: Address;
  readonly chainId: number;
};

export type KeyParts = {
  readonly database: Database;
  readonly keystore: Keystore;
  readonly chain: Pick<ChainReader, "chain" | "public">;
  readonly contracts: Pick<ProtocolContracts, "PaymentChannels">;
  readonly operator: Address;
  readonly now: () => number;
};

export const labelMax = 120;
/** Keys without a channel: anyone may ask for one, so they are bounded and forgotten after a day. */
const waitingMax = 10_000;
const waitingMs = 24 * 60 * 60 * 1000;
const secretPrefix = "sk-ol-";
const secretPattern = /^sk-ol-[A-Za-z0-9_-]{43}$/;

const columns = `key_id as "keyId", label, signer, channel_id as "channelId", created_at_ms as "createdAtMs",
  activated_at_ms as "activatedAtMs", revoked_at_ms as "revokedAtMs"`;

/** The account that signs vouchers for a key: derived from the node's one secret, so nothing else needs keeping. */
export function signerOfKey(keystore: Keystore, keyId: string) {
  return keystore.account(`payment-${keyId}`);
}

/** 32 random bytes need no slow hash: nobody guesses them. */
function digestOf(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}

/** @throws PaymentError `too-many-keys` when too many wait for a channel */
export async function createKey(parts: KeyParts, { label }: { label: string }): Promise<NewKey> {
  const { database, keystore, chain, contracts, operator, now } = parts;
  const keyId = `key-${randomBytes(12).toString("hex")}`;
  const secret = `${secretPrefix}${randomBytes(32).toString("base64url")}`;
  const signer = toHex(signerOfKey(keystore, keyId).address);
  await database.transaction(async (tx) => {
    await tx.query("delete from payments.keys where channel_id is null and created_at_ms < $1", [
      now() - waitingMs,
    ]);
    const [waiting] = await tx.query<{ count: number }>(
      "select count(*) as count from payments.keys where channel_id is null",
    );
    if (waiting !== undefined && waiting.count >= waitingMax) {
      throw new PaymentError(
        "too-many-keys",
        `${waiting.count} keys wait for their channel, at most ${waitingMax} may. Activate keys, or try again tomorrow.`,
      );
    }
    await tx.query(
      "insert into payments.keys (key_id, secret_digest, label, signer, created_at_ms) values ($1, $2, $3, $4, $5)",
      [keyId, digestOf(secret), label.slice(0, labelMax), signer, now()],
    );
  });
  return {
    keyId,
    secret,
    signer,
    payee: operator,
    channels: toHex(contracts.PaymentChannels.address),
    chainId: chain.chain.id,
  };
}

/** Undefined for anything that is not the secret of a key here. */
export async function findKey(queries: Queries, secret: string): Promise<Key | undefined> {
  if (!secretPattern.test(secret)) return undefined;
  const [key] = await queries.query<Key>(`select ${columns} from payments.keys where secret_digest = $1`, [
    digestOf(secret),
  ]);
  return key;
}

async function knownKey(queries: Queries, secret: string): Promise<Key> {
  const key = await findKey(queries, secret);
  if (key) return key;
  throw new PaymentError(
    "unknown-key",
    "No key here has this secret. Create one with POST /v1/keys; a key that got no channel within a day is forgotten.",
  );
}

/**
 * Binds a key to the channel its owner opened for it. Safe to call again.
 *
 * @throws PaymentError `unknown-key`, `unknown-channel`, `wrong-payee`, `wrong-signer`, `channel-unusable`, `key-bound`
 */
export async function activateKey(parts: KeyParts, secret: string, channelId: Digest): Promise<KeyStatus> {
  const { database, now } = parts;
  const key = await knownKey(database, secret);
  if (key.channelId !== null && !sameHex(key.channelId, channelId)) {
    throw new PaymentError(
      "key-bound",
      `Key ${key.keyId} belongs to channel ${key.channelId} already. Create another key for ${channelId}.`,
    );
  }
  if (key.revokedAtMs !== null)
    throw new PaymentError("key-bound", `Key ${key.keyId} was revoked. Create another key.`);
  await checkChannel(parts, key, channelId);
  await database.query(
    "update payments.keys set channel_id = $2, activated_at_ms = coalesce(activated_at_ms, $3) where key_id = $1",
    [key.keyId, toHex(channelId), now()],
  );
  return keyStatus(database, await knownKey(database, secret));
}

async function checkChannel(parts: KeyParts, key: Key, channelId: Digest): Promise<void> {
  const { chain, contracts, operator } = parts;
  const channel = await chain.public.readContract({
    ...contracts.PaymentChannels,
    functionName: "channel",
    args: [channelId],
  });
  const refuse = (
    code: "unknown-channel" | "wrong-payee" | "wrong-signer" | "channel-unusable",
    why: string,
  ) => {
    throw new PaymentError(code, `Channel ${channelId} cannot carry key ${key.keyId}: ${why}`);
  };
  if (BigInt(channel.payer) === 0n)
    refuse("unknown-channel", "it is not on chain. Open it first, and wait for the transaction.");
  if (!sameHex(channel.payee, operator))
    refuse("wrong-payee", `its payee is ${channel.payee}, expected the operator ${operator}.`);
  if (!sameHex(channel.signer, key.signer))
    refuse("wrong-signer", `its signer is ${channel.signer}, expected ${key.signer}. Call setSigner.`);
  if (channel.closed || channel.closesAt !== 0) refuse("channel-unusable", "it is closed, or about to be.");
  if (channel.deposit === 0n || channel.signerLimit === 0n)
    refuse(
      "channel-unusable",
      `its deposit is ${channel.deposit} wei and its signer's limit ${channel.signerLimit} wei; both must be positive.`,
    );
}

/** @throws PaymentError `unknown-key` */
export async function readKey(database: Database, secret: string): Promise<KeyStatus> {
  return keyStatus(database, await knownKey(database, secret));
}

async function keyStatus(database: Database, key: Key): Promise<KeyStatus> {
  const channel = key.channelId === null ? undefined : await findChannel(database, key.channelId);
  const usable = channel !== undefined && key.revokedAtMs === null && channel.signer === key.signer;
  return { ...key, channel: channel ?? null, remainingWei: usable ? remainingOf(channel) : 0n };
}

/** The key takes no further requests; what it was charged stays owed. Safe to call again. */
export async function revokeKey(
  parts: Pick<KeyParts, "database" | "now">,
  secret: string,
): Promise<KeyStatus> {
  const { database, now } = parts;
  const key = await knownKey(database, secret);
  await database.query(
    "update payments.keys set revoked_at_ms = coalesce(revoked_at_ms, $2) where key_id = $1",
    [key.keyId, now()],
  );
  return readKey(database, secret);
}

/** Newest first, at most `limit` of 100 unless given. */
export function listKeys(database: Database, { limit = 100 }: { limit?: number } = {}): Promise<Key[]> {
  return database.query<Key>(
    `select ${columns} from payments.keys order by created_at_ms desc, key_id limit $1`,
    [Math.min(limit, 1_000)],
  );
}

/** The keys that may sign for a channel: those that were bound to it, revoked or not. */
export function keysOfChannel(queries: Queries, channelId: Digest): Promise<Key[]> {
  return queries.query<Key>(`select ${columns} from payments.keys where channel_id = $1 limit 1000`, [
    toHex(channelId),
  ]);
}
