import {
  type Address,
  type Consent,
  type Digest,
  examplesDigest,
  type Hex,
  hashConsent,
  ProtocolError,
  recoverConsent,
  sameHex,
  toHex,
} from "../protocol/index.ts";
import type { Blobs, Database, Transaction } from "../store/index.ts";
import { DatanetError } from "./errors.ts";
import type { Registry } from "./registry.ts";
import { readUpload, type UploadLimits, type UploadRow } from "./upload.ts";

/** Training rows become leaves of versions; held-out rows evaluate and give the null rows of attribution, and are never trained on. */
export type Split = "train" | "heldout";

/** The earlier row that a duplicate repeats. Lines count from 1. */
export type RowReference = {
  readonly contributionId: number;
  readonly contributor: Address;
  readonly line: number;
};

/** What became of one row. */
export type RowReport =
  | { readonly line: number; readonly digest: Digest; readonly status: "accepted" }
  | {
      readonly line: number;
      readonly digest: Digest;
      readonly status: "duplicate";
      readonly duplicateOf: RowReference;
    };

/** What became of a contribution: every row is listed, in the order given. */
export type ContributionReport = {
  readonly contributionId: number;
  readonly datanetId: bigint;
  readonly contributor: Address;
  readonly split: Split;
  readonly license: string;
  readonly consentDigest: Digest;
  readonly accepted: number;
  readonly duplicates: number;
  readonly rows: readonly RowReport[];
};

export type ContributionInput = {
  readonly consent: Consent;
  readonly signature: Hex;
  readonly split: Split;
  /** JSON Lines, as bytes that arrive. */
  readonly chunks: AsyncIterable<Uint8Array>;
};

type Parts = {
  database: Database;
  blobs: Blobs;
  registry: Registry;
  limits: UploadLimits;
  now: () => number;
};

const clockToleranceSeconds = 600;
const rowsPerStatement = 5_000;

/**
 * Takes a contribution in: consent first, then the text, then all of it or nothing.
 *
 * @throws DatanetError; nothing has been stored then.
 */
export async function contribute(parts: Parts, input: ContributionInput): Promise<ContributionReport> {
  const { database, blobs, limits } = parts;
  const consent = { ...input.consent, contributor: toHex(input.consent.contributor) };
  const consentDigest = hashConsent(consent);
  await checkTerms(parts, consent);
  await checkSignature(parts, consent, input.signature);
  await refuseReplay(database, consentDigest);
  const rows = await readUpload(input.chunks, limits);
  checkExamples(consent, rows);

  const textDigest = await blobs.put(Buffer.from(rows.map(({ json }) => `${json}\n`).join(""), "utf8"));
  const contributionId = await database.transaction(async (tx) => {
    // One contribution to a Datanet at a time, so that two cannot both be first with the same row.
    await tx.query("select id from datanets.datanets where id = $1 for update", [consent.datanetId]);
    await refuseReplay(tx, consentDigest);
    return store(tx, { ...input, consent }, consentDigest, textDigest, rows, parts.now());
  });
  return readReport(database, contributionId);
}

/** What {@link contribute} would say about each row, and the digest to be signed, without storing anything. */
export async function preview(
  parts: Parts,
  datanetId: bigint,
  chunks: AsyncIterable<Uint8Array>,
): Promise<{
  examplesDigest: Digest;
  exampleCount: number;
  license: string;
  rows: { line: number; digest: Digest; duplicate: boolean }[];
}> {
  const { license } = await requireDatanet(parts.database, datanetId);
  const rows = await readUpload(chunks, parts.limits);
  const known = await acceptedIds(parts.database, datanetId, rows);
  const seen = new Set<string>();
  const listed = rows.map(({ line, digest }) => {
    const duplicate = known.has(digest) || seen.has(digest);
    seen.add(digest);
    return { line, digest, duplicate };
  });
  return {
    examplesDigest: examplesDigest(rows.map(({ digest }) => digest)),
    exampleCount: rows.length,
    license,
    rows: listed,
  };
}

