/** What two releases say differently, place by place. */
import type { HashableJson, Manifest } from "../protocol/index.ts";

/** A place in the manifest, and what each says there; null where one says nothing. */
export type ManifestDifference = {
  readonly path: string;
  readonly before: HashableJson | null;
  readonly after: HashableJson | null;
};

const isObject = (value: unknown): value is Record<string, HashableJson> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Data sets by their number, so that one more is one difference. */
const byDatanet = ({ datanets, ...rest }: Manifest): Record<string, HashableJson> =>
  JSON.parse(
    JSON.stringify({
      ...rest,
      datanets: Object.fromEntries(datanets.map(({ datanetId, ...of }) => [datanetId, of])),
    }),
  );

/** In the order of the manifest. */
export function diffReleases(before: Manifest, after: Manifest): ManifestDifference[] {
  const found: ManifestDifference[] = [];
  const walk = (path: string, a: HashableJson | null, b: HashableJson | null): void => {
    if (isObject(a) && isObject(b)) {
      for (const key of new Set([...Object.keys(a), ...Object.keys(b)]))
        walk(path === "" ? key : `${path}.${key}`, a[key] ?? null, b[key] ?? null);
      return;
    }
    // Lists are canonical: equal ones are written alike.
    if (JSON.stringify(a) !== JSON.stringify(b)) found.push({ path, before: a, after: b });
  };
  walk("", byDatanet(before), byDatanet(after));
  return found;
}
