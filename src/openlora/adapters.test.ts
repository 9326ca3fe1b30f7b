import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { bytesDigest, type Digest } from "../protocol/index.ts";
import { type AdapterFiles, type AdapterTiersOptions, createAdapterTiers, type Lease } from "./adapters.ts";
import { OpenLoraError, OverloadedError } from "./errors.ts";
import { randomAdapter, tinyBaseName, tinyConfig } from "./fixtures/tiny-base.ts";

const made = Array.from({ length: 6 }, (_, seed) => randomAdapter(seed));
const digests = made.map(({ digest }) => digest);
const filesOf = new Map<Digest, AdapterFiles>(made.map(({ digest, files }) => [digest, files]));
/** Bytes of one parsed adapter: f32 A and B of rank 4 on seven modules of two layers. */
const adapterBytes = 2 * 4 * (64 + 48 + 48 + 64 + 80 + 80 + 80) * 4;

/** Tiers over slots that are watched: what is in each, and which loads were asked for and not yet answered. */
function watched(options: Partial<AdapterTiersOptions> = {}) {
  const inSlot = new Map<number, unknown>();
  const loads: { digest: Digest; answer(files?: AdapterFiles): void; fail(error: Error): void }[] = [];
  const tiers = createAdapterTiers({
    base: { name: tinyBaseName, config: tinyConfig },
    slots: 2,
    memoryBytes: 3 * adapterBytes,
    loadTimeoutMs: 1_000,
    load(digest) {
      const { promise, resolve, reject } = Promise.withResolvers<AdapterFiles>();
      const answer = (files = filesOf.get(digest) as AdapterFiles) => resolve(files);
      loads.push({ digest, answer, fail: reject });
      return promise;
    },
    place: (slot, adapter) => inSlot.set(slot, adapter),
    ...options,
  });
  return { tiers, inSlot, loads };
}

const take = (tiers: ReturnType<typeof watched>["tiers"], digest: Digest | undefined): Lease => {
  const lease = tiers.acquire(digest as Digest);
  assert.ok(lease, "expected a lease");
  return lease;
};

async function loaded(w: ReturnType<typeof watched>, digest: Digest | undefined): Promise<Lease> {
  const lease = take(w.tiers, digest);
  for (const load of w.loads.splice(0)) load.answer();
  await lease.ready;
  return lease;
}

test("concurrent first uses load once and share a slot", async () => {
  const { tiers, loads, inSlot } = watched();
  const leases = [0, 1, 2].map(() => take(tiers, digests[0]));
  assert.equal(loads.length, 1);
  assert.deepEqual(
    leases.map(({ loaded }) => loaded),
    [false, false, false],
  );
  loads[0]?.answer();
  await Promise.all(leases.map(({ ready }) => ready));
  assert.equal(new Set(leases.map(({ slot }) => slot)).size, 1);
  assert.equal(inSlot.size, 1);
  assert.equal(tiers.metrics().loadsTotal, 1);
});

test("the slot least recently used is given away, and never one in use", async () => {
  const w = watched();
  const first = await loaded(w, digests[0]);
  const second = await loaded(w, digests[1]);
  assert.equal(w.tiers.acquire(digests[2] as Digest), undefined, "both slots are leased");
  first.release();
  second.release();
  take(w.tiers, digests[0]).release();
  const third = await loaded(w, digests[2]);
  assert.equal(third.slot, second.slot);
  const fourth = await loaded(w, digests[3]);
  assert.equal(fourth.slot, first.slot);
  assert.equal(w.tiers.acquire(digests[4] as Digest), undefined);
  assert.equal(w.tiers.metrics().slotEvictionsTotal, 2);
});

test("releasing twice does not release somebody else's lease", async () => {
  const w = watched({ slots: 1 });
  const one = await loaded(w, digests[0]);
  const other = take(w.tiers, digests[0]);
  one.release();
  one.release();
  assert.equal(w.tiers.acquire(digests[1] as Digest), undefined);
  other.release();
  assert.ok(w.tiers.acquire(digests[1] as Digest));
});

