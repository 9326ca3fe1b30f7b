/** Span indexes of releases: built once for the same data, kept as blobs, and searched, each in a thread of its own. */
import { randomUUID } from "node:crypto";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { startWorker, type WorkerHandle, workerUrl } from "../../engine/index.ts";
import type { Digest } from "../../protocol/index.ts";
import { type Blobs, type Database, isStoreError, type SealedBlobs } from "../../store/index.ts";
import type { BuildReport, SpanDocument } from "./build.ts";
import type { SpanSource } from "./format.ts";
import type { FindOptions, Found } from "./search.ts";
import type { SpanMethods } from "./worker.ts";

/** What a release was trained on. */
export type SpanData = {
  /** Names the data: two releases of the same data share an index. */
  readonly key: Digest;
  readonly sources: readonly SpanSource[];
  /** Whether the index is to be encrypted where it lies, because the data are. */
  readonly isPrivate?: () => Promise<boolean>;
  /** In the order of their commitments; read once, when the index is built. */
  documents(): Iterable<SpanDocument> | AsyncIterable<SpanDocument> | Promise<Iterable<SpanDocument>>;
};

export type SpansDependencies = {
  readonly database: Database;
  readonly blobs: Blobs;
  /** For indexes of private data. */
  readonly sealed?: Pick<SealedBlobs, "of">;
  /** Where an index lies until it is whole; emptied at the start. */
  readonly folder: string;
  /** How long a question waits for an index that is being built; 5,000 ms unless given. */
  readonly waitMs?: number;
  readonly now?: () => number;
  readonly log?: (message: string) => void;
};

export type KeptIndex = Omit<BuildReport, "parts" | "contributors"> & { readonly digest: Digest };

export type Spans = {
  /** Builds the index unless it is there. */
  ensure(data: SpanData): Promise<KeptIndex>;
  /** Encrypts indexes that were made while these Datanets were open to all. */
  hide(datanetIds: readonly string[]): Promise<void>;
  /** @throws SpansNotReadyError while the index is being built, which this begins */
  find(data: SpanData, answer: string, options?: FindOptions): Promise<Found>;
  close(): Promise<void>;
};

/** The index is being built: ask again. */
export class SpansNotReadyError extends Error {
  override name = "SpansNotReadyError";
}

const migrations = [
  `create table spans.indexes (
     key text primary key,
     digest text not null,
     documents int not null,
     words bigint not null,
     text_bytes bigint not null,
     bytes bigint not null,
     seconds double precision not null,
     built_at_ms bigint not null
   );`,
  // Which versions it shows words of; null in what was built before.
  "alter table spans.indexes add column sources jsonb;",
];
const columns = `digest, documents, words, text_bytes as "textBytes", bytes, seconds`;
/** Characters of documents that go to the thread at once. */
const batchLength = 2 ** 20;

