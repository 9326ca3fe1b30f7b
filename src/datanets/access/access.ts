/** Reading a Datanet that is not open to all: asked for by signature, admitted by its owner or by a token that the reader holds, and written down. */
import { createHash, randomBytes } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import {
  type AccessRequest,
  type Address,
  type Digest,
  type Hex,
  hashAccessRequest,
  ProtocolError,
  recoverAccessRequest,
  sameHex,
  toHex,
  zeroDigest,
} from "../../protocol/index.ts";
import type { Database, Queries } from "../../store/index.ts";
import { readDatanet } from "../datanet.ts";
import { DatanetError } from "../errors.ts";
import type { Registry } from "../registry.ts";
import { type AccessRule, accessRuleSchema, termsDigest } from "./rule.ts";

export type AccessParts = {
  readonly database: Database;
  readonly registry: Registry;
  /** Whether an account may curate: named by the owner, or elected. */
  readonly mayCurate: (datanetId: bigint, account: Address) => Promise<boolean>;
  readonly now: () => number;
};

/** What comes of asking. A pass is shown once; with it everything that is gated may be read until it expires. */
export type Admission =
  | { readonly state: "admitted"; readonly pass: string; readonly expiresAtMs: number }
  | { readonly state: "asked" }
  | { readonly state: "refused"; readonly reason: string };

export type Reader = {
  readonly reader: Address;
  readonly state: "asked" | "admitted" | "refused";
  readonly purpose: string;
  readonly reason: string | null;
  readonly termsDigest: Digest;
  readonly askedAtMs: number;
  readonly decidedAtMs: number | null;
};

/** How often somebody read something in an hour; `reader` is an address, `operator`, or `anyone`. */
export type ReadCount = {
  readonly version: number;
  readonly reader: string;
  readonly what: string;
  readonly hourMs: number;
  readonly times: number;
};

export const passPrefix = "olr_";
/** What who is no curator gets for a Datanet that is open to all: nothing needs it, and nothing is written down for it. */
const anyonesPass = `${passPrefix}anyone`;
/** Requests that wait for an owner, at most; those who come then must have more stake than one of them. */
export const waitingMax = 1_000;
/** How long a request waits. */
const waitingMs = 30 * 24 * 3_600_000;
const passMs = 3_600_000;
/** How old a request may be, and how far ahead its signer's clock. */
const requestSeconds = 600n;
const hourMs = 3_600_000;

const passDigest = (pass: string) => createHash("sha256").update(pass).digest("hex");

/** @throws DatanetError `unknown-datanet` */
export async function accessRuleOf(queries: Queries, datanetId: bigint): Promise<AccessRule> {
  const [found] = await queries.query<{ access: unknown }>(
    "select access from datanets.datanets where id = $1",
    [datanetId],
  );
  if (found) return accessRuleSchema.parse(found.access);
  throw new DatanetError(
    "unknown-datanet",
    `There is no Datanet ${datanetId} here. List the Datanets to find its number.`,
  );
}

/** @param anyone whose holding is asked for, to see whether it is told. @throws DatanetError `unknown-token` */
export async function requireToken(
  registry: Pick<Registry, "balanceOf">,
  rule: AccessRule,
  anyone: Address,
): Promise<void> {
  if (rule.kind !== "token") return;
  await registry.balanceOf(rule.contract, anyone).catch((cause: Error) => {
    throw Object.assign(
      new DatanetError(
        "unknown-token",
        `${rule.contract} is no token here: it does not say what an account holds. Give the address of an ERC-20 or ERC-721 on this chain.`,
      ),
      { cause },
    );
  });
}

/** Sets who may read. Whoever was admitted under other terms must accept the new ones; passes that are out end at once. */
export async function setAccessRule(
  { database, registry }: AccessParts,
  datanetId: bigint,
  rule: AccessRule,
): Promise<AccessRule> {
  const { owner } = await readDatanet(database, datanetId);
  await requireToken(registry, rule, owner);
  await database.transaction(async (tx) => {
    await tx.query("update datanets.datanets set access = $2, is_plain = is_plain or $3 where id = $1", [
      datanetId,
      rule,
      rule.kind !== "public",
    ]);
    await tx.query("delete from datanets.passes where datanet_id = $1", [datanetId]);
  });
  return accessRuleOf(database, datanetId);
}

