/**
 * Where adapters are: on disk (whatever `load` reads), in memory (checked and laid out, bounded in bytes), in the rows that run them.
 * An adapter is known by the digest of its `adapter_model.safetensors`; one that nobody asks for costs nothing. Rows hold copies of their
 * own, so memory can be given to another adapter whatever runs.
 */
import {
  type Adapter,
  type ModelConfig,
  type PackedAdapter,
  parseSafetensors,
  readPeft,
} from "../engine/index.ts";
import { bytesDigest, type Digest } from "../protocol/index.ts";
import { OpenLoraError } from "./errors.ts";

/** The two files of a PEFT adapter: `adapter_config.json` and `adapter_model.safetensors`. */
export type AdapterFiles = { readonly config: Uint8Array; readonly tensors: Uint8Array };

/** Reads an adapter's files. Both must depend on the digest alone: while an adapter is in memory, it is not read again. */
export type LoadAdapter = (digest: Digest) => Promise<AdapterFiles>;

/** A promise that an adapter stays in memory, once it is there, until `release`. */
export type Lease = {
  /** The adapter, once it is in memory. */
  readonly adapter: PackedAdapter | undefined;
  /** Resolves when it is. @throws OpenLoraError `adapter-unavailable`, `adapter-refused` */
  readonly ready: Promise<PackedAdapter>;
  release(): void;
};

export type AdapterMetrics = {
  /** Adapters in memory and on their way there, and how many of them requests or pins hold. */
  memoryAdapters: number;
  leased: number;
  pinned: number;
  memoryBytes: number;
  memoryBytesMax: number;
  bytesPerAdapter: number;
  memoryHitsTotal: number;
  loadsTotal: number;
  loadFailuresTotal: number;
  memoryEvictionsTotal: number;
  /** The latest loads from disk, at most 1,024, in no order: milliseconds from when the adapter was asked for until it was in memory. */
  recentLoadsMs: number[];
};

export type AdapterTiers = {
  /** Holds an adapter, loading it if it is not in memory. The same adapter is loaded once, whoever asks meanwhile. */
  acquire(digest: Digest): Lease;
  /** Whether an adapter is in memory. */
  has(digest: Digest): boolean;
  /**
   * Loads an adapter that will be asked for, if there is memory that nobody holds or waits for: what is asked for first is needed first.
   *
   * @returns when it is there, or never will be
   */
  prefetch(digest: Digest): Promise<void>;
  /** Loads an adapter and keeps it in memory until {@link AdapterTiers.unpin}. */
  pin(digest: Digest): Promise<void>;
  unpin(digest: Digest): void;
  metrics(): AdapterMetrics;
};

/** What adapters are read for. */
export type AdapterBase = {
  readonly name: string;
  readonly config: ModelConfig;
  /** Largest rank there is room for. */
  readonly rank: number;
};

export type AdapterTiersOptions = {
  base: AdapterBase;
  /** Bytes of adapters kept in memory. Those that requests hold stay, even if they are more. */
  memoryBytes: number;
  /** Bytes of one adapter in memory: all are laid out for the largest rank. */
  bytesPerAdapter: number;
  loadTimeoutMs: number;
  load: LoadAdapter;
  /** Lays an adapter out for rows. @throws when it does not fit them */
  pack(adapter: Adapter): PackedAdapter;
};

type Entry = {
  adapter: PackedAdapter | undefined;
  leases: number;
  ready: Promise<PackedAdapter>;
  /** It is wanted ahead of its use, which has not come yet. */
  expected: boolean;
};

const recentLoadsMax = 1_024;