export async function openSpans(dependencies: SpansDependencies): Promise<Spans> {
  const { database, blobs, sealed, folder, waitMs = 5_000, now = Date.now, log = () => {} } = dependencies;
  await database.migrate("spans", migrations);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const building = new Map<Digest, Promise<KeptIndex>>();
  let last: Promise<unknown> = Promise.resolve();
  let builder: WorkerHandle<SpanMethods> | undefined;
  let searcher: Promise<WorkerHandle<SpanMethods>> | undefined;
  let closed = false;
  const start = () => startWorker<SpanMethods>(workerUrl(import.meta.url, "worker"), {});

  /** Where an index belongs. */
  const placeOf = async ({ key, isPrivate }: SpanData): Promise<Blobs> =>
    sealed !== undefined && (await isPrivate?.()) === true ? sealed.of(`spans/${key}`) : blobs;

  async function kept(data: SpanData): Promise<{ index: KeptIndex; blobs: Blobs } | undefined> {
    const [index] = await database.query<KeptIndex>(`select ${columns} from spans.indexes where key = $1`, [
      data.key,
    ]);
    if (index === undefined) return undefined;
    for (const place of new Set([await placeOf(data), blobs]))
      if (await place.has(index.digest)) return { index, blobs: place };
    return undefined;
  }

  async function build(data: SpanData): Promise<KeptIndex> {
    const { key, sources, documents } = data;
    const before = await kept(data);
    if (before !== undefined) return before.index;
    if (closed) throw new Error("The node is closing: the index is built when it is asked for next.");
    const given = await documents();
    const place = join(folder, randomUUID());
    const path = join(place, "index");
    await mkdir(place);
    builder = await start();
    try {
      await builder.call("begin", { path, sources });
      let batch: SpanDocument[] = [];
      let length = 0;
      for await (const document of given) {
        batch.push(document);
        length += document.texts.reduce((sum, text) => sum + text.length, 64);
        if (length < batchLength) continue;
        await builder.call("add", batch);
        batch = [];
        length = 0;
      }
      await builder.call("add", batch);
      const report = await builder.call("finish", undefined as never);
      const digest = await (await placeOf(data)).putFile(path);
      await database.query(
        `insert into spans.indexes (key, digest, documents, words, text_bytes, bytes, seconds, built_at_ms, sources)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         on conflict (key) do update set digest = $2, documents = $3, words = $4, text_bytes = $5, bytes = $6, seconds = $7, built_at_ms = $8,
           sources = $9`,
        [
          key,
          digest,
          report.documents,
          report.words,
          report.textBytes,
          report.bytes,
          report.seconds,
          now(),
          JSON.stringify(sources),
        ],
      );
      const { documents: count, words, textBytes, bytes, seconds } = report;
      log(
        `Spans: ${count} documents (${textBytes} bytes of text, ${words} words) were indexed in ${seconds.toFixed(2)} s, ${bytes} bytes.`,
      );
      return { digest, documents: count, words, textBytes, bytes, seconds };
    } finally {
      // The thread ends with its memory, and may have left a file behind.
      await builder.close();
      builder = undefined;
      await rm(place, { recursive: true, force: true });
    }
  }

  /** One at a time, each once. */
  function ensure(data: SpanData): Promise<KeptIndex> {
    const under = building.get(data.key);
    if (under !== undefined) return under;
    const built = last.then(() => build(data)).finally(() => building.delete(data.key));
    last = built.catch(() => {});
    building.set(data.key, built);
    return built;
  }

  async function find(data: SpanData, answer: string, options: FindOptions = {}): Promise<Found> {
    const there = async () => {
      await within(waitMs, ensure(data));
      return kept(data);
    };
    const found = (await kept(data)) ?? (await there());
    if (found === undefined) throw new Error(`The span index of ${data.key} is gone.`);
    searcher ??= start();
    const path = await found.blobs.path(found.index.digest);
    return (await searcher).call("find", { path, answer, options });
  }

  return {
    ensure,
    async hide(datanetIds) {
      if (sealed === undefined) return;
      const open = await database.query<{ key: Digest; digest: Digest; isKnown: boolean }>(
        `select key, digest, sources is not null as "isKnown" from spans.indexes
         where sources is null or exists (select 1 from jsonb_array_elements(sources) s where $1::jsonb ? (s ->> 'datanetId'))`,
        [JSON.stringify(datanetIds)],
      );
      for (const { key, digest, isKnown } of open) {
        if (!(await blobs.has(digest))) continue;
        // Of what an older version made nobody knows whether it shows private data: it is built anew when it is asked for.
        if (isKnown) await (await sealed.of(`spans/${key}`)).putFile(await blobs.path(digest));
        else await database.query("delete from spans.indexes where key = $1", [key]);
        await blobs.remove(digest, Number.POSITIVE_INFINITY);
      }
    },
    async find(data, answer, options) {
      try {
        return await find(data, answer, options);
      } catch (error) {
        const { name, message } = error as Error;
        if (name !== "SpanIndexError" && !isStoreError(error, "blob-missing")) throw error;
        // What is kept is not what was built: it is built again, which mends the blob too.
        log(`Spans: ${message}`);
        await database.query("delete from spans.indexes where key = $1", [data.key]);
        return find(data, answer, options);
      }
    },
    async close() {
      closed = true;
      await builder?.close().catch(() => {});
      await last;
      await (await searcher?.catch(() => undefined))?.close();
    },
  };
}

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () =>
        reject(
          new SpansNotReadyError(
            "The span index of this release's data is being built. Ask again in a few seconds.",
          ),
        ),
      ms,
    );
  });
  work.catch(() => {}); // it may fail after nobody waits any more
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