/**
 * Asks to read. Who is admitted gets a pass; asked again, with a new signature, another one. Who contributed and accepts no terms, which a digest of
 * zeros says, gets one to what is said of its own contributions only.
 *
 * @param purpose in the reader's own words, for the owner
 * @throws DatanetError `access-forged`, `access-mismatch`, `unknown-datanet`
 */
export async function askToRead(
  parts: AccessParts,
  given: { readonly request: AccessRequest; readonly signature: Hex; readonly purpose: string },
): Promise<Admission> {
  const { database, now } = parts;
  const request = { ...given.request, reader: toHex(given.request.reader) };
  const { datanetId, reader } = request;
  const rule = await accessRuleOf(database, datanetId);
  const isOwn =
    rule.kind !== "public" &&
    sameHex(request.termsDigest, zeroDigest) &&
    (await hasContributed(database, datanetId, reader));
  checkRequest(request, isOwn ? zeroDigest : termsDigest(rule), BigInt(Math.floor(now() / 1000)));
  await checkSigner(parts, request, given.signature);
  if (isOwn) return database.transaction((tx) => openPass(tx, parts, request, isOwn));
  // A curator must see what there is to curate.
  const isCurator = await parts.mayCurate(datanetId, reader);
  const held = rule.kind === "token" ? await parts.registry.balanceOf(rule.contract, reader) : undefined;
  if (rule.kind === "public" && !isCurator)
    return { state: "admitted", pass: anyonesPass, expiresAtMs: now() + passMs };
  const stakeWei = isCurator ? 0n : await parts.registry.stakeOf(reader);
  return database.transaction(async (tx): Promise<Admission> => {
    // Passes that are out end with a rule: none may be given under it after that.
    if (!isDeepStrictEqual(await accessRuleOf(tx, datanetId), rule))
      throw new DatanetError(
        "access-mismatch",
        `Who may read Datanet ${datanetId} was changed while this was looked at. Read the terms that hold now and sign for these.`,
      );
    // Who needs nobody's leave does not stand in the owner's list.
    const hasTooLittle = rule.kind === "token" && (held ?? 0n) < BigInt(rule.least);
    if (!isCurator && rule.kind !== "public" && !hasTooLittle) {
      await makeRoom(tx, datanetId, { reader, stakeWei, nowMs: now() });
      await tx.query(
        `insert into datanets.readers (datanet_id, reader, terms_digest, signature, purpose, state, asked_at_ms, stake_wei)
         values ($1, $2, $3, $4, $5, 'asked', $6, $7)
         on conflict (datanet_id, reader) do update set terms_digest = $3, signature = $4, purpose = $5, asked_at_ms = $6, stake_wei = $7`,
        [datanetId, reader, request.termsDigest, toHex(given.signature), given.purpose, now(), stakeWei],
      );
    }
    const admission = isCurator ? undefined : await decided(tx, rule, datanetId, reader, held);
    if (admission !== undefined) return admission;
    return openPass(tx, parts, request, false);
  });
}

/** @param isOwn only what the reader gave is opened by it */
async function openPass(
  tx: Queries,
  { now }: AccessParts,
  request: AccessRequest,
  isOwn: boolean,
): Promise<Admission> {
  const pass = `${passPrefix}${randomBytes(32).toString("base64url")}`;
  const expiresAtMs = now() + passMs;
  await tx.query("delete from datanets.passes where expires_at_ms <= $1", [now()]);
  const opened = await tx.query(
    `insert into datanets.passes (digest, request_digest, datanet_id, reader, expires_at_ms, is_own) values ($1, $2, $3, $4, $5, $6)
     on conflict (request_digest) do nothing returning digest`,
    [passDigest(pass), hashAccessRequest(request), request.datanetId, request.reader, expiresAtMs, isOwn],
  );
  if (opened.length > 0) return { state: "admitted", pass, expiresAtMs };
  throw new DatanetError(
    "access-mismatch",
    "This request has opened a pass before. Sign a new one, with another nonce.",
  );
}

async function hasContributed(queries: Queries, datanetId: bigint, account: Address): Promise<boolean> {
  const found = await queries.query(
    "select 1 from datanets.contributions where datanet_id = $1 and contributor = $2 limit 1",
    [datanetId, account],
  );
  return found.length > 0;
}

/**
 * Keeps what waits for an owner within bounds. Addresses are free: a thousand of them fill the list, and a reader with any stake still gets in, in the place of one
 * with less; stake cannot be in two places, and takes the unbonding time to move.
 *
 * @throws DatanetError `readers-full`
 */