export function createAdapterTiers(options: AdapterTiersOptions): AdapterTiers {
  const { bytesPerAdapter, memoryBytes } = options;
  const fits = Math.floor(memoryBytes / bytesPerAdapter);
  /** The least recently used first. */
  const entries = new Map<Digest, Entry>();
  const pins = new Map<Digest, Lease>();
  const recentLoadsMs: number[] = [];
  let loadsDone = 0;
  const totals = { memoryHitsTotal: 0, loadsTotal: 0, loadFailuresTotal: 0, memoryEvictionsTotal: 0 };

  /** Gives memory back until `count` adapters are left, or none that could be spared. */
  function shrink(count: number, sparesExpected = false): void {
    for (const [digest, { adapter, leases, expected }] of entries) {
      if (entries.size <= count) return;
      if (leases > 0 || adapter === undefined || (expected && sparesExpected)) continue;
      entries.delete(digest);
      totals.memoryEvictionsTotal++;
    }
  }

  async function fetch(digest: Digest): Promise<PackedAdapter> {
    totals.loadsTotal++;
    const askedAtMs = performance.now();
    const adapter = await readAdapter(digest, options);
    let packed: PackedAdapter;
    try {
      packed = options.pack(adapter);
    } catch (cause) {
      throw refused(digest, (cause as Error).message, cause);
    }
    recentLoadsMs[loadsDone++ % recentLoadsMax] = performance.now() - askedAtMs;
    return packed;
  }

  function begin(digest: Digest): Entry {
    const fill = async () => {
      try {
        entry.adapter = await fetch(digest);
        shrink(fits);
        return entry.adapter;
      } catch (error) {
        totals.loadFailuresTotal++;
        entries.delete(digest);
        throw error;
      }
    };
    const entry: Entry = { adapter: undefined, leases: 0, ready: undefined as never, expected: false };
    entries.set(digest, entry);
    entry.ready = fill();
    // Whoever holds a lease hears of a failure; when all of them have left, nobody needs to.
    entry.ready.catch(() => {});
    return entry;
  }

  function acquire(digest: Digest): Lease {
    const known = entries.get(digest);
    if (known === undefined) shrink(fits - 1);
    else {
      if (known.adapter !== undefined) totals.memoryHitsTotal++;
      entries.delete(digest);
      entries.set(digest, known);
    }
    const entry = known ?? begin(digest);
    entry.leases++;
    entry.expected = false;
    let held = true;
    return {
      get adapter() {
        return entry.adapter;
      },
      ready: entry.ready,
      release() {
        if (!held) return;
        held = false;
        entry.leases--;
        shrink(fits);
      },
    };
  }

  return {
    acquire,
    has: (digest) => entries.get(digest)?.adapter !== undefined,
    async prefetch(digest) {
      let entry = entries.get(digest);
      if (entry === undefined) {
        shrink(fits - 1, true);
        if (entries.size >= fits) return;
        entry = begin(digest);
      }
      entry.expected = true;
      await entry.ready.catch(() => {});
    },
    async pin(digest) {
      const pinned = pins.get(digest);
      if (pinned !== undefined) {
        await pinned.ready;
        return;
      }
      if (pins.size + 1 > fits)
        throw new OpenLoraError(
          "invalid-request",
          `${pins.size} adapters are pinned, and adapterMemoryBytes (${memoryBytes}) holds ${fits} of ${bytesPerAdapter} bytes: unpin one first, or serve with more memory.`,
          { limit: fits },
        );
      const held = acquire(digest);
      pins.set(digest, held);
      try {
        await held.ready;
      } catch (error) {
        if (pins.get(digest) === held) pins.delete(digest);
        held.release();
        throw error;
      }
    },
    unpin(digest) {
      pins.get(digest)?.release();
      pins.delete(digest);
    },
    metrics: () => ({
      memoryAdapters: entries.size,
      leased: [...entries.values()].filter(({ leases }) => leases > 0).length,
      pinned: pins.size,
      memoryBytes: entries.size * bytesPerAdapter,
      memoryBytesMax: memoryBytes,
      bytesPerAdapter,
      ...totals,
      recentLoadsMs: [...recentLoadsMs],
    }),
  };
}

/** An adapter that must not be served. */
export const refused = (digest: Digest, why: string, cause?: unknown) =>
  new OpenLoraError(
    "adapter-refused",
    `Adapter ${digest} cannot be served: ${why}`,
    { adapter: digest },
    { cause },
  );

/** An adapter that is not there now. */
export const unavailable = (digest: Digest, why: string, cause?: unknown) =>
  new OpenLoraError(
    "adapter-unavailable",
    `Adapter ${digest} could not be loaded: ${why}`,
    { adapter: digest },
    { cause },
  );

/**
 * Loads an adapter in time and reads it as {@link parseAdapter} does.
 *
 * @throws OpenLoraError `adapter-unavailable`, `adapter-refused`
 */
export async function readAdapter(
  digest: Digest,
  { load, loadTimeoutMs, base }: Pick<AdapterTiersOptions, "load" | "loadTimeoutMs" | "base">,
): Promise<Adapter> {
  return parseAdapter(digest, await inTime(digest, load(digest), loadTimeoutMs), base);
}

async function inTime<T>(digest: Digest, promise: Promise<T>, timeoutMs: number): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(unavailable(digest, `its files did not come within ${timeoutMs} ms.`)),
    timeoutMs,
  );
  timer.unref(); // who has closed the engine waits for nothing
  try {
    return await Promise.race([promise, late.promise]);
  } catch (cause) {
    throw cause instanceof OpenLoraError ? cause : unavailable(digest, (cause as Error).message, cause);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Reads an adapter from its files.
 *
 * @throws OpenLoraError `adapter-refused` when the tensors' bytes are not the digest's, the files are torn, or the adapter was made for
 * another base
 */
export function parseAdapter(digest: Digest, files: AdapterFiles, base: AdapterBase): Adapter {
  const actual = bytesDigest(files.tensors);
  if (actual !== digest)
    throw refused(digest, `its tensors have the digest ${actual}. The copy is damaged: fetch it again.`);
  let config: unknown;
  try {
    config = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(files.config));
  } catch (cause) {
    throw refused(digest, `its adapter_config.json is not JSON (${(cause as Error).message}).`, cause);
  }
  const madeFor = (config as { base_model_name_or_path?: unknown } | null)?.base_model_name_or_path;
  if (typeof madeFor === "string" && ownName(madeFor) !== ownName(base.name))
    throw refused(
      digest,
      `it was made for the base model "${madeFor}", this is "${base.name}". If they are the same, name it so in base_model_name_or_path.`,
    );
  try {
    return readPeft(config, parseSafetensors(files.tensors, digest), base.config, digest, base.rank);
  } catch (cause) {
    throw refused(digest, (cause as Error).message, cause);
  }
}

/** A model's name without the organisation or the folder it was loaded from: trainers write a path, or a hub's name. */
const ownName = (name: string) => name.split(/[\\/]/).findLast((part) => part !== "");
