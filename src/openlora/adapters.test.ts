import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { moduleNames, packAdapter, packedBytes } from "../engine/index.ts";
import { bytesDigest, type Digest } from "../protocol/index.ts";
import { type AdapterFiles, type AdapterTiersOptions, createAdapterTiers, type Lease } from "./adapters.ts";
import { OpenLoraError } from "./errors.ts";
import { randomAdapter, tinyBaseName, tinyConfig } from "./fixtures/tiny-base.ts";

const made = Array.from({ length: 6 }, (_, seed) => randomAdapter(seed));
const digests = made.map(({ digest }) => digest);
const filesOf = new Map<Digest, AdapterFiles>(made.map(({ digest, files }) => [digest, files]));
const pause = () => new Promise((resolve) => setImmediate(resolve));
/** Bytes of one adapter in memory: f32 A and B of rank 4 on seven modules of two layers. */
const adapterBytes = 2 * 4 * (64 + 48 + 48 + 64 + 80 + 80 + 80) * 4;

/** Tiers whose loads are watched: which were asked for and are not answered yet. */
function watched(options: Partial<AdapterTiersOptions> = {}) {
  const loads: { digest: Digest; answer(files?: AdapterFiles): void; fail(error: Error): void }[] = [];
  const tiers = createAdapterTiers({
    base: { name: tinyBaseName, config: tinyConfig, rank: 8 },
    memoryBytes: 3 * adapterBytes,
    bytesPerAdapter: adapterBytes,
    loadTimeoutMs: 1_000,
    load(digest) {
      const { promise, resolve, reject } = Promise.withResolvers<AdapterFiles>();
      const answer = (files = filesOf.get(digest) as AdapterFiles) => resolve(files);
      loads.push({ digest, answer, fail: reject });
      return promise;
    },
    pack: (adapter) => packAdapter(tinyConfig, { rank: 4, modules: moduleNames }, adapter),
    ...options,
  });
  return { tiers, loads };
}

async function loaded(w: ReturnType<typeof watched>, digest: Digest | undefined): Promise<Lease> {
  const lease = w.tiers.acquire(digest as Digest);
  for (const load of w.loads.splice(0)) load.answer();
  await lease.ready;
  return lease;
}

test("bytes are counted as rows hold them", () => {
  assert.equal(packedBytes(tinyConfig, { rank: 4, modules: moduleNames }), adapterBytes);
});

test("concurrent first uses load once and share what was loaded", async () => {
  const { tiers, loads } = watched();
  const leases = [0, 1, 2].map(() => tiers.acquire(digests[0] as Digest));
  assert.equal(loads.length, 1);
  assert.deepEqual(
    leases.map(({ adapter }) => adapter),
    [undefined, undefined, undefined],
  );
  loads[0]?.answer();
  const adapters = await Promise.all(leases.map(({ ready }) => ready));
  assert.equal(new Set(adapters).size, 1);
  assert.equal(leases[2]?.adapter, adapters[0]);
  assert.equal(tiers.metrics().loadsTotal, 1);
});

test("the adapter least recently used leaves memory, and never one that is held", async () => {
  const w = watched();
  const [first, second] = [await loaded(w, digests[0]), await loaded(w, digests[1])];
  (await loaded(w, digests[2])).release();
  first.release();
  w.tiers.acquire(digests[0] as Digest).release();
  (await loaded(w, digests[3])).release(); // the third goes
  (await loaded(w, digests[4])).release(); // the first goes: the second is held
  assert.equal(w.tiers.metrics().memoryAdapters, 3);
  assert.ok(w.tiers.acquire(digests[1] as Digest).adapter);
  assert.equal(w.tiers.acquire(digests[0] as Digest).adapter, undefined);
  assert.equal(w.tiers.metrics().memoryEvictionsTotal, 3);
  second.release();
});

test("more adapters than memory holds can be held, and the surplus leaves when it is released", async () => {
  const w = watched({ memoryBytes: adapterBytes });
  const leases = [];
  for (const digest of digests.slice(0, 4)) leases.push(await loaded(w, digest));
  assert.equal(w.tiers.metrics().memoryAdapters, 4);
  for (const lease of leases) lease.release();
  assert.equal(w.tiers.metrics().memoryBytes, adapterBytes);
});

test("releasing twice does not release somebody else's lease", async () => {
  const w = watched({ memoryBytes: 0 });
  const one = await loaded(w, digests[0]);
  const other = w.tiers.acquire(digests[0] as Digest);
  one.release();
  one.release();
  assert.equal(w.tiers.metrics().memoryAdapters, 1);
  other.release();
  assert.equal(w.tiers.metrics().memoryAdapters, 0);
});

test("reading ahead fills memory that nobody holds, and no more", async () => {
  const w = watched({ memoryBytes: 2 * adapterBytes });
  const held = await loaded(w, digests[0]);
  w.tiers.prefetch(digests[0] as Digest);
  w.tiers.prefetch(digests[1] as Digest);
  w.tiers.prefetch(digests[1] as Digest);
  w.tiers.prefetch(digests[2] as Digest); // no room: one is held, one on its way
  assert.deepEqual(
    w.loads.map(({ digest }) => digest),
    [digests[1]],
  );
  for (const load of w.loads.splice(0)) load.answer();
  await pause();
  assert.ok(w.tiers.acquire(digests[1] as Digest).adapter);
  held.release();
});

