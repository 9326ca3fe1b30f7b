/** The thread that builds span indexes, or the one that searches them: both work for long without a pause. */
import { serveWorker } from "../../engine/index.ts";
import { type BuildReport, buildSpanIndex, type SpanDocument } from "./build.ts";
import type { SpanSource } from "./format.ts";
import { type FindOptions, type Found, openSpanIndex, type SpanIndex } from "./search.ts";

export type SpanMethods = {
  /** Begins an index; documents follow in batches, then `finish`. */
  begin: (request: { path: string; sources: readonly SpanSource[] }) => void;
  add: (documents: readonly SpanDocument[]) => Promise<void>;
  finish: () => Promise<BuildReport>;
  find: (request: { path: string; answer: string; options: FindOptions }) => Found;
};

/** Indexes that stay open; each keeps at most 256 MiB of its file. */
const openMax = 2;

await serveWorker((): SpanMethods => {
  let building:
    | { writer: WritableStreamDefaultWriter<SpanDocument>; report: Promise<BuildReport> }
    | undefined;
  const opened = new Map<string, SpanIndex>();

  function begun() {
    if (building === undefined) throw new Error("No index was begun.");
    return building;
  }

  function open(path: string): SpanIndex {
    const index = opened.get(path) ?? openSpanIndex(path);
    // The one asked least recently is first, and goes first.
    opened.delete(path);
    opened.set(path, index);
    for (const [oldest, { close }] of opened) {
      if (opened.size <= openMax) break;
      opened.delete(oldest);
      close();
    }
    return index;
  }

  return {
    begin({ path, sources }) {
      const { readable, writable } = new TransformStream<SpanDocument, SpanDocument>();
      const report = buildSpanIndex(readable, sources, path);
      report.catch(() => {}); // told by `add` or `finish`
      building = { writer: writable.getWriter(), report };
    },
    async add(documents) {
      const { writer, report } = begun();
      // A build that fails takes no more documents: its own error says why.
      for (const document of documents) await writer.write(document).catch(() => report);
    },
    async finish() {
      const { writer, report } = begun();
      building = undefined;
      await writer.close().catch(() => report);
      return report;
    },
    find: ({ path, answer, options }) => open(path).find(answer, options),
  };
});
