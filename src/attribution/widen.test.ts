import assert from "node:assert/strict";
import { test } from "node:test";
import {
  createEvaluator,
  createGradients,
  createRandom,
  initialAdapter,
  loadCheckpoint,
  sequenceOf,
} from "../engine/index.ts";
import { adamMetric } from "./influence.ts";
import { directionsOf, directionsToRead, maxDirections, readDirections, widenAdapter } from "./widen.ts";

const base = loadCheckpoint(new URL("../../models/openledger-tiny", import.meta.url).pathname);
const lora = { rank: 3, scale: 2, modules: ["q_proj", "down_proj"] } as const;
const random = createRandom(1);
const adapter = initialAdapter(base.config, lora, 1);
for (const { data } of adapter.tensors.values())
  for (let i = 0; i < data.length; i++) if (data[i] === 0) data[i] = 0.02 * random.normal();
const ids = (count: number) => Array.from({ length: count }, () => random.below(base.config.vocab));
const sequences = [sequenceOf(ids(5), ids(7), 16), sequenceOf(ids(2), ids(9), 16)];
const wide = widenAdapter(base.config, adapter, 8);
const options = { parts: ["B"], positions: 16, threads: 1 } as const;

test("a widened adapter is the same model", async () => {
  const [before, after] = [lora, wide.config].map((of) => createEvaluator(base, of, 16, 1));
  const { losses } = await (await before!)(adapter, sequences);
  const again = await (await after!)(wide, sequences);
  losses.forEach((loss, i) => {
    assert.ok(Math.abs(loss - (again.losses[i] as number)) < 1e-5, `${loss} ${again.losses[i]}`);
  });
});

test("its gradient holds the adapter's own, and as much again along the new directions", async () => {
  const own = await createGradients(base, lora, options);
  const more = await createGradients(base, wide.config, options);
  const a = (await own.rows(adapter, sequences)).data;
  const b = (await more.rows(wide, sequences)).data;
  let [worst, largest, added] = [0, 0, 0];
  own.segments.forEach(({ offset, shape: [height] }, s) => {
    const wider = more.segments[s]!;
    for (let i = 0; i < height; i++)
      for (let r = 0; r < 8; r++) {
        const there = b[wider.offset + 8 * i + r] as number;
        if (r >= 3) added = Math.max(added, Math.abs(there));
        else {
          worst = Math.max(worst, Math.abs(there - (a[offset + 3 * i + r] as number)));
          largest = Math.max(largest, Math.abs(there));
        }
      }
  });
  assert.ok(worst < 1e-4 * largest, `${worst} of ${largest}`);
  assert.ok(added > 0.1 * largest, `${added} of ${largest}`);
});

test("second moments keep their places; a new column has its row's mean; others are refused", async () => {
  const { segments, width } = await createGradients(base, wide.config, options);
  const moments = new Map(
    [...adapter.tensors].map(([name, { data }]) => [name, Float32Array.from(data, () => random.uniform())]),
  );
  const metric = adamMetric(segments, width, (name) => moments.get(name) as Float32Array, 1);
  const { name, offset } = segments[1]!;
  const v = (moments.get(name) as Float32Array).subarray(3, 6);
  // D is √v̂ plus the same for all numbers, so differences of D are those of √v̂.
  const d = (j: number) => 1 / (metric[offset + 8 + j] as number) ** 2;
  const root = (x: number) => Math.sqrt(x);
  const mean = ((v[0] as number) + (v[1] as number) + (v[2] as number)) / 3;
  for (const [j, expected] of [
    [1, root(v[1] as number)],
    [2, root(v[2] as number)],
    [3, root(mean)],
    [7, root(mean)],
  ] as const)
    assert.ok(Math.abs(d(j) - d(0) - (expected - root(v[0] as number))) < 1e-5);
  assert.throws(() => adamMetric(segments, width, () => new Float32Array(7), 1), /has 7 values/);
});

test("directions are told from a gradient's numbers; adapters of a high rank stay as they are", () => {
  const total = 8 * base.config.layers * (base.config.heads * base.config.headDim + base.config.hidden);
  assert.equal(directionsOf(base.config, adapter, total), 8);
  assert.equal(widenAdapter(base.config, adapter).config.rank, readDirections);
  const large = { ...base.config, hidden: 4096, layers: 30 };
  assert.equal(directionsToRead(large, lora), 8);
  assert.equal(directionsToRead({ ...large, hidden: 16384 }, lora), lora.rank);
  const high = initialAdapter(base.config, { ...lora, rank: readDirections + 4 }, 1);
  assert.equal(widenAdapter(base.config, high), high);
  assert.throws(() => widenAdapter(base.config, adapter, 2), RangeError);
  assert.throws(() => widenAdapter(base.config, adapter, maxDirections + 1), RangeError);
});