async function requireDatanet(database: Database, datanetId: bigint): Promise<{ license: string }> {
  const [datanet] = await database.query<{ license: string }>(
    "select license from datanets.datanets where id = $1",
    [datanetId],
  );
  if (datanet) return datanet;
  throw new DatanetError(
    "unknown-datanet",
    `There is no Datanet ${datanetId} here. List the Datanets to find its number.`,
  );
}

async function checkTerms({ database, now }: Parts, consent: Consent): Promise<void> {
  const { license } = await requireDatanet(database, consent.datanetId);
  if (consent.license !== license) {
    throw new DatanetError(
      "consent-mismatch",
      `The consent is for licence "${consent.license}", Datanet ${consent.datanetId} carries "${license}". Sign a consent to "${license}".`,
    );
  }
  const nowSeconds = BigInt(Math.floor(now() / 1000));
  if (consent.signedAt > nowSeconds + BigInt(clockToleranceSeconds)) {
    throw new DatanetError(
      "consent-mismatch",
      `The consent is dated ${consent.signedAt}, the time here is ${nowSeconds} (seconds since 1970). Set the clock and sign again.`,
    );
  }
}

async function checkSignature({ registry }: Parts, consent: Consent, signature: Hex): Promise<void> {
  let signer: Address;
  try {
    signer = await recoverConsent(registry.domain, consent, signature);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new DatanetError("consent-forged", `The consent's signature is not one: ${error.message}`);
  }
  if (sameHex(signer, consent.contributor)) return;
  const { chainId, verifyingContract } = registry.domain;
  throw new DatanetError(
    "consent-forged",
    `The consent names contributor ${consent.contributor}, but what it says was signed by ${signer}. ` +
      `Sign exactly these fields, with the contributor's key, for chain ${chainId} and contract ${verifyingContract}.`,
  );
}

async function refuseReplay(queries: Pick<Database, "query">, consentDigest: Digest): Promise<void> {
  const [used] = await queries.query<{ id: number }>(
    "select id from datanets.contributions where consent_digest = $1",
    [consentDigest],
  );
  if (!used) return;
  throw new DatanetError(
    "consent-replayed",
    `This consent has been used for contribution ${used.id}: look there for its report. Another contribution needs another consent.`,
    { contributionId: used.id },
  );
}

function checkExamples(consent: Consent, rows: readonly UploadRow[]): void {
  const actual = examplesDigest(rows.map(({ digest }) => digest));
  if (consent.exampleCount === rows.length && sameHex(consent.examplesDigest, actual)) return;
  throw new DatanetError(
    "consent-mismatch",
    `The consent covers ${consent.exampleCount} examples with digest ${consent.examplesDigest}; the upload holds ${rows.length} with ` +
      `digest ${actual}. Sign for exactly the rows that are sent, in their order.`,
  );
}

type Accepted = { id: number; digest: Digest };

async function acceptedIds(
  queries: Pick<Database, "query">,
  datanetId: bigint,
  rows: readonly UploadRow[],
): Promise<Map<Digest, number>> {
  const ids = new Map<Digest, number>();
  for (let from = 0; from < rows.length; from += rowsPerStatement) {
    const digests = rows.slice(from, from + rowsPerStatement).map(({ digest }) => digest);
    const found = await queries.query<Accepted>(
      `select id, digest from datanets.rows
       where datanet_id = $1 and status = 'accepted' and withdrawn_at_ms is null
         and digest in (select jsonb_array_elements_text($2::jsonb))`,
      [datanetId, JSON.stringify(digests)],
    );
    for (const { id, digest } of found) ids.set(digest, id);
  }
  return ids;
}

