import { createShares } from "../chain/index.ts";
import type { LoggedEvent, Topic } from "./event.ts";
import type { FeedLog } from "./log.ts";

export type ReaderLimits = {
  readonly readers: number;
  /** Of one address of the internet, or one /64 of IPv6; this machine's own has no limit. */
  readonly readersPerAddress: number;
  /** How often a reader hears something, whatever happens. */
  readonly heartbeatMs: number;
  /** How long a reader may leave what was sent unread before it is cut. */
  readonly stallMs: number;
  /** The newest events, which are read from memory. */
  readonly tail: number;
};

export const readerLimits: ReaderLimits = {
  ...{ readers: 512, readersPerAddress: 16, heartbeatMs: 15_000, stallMs: 30_000, tail: 1_000 },
};

/** No more readers fit. */
export class FeedFullError extends Error {
  override readonly name = "FeedFullError";
  /** Whether it is this address' own share that is used up. */
  readonly own: boolean;

  constructor(own: boolean, message: string) {
    super(message);
    this.own = own;
  }
}

export type Readers = {
  /** New events are there. */
  tell(events: readonly LoggedEvent[]): void;
  /**
   * Server-sent events from `after` on. Each has its id; `ready` comes first and `reset` when what comes next is not there any more.
   *
   * @param after the last id seen; undefined: from now on
   * @param wanted undefined: all topics
   * @throws FeedFullError
   */
  open(reader: {
    readonly address: string;
    readonly after: string | undefined;
    readonly wanted: ReadonlySet<Topic> | undefined;
    /** Breaks the connection of a reader that does not read. */
    readonly cut: () => void;
  }): ReadableStream<Uint8Array>;
  count(): number;
  close(): void;
};

const pageMax = 100;
const encoder = new TextEncoder();
const block = (id: number, event: string, data: object) =>
  `id: ${id}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`;

type Piece = { readonly id: number; readonly topic: Topic; readonly text: string };
const pieceOf = ({ id, topic, kind, atMs, data }: LoggedEvent): Piece => ({
  ...{ id, topic },
  text: block(id, topic, { kind, atMs, ...data }),
});

/**
 * Nothing is kept for a reader but its place: it is asked for more only when it has taken what it was given, and then reads on from the
 * newest events in memory, or from the log.
 */
export function createReaders(log: FeedLog, limits: ReaderLimits): Readers {
  const tail: Piece[] = [];
  /** The last event that was told of: the log may be ahead for a moment. */
  let head = log.head();
  const places = createShares({ all: limits.readers, ofOne: limits.readersPerAddress });
  const readers = new Set<{
    wake(): void;
    isStalled(nowMs: number): boolean;
    /** Ends the stream; {@link cut} does not wait until that was read. */
    end(): void;
    cut(): void;
  }>();
  const watch = setInterval(() => {
    for (const reader of readers) if (reader.isStalled(Date.now())) reader.cut();
  }, limits.stallMs / 2);
  watch.unref();

  function admit(address: string): void {
    const place = places.take(address);
    if (place === "all")
      throw new FeedFullError(false, `${readers.size} readers listen, at most ${limits.readers} may.`);
    if (place === "own")
      throw new FeedFullError(
        true,
        `${limits.readersPerAddress} readers of ${address} listen; more may not.`,
      );
  }

  /** The pieces after an id, or undefined when some of them are gone. */
  async function piecesAfter(id: number): Promise<readonly Piece[] | undefined> {
    const first = tail[0]?.id ?? head + 1;
    if (id + 1 >= first) return tail.slice(id + 1 - first, id + 1 - first + pageMax);
    const pieces = (await log.after(id, pageMax)).map(pieceOf);
    return pieces[0]?.id === id + 1 ? pieces : undefined;
  }

  return {
    count: () => readers.size,
    tell(events) {
      tail.push(...events.map(pieceOf));
      tail.splice(0, Math.max(0, tail.length - limits.tail));
      head = events.at(-1)?.id ?? head;
      for (const reader of readers) reader.wake();
    },
    open({ address, after, wanted, cut }) {
      admit(address);
      const asked = after === undefined ? head : /^\d{1,15}$/.test(after) ? Number(after) : -1;
      const known = asked >= log.oldest() - 1 && asked <= head;
      let at = known ? asked : head;
      let greeting = `retry: 2000\n${
        known ? block(at, "ready", { head: head }) : resetBlock(at, `event ${after} is not in the log`)
      }`;
      let wake = () => {};
      let over = false;
      let waiting = true;
      let takenAtMs = Date.now();
      let end = () => {};

      /** What the reader gets next; waits for it, for one heartbeat at most. */
      async function next(): Promise<string> {
        if (greeting !== "") {
          const text = greeting;
          greeting = "";
          return text;
        }
        const until = Date.now() + limits.heartbeatMs;
        for (;;) {
          while (at < head && !over) {
            const pieces = await piecesAfter(at);
            if (pieces === undefined) {
              at = head;
              return resetBlock(at, "events were dropped before they were read");
            }
            at = pieces.at(-1)?.id ?? at;
            const text = pieces
              .map((piece) => (wanted?.has(piece.topic) === false ? "" : piece.text))
              .join("");
            if (text !== "") return text;
          }
          const leftMs = until - Date.now();
          // The id alone is taken as the last one seen: who wants few topics does not fall behind (HTML, section 9.2.6).
          if (over || leftMs <= 0) return `: still here\nid: ${at}\n\n`;
          await new Promise<void>((resolve) => {
            const timer = setTimeout(resolve, leftMs);
            wake = () => {
              clearTimeout(timer);
              resolve();
            };
          });
        }
      }

      const reader = {
        wake: () => wake(),
        isStalled: (nowMs: number) => !waiting && nowMs - takenAtMs > limits.stallMs,
        end: () => end(),
        cut() {
          end();
          cut();
        },
      };
      const leave = () => {
        over = true;
        if (readers.delete(reader)) places.give(address);
        wake();
      };
      readers.add(reader);
      return new ReadableStream<Uint8Array>(
        {
          start(controller) {
            end = () => {
              if (over) return;
              leave();
              controller.close();
            };
          },
          async pull(controller) {
            waiting = true;
            const text = await next();
            waiting = false;
            takenAtMs = Date.now();
            if (!over) controller.enqueue(encoder.encode(text));
          },
          cancel: leave,
        },
        { highWaterMark: 0 },
      );
    },
    close() {
      clearInterval(watch);
      for (const reader of [...readers]) reader.end();
    },
  };

  function resetBlock(id: number, why: string): string {
    return block(id, "reset", {
      why: `${why}: load what you show again`,
      oldest: log.oldest(),
      head: head,
    });
  }
}
