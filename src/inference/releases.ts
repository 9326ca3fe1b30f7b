/** Releases that were read, kept: with thousands of contributors one takes many milliseconds to read, and answering asks for it again and again. */
import { type Digest, digestSchema } from "../protocol/index.ts";
import type { Releases, ServedRelease } from "./ports.ts";

/** A megabyte each, at 10,000 contributors. */
const keptMax = 64;

/** The same releases, read once: by its id a release never changes, and which one a name stands for is looked up in the list. */
export function keptReleases({ find, list }: Releases): Releases {
  const kept = new Map<Digest, Promise<ServedRelease | undefined>>();

  function read(id: Digest): Promise<ServedRelease | undefined> {
    const known = kept.get(id);
    const found = known ?? find(id);
    // The least recently asked for is first, and goes first.
    kept.delete(id);
    kept.set(id, found);
    if (known === undefined) {
      const forget = () => kept.get(id) === found && kept.delete(id);
      found.then((release) => release === undefined && forget(), forget);
      for (const oldest of kept.keys()) {
        if (kept.size <= keptMax) break;
        kept.delete(oldest);
      }
    }
    return found;
  }

  return {
    list,
    async find(nameOrId) {
      if (digestSchema.safeParse(nameOrId).success) return read(nameOrId as Digest);
      const newest = (await list()).find(({ model }) => model === nameOrId);
      return newest && read(newest.id);
    },
  };
}