async function makeRoom(
  tx: Queries,
  datanetId: bigint,
  { reader, stakeWei, nowMs }: { reader: Address; stakeWei: bigint; nowMs: number },
): Promise<void> {
  await tx.query("select id from datanets.datanets where id = $1 for update", [datanetId]);
  await tx.query(
    "delete from datanets.readers where datanet_id = $1 and state = 'asked' and asked_at_ms <= $2",
    [datanetId, nowMs - waitingMs],
  );
  const [count] = await tx.query<{ waiting: number; isKnown: boolean }>(
    `select count(*) filter (where state = 'asked') as waiting, coalesce(bool_or(reader = $2), false) as "isKnown"
     from datanets.readers where datanet_id = $1`,
    [datanetId, reader],
  );
  if (count === undefined || count.isKnown || Number(count.waiting) < waitingMax) return;
  const gone = await tx.query(
    `delete from datanets.readers where (datanet_id, reader) in (
       select datanet_id, reader from datanets.readers where datanet_id = $1 and state = 'asked' and stake_wei < $2
       order by stake_wei, asked_at_ms limit 1) returning reader`,
    [datanetId, stakeWei],
  );
  if (gone.length > 0) return;
  throw new DatanetError(
    "readers-full",
    `${waitingMax} requests wait for the owner of Datanet ${datanetId}, each of somebody with at least as much stake. Stake more OPEN (./openledger stake delegate) or ask again later.`,
  );
}

/** What stands against a reader; undefined where nothing does. */
async function decided(
  tx: Queries,
  rule: AccessRule,
  datanetId: bigint,
  reader: Address,
  held: bigint | undefined,
): Promise<Admission | undefined> {
  if (rule.kind === "public") return undefined;
  const [known] = await tx.query<Pick<Reader, "state" | "reason">>(
    "select state, reason from datanets.readers where datanet_id = $1 and reader = $2",
    [datanetId, reader],
  );
  if (known?.state === "refused")
    return { state: "refused", reason: known.reason ?? "the owner gave no reason" };
  if (rule.kind === "request") return known?.state === "admitted" ? undefined : { state: "asked" };
  const least = BigInt(rule.least);
  return (held ?? 0n) >= least
    ? undefined
    : {
        state: "refused",
        reason: `${reader} holds ${held} of ${rule.contract}; ${least} are asked for, in its base units`,
      };
}

function checkRequest(request: AccessRequest, expected: Digest, now: bigint): void {
  if (!sameHex(request.termsDigest, expected))
    throw new DatanetError(
      "access-mismatch",
      `The request accepts terms of digest ${request.termsDigest}; those of Datanet ${request.datanetId} have ${expected}. Read them and sign for these.`,
    );
  if (request.signedAt < now - requestSeconds || request.signedAt > now + requestSeconds)
    throw new DatanetError(
      "access-mismatch",
      `The request is dated ${request.signedAt}, the time here is ${now} (seconds since 1970), and ${requestSeconds} seconds are allowed. Sign again.`,
    );
}

async function checkSigner({ registry }: AccessParts, request: AccessRequest, signature: Hex): Promise<void> {
  const signer = await recoverAccessRequest(registry.domain, request, signature).catch((error: unknown) => {
    if (!(error instanceof ProtocolError)) throw error;
    throw new DatanetError("access-forged", `The request's signature is not one: ${error.message}`);
  });
  if (sameHex(signer, request.reader)) return;
  throw new DatanetError(
    "access-forged",
    `The request names reader ${request.reader}, but what it says was signed by ${signer}.`,
  );
}

/** Admits or refuses who asked. Who is refused loses the passes that are out. @throws DatanetError `unknown-reader` */
export async function decideReader(
  { database, now }: AccessParts,
  datanetId: bigint,
  reader: Address,
  decision: { readonly state: "admitted" | "refused"; readonly reason?: string | undefined },
): Promise<Reader> {
  return database.transaction(async (tx) => {
    const [found] = await tx.query<Reader>(
      `update datanets.readers set state = $3, reason = $4, decided_at_ms = $5 where datanet_id = $1 and reader = $2
       returning ${readerColumns}`,
      [datanetId, toHex(reader), decision.state, decision.reason ?? null, now()],
    );
    if (found === undefined)
      throw new DatanetError("unknown-reader", `${reader} has not asked to read Datanet ${datanetId}.`);
    if (decision.state === "refused")
      await tx.query("delete from datanets.passes where datanet_id = $1 and reader = $2", [
        datanetId,
        toHex(reader),
      ]);
    return found;
  });
}