async function store(
  tx: Transaction,
  { consent, signature, split }: Omit<ContributionInput, "chunks">,
  consentDigest: Digest,
  textDigest: Digest,
  rows: readonly UploadRow[],
  nowMs: number,
): Promise<number> {
  const known = await acceptedIds(tx, consent.datanetId, rows);
  const fresh = new Set<Digest>();
  const located = rows.map(({ line, digest }, position) => {
    const duplicate = known.has(digest) || fresh.has(digest);
    fresh.add(digest);
    return { position, line, digest, duplicate };
  });
  const accepted = located.filter(({ duplicate }) => !duplicate);
  const [contribution] = await tx.query<{ id: number }>(
    `insert into datanets.contributions (datanet_id, contributor, split, consent_digest, examples_digest, example_count, license,
       signed_at, signature, text_digest, accepted_count, recorded_at_ms)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) returning id`,
    [
      consent.datanetId,
      consent.contributor,
      split,
      consentDigest,
      toHex(consent.examplesDigest),
      consent.exampleCount,
      consent.license,
      consent.signedAt,
      toHex(signature),
      textDigest,
      accepted.length,
      nowMs,
    ],
  );
  const scope = [consent.datanetId, contribution!.id, split] as const;
  const inserted = await insertRows(
    tx,
    scope,
    accepted.map(({ position, line, digest }) => ({ position, line, digest, of: null })),
  );
  for (const { id, digest } of inserted) known.set(digest, id);
  const duplicates = located.filter(({ duplicate }) => duplicate);
  await insertRows(
    tx,
    scope,
    duplicates.map(({ position, line, digest }) => ({ position, line, digest, of: known.get(digest)! })),
  );
  return contribution!.id;
}

async function insertRows(
  tx: Transaction,
  scope: readonly [datanetId: bigint, contributionId: number, split: Split],
  rows: readonly { position: number; line: number; digest: Digest; of: number | null }[],
): Promise<Accepted[]> {
  const inserted: Accepted[] = [];
  for (let from = 0; from < rows.length; from += rowsPerStatement) {
    const part = await tx.query<Accepted>(
      `insert into datanets.rows (datanet_id, contribution_id, split, position, line, digest, duplicate_of, status)
       select $1, $2, $3, r.position, r.line, r.digest, r.of, case when r.of is null then 'accepted' else 'duplicate' end
       from jsonb_to_recordset($4::jsonb) as r(position int, line int, digest text, of bigint)
       order by r.position returning id, digest`,
      [...scope, JSON.stringify(rows.slice(from, from + rowsPerStatement))],
    );
    inserted.push(...part);
  }
  return inserted;
}

type ContributionRecord = {
  contributionId: number;
  datanetId: bigint;
  contributor: Address;
  split: Split;
  license: string;
  consentDigest: Digest;
};

/** @throws DatanetError `unknown-contribution`. */
export async function readReport(database: Database, contributionId: number): Promise<ContributionReport> {
  const [contribution] = await database.query<ContributionRecord>(
    `select id as "contributionId", datanet_id as "datanetId", contributor, split, license, consent_digest as "consentDigest"
     from datanets.contributions where id = $1`,
    [contributionId],
  );
  if (!contribution) {
    throw new DatanetError("unknown-contribution", `There is no contribution ${contributionId} here.`);
  }
  const found = await database.query<{
    line: number;
    digest: Digest;
    ofContribution: number | null;
    ofContributor: Address | null;
    ofLine: number | null;
  }>(
    `select r.line, r.digest, o.contribution_id as "ofContribution", c.contributor as "ofContributor", o.line as "ofLine"
     from datanets.rows r
     left join datanets.rows o on o.id = r.duplicate_of
     left join datanets.contributions c on c.id = o.contribution_id
     where r.contribution_id = $1 order by r.position`,
    [contributionId],
  );
  const rows = found.map(({ line, digest, ofContribution, ofContributor, ofLine }): RowReport => {
    if (ofContribution === null || ofContributor === null || ofLine === null) {
      return { line, digest, status: "accepted" };
    }
    const duplicateOf = { contributionId: ofContribution, contributor: ofContributor, line: ofLine };
    return { line, digest, status: "duplicate", duplicateOf };
  });
  const accepted = rows.filter(({ status }) => status === "accepted").length;
  return { ...contribution, accepted, duplicates: rows.length - accepted, rows };
}
