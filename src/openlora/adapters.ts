/**
 * Where adapters are: on disk (whatever `load` reads), in memory (parsed, bounded in bytes), in a slot of the decoder (ready to run).
 * An adapter is known by the digest of its `adapter_model.safetensors`; one that nobody asks for costs nothing.
 */
import { type Adapter, type ModelConfig, parseSafetensors, readPeft } from "../engine/index.ts";
import { bytesDigest, type Digest } from "../protocol/index.ts";
import { OpenLoraError, OverloadedError } from "./errors.ts";

/** The two files of a PEFT adapter: `adapter_config.json` and `adapter_model.safetensors`. */
export type AdapterFiles = { readonly config: Uint8Array; readonly tensors: Uint8Array };

/** Reads an adapter's files. Both must depend on the digest alone: while an adapter is in memory, it is not read again. */
export type LoadAdapter = (digest: Digest) => Promise<AdapterFiles>;

/** The right to run rows in an adapter's slot. Its slot is not given to another adapter before `release`. */
export type Lease = {
  readonly slot: number;
  /** The adapter is in its slot. */
  readonly loaded: boolean;
  /** Resolves when it is. @throws OpenLoraError `adapter-unavailable`, `adapter-refused` */
  readonly ready: Promise<void>;
  release(): void;
};

export type AdapterMetrics = {
  slots: number;
  slotsHeld: number;
  slotsLeased: number;
  pinned: number;
  memoryAdapters: number;
  memoryBytes: number;
  memoryBytesMax: number;
  slotHitsTotal: number;
  memoryHitsTotal: number;
  loadsTotal: number;
  loadFailuresTotal: number;
  slotEvictionsTotal: number;
  memoryEvictionsTotal: number;
  /** The latest loads from disk, at most 1,024, in no order: milliseconds from when the adapter was asked for until it was in its slot. */
  recentLoadsMs: number[];
};

export type AdapterTiers = {
  /** A lease on the adapter's slot, or nothing when every slot is leased to other adapters. The same adapter is loaded once. */
  acquire(digest: Digest): Lease | undefined;
  /** Loads an adapter and keeps it in its slot until {@link AdapterTiers.unpin}. One slot always stays unpinned. */
  pin(digest: Digest): Promise<void>;
  unpin(digest: Digest): void;
  metrics(): AdapterMetrics;
};

export type AdapterTiersOptions = {
  base: { readonly name: string; readonly config: ModelConfig };
  slots: number;
  /** Bytes of parsed adapters kept in memory, those in slots included. */
  memoryBytes: number;
  loadTimeoutMs: number;
  load: LoadAdapter;
  /** Writes an adapter into the decoder's slot. @throws when it does not fit */
  place(slot: number, adapter: Adapter): void;
};

const recentLoadsMax = 1_024;

type Resident = { slot: number; leases: number; loaded: boolean; ready: Promise<void> };

