import {
  type Address,
  type Consent,
  canonicalJson,
  type Digest,
  type Example,
  examplesDigest,
  type Hex,
  hashConsent,
  ProtocolError,
  recoverConsent,
  sameHex,
  textDigest,
  toHex,
} from "../protocol/index.ts";
import type { Blobs, Database, Transaction } from "../store/index.ts";
import {
  type CheckOptions,
  type Checks,
  type Examined,
  inParts,
  mapSlowly,
  maskExample,
  readRules,
  type Verdict,
} from "./checks/index.ts";
import { committedAt } from "./curation/commitment.ts";
import { overlapOf } from "./curation/review.ts";
import { DatanetError } from "./errors.ts";
import type { Source } from "./formats/source.ts";
import type { Registry } from "./registry.ts";
import { type ContributionReport, readReport } from "./report.ts";
import type { Split } from "./split.ts";
import { requireStake } from "./stake.ts";
import type { Texts } from "./texts.ts";
import { readUpload, type UploadLimits, type UploadRow } from "./upload.ts";

/** What a contributor may ask for beside the rows. */
export type UploadOptions = CheckOptions & {
  /** Masks personal data before rows are digested; so do the Datanet's rules where they say so. */
  readonly mask?: boolean | undefined;
};

export type ContributionInput = UploadOptions & {
  readonly consent: Consent;
  readonly signature: Hex;
  readonly split: Split;
  /** Of the commitment on chain, where curators review. */
  readonly salt?: Digest | undefined;
  /** Texts that curators proposed for rows of an earlier contribution: seen by them first, and committed to as those rows were. */
  readonly editOf?: {
    readonly committed: number | null;
    /** What is done once the consent is known to be good, and before the rows are looked at. */
    readonly begin: () => Promise<void>;
  };
  /** JSON Lines, as bytes that arrive. */
  readonly chunks: AsyncIterable<Uint8Array>;
};

type Parts = {
  database: Database;
  blobs: Blobs;
  texts: Pick<Texts, "put">;
  registry: Registry;
  limits: UploadLimits;
  checks: Checks;
  now: () => number;
};

const clockToleranceSeconds = 600;

/** A contribution that has arrived whole. */
export type Received = Omit<ContributionInput, "chunks"> & {
  readonly consentDigest: Digest;
  readonly rows: readonly UploadRow[];
};

/**
 * Reads a contribution: consent first, then the text. Stores nothing, and takes as long as its sender likes: not to be waited for by others.
 *
 * @throws DatanetError
 */
export async function receive(parts: Parts, { chunks, ...input }: ContributionInput): Promise<Received> {
  const consent = { ...input.consent, contributor: toHex(input.consent.contributor) };
  const consentDigest = hashConsent(consent);
  await checkTerms(parts, consent);
  await checkSignature(parts, consent, input.signature);
  await refuseReplay(parts.database, consentDigest);
  await requireAdmitted(parts, consent);
  return { ...input, consent, consentDigest, rows: await readUpload(chunks, parts.limits) };
}

/** By the rules as they are now. @throws DatanetError `not-invited`, `stake-needed` */
async function requireAdmitted(parts: Parts, consent: Consent): Promise<void> {
  await requireInvited(parts.database, consent);
  await requireStake(parts, consent.datanetId, consent.contributor);
}

/** @throws DatanetError `not-invited` where the rules name whose rows are taken, and not this contributor */
async function requireInvited(
  database: Parts["database"],
  { datanetId, contributor }: Pick<Consent, "datanetId" | "contributor">,
): Promise<void> {
  const { contributors } = (await readRules(database, datanetId)).rules;
  if (contributors === undefined || contributors.includes(contributor)) return;
  throw new DatanetError(
    "not-invited",
    `Datanet ${datanetId} takes rows of ${contributors.length === 1 ? "one account" : `${contributors.length} accounts`} alone, and ${contributor} is not among them. ` +
      `Ask its owner, or give to another Datanet; GET /v1/datanets/${datanetId}/rules lists them.`,
  );
}

