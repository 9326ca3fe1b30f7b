/** Where texts lie: those of private Datanets encrypted, each Datanet's with a key of its own; all others as they are. */

import type { Digest } from "../protocol/index.ts";
import {
  type Blobs,
  type Database,
  isStoreError,
  type Queries,
  type SealedBlobs,
  unnamedOf,
} from "../store/index.ts";
import { DatanetError } from "./errors.ts";

export type Texts = {
  /** The node's blobs, of which texts that are encrypted can be read, too. What is put here is not encrypted. */
  readonly blobs: Blobs;
  /** Keeps a text as its Datanet wants it. Not while the Datanet becomes private. @throws DatanetError `texts-sealed` */
  put(datanetId: bigint, text: string): Promise<Digest>;
  /** Keeps all texts of a Datanet encrypted, too. What lies unencrypted stays. @throws DatanetError `texts-sealed` */
  seal(datanetId: bigint): Promise<void>;
  /** Removes what still lies unencrypted of a private Datanet and is nobody else's, once it is quiet. */
  removePlain(datanetId: bigint): Promise<void>;
  /** The same for all Datanets that a crash left between the two. @param onError is told and goes on */
  endSealing(onError: (error: Error) => void): Promise<void>;
};

export type TextsDependencies = {
  readonly database: Database;
  readonly blobs: Blobs;
  /** Without it nothing is encrypted. */
  readonly sealed?: SealedBlobs | undefined;
  /** Does what must not meet a backup: now, or once that has ended. */
  readonly whenQuiet?: (work: () => Promise<void>) => Promise<void>;
};

export const ownerOfTexts = (datanetId: bigint) => `datanet/${datanetId}`;

/** Of a Datanet's proposals those from before they were blobs. */
const isProposalText = (proposal: string) => proposal.startsWith("{");

export function openTexts(dependencies: TextsDependencies): Texts {
  const { database, blobs, sealed, whenQuiet = (work) => work() } = dependencies;

  const get = async (digest: Digest): Promise<Uint8Array> => {
    const owner = await sealed?.ownerOf(digest);
    if (sealed === undefined || owner === undefined) return blobs.get(digest);
    return named(async () => (await sealed.of(owner)).get(digest));
  };
  const isPrivate = async (datanetId: bigint) => {
    const [found] = await database.query<{ is: boolean }>(
      `select access ->> 'kind' <> 'public' as "is" from datanets.datanets where id = $1`,
      [datanetId],
    );
    return found?.is === true;
  };

  async function put(datanetId: bigint, text: string): Promise<Digest> {
    const bytes = Buffer.from(text, "utf8");
    if (sealed === undefined || !(await isPrivate(datanetId))) return blobs.put(bytes);
    return named(async () => (await sealed.of(ownerOfTexts(datanetId))).put(bytes));
  }

  async function seal(datanetId: bigint): Promise<void> {
    if (sealed === undefined) return;
    await named(async () => {
      const own = await sealed.of(ownerOfTexts(datanetId));
      for (const digest of await textsOf(database, datanetId))
        if (!(await own.has(digest))) await own.put(await get(digest));
      for (const { rowId, curator, proposal } of await plainProposals(database, datanetId))
        await database.query(
          "update datanets.reviews set proposal = $3 where row_id = $1 and curator = $2 and proposal = $4",
          [rowId, curator, await own.put(Buffer.from(proposal, "utf8")), proposal],
        );
    });
  }

  async function removePlain(datanetId: bigint): Promise<void> {
    if (sealed === undefined) return;
    await whenQuiet(async () => {
      const own = await sealed.of(ownerOfTexts(datanetId));
      if (!(await isPrivate(datanetId))) return;
      const alone = await unnamedOf(database, await textsOf(database, datanetId, "alone"), [
        "datanets",
        "sealing",
      ]);
      // Should somebody give the same text elsewhere just now, it is read from here.
      for (const digest of alone)
        if (await own.has(digest)) await blobs.remove(digest, Number.POSITIVE_INFINITY);
      await database.query("update datanets.datanets set is_plain = false where id = $1", [datanetId]);
    });
  }

  return {
    blobs: { ...blobs, get },
    put,
    seal,
    removePlain,
    async endSealing(onError) {
      if (sealed === undefined) return;
      const left = await database.query<{ id: bigint }>(
        `select id from datanets.datanets where is_plain and access ->> 'kind' <> 'public' order by id`,
      );
      for (const { id } of left)
        await seal(id)
          .then(() => removePlain(id))
          .catch((cause: Error) =>
            onError(new Error(`Texts of Datanet ${id} are not encrypted yet: ${cause.message}`, { cause })),
          );
    },
  };
}

/** A key that cannot be had, as whoever asks over HTTP is told it. */
async function named<T>(action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    if (!isStoreError(cause, "master-key-missing") && !isStoreError(cause, "sealed-wrong-key")) throw cause;
    throw Object.assign(
      new DatanetError(
        "texts-sealed",
        "The texts of private Datanets are encrypted, and this node's master key is missing or another one. Its operator must restore the file master-key from a backup.",
      ),
      { cause },
    );
  }
}

/**
 * Blobs with texts of a Datanet: contributions, imported versions, and what curators propose.
 *
 * @param only `alone`: those that no public Datanet has, too
 */
async function textsOf(queries: Queries, datanetId: bigint, only?: "alone"): Promise<Digest[]> {
  const found = await queries.query<{ digest: Digest }>(
    `with texts as (
       select datanet_id, text_digest as digest from datanets.contributions
       union select datanet_id, rows_digest from datanets.versions where rows_digest is not null
       union select r.datanet_id, v.proposal from datanets.reviews v join datanets.rows r on r.id = v.row_id
         where v.proposal like '0x%'
     )
     select distinct digest from texts t where datanet_id = $1 and not ($2 and exists (
       select 1 from texts o join datanets.datanets d on d.id = o.datanet_id
       where o.digest = t.digest and d.access ->> 'kind' = 'public'))`,
    [datanetId, only === "alone"],
  );
  return found.map(({ digest }) => digest);
}

async function plainProposals(queries: Queries, datanetId: bigint) {
  const found = await queries.query<{ rowId: number; curator: string; proposal: string }>(
    `select v.row_id as "rowId", v.curator, v.proposal from datanets.reviews v join datanets.rows r on r.id = v.row_id
     where r.datanet_id = $1 and v.proposal is not null`,
    [datanetId],
  );
  return found.filter(({ proposal }) => isProposalText(proposal));
}

/** What a curator proposed, as canonical JSON. */
export async function proposalText(blobs: Pick<Blobs, "get">, proposal: string): Promise<string> {
  return isProposalText(proposal) ? proposal : new TextDecoder().decode(await blobs.get(proposal as Digest));
}
