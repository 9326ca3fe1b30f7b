/** A published version as another node serves it: read page by page, and checked like one's own. */
import { z } from "zod";
import { canonicalJson, type Digest, exampleSchema, jsonDigest } from "../protocol/index.ts";
import {
  checkedContent,
  type VersionContent,
  type VersionManifest,
  versionManifestSchema,
} from "./version.ts";

/** Which version, and what is known of it beforehand: a release's manifest knows root and count, the registry on chain the rest. */
export type WantedVersion = {
  readonly datanetId: string;
  readonly version: number;
  readonly root: Digest;
  readonly count: number;
  /** Held-out rows stand in the manifest alone: only its digest, which is on chain, vouches for them. */
  readonly manifestDigest?: Digest;
};

/** All of a version as it is carried about: its manifest, and its examples in the manifest's order. */
export type CarriedVersion = {
  readonly manifest: unknown;
  readonly rows: readonly unknown[];
  readonly heldout: readonly unknown[];
};

const pageRows = 500;
/** What answers may have in bytes: a page of rows, and a manifest that the chain says has so many rows. */
const pageBytesMax = 64 * 2 ** 20;
const manifestBytesMax = (count: number) => Math.min(256 * 2 ** 20, 2 ** 20 + 2_048 * count);
const pageSchema = z.object({ total: z.int().min(0), rows: z.array(z.object({ example: z.unknown() })) });

/** A node's answer to a GET, as JSON. @param bytesMax how long it may be at most, for who does not trust the node */
export type Ask = (path: string, bytesMax: number) => Promise<unknown>;

/**
 * @param registered what the chain says of the version: a manifest that is another one ends it, and so does the first row that is
 *   not the manifest's. Without it everything is read, for `openVersion` to judge
 * @throws Error where the node's pages do not add up; whatever `ask` throws
 */
export async function fetchVersion(
  ask: Ask,
  { datanetId, version }: Pick<WantedVersion, "datanetId" | "version">,
  registered?: Required<Pick<WantedVersion, "root" | "count" | "manifestDigest">>,
): Promise<CarriedVersion> {
  const at = `/v1/datanets/${datanetId}/versions/${version}`;
  const bytesMax = manifestBytesMax(registered?.count ?? Number.POSITIVE_INFINITY);
  const manifest = versionManifestSchema.parse(await ask(`${at}/manifest`, bytesMax));
  if (registered !== undefined) requireWanted(manifest, { datanetId, version, ...registered });
  const read = async (split: "train" | "heldout", count: number): Promise<unknown[]> => {
    const examples: unknown[] = [];
    while (examples.length < count) {
      const path = `${at}/rows?split=${split}&offset=${examples.length}&limit=${pageRows}`;
      const { total, rows } = pageSchema.parse(await ask(path, pageBytesMax));
      if (total !== count || rows.length === 0 || rows.length > pageRows)
        throw new Error(
          `${path} answers ${rows.length} rows of ${total}; the version's manifest has ${count}.`,
        );
      for (const { example } of rows) {
        const { digest } = manifest[split === "train" ? "rows" : "heldout"][examples.length] ?? {};
        if (registered !== undefined && (digest === undefined || jsonDigest(example as object) !== digest))
          throw new Error(
            `Row ${examples.length} of ${split === "train" ? "the training" : "the held-out"} rows is not example ${digest ?? "any"}.`,
          );
        examples.push(example);
      }
    }
    return examples;
  };
  return {
    manifest,
    rows: await read("train", manifest.rows.length),
    heldout: await read("heldout", manifest.heldout.length),
  };
}

/**
 * Checks a version that came from elsewhere: every digest is computed again.
 *
 * @throws Error which says what is not as it was wanted, or does not follow from the rows; ZodError
 */
export function openVersion(carried: CarriedVersion, wanted: WantedVersion): VersionContent {
  const manifest = versionManifestSchema.parse(carried.manifest);
  const manifestDigest = requireWanted(manifest, wanted);
  return checkedContent(manifest, manifestDigest, (_, split, index) => {
    const example = exampleSchema.safeParse(carried[split][index]);
    return example.success ? canonicalJson(example.data) : undefined;
  });
}

/** @returns the manifest's digest. @throws Error which says what is not as it was wanted */
function requireWanted(manifest: VersionManifest, wanted: WantedVersion): Digest {
  const manifestDigest = jsonDigest(manifest);
  const facts = [
    ["Datanet", wanted.datanetId, manifest.datanetId],
    ["root", wanted.root, manifest.root],
    ["rows", wanted.count, manifest.count],
    ["manifest digest", wanted.manifestDigest ?? manifestDigest, manifestDigest],
  ] as const;
  for (const [name, expected, actual] of facts)
    if (expected !== actual)
      throw new Error(
        `This is not version ${wanted.version} of Datanet ${wanted.datanetId}: its ${name} should be ${expected}, and is ${actual}.`,
      );
  return manifestDigest;
}
