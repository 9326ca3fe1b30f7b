/** Taking examples back: later versions leave them out, and what was made of earlier ones says so. */
import {
  type Address,
  type Digest,
  examplesDigest,
  type Hex,
  hashWithdrawal,
  ProtocolError,
  recoverWithdrawal,
  sameHex,
  toHex,
  type Withdrawal,
} from "../protocol/index.ts";
import type { Database, Queries } from "../store/index.ts";
import { readDatanet } from "./datanet.ts";
import { DatanetError } from "./errors.ts";
import type { Registry } from "./registry.ts";
import type { VersionManifest } from "./version.ts";

export type WithdrawalInput = {
  readonly withdrawal: Withdrawal;
  readonly signature: Hex;
  /** The examples, in the order of the signed digest. */
  readonly digests: readonly Digest[];
};

export type WithdrawalReport = {
  readonly datanetId: bigint;
  readonly contributor: Address;
  /** Rows that no later version will hold. */
  readonly withdrawn: number;
};

type Parts = { database: Database; registry: Registry; now: () => number };

/** Most examples that one signature takes back. */
export const withdrawnMax = 10_000;
const clockToleranceSeconds = 600n;

/**
 * Takes back what its contributor asks for, all of it or nothing. The same signature again changes nothing. Somebody else's row that was
 * left out as a duplicate of one that is taken back stays out: whoever still wants to give it gives it again.
 *
 * @throws DatanetError `withdrawal-forged`, `withdrawal-mismatch`, `unknown-example`, `unknown-datanet`
 */
export async function withdraw(parts: Parts, input: WithdrawalInput): Promise<WithdrawalReport> {
  const { database, now } = parts;
  const withdrawal = { ...input.withdrawal, contributor: toHex(input.withdrawal.contributor) };
  const digests = [...new Set(input.digests.map((digest) => toHex(digest)))];
  const { datanetId, contributor, signedAt } = withdrawal;
  await readDatanet(database, datanetId);
  checkTerms(withdrawal, digests, input.digests.length, BigInt(Math.floor(now() / 1000)));
  await checkSigner(parts, withdrawal, input.signature);
  const id = hashWithdrawal(withdrawal);
  return database.transaction(async (tx) => {
    // After any contribution and publication that has begun.
    await tx.query("select id from datanets.datanets where id = $1 for update", [datanetId]);
    const known = await tx.query(
      `insert into datanets.withdrawals (digest, datanet_id, contributor, example_count, signed_at, signature, recorded_at_ms)
       values ($1, $2, $3, $4, $5, $6, $7) on conflict (digest) do nothing returning digest`,
      [id, datanetId, contributor, digests.length, signedAt, toHex(input.signature), now()],
    );
    const report = { datanetId, contributor, withdrawn: digests.length };
    if (known.length === 0) return report;
    const taken = await tx.query<{ digest: Digest }>(
      `update datanets.rows r set withdrawn_at_ms = $5 from datanets.contributions c
       where c.id = r.contribution_id and r.datanet_id = $1 and c.contributor = $2 and c.signed_at <= $3
         and r.status in ('accepted', 'pending') and r.withdrawn_at_ms is null
         and r.digest in (select jsonb_array_elements_text($4::jsonb))
       returning r.digest`,
      [datanetId, contributor, signedAt, JSON.stringify(digests), now()],
    );
    if (taken.length === digests.length) return report;
    const found = new Set(taken.map(({ digest }) => digest));
    const missing = digests.filter((digest) => !found.has(digest));
    throw new DatanetError(
      "unknown-example",
      `${missing.length} of ${digests.length} examples are not among those that count or wait for curators, which ${contributor} had given to Datanet ${datanetId} ` +
        `by then, or are withdrawn already: ${missing[0]}${missing.length > 1 ? " is the first" : ""}. Nothing was withdrawn.`,
      { missing: missing.length, first: missing[0] as string },
    );
  });
}

