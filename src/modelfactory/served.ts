/**
 * Which release a model's name serves: its newest, unless its operator went back to an earlier one. Nothing is overwritten: going back is
 * written down beside the releases, and holds until the next release of the model.
 */
import type { Digest } from "../protocol/index.ts";
import type { Queries } from "../store/index.ts";
import { ModelFactoryError } from "./errors.ts";
import { findRelease, latestRelease, type Release } from "./releases.ts";

/** A release in its model's line. */
export type ReleaseVersion = {
  readonly id: Digest;
  readonly parentRelease: Digest | null;
  readonly createdAtMs: number;
  /** Whether the model's name serves it now. */
  readonly served: boolean;
  /** The release that came after it, if there is one. */
  readonly supersededBy: Digest | null;
};

const versionsMax = 1_000;

/** A model's releases, newest first. @throws ModelFactoryError `unknown-release` */
export async function releaseVersions(queries: Queries, model: string): Promise<ReleaseVersion[]> {
  const served = await findRelease(queries, model);
  const rows = await queries.query<{ id: Digest; parentRelease: Digest | null; createdAtMs: number }>(
    `select id, manifest ->> 'parentRelease' as "parentRelease", created_at_ms as "createdAtMs"
     from modelfactory.releases where model = $1 order by created_at_ms desc, id limit $2`,
    [model, versionsMax],
  );
  if (served === undefined || rows.length === 0)
    throw new ModelFactoryError(
      "unknown-release",
      `There is no model "${model}" here. GET /v1/models lists them.`,
    );
  return rows.map((row, at) => ({
    ...row,
    served: row.id === served.id,
    supersededBy: rows[at - 1]?.id ?? null,
  }));
}

/**
 * Has a model's name serve one of its releases.
 *
 * @param releaseId the one before what is served now unless given
 * @returns what is served now, and what was
 * @throws ModelFactoryError `unknown-release`, `no-parent`
 */
export async function serveRelease(
  queries: Queries,
  model: string,
  releaseId: Digest | undefined,
  atMs: number,
): Promise<{ serves: Release; served: Release }> {
  const [served, newest] = [await findRelease(queries, model), await latestRelease(queries, model)];
  if (served === undefined || newest === undefined || served.model !== model)
    throw new ModelFactoryError(
      "unknown-release",
      `There is no model "${model}" here. GET /v1/models lists them.`,
    );
  const versions = await releaseVersions(queries, model);
  const at = versions.findIndex(({ id }) => id === served.id);
  const wanted = releaseId ?? versions[at + 1]?.id;
  if (wanted === undefined)
    throw new ModelFactoryError(
      "no-parent",
      `"${model}" serves its first release, ${served.id}: there is none before it.`,
    );
  const serves = await findRelease(queries, wanted);
  if (serves === undefined || serves.model !== model)
    throw new ModelFactoryError(
      "unknown-release",
      `"${model}" has no release ${wanted}. Its releases: ${versions
        .slice(0, 5)
        .map(({ id }) => id)
        .join(", ")}.`,
    );
  if (serves.id !== served.id)
    await queries.query(
      "insert into modelfactory.served (model, release_id, newest_id, at_ms) values ($1, $2, $3, $4)",
      [model, serves.id, newest.id, atMs],
    );
  return { serves, served };
}