test("reading ahead gives up nothing that is expected earlier", async () => {
  const w = watched({ memoryBytes: 2 * adapterBytes });
  const used = await loaded(w, digests[0]);
  used.release();
  for (const which of [0, 1, 2, 3]) {
    w.tiers.prefetch(digests[which] as Digest);
    for (const load of w.loads.splice(0)) load.answer();
    await pause();
  }
  assert.equal(w.tiers.metrics().loadsTotal, 2);
  for (const which of [0, 1]) {
    const lease = w.tiers.acquire(digests[which] as Digest);
    assert.ok(lease.adapter, `adapter ${which} had to make room for one that is needed later`);
    lease.release();
  }
  w.tiers.prefetch(digests[2] as Digest);
  assert.equal(w.loads.length, 1);
});

test("pinned adapters stay; no more are pinned than memory holds", async () => {
  const w = watched({ memoryBytes: 2 * adapterBytes });
  const pinned = w.tiers.pin(digests[0] as Digest);
  w.loads.splice(0)[0]?.answer();
  await pinned;
  await w.tiers.pin(digests[0] as Digest);
  for (const digest of digests.slice(1)) (await loaded(w, digest)).release();
  assert.ok(w.tiers.acquire(digests[0] as Digest).adapter);
  assert.equal(w.tiers.metrics().loadsTotal, 6);
  assert.equal(w.tiers.metrics().recentLoadsMs.length, 6);
  assert.ok(w.tiers.metrics().recentLoadsMs.every((ms) => ms > 0));
  const second = w.tiers.pin(digests[1] as Digest);
  w.loads.splice(0)[0]?.answer();
  await second;
  await assert.rejects(w.tiers.pin(digests[2] as Digest), { code: "invalid-request", message: /unpin one/ });
  w.tiers.unpin(digests[0] as Digest);
  const failing = w.tiers.pin(digests[3] as Digest);
  w.loads.splice(0)[0]?.fail(new Error("no such blob"));
  await assert.rejects(failing, { code: "adapter-unavailable" });
  assert.equal(w.tiers.metrics().pinned, 1);
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
  test(`an adapter ${what} is refused by name and leaves nothing behind`, async () => {
    const bad = files();
    const w = watched();
    const leases = [w.tiers.acquire(bad.digest), w.tiers.acquire(bad.digest)];
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
    assert.equal(w.tiers.metrics().memoryBytes, 0);
    assert.ok(await loaded(w, digests[1]));
  });

test("an adapter that does not fit the rows is refused by name", async () => {
  const w = watched({
    pack: (adapter) => packAdapter(tinyConfig, { rank: 2, modules: moduleNames }, adapter),
  });
  const lease = w.tiers.acquire(digests[0] as Digest);
  w.loads[0]?.answer();
  await assert.rejects(lease.ready, { code: "adapter-refused", message: /rank 4.*up to 2/ });
});

test("an adapter that cannot be read, or not in time, is unavailable; the next use tries again", async () => {
  const w = watched({ loadTimeoutMs: 20 });
  const failing = w.tiers.acquire(digests[0] as Digest);
  w.loads.splice(0)[0]?.fail(new Error("no such blob"));
  await assert.rejects(failing.ready, { code: "adapter-unavailable", message: /no such blob/ });
  const late = w.tiers.acquire(digests[0] as Digest);
  await assert.rejects(late.ready, { code: "adapter-unavailable", message: /within 20 ms/ });
  assert.ok((await loaded(w, digests[0])).adapter);
  assert.equal(w.tiers.metrics().loadFailuresTotal, 2);
});

test("whatever comes and goes: what is held stays, loads are not doubled, memory stays within its bound", async () => {
  const operation = fc.oneof(
    { weight: 3, arbitrary: fc.record({ do: fc.constant("acquire" as const), which: fc.nat(5) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("prefetch" as const), which: fc.nat(5) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("release" as const), which: fc.nat(20) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("answer" as const), which: fc.nat(20) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("fail" as const), which: fc.nat(20) }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { maxLength: 40 }), fc.nat(3), async (ops, fits) => {
      const { tiers, loads } = watched({ memoryBytes: fits * adapterBytes });
      const leases: { digest: Digest; lease: Lease; failed: boolean; seen: unknown }[] = [];
      for (const op of ops) {
        if (op.do === "acquire") {
          const digest = digests[op.which] as Digest;
          const entry = { digest, lease: tiers.acquire(digest), failed: false, seen: undefined as unknown };
          entry.lease.ready.catch(() => {
            entry.failed = true;
          });
          leases.push(entry);
        } else if (op.do === "prefetch") tiers.prefetch(digests[op.which] as Digest);
        else if (op.do === "release") {
          const [entry] = leases.splice(op.which % Math.max(1, leases.length), 1);
          entry?.lease.release();
        } else {
          const [load] = loads.splice(op.which % Math.max(1, loads.length), 1);
          if (op.do === "answer") load?.answer();
          else load?.fail(new Error("lost"));
        }
        await pause();
        const { memoryAdapters, leased } = tiers.metrics();
        assert.equal(new Set(loads.map(({ digest }) => digest)).size, loads.length, "a load was doubled");
        const held = new Set(leases.filter(({ failed }) => !failed).map(({ digest }) => digest));
        assert.equal(leased, held.size);
        const needed = new Set([...held, ...loads.map(({ digest }) => digest)]).size;
        assert.ok(memoryAdapters <= Math.max(fits, needed), `${memoryAdapters} of ${fits}, ${needed} needed`);
        for (const entry of leases) {
          entry.seen ??= entry.lease.adapter;
          if (entry.seen === undefined) continue;
          assert.equal(entry.lease.adapter, entry.seen);
          const again = tiers.acquire(entry.digest);
          assert.equal(again.adapter, entry.seen, "a held adapter left memory");
          again.release();
        }
      }
    }),
    { numRuns: 80 },
  );
});