function checkTerms(withdrawal: Withdrawal, digests: readonly Digest[], given: number, now: bigint): void {
  const mismatch = (what: string) => new DatanetError("withdrawal-mismatch", what);
  if (digests.length !== given)
    throw mismatch(
      `The withdrawal names ${given} examples, ${digests.length} different ones. Name each once.`,
    );
  const actual = examplesDigest(digests);
  if (withdrawal.exampleCount !== digests.length || !sameHex(withdrawal.examplesDigest, actual))
    throw mismatch(
      `The withdrawal is signed for ${withdrawal.exampleCount} examples with digest ${withdrawal.examplesDigest}; it came with ${digests.length} ` +
        `with digest ${actual}. Sign for exactly the examples that are sent, in their order.`,
    );
  if (withdrawal.signedAt > now + clockToleranceSeconds)
    throw mismatch(
      `The withdrawal is dated ${withdrawal.signedAt}, the time here is ${now} (seconds since 1970). Set the clock and sign again.`,
    );
}

async function checkSigner({ registry }: Parts, withdrawal: Withdrawal, signature: Hex): Promise<void> {
  const signer = await recoverWithdrawal(registry.domain, withdrawal, signature).catch((error: unknown) => {
    if (!(error instanceof ProtocolError)) throw error;
    throw new DatanetError("withdrawal-forged", `The withdrawal's signature is not one: ${error.message}`);
  });
  if (sameHex(signer, withdrawal.contributor)) return;
  throw new DatanetError(
    "withdrawal-forged",
    `The withdrawal names contributor ${withdrawal.contributor}, but what it says was signed by ${signer}. Only who gave examples takes them back.`,
  );
}

/** A row of a version that was taken back after the version was made. */
export type WithdrawnRow = {
  readonly digest: Digest;
  readonly contributor: Address;
  readonly split: "train" | "heldout";
  readonly withdrawnAtMs: number;
};

/** Which rows of a version have been taken back since, in the order in which they were. */
export async function withdrawnRows(queries: Queries, manifest: VersionManifest): Promise<WithdrawnRow[]> {
  const rows = await queries.query<WithdrawnRow & { consentDigest: Digest }>(
    `select r.digest, c.contributor, r.split, r.withdrawn_at_ms as "withdrawnAtMs", c.consent_digest as "consentDigest"
     from datanets.rows r join datanets.contributions c on c.id = r.contribution_id
     where r.datanet_id = $1 and r.status = 'accepted' and r.withdrawn_at_ms is not null
     order by r.withdrawn_at_ms, r.id`,
    [BigInt(manifest.datanetId)],
  );
  const held = new Set(
    [...manifest.rows, ...manifest.heldout].map(
      ({ contribution, digest }) => `${manifest.contributions[contribution]?.consentDigest} ${digest}`,
    ),
  );
  return rows
    .filter(({ consentDigest, digest }) => held.has(`${consentDigest} ${digest}`))
    .map(({ consentDigest: _, ...row }) => row);
}

/** Versions whose counts are remembered: three numbers each. */
const countsMax = 4_096;

/**
 * How many rows of a version have been taken back since. A version is read only once it has been asked for after its Datanet's latest withdrawal: its
 * rows never change.
 */
export function createWithdrawnCounts(queries: Queries) {
  type Latest = { readonly rows: number; readonly atMs: number | null };
  const known = new Map<Digest, Latest & { readonly count: number }>();
  return async (
    datanetId: bigint,
    manifestDigest: Digest,
    read: () => Promise<VersionManifest>,
  ): Promise<number> => {
    const [latest] = await queries.query<Latest>(
      `select count(*)::int as rows, max(withdrawn_at_ms) as "atMs" from datanets.rows
       where datanet_id = $1 and status = 'accepted' and withdrawn_at_ms is not null`,
      [datanetId],
    );
    if (latest === undefined || latest.rows === 0) return 0;
    const before = known.get(manifestDigest);
    if (before?.rows === latest.rows && before.atMs === latest.atMs) return before.count;
    const count = (await withdrawnRows(queries, await read())).length;
    known.delete(manifestDigest);
    known.set(manifestDigest, { ...latest, count });
    const [oldest] = known.keys();
    if (known.size > countsMax && oldest !== undefined) known.delete(oldest);
    return count;
  };
}
