/** Releases as this node keeps them, and their files. */
import { z } from "zod";
import {
  type Address,
  addressSchema,
  type Digest,
  digestSchema,
  type Manifest,
  manifestSchema,
} from "../protocol/index.ts";
import type { Blobs, Queries } from "../store/index.ts";
import { ModelFactoryError } from "./errors.ts";
import { indexRows } from "./release.ts";

export type Release = {
  readonly id: Digest;
  readonly model: string;
  readonly manifest: Manifest;
  readonly adapterConfig: Digest;
  readonly rowsDigest: Digest;
  readonly contributors: readonly Address[];
  readonly signature: `0x${string}`;
  readonly transactionHash: Digest | null;
  readonly createdAtMs: number;
};

type ReleaseRow = {
  id: Digest;
  model: string;
  manifest: unknown;
  adapterConfig: Digest;
  rowsDigest: Digest;
  contributors: unknown;
  signature: `0x${string}`;
  transactionHash: Digest | null;
  createdAtMs: number;
};
const selectReleases = `select id, model, manifest, adapter_config as "adapterConfig", rows_digest as "rowsDigest", contributors, signature, transaction_hash as "transactionHash", created_at_ms as "createdAtMs" from modelfactory.releases`;

function parseRelease(row: ReleaseRow): Release {
  return {
    ...row,
    manifest: manifestSchema.parse(row.manifest),
    contributors: z.array(addressSchema).parse(row.contributors),
  };
}

/** A model's newest release, or its newest before a time. */
export async function latestRelease(
  queries: Queries,
  model: string,
  beforeMs?: number,
): Promise<Release | undefined> {
  const [row] = await queries.query<ReleaseRow>(
    `${selectReleases} where model = $1 and ($2::bigint is null or created_at_ms < $2) order by created_at_ms desc, id limit 1`,
    [model, beforeMs ?? null],
  );
  return row === undefined ? undefined : parseRelease(row);
}

/** The release that each model's name serves: its newest, or the one that was chosen over that. `$1` is a model, or null for all. */
const servedIds = `
  select n.model, coalesce(s.release_id, n.id) as id
  from (select distinct on (model) model, id from modelfactory.releases where $1::text is null or model = $1
        order by model, created_at_ms desc, id) n
  left join lateral (select release_id, newest_id from modelfactory.served s where s.model = n.model order by s.id desc limit 1) s
    on s.newest_id = n.id`;

/** By model name (the release that it serves) or release id. */
export async function findRelease(queries: Queries, name: string): Promise<Release | undefined> {
  if (!digestSchema.safeParse(name).success) {
    const [row] = await queries.query<ReleaseRow>(
      `${selectReleases} where id = (select id from (${servedIds}) served)`,
      [name],
    );
    return row === undefined ? undefined : parseRelease(row);
  }
  const [row] = await queries.query<ReleaseRow>(`${selectReleases} where id = $1`, [name]);
  return row === undefined ? undefined : parseRelease(row);
}

/** The newest release that serves this adapter. */
export async function releaseOfAdapter(queries: Queries, adapter: Digest): Promise<Release | undefined> {
  const [row] = await queries.query<ReleaseRow>(
    `${selectReleases} where manifest -> 'adapter' ->> 'digest' = $1 order by created_at_ms desc, id limit 1`,
    [adapter],
  );
  return row === undefined ? undefined : parseRelease(row);
}

const givenSchema = z.object({ contributor: addressSchema, examples: z.int().positive() });
/** How many of the examples that a release was trained on are a contributor's. */
export type Given = Readonly<z.output<typeof givenSchema>>;

/**
 * Whose examples a release was trained on.
 *
 * @param count counts them, where that was not written down when the release was made; called with the job that made it, if one did here
 */