test("an adapter that left its slot comes back from memory at once, one that left memory is read again", async () => {
  const w = watched({ slots: 1, memoryBytes: 2 * adapterBytes });
  for (const digest of digests.slice(0, 3)) (await loaded(w, digest)).release();
  assert.equal(w.tiers.metrics().memoryBytes, 2 * adapterBytes);
  const back = take(w.tiers, digests[1]);
  assert.ok(back.loaded);
  assert.equal(w.loads.length, 0);
  back.release();
  const again = take(w.tiers, digests[0]);
  assert.ok(!again.loaded);
  assert.deepEqual(
    w.loads.map(({ digest }) => digest),
    [digests[0]],
  );
});

test("an adapter larger than the memory tier is served without it", async () => {
  const w = watched({ memoryBytes: adapterBytes - 1 });
  (await loaded(w, digests[0])).release();
  assert.equal(w.tiers.metrics().memoryBytes, 0);
  assert.ok(take(w.tiers, digests[0]).loaded);
});

test("pinned adapters stay, one slot stays free of pins", async () => {
  const w = watched();
  const pinned = w.tiers.pin(digests[0] as Digest);
  w.loads.splice(0)[0]?.answer();
  await pinned;
  await w.tiers.pin(digests[0] as Digest);
  for (const digest of digests.slice(1)) (await loaded(w, digest)).release();
  assert.ok(take(w.tiers, digests[0]).loaded);
  assert.equal(w.tiers.metrics().loadsTotal, 6);
  assert.equal(w.tiers.metrics().recentLoadsMs.length, 6);
  assert.ok(w.tiers.metrics().recentLoadsMs.every((ms) => ms > 0));
  await assert.rejects(w.tiers.pin(digests[1] as Digest), { code: "invalid-request", message: /unpin one/ });
  w.tiers.unpin(digests[0] as Digest);
  const busy = await loaded(w, digests[5]);
  assert.equal(w.tiers.acquire(digests[4] as Digest), undefined, "a request still runs on the unpinned one");
  await assert.rejects(w.tiers.pin(digests[4] as Digest), OverloadedError);
  busy.release();
});

const refusals: { what: string; files: () => { digest: Digest; files: AdapterFiles }; message: RegExp }[] = [
  {
    what: "of which one byte has changed",
    files: () => {
      const { digest, files } = made[0] as (typeof made)[number];
      const tensors = Uint8Array.from(files.tensors);
      tensors[tensors.length - 1] = (tensors.at(-1) as number) ^ 1;
      return { digest, files: { ...files, tensors } };
    },
    message: /have the digest 0x.*damaged/,
  },
  {
    what: "that is torn",
    files: () => {
      const tensors = (made[0] as (typeof made)[number]).files.tensors.slice(0, 5_000);
      return {
        digest: bytesDigest(tensors),
        files: { ...(made[0] as (typeof made)[number]).files, tensors },
      };
    },
    message: /not a whole safetensors file/,
  },
  {
    what: "of another base by name",
    files: () => randomAdapter(1, { baseName: "tests/other" }),
    message: /made for the base model "tests\/other", this is "tests\/tiny"/,
  },
  {
    what: "of another base by shape",
    files: () => randomAdapter(1, { config: { ...tinyConfig, hidden: 40 } }),
    message: /shape/,
  },
  {
    what: "without a readable config",
    files: () => ({
      digest: digests[0] as Digest,
      files: { ...(made[0] as (typeof made)[number]).files, config: new TextEncoder().encode("{") },
    }),
    message: /adapter_config.json is not JSON/,
  },
];

for (const { what, files, message } of refusals)
  test(`an adapter ${what} is refused by name and leaves its slot`, async () => {
    const bad = files();
    const w = watched({ slots: 1 });
    const leases = [take(w.tiers, bad.digest), take(w.tiers, bad.digest)];
    w.loads.splice(0)[0]?.answer(bad.files);
    for (const lease of leases)
      await assert.rejects(lease.ready, (error: unknown) => {
        assert.ok(error instanceof OpenLoraError);
        assert.equal(error.code, "adapter-refused");
        assert.equal(error.details.adapter, bad.digest);
        assert.ok(error.message.includes(bad.digest));
        assert.match(error.message, message);
        return true;
      });
    for (const lease of leases) lease.release();
    assert.equal(w.inSlot.size, 0);
    assert.equal(w.tiers.metrics().memoryBytes, 0);
    assert.ok(await loaded(w, digests[1]));
  });