const readerColumns = `reader, state, purpose, reason, terms_digest as "termsDigest", asked_at_ms as "askedAtMs", decided_at_ms as "decidedAtMs"`;

export type Page = { readonly offset: number; readonly limit: number };

/** Who has asked, those who wait first, of them those with most stake. */
export async function listReaders(
  queries: Queries,
  datanetId: bigint,
  { offset, limit }: Page,
): Promise<{ total: number; readers: Reader[] }> {
  const [count] = await queries.query<{ total: number }>(
    "select count(*) as total from datanets.readers where datanet_id = $1",
    [datanetId],
  );
  const readers = await queries.query<Reader>(
    `select ${readerColumns} from datanets.readers where datanet_id = $1
     order by (state = 'asked') desc, stake_wei desc, asked_at_ms desc, reader limit $2 offset $3`,
    [datanetId, limit, offset],
  );
  return { total: Number(count?.total ?? 0), readers };
}

async function findPass({ database, now }: AccessParts, datanetId: bigint, pass: string | undefined) {
  if (pass?.startsWith(passPrefix) !== true) return undefined;
  const [found] = await database.query<{ reader: Address; isOwn: boolean }>(
    `select reader, is_own as "isOwn" from datanets.passes where digest = $1 and datanet_id = $2 and expires_at_ms > $3`,
    [passDigest(pass), datanetId, now()],
  );
  return found;
}

/** Whose pass this is that opens what they gave themselves, and perhaps more; undefined where it is no pass. */
export const contributorOfPass = async (
  parts: AccessParts,
  datanetId: bigint,
  pass: string | undefined,
): Promise<Address | undefined> => (await findPass(parts, datanetId, pass))?.reader;

/** Whose pass this is that opens the Datanet. @throws DatanetError `access-needed` */
export async function readerOfPass(
  parts: AccessParts,
  datanetId: bigint,
  pass: string | undefined,
): Promise<Address> {
  const { database } = parts;
  const found = await findPass(parts, datanetId, pass);
  if (found?.isOwn === false) return found.reader;
  if (pass === anyonesPass && (await accessRuleOf(database, datanetId)).kind === "public")
    throw new DatanetError(
      "not-curator",
      `You are no curator of Datanet ${datanetId}. It is open to all, so this pass, which everybody gets, lets nobody judge or publish. Its owner names curators, or contributors elect them: ./openledger datanet curator ${datanetId} lists them.`,
    );
  throw new DatanetError(
    "access-needed",
    pass === undefined
      ? `The texts of Datanet ${datanetId} are not open to all. Read its terms and ask for a pass: ./openledger datanet ask ${datanetId} (POST /v1/datanets/${datanetId}/access).`
      : found === undefined
        ? `This is no pass to Datanet ${datanetId}, or it has expired. Ask for one: ./openledger datanet ask ${datanetId} (POST /v1/datanets/${datanetId}/access).`
        : `This pass opens what ${found.reader} gave to Datanet ${datanetId}, and no more. To read all of it: ./openledger datanet ask ${datanetId} (POST /v1/datanets/${datanetId}/access).`,
  );
}

/** Writes down that something was read; of a version that is not here nothing is, or anyone could fill the table by numbers. */
export async function recordRead(
  { database, now }: AccessParts,
  read: {
    readonly datanetId: bigint;
    readonly version: number;
    readonly reader: string;
    readonly what: string;
  },
): Promise<void> {
  const hour = Math.floor(now() / hourMs) * hourMs;
  await database.query(
    `insert into datanets.reads (datanet_id, version, reader, what, hour_ms, times)
     select datanet_id, version, $3, $4, $5, 1 from datanets.versions where datanet_id = $1 and version = $2
     on conflict (datanet_id, version, reader, what, hour_ms) do update set times = datanets.reads.times + 1`,
    [read.datanetId, read.version, read.reader, read.what, hour],
  );
}

/** Newest hours first. */
export const listReads = (
  queries: Queries,
  datanetId: bigint,
  { offset, limit }: Page,
): Promise<ReadCount[]> =>
  queries.query<ReadCount>(
    `select version, reader, what, hour_ms as "hourMs", times from datanets.reads where datanet_id = $1
     order by hour_ms desc, times desc, reader, version, what limit $2 offset $3`,
    [datanetId, limit, offset],
  );
