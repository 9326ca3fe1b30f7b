/** The adapters that one server has loaded: each once, the one unused longest out first, one in use never. */
import type { Digest } from "../protocol/index.ts";
import { ServerError } from "./pool-http.ts";
import type { CompletionServer } from "./pool-server.ts";

/** The right to use a loaded adapter: it is not unloaded before `release`. */
export type Hold = {
  /** Resolves when it is loaded. @throws OpenLoraError, ServerError */
  readonly ready: Promise<void>;
  release(): void;
};

export type Residents = {
  readonly size: number;
  readonly held: number;
  has(digest: Digest): boolean;
  /** Whether `hold` would find room. */
  roomFor(digest: Digest): boolean;
  /** @returns nothing when all that it has loaded is in use */
  hold(digest: Digest): Hold | undefined;
  /** The server says that it has these. */
  adopt(digests: Iterable<Digest>): void;
  /** The server does not have it any more. */
  forget(digest: Digest): void;
  clear(): void;
  readonly totals: { hits: number; loads: number; loadFailures: number; evictions: number };
  /** How long the last loads took, checks and writing included. */
  readonly recentLoadsMs: readonly number[];
};

const recentLoadsMax = 128;

type Resident = { holds: number; ready: Promise<void> };

export function createResidents(
  server: Pick<CompletionServer, "loadAdapter" | "unloadAdapter">,
  options: {
    readonly slots: number;
    prepare(digest: Digest): Promise<string>;
    pinned(digest: Digest): boolean;
  },
): Residents {
  /** The least recently used first. */
  const residents = new Map<Digest, Resident>();
  const recentLoadsMs: number[] = [];
  const totals = { hits: 0, loads: 0, loadFailures: 0, evictions: 0 };

  const idle = () =>
    [...residents].find(([digest, { holds }]) => holds === 0 && !options.pinned(digest))?.[0];

  async function load(digest: Digest, leaving: Digest | undefined): Promise<void> {
    const askedAtMs = performance.now();
    const folder = await options.prepare(digest);
    if (leaving !== undefined)
      await server.unloadAdapter(leaving).catch((error) => {
        if (!(error instanceof ServerError && error.fault === "missing")) throw error;
      });
    totals.loads++;
    try {
      await server.loadAdapter(digest, folder);
      recentLoadsMs.push(performance.now() - askedAtMs);
      if (recentLoadsMs.length > recentLoadsMax) recentLoadsMs.shift();
    } catch (error) {
      if (!(error instanceof ServerError) || error.status === undefined || error.fault === "busy")
        throw error;
      const { message, status } = error;
      throw new ServerError("unloadable", `${message} It was to load ${folder}.`, { status, cause: error });
    }
  }

  function admit(digest: Digest, leaving: Digest | undefined): Resident {
    if (leaving !== undefined) {
      residents.delete(leaving);
      totals.evictions++;
    }
    const resident: Resident = { holds: 0, ready: load(digest, leaving) };
    residents.set(digest, resident);
    // Whoever holds it hears of a failure; when all of them have left, nobody needs to.
    resident.ready.catch(() => {
      totals.loadFailures++;
      if (residents.get(digest) === resident) residents.delete(digest);
    });
    return resident;
  }

  return {
    totals,
    recentLoadsMs,
    get size() {
      return residents.size;
    },
    get held() {
      return [...residents.values()].filter(({ holds }) => holds > 0).length;
    },
    has: (digest) => residents.has(digest),
    roomFor: (digest) => residents.has(digest) || residents.size < options.slots || idle() !== undefined,
    hold(digest) {
      let resident = residents.get(digest);
      if (resident !== undefined) {
        totals.hits++;
        residents.delete(digest);
        residents.set(digest, resident);
      } else {
        const leaving = residents.size < options.slots ? undefined : idle();
        if (residents.size >= options.slots && leaving === undefined) return undefined;
        resident = admit(digest, leaving);
      }
      const mine = resident;
      mine.holds++;
      let held = true;
      return {
        ready: mine.ready,
        release() {
          if (held) mine.holds--;
          held = false;
        },
      };
    },
    adopt(digests) {
      for (const digest of digests)
        if (!residents.has(digest) && residents.size < options.slots)
          residents.set(digest, { holds: 0, ready: Promise.resolve() });
    },
    forget: (digest) => void residents.delete(digest),
    clear: () => residents.clear(),
  };
}