/**
 * Takes in what has arrived, all of it or nothing. One at a time for a Datanet, whose rules stay as they are meanwhile: whoever sends slowly is
 * judged by the rules at the end.
 *
 * @throws DatanetError; nothing has been stored then.
 */
export async function contribute(parts: Parts, input: Received): Promise<ContributionReport> {
  const { database, texts } = parts;
  const { consent, consentDigest } = input;
  await refuseReplay(database, consentDigest);
  await requireAdmitted(parts, consent);
  const isReviewed = (await overlapOf(database, consent.datanetId)) !== null;
  const committed =
    input.editOf !== undefined
      ? (input.editOf.committed ?? undefined)
      : isReviewed || input.salt !== undefined
        ? await committedAt(parts.registry, consent, input.salt)
        : undefined;
  const { rules } = await readRules(database, consent.datanetId);
  const rows = await masked(input.rows, input.mask === true || rules.maskPersonalData);
  checkExamples(consent, rows);

  await input.editOf?.begin();
  const examination = await parts.checks.examine(consent.datanetId, rows, input);
  const rowsDigest = await texts.put(consent.datanetId, rows.map(({ json }) => `${json}\n`).join(""));
  const { contributionId, ids } = await database.transaction(async (tx) => {
    await tx.query("select id from datanets.datanets where id = $1 for update", [consent.datanetId]);
    await refuseReplay(tx, consentDigest);
    const kept = { ...input, consent, committed, isReviewed };
    return store(tx, kept, consentDigest, rowsDigest, rows, examination.rows, parts.now());
  });
  examination.keep(ids);
  return readReport(parts, contributionId);
}

/** One row of a preview: what would become of it. */
export type PreviewRow = Pick<Verdict, "reasons"> & {
  /** Where curators review, what passes the checks waits for them: `pending`. */
  readonly status: Verdict["status"] | "pending";
  readonly line: number;
  readonly digest: Digest;
  readonly duplicate: boolean;
  readonly source?: Source;
  /** The row as it would be signed, where personal data in it was masked. */
  readonly masked?: Example;
};

/**
 * What {@link contribute} would say about each row, and the digest to be signed, without storing anything.
 *
 * @param options.alone for who may not read the Datanet: whether it holds a text is not told by asking
 */
export async function preview(
  parts: Parts,
  datanetId: bigint,
  chunks: AsyncIterable<Uint8Array>,
  options: UploadOptions = {},
): Promise<{
  examplesDigest: Digest;
  exampleCount: number;
  license: string;
  /** Whether the rows' personal data was masked: asked for, or the Datanet's rule. */
  mask: boolean;
  /** What rows were looked for in, to find duplicates and held-out words: the Datanet, or the upload alone. */
  comparedWith: "datanet" | "upload";
  rows: PreviewRow[];
}> {
  const { license, rules } = await readRules(parts.database, datanetId);
  const mask = options.mask === true || rules.maskPersonalData;
  const rows = await masked(await readUpload(chunks, parts.limits), mask);
  const verdicts = await parts.checks.check(datanetId, rows, options);
  const isReviewed = (await overlapOf(parts.database, datanetId)) !== null;
  return {
    examplesDigest: examplesDigest(rows.map(({ digest }) => digest)),
    exampleCount: rows.length,
    license,
    mask,
    comparedWith: options.alone === true ? "upload" : "datanet",
    rows: rows.map(({ line, digest, example, source, isMasked }, i) => {
      const { status, reasons } = verdicts[i] as Verdict;
      return {
        ...{ line, digest, duplicate: status === "duplicate", status: standing(status, isReviewed), reasons },
        ...(source && { source }),
        ...(isMasked && { masked: example }),
      };
    }),
  };
}

/** What a row that was checked becomes. */
const standing = (status: Verdict["status"], isReviewed: boolean): PreviewRow["status"] =>
  isReviewed && status === "accepted" ? "pending" : status;

type Row = UploadRow & { readonly isMasked?: boolean };

async function masked(rows: readonly UploadRow[], mask: boolean): Promise<readonly Row[]> {
  if (!mask) return rows;
  return mapSlowly(rows, (row): Row => {
    const example = maskExample(row.example);
    if (example === row.example) return row;
    const json = canonicalJson(example);
    return { ...row, example, json, digest: textDigest(json), isMasked: true };
  });
}

