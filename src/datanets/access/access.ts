/** Reading a Datanet that is not open to all: asked for by signature, admitted by its owner or by a token that the reader holds, and written down. */
import { createHash, randomBytes } from "node:crypto";
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

/** Sets who may read. Whoever was admitted under other terms must accept the new ones; passes that are out end at once. */
export async function setAccessRule(
  { database, registry }: AccessParts,
  datanetId: bigint,
  rule: AccessRule,
): Promise<AccessRule> {
  const { owner } = await readDatanet(database, datanetId);
  if (rule.kind === "token")
    await registry.balanceOf(rule.contract, owner).catch((cause: Error) => {
      throw Object.assign(
        new DatanetError(
          "unknown-token",
          `${rule.contract} is no token here: it does not say what an account holds. Give the address of an ERC-20 or ERC-721 on this chain.`,
        ),
        { cause },
      );
    });
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
 * Asks to read. Who is admitted gets a pass; asked again, with a new signature, another one.
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
  checkRequest(request, rule, BigInt(Math.floor(now() / 1000)));
  await checkSigner(parts, request, given.signature);
  // A curator must see what there is to curate.
  const isCurator = await parts.mayCurate(datanetId, reader);
  const held = rule.kind === "token" ? await parts.registry.balanceOf(rule.contract, reader) : undefined;
  const requestDigest = hashAccessRequest(request);
  return database.transaction(async (tx): Promise<Admission> => {
    // Who needs nobody's leave does not stand in the owner's list.
    if (!isCurator && rule.kind !== "public")
      await tx.query(
        `insert into datanets.readers (datanet_id, reader, terms_digest, signature, purpose, state, asked_at_ms)
         values ($1, $2, $3, $4, $5, 'asked', $6)
         on conflict (datanet_id, reader) do update set terms_digest = $3, signature = $4, purpose = $5, asked_at_ms = $6`,
        [datanetId, reader, request.termsDigest, toHex(given.signature), given.purpose, now()],
      );
    const admission = isCurator ? undefined : await decided(tx, rule, datanetId, reader, held);
    if (admission !== undefined) return admission;
    const pass = `${passPrefix}${randomBytes(32).toString("base64url")}`;
    const expiresAtMs = now() + passMs;
    await tx.query("delete from datanets.passes where expires_at_ms <= $1", [now()]);
    const opened = await tx.query(
      `insert into datanets.passes (digest, request_digest, datanet_id, reader, expires_at_ms) values ($1, $2, $3, $4, $5)
       on conflict (request_digest) do nothing returning digest`,
      [passDigest(pass), requestDigest, datanetId, reader, expiresAtMs],
    );
    if (opened.length === 0)
      throw new DatanetError(
        "access-mismatch",
        "This request has opened a pass before. Sign a new one, with another nonce.",
      );
    return { state: "admitted", pass, expiresAtMs };
  });
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
        reason: `${reader} holds ${held} of ${rule.contract}; ${least} are asked for`,
      };
}

function checkRequest(request: AccessRequest, rule: AccessRule, now: bigint): void {
  const expected = termsDigest(rule);
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

/** Who has asked, those who wait first. */
export const listReaders = (queries: Queries, datanetId: bigint, limit: number): Promise<Reader[]> =>
  queries.query<Reader>(
    `select ${readerColumns} from datanets.readers where datanet_id = $1
     order by (state = 'asked') desc, asked_at_ms desc limit $2`,
    [datanetId, limit],
  );

/** Whose pass this is. @throws DatanetError `access-needed` */
export async function readerOfPass(
  { database, now }: AccessParts,
  datanetId: bigint,
  pass: string | undefined,
): Promise<Address> {
  const [found] =
    pass?.startsWith(passPrefix) === true
      ? await database.query<{ reader: Address }>(
          "select reader from datanets.passes where digest = $1 and datanet_id = $2 and expires_at_ms > $3",
          [passDigest(pass), datanetId, now()],
        )
      : [];
  if (found !== undefined) return found.reader;
  throw new DatanetError(
    "access-needed",
    pass === undefined
      ? `Datanet ${datanetId} is not open to all. Ask to read it: GET /v1/datanets/${datanetId}/access has its terms.`
      : `This is no pass to Datanet ${datanetId}, or it has expired. Ask for one: POST /v1/datanets/${datanetId}/access.`,
  );
}

/** Writes down that something was read. */
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
    `insert into datanets.reads (datanet_id, version, reader, what, hour_ms, times) values ($1, $2, $3, $4, $5, 1)
     on conflict (datanet_id, version, reader, what, hour_ms) do update set times = datanets.reads.times + 1`,
    [read.datanetId, read.version, read.reader, read.what, hour],
  );
}

/** Newest hours first. */
export const listReads = (queries: Queries, datanetId: bigint, limit: number): Promise<ReadCount[]> =>
  queries.query<ReadCount>(
    `select version, reader, what, hour_ms as "hourMs", times from datanets.reads where datanet_id = $1
     order by hour_ms desc, times desc limit $2`,
    [datanetId, limit],
  );
