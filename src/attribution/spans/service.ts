/** Span indexes of releases: built once for the same data, kept as blobs, and searched, each in a thread of its own. */
import { randomUUID } from "node:crypto";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { startWorker, type WorkerHandle, workerUrl } from "../../engine/index.ts";
import type { Digest } from "../../protocol/index.ts";
import { type Blobs, type Database, isStoreError } from "../../store/index.ts";
import type { BuildReport, SpanDocument } from "./build.ts";
import type { SpanSource } from "./format.ts";
import type { FindOptions, Found } from "./search.ts";
import type { SpanMethods } from "./worker.ts";

/** What a release was trained on. */
export type SpanData = {
  /** Names the data: two releases of the same data share an index. */
  readonly key: Digest;
  readonly sources: readonly SpanSource[];
  /** In the order of their commitments; read once, when the index is built. */
  documents(): Iterable<SpanDocument> | AsyncIterable<SpanDocument> | Promise<Iterable<SpanDocument>>;
};

export type SpansDependencies = {
  readonly database: Database;
  readonly blobs: Blobs;
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
];
const columns = `digest, documents, words, text_bytes as "textBytes", bytes, seconds`;
/** Characters of documents that go to the thread at once. */
const batchLength = 2 ** 20;

export async function openSpans(dependencies: SpansDependencies): Promise<Spans> {
  const { database, blobs, folder, waitMs = 5_000, now = Date.now, log = () => {} } = dependencies;
  await database.migrate("spans", migrations);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const building = new Map<Digest, Promise<KeptIndex>>();
  let last: Promise<unknown> = Promise.resolve();
  let builder: WorkerHandle<SpanMethods> | undefined;
  let searcher: Promise<WorkerHandle<SpanMethods>> | undefined;
  let closed = false;
  const start = () => startWorker<SpanMethods>(workerUrl(import.meta.url, "worker"), {});

  async function kept(key: Digest): Promise<KeptIndex | undefined> {
    const [row] = await database.query<KeptIndex>(`select ${columns} from spans.indexes where key = $1`, [
      key,
    ]);
    return row !== undefined && (await blobs.has(row.digest)) ? row : undefined;
  }

  async function build({ key, sources, documents }: SpanData): Promise<KeptIndex> {
    const before = await kept(key);
    if (before !== undefined) return before;
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
      const digest = await blobs.putFile(path);
      await database.query(
        `insert into spans.indexes (key, digest, documents, words, text_bytes, bytes, seconds, built_at_ms)
         values ($1, $2, $3, $4, $5, $6, $7, $8)
         on conflict (key) do update set digest = $2, documents = $3, words = $4, text_bytes = $5, bytes = $6, seconds = $7, built_at_ms = $8`,
        [key, digest, report.documents, report.words, report.textBytes, report.bytes, report.seconds, now()],
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
    const index = (await kept(data.key)) ?? (await within(waitMs, ensure(data)));
    searcher ??= start();
    const path = await blobs.path(index.digest);
    return (await searcher).call("find", { path, answer, options });
  }

  return {
    ensure,
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