async function checkTerms({ database, now }: Parts, consent: Consent): Promise<void> {
  const { license } = await readRules(database, consent.datanetId);
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

function checkExamples(consent: Consent, rows: readonly Row[]): void {
  const actual = examplesDigest(rows.map(({ digest }) => digest));
  if (consent.exampleCount === rows.length && sameHex(consent.examplesDigest, actual)) return;
  const masked = rows.filter(({ isMasked }) => isMasked).length;
  throw new DatanetError(
    "consent-mismatch",
    `The consent covers ${consent.exampleCount} examples with digest ${consent.examplesDigest}; the upload holds ${rows.length} with ` +
      `digest ${actual}${masked === 0 ? "" : ` once personal data in ${masked} of them is masked`}. ` +
      `Sign for exactly the rows that are sent, in their order${masked === 0 ? "" : ", as the preview has them"}.`,
  );
}

/** @returns the contribution's number, and of each row that was accepted its id */
async function store(
  tx: Transaction,
  {
    consent,
    signature,
    split,
    sourceLicense,
    salt,
    committed,
    isReviewed,
  }: Omit<Received, "rows" | "editOf"> & {
    committed: bigint | number | undefined;
    isReviewed: boolean;
  },
  consentDigest: Digest,
  rowsDigest: Digest,
  rows: readonly UploadRow[],
  examined: readonly Examined[],
  nowMs: number,
): Promise<{ contributionId: number; ids: (number | undefined)[] }> {
  const [contribution] = await tx.query<{ id: number }>(
    `insert into datanets.contributions (datanet_id, contributor, split, consent_digest, examples_digest, example_count, license,
       signed_at, signature, text_digest, accepted_count, recorded_at_ms, source_license, salt,
       committed_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) returning id`,
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
      rowsDigest,
      examined.filter(({ status }) => status === "accepted").length,
      nowMs,
      sourceLicense ?? null,
      salt ?? null,
      committed ?? null,
    ],
  );
  const contributionId = contribution!.id;
  const ids: (number | undefined)[] = [];
  const idOf = (earlier: Examined["nearOf"]) =>
    earlier === undefined ? null : "id" in earlier ? earlier.id : (ids[earlier.position] ?? null);
  const insert = async (chosen: (row: Examined) => boolean) => {
    const records = examined.flatMap((row, position) => {
      if (!chosen(row)) return [];
      const { line, digest, source } = rows[position] as UploadRow;
      const { reasons } = row;
      return [
        {
          position,
          line,
          digest,
          source,
          status: standing(row.status, isReviewed),
          reasons,
          of: idOf(row.duplicateOf),
        },
      ];
    });
    await inParts(records, async (part) => {
      const inserted = await tx.query<{ id: number; position: number }>(
        `insert into datanets.rows (datanet_id, contribution_id, split, position, line, digest, source, status, reasons, duplicate_of)
         select $1, $2, $3, r.position, r.line, r.digest, r.source, r.status, r.reasons, r.of
         from jsonb_to_recordset($4::jsonb)
           as r(position int, line int, digest text, source jsonb, status text, reasons jsonb, of bigint)
         order by r.position returning id, position`,
        [consent.datanetId, contributionId, split, JSON.stringify(part)],
      );
      for (const { id, position } of inserted) ids[position] = id;
      return [];
    });
  };
  // A row that repeats another of this upload names its id: it must have one.
  await insert(({ duplicateOf }) => duplicateOf === undefined);
  await insert(({ duplicateOf }) => duplicateOf !== undefined);
  const near = examined.flatMap(({ nearOf }, position) =>
    nearOf === undefined ? [] : [{ id: ids[position], of: idOf(nearOf) }],
  );
  await inParts(near, (part) =>
    tx.query(
      `update datanets.rows set near_of = n.of from jsonb_to_recordset($1::jsonb) as n(id bigint, of bigint)
       where rows.id = n.id`,
      [JSON.stringify(part)],
    ),
  );
  return { contributionId, ids };
}