test("an adapter that does not fit its slot is refused by name", async () => {
  const w = watched({
    place() {
      throw new RangeError("An adapter of rank 4 does not fit slots of rank 2.");
    },
  });
  const lease = take(w.tiers, digests[0]);
  w.loads[0]?.answer();
  await assert.rejects(lease.ready, { code: "adapter-refused", message: /rank 4 does not fit/ });
});

test("an adapter that cannot be read, or not in time, is unavailable; the next use tries again", async () => {
  const w = watched({ loadTimeoutMs: 20 });
  const failing = take(w.tiers, digests[0]);
  w.loads.splice(0)[0]?.fail(new Error("no such blob"));
  await assert.rejects(failing.ready, { code: "adapter-unavailable", message: /no such blob/ });
  const late = take(w.tiers, digests[0]);
  await assert.rejects(late.ready, { code: "adapter-unavailable", message: /within 20 ms/ });
  assert.ok((await loaded(w, digests[0])).loaded);
  assert.equal(w.tiers.metrics().loadFailuresTotal, 2);
});

test("whatever comes and goes: leased slots keep their adapter, loads are not doubled, memory stays within its bound", async () => {
  const operation = fc.oneof(
    { weight: 3, arbitrary: fc.record({ do: fc.constant("acquire" as const), which: fc.nat(5) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("release" as const), which: fc.nat(20) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("answer" as const), which: fc.nat(20) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("fail" as const), which: fc.nat(20) }) },
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(operation, { maxLength: 40 }),
      fc.integer({ min: 1, max: 3 }),
      async (ops, slots) => {
        const memoryBytes = 2 * adapterBytes;
        const { tiers, loads, inSlot } = watched({ slots, memoryBytes });
        const leases: { digest: Digest; lease: Lease; failed: boolean; placed: unknown }[] = [];
        for (const op of ops) {
          if (op.do === "acquire") {
            const digest = digests[op.which] as Digest;
            const lease = tiers.acquire(digest);
            const live = leases.filter(({ failed }) => !failed);
            const inUse = new Set([...live.map((l) => l.digest), ...loads.map((l) => l.digest)]);
            if (lease === undefined) {
              assert.equal(inUse.size, slots);
              assert.ok(!inUse.has(digest));
            } else {
              const entry = { digest, lease, failed: false, placed: undefined as unknown };
              lease.ready.then(
                () => {
                  entry.placed = inSlot.get(lease.slot);
                },
                () => {
                  entry.failed = true;
                },
              );
              leases.push(entry);
            }
          } else if (op.do === "release") {
            const [entry] = leases.splice(op.which % Math.max(1, leases.length), 1);
            entry?.lease.release();
          } else {
            const [load] = loads.splice(op.which % Math.max(1, loads.length), 1);
            if (op.do === "answer") load?.answer();
            else load?.fail(new Error("lost"));
          }
          await new Promise((resolve) => setImmediate(resolve));
          assert.equal(new Set(loads.map(({ digest }) => digest)).size, loads.length, "a load was doubled");
          assert.ok(tiers.metrics().memoryBytes <= memoryBytes);
          const slotOf = new Map<Digest, number>();
          for (const { digest, lease, failed, placed } of leases) {
            if (failed) continue;
            assert.equal(slotOf.get(digest) ?? lease.slot, lease.slot, "one adapter, two slots");
            slotOf.set(digest, lease.slot);
            if (placed !== undefined)
              assert.equal(inSlot.get(lease.slot), placed, "a leased slot was overwritten");
          }
          assert.equal(new Set(slotOf.values()).size, slotOf.size, "one slot, two adapters");
        }
      },
    ),
    { numRuns: 60 },
  );
});
