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
import { widenAdapter } from "./widen.ts";

const base = loadCheckpoint(new URL("../../models/openledger-tiny", import.meta.url).pathname);
const lora = { rank: 3, scale: 2, modules: ["q_proj", "down_proj"] } as const;
const random = createRandom(1);
const adapter = initialAdapter(base.config, lora, 1);
for (const { data } of adapter.tensors.values())
  for (let i = 0; i < data.length; i++) if (data[i] === 0) data[i] = 0.02 * random.normal();
const moments = new Map(
  [...adapter.tensors].map(([name, { data }]) => [name, Float32Array.from(data, () => random.uniform())]),
);
const ids = (count: number) => Array.from({ length: count }, () => random.below(base.config.vocab));
const sequences = [sequenceOf(ids(5), ids(7), 16), sequenceOf(ids(2), ids(9), 16)];
const wide = widenAdapter(base.config, adapter, moments, 5, 9);
const options = { parts: ["B"], positions: 16, threads: 1 } as const;

test("a widened adapter is the same model", async () => {
  const [before, after] = [lora, wide.adapter.config].map((of) => createEvaluator(base, of, 16, 1));
  const { losses } = await (await before!)(adapter, sequences);
  const again = await (await after!)(wide.adapter, sequences);
  losses.forEach((loss, i) => {
    assert.ok(Math.abs(loss - (again.losses[i] as number)) < 1e-5, `${loss} ${again.losses[i]}`);
  });
});

test("its gradient holds the adapter's own, and as much again along the new directions", async () => {
  const own = await createGradients(base, lora, options);
  const more = await createGradients(base, wide.adapter.config, options);
  const a = (await own.rows(adapter, sequences)).data;
  const b = (await more.rows(wide.adapter, sequences)).data;
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

test("second moments keep their places; a new column has its row's mean", () => {
  const name = [...moments.keys()].find((key) => key.endsWith("lora_B")) as string;
  const v = moments.get(name) as Float32Array;
  const wider = wide.secondMoments.get(name) as Float32Array;
  const mean = ((v[3] as number) + (v[4] as number) + (v[5] as number)) / 3;
  assert.deepEqual(wider.subarray(8, 11), v.subarray(3, 6));
  assert.ok(wider.subarray(11, 16).every((x) => Math.abs(x - mean) < 1e-6));
});