export async function givenTo(
  queries: Queries,
  id: Digest,
  count: (jobId: string | null) => Promise<Given[]>,
): Promise<Given[]> {
  const [row] = await queries.query<{ given: unknown; jobId: string | null }>(
    `select given, job_id as "jobId" from modelfactory.releases where id = $1`,
    [id],
  );
  if (row?.given != null) return z.array(givenSchema).parse(row.given);
  const given = await count(row?.jobId ?? null);
  await queries.query("update modelfactory.releases set given = $2 where id = $1", [
    id,
    JSON.stringify(given),
  ]);
  return given;
}

/** Which of a Datanet's versions a release was trained on. */
export type ReleaseUse = Pick<Release, "id" | "model" | "createdAtMs"> & { readonly version: number };

/** Releases trained on versions of a Datanet, newest first. */
export async function releasesUsing(
  queries: Queries,
  datanetId: bigint,
  limit: number,
): Promise<ReleaseUse[]> {
  const rows = await queries.query<Pick<Release, "id" | "model" | "createdAtMs"> & { version: number }>(
    `select r.id, r.model, r.created_at_ms as "createdAtMs", (d ->> 'version')::int as version
     from modelfactory.releases r, jsonb_array_elements(r.manifest -> 'datanets') d
     where d ->> 'datanetId' = $1 order by r.created_at_ms desc, r.id limit $2`,
    [datanetId.toString(), limit],
  );
  return rows;
}

/** What a list of models says of a release. */
export type ListedRelease = Pick<Release, "id" | "model" | "createdAtMs"> & {
  readonly manifest: Pick<Manifest, "base" | "developer" | "adapter" | "price" | "calibration">;
};

/**
 * The release that each model serves, newest first. Releases, and choices among them, are only ever added, so the list is made once for each number of them, and
 * from the parts of their manifests that it shows: of 10,000, reading whole manifests takes seconds.
 */
export function createReleaseList(queries: Queries): () => Promise<readonly ListedRelease[]> {
  let made: { count: number; list: Promise<readonly ListedRelease[]> } | undefined;
  const make = async (): Promise<readonly ListedRelease[]> => {
    const rows = await queries.query<ListedRelease>(
      `select r.id, r.model, created_at_ms as "createdAtMs",
         jsonb_build_object('base', manifest -> 'base', 'developer', manifest -> 'developer', 'adapter', manifest -> 'adapter', 'price', manifest -> 'price', 'calibration', manifest -> 'calibration') as manifest
       from (${servedIds}) served join modelfactory.releases r on r.id = served.id`,
      [null],
    );
    return rows.sort((a, b) => b.createdAtMs - a.createdAtMs);
  };
  return async () => {
    const [row] = await queries.query<{ count: number }>(
      "select ((select count(*) from modelfactory.releases) + (select count(*) from modelfactory.served))::int as count",
    );
    const count = row?.count ?? 0;
    if (made?.count !== count) {
      const list = make();
      made = { count, list };
      list.catch(() => {
        if (made?.list === list) made = undefined;
      });
    }
    return made.list;
  };
}

/**
 * A release and its pay index's rows: all that checking a score takes.
 *
 * @throws ModelFactoryError `unknown-release`
 */
export async function releaseIndex(queries: Queries, blobs: Blobs, id: Digest) {
  const release = await findRelease(queries, id);
  if (release === undefined)
    throw new ModelFactoryError("unknown-release", `There is no release ${id} here.`);
  const { manifest, contributors } = release;
  const rows = indexRows(await blobs.get(release.rowsDigest), manifest.index.k, contributors);
  return { release, rows: rows.map((row) => row.bytes), contributors: contributors.length };
}

/** The same with the files that answering and scoring take, each checked against the digest that names it. */
export async function releaseFiles(queries: Queries, blobs: Blobs, id: Digest) {
  const index = await releaseIndex(queries, blobs, id);
  const { adapterConfig, manifest } = index.release;
  const [config, tensors, basis] = await Promise.all([
    blobs.get(adapterConfig),
    blobs.get(manifest.adapter.digest),
    blobs.get(manifest.index.basisDigest),
  ]);
  return { ...index, adapterConfig: config, adapterTensors: tensors, basis };
}