export function createAdapterTiers(options: AdapterTiersOptions): AdapterTiers {
  /** Adapters that have a slot, the least recently used first. */
  const residents = new Map<Digest, Resident>();
  const freeSlots = Array.from({ length: options.slots }, (_, i) => options.slots - i);
  /** Parsed adapters, the least recently used first. */
  const memory = new Map<Digest, { adapter: Adapter; bytes: number }>();
  let memoryBytes = 0;
  const pins = new Map<Digest, Lease>();
  const totals = {
    slotHitsTotal: 0,
    memoryHitsTotal: 0,
    loadsTotal: 0,
    loadFailuresTotal: 0,
    slotEvictionsTotal: 0,
    memoryEvictionsTotal: 0,
  };
  const recentLoadsMs: number[] = [];
  let loadsPlaced = 0;

  function remember(digest: Digest, adapter: Adapter): void {
    const bytes = [...adapter.tensors.values()].reduce((sum, { data }) => sum + data.byteLength, 0);
    if (bytes > options.memoryBytes) return;
    for (const [oldest, { bytes: freed }] of memory) {
      if (memoryBytes + bytes <= options.memoryBytes) break;
      memory.delete(oldest);
      memoryBytes -= freed;
      totals.memoryEvictionsTotal++;
    }
    memory.set(digest, { adapter, bytes });
    memoryBytes += bytes;
  }

  function recall(digest: Digest): Adapter | undefined {
    const found = memory.get(digest);
    if (found === undefined) return undefined;
    memory.delete(digest);
    memory.set(digest, found);
    totals.memoryHitsTotal++;
    return found.adapter;
  }

  function place(digest: Digest, resident: Resident, adapter: Adapter): void {
    try {
      options.place(resident.slot, adapter);
    } catch (cause) {
      throw refused(digest, (cause as Error).message, cause);
    }
    resident.loaded = true;
  }

  function dropResident(digest: Digest, resident: Resident): void {
    residents.delete(digest);
    freeSlots.push(resident.slot);
  }

  function takeSlot(): number | undefined {
    const free = freeSlots.pop();
    if (free !== undefined) return free;
    for (const [digest, resident] of residents) {
      if (resident.leases > 0 || !resident.loaded) continue;
      residents.delete(digest);
      totals.slotEvictionsTotal++;
      return resident.slot;
    }
    return undefined;
  }

  function admit(digest: Digest, slot: number): Resident {
    const resident: Resident = { slot, leases: 0, loaded: false, ready: Promise.resolve() };
    residents.set(digest, resident);
    const fill = async () => {
      try {
        const remembered = recall(digest);
        if (remembered !== undefined) return place(digest, resident, remembered);
        const askedAtMs = performance.now();
        totals.loadsTotal++;
        const adapter = await readAdapter(digest, options);
        place(digest, resident, adapter);
        recentLoadsMs[loadsPlaced++ % recentLoadsMax] = performance.now() - askedAtMs;
        remember(digest, adapter);
      } catch (error) {
        totals.loadFailuresTotal++;
        dropResident(digest, resident);
        throw error;
      }
    };
    resident.ready = fill();
    // Whoever holds a lease hears of a failure; when all of them have left, nobody needs to.
    resident.ready.catch(() => {});
    return resident;
  }

  function lease(resident: Resident): Lease {
    resident.leases++;
    let held = true;
    return {
      slot: resident.slot,
      get loaded() {
        return resident.loaded;
      },
      ready: resident.ready,
      release() {
        if (held) resident.leases--;
        held = false;
      },
    };
  }

  function acquire(digest: Digest): Lease | undefined {
    const resident = residents.get(digest);
    if (resident !== undefined) {
      totals.slotHitsTotal++;
      residents.delete(digest);
      residents.set(digest, resident);
      return lease(resident);
    }
    const slot = takeSlot();
    return slot === undefined ? undefined : lease(admit(digest, slot));
  }

  return {
    acquire,
    async pin(digest) {
      const pinned = pins.get(digest);
      if (pinned !== undefined) return pinned.ready;
      if (pins.size >= options.slots - 1)
        throw new OpenLoraError(
          "invalid-request",
          `${pins.size} of ${options.slots} slots are pinned and one must stay free for other adapters: unpin one first, or serve with more slots.`,
          { slots: options.slots },
        );
      const held = acquire(digest);
      if (held === undefined)
        throw new OverloadedError(`All ${options.slots} adapter slots are in use: try again.`, 1_000);
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
      slots: options.slots,
      slotsHeld: residents.size,
      slotsLeased: [...residents.values()].filter(({ leases }) => leases > 0).length,
      pinned: pins.size,
      memoryAdapters: memory.size,
      memoryBytes,
      memoryBytesMax: options.memoryBytes,
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
export function parseAdapter(
  digest: Digest,
  files: AdapterFiles,
  base: { readonly name: string; readonly config: ModelConfig },
): Adapter {
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
    return readPeft(config, parseSafetensors(files.tensors, digest), base.config, digest);
  } catch (cause) {
    throw refused(digest, (cause as Error).message, cause);
  }
}

/** A model's name without the organisation or the folder it was loaded from: trainers write a path, or a hub's name. */
const ownName = (name: string) => name.split(/[\\/]/).findLast((part) => part !== "");
