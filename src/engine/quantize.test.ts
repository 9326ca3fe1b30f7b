import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createGraph } from "./onnx.ts";
import { dequantize, type QuantizedMatrix, type QuantizeOptions, quantize } from "./quantize.ts";
import { createRandom } from "./random.ts";
import { createSession, f32, run } from "./runtime.ts";

const kinds: readonly QuantizeOptions[] = [
  { bits: 8, block: 16, asymmetric: false },
  { bits: 8, block: 128, asymmetric: true },
  { bits: 4, block: 32, asymmetric: false },
  { bits: 4, block: 16, asymmetric: true },
];
const kind = fc.constantFrom(...kinds);
const shape = fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 150 }));
/** Weights of many sizes, some zero, some rows all of one sign. */
const matrix = fc.tuple(shape, fc.integer(), fc.constantFrom(-1, 0, 1)).map(([[out, inp], seed, sign]) => {
  const random = createRandom(seed);
  const size = 10 ** (random.uniform() * 12 - 6);
  const data = Float32Array.from({ length: out * inp }, () => {
    const value = random.uniform() < 0.1 ? 0 : random.normal() * size;
    return sign === 0 ? value : sign * Math.abs(value);
  });
  return { data, shape: [out, inp] as const };
});
const scaleAt = ({ scales, block, shape: [, inp] }: QuantizedMatrix, i: number) =>
  scales[Math.floor(i / inp) * Math.ceil(inp / block) + Math.floor((i % inp) / block)] as number;

test("no weight moves by more than half its block's scale, and zeros stay zeros", () => {
  fc.assert(
    fc.property(matrix, kind, ({ data, shape }, options) => {
      const quantized = quantize(data, shape, options);
      const back = dequantize(quantized);
      for (const [i, value] of data.entries()) {
        const moved = Math.abs((back[i] as number) - value);
        const most = scaleAt(quantized, i) * 0.50001;
        assert.ok(moved <= most, `${value} became ${back[i]}, at most ${most} away`);
        if (value === 0) assert.equal(back[i], 0);
      }
    }),
  );
});

test("a block that is a scale times the integers of its range stays as it is", () => {
  fc.assert(
    fc.property(
      shape,
      kind,
      fc.integer(),
      fc.integer({ min: -20, max: 20 }),
      ([out, inp], options, seed, e) => {
        const random = createRandom(seed);
        const half = 2 ** (options.bits - 1) - 1;
        const low = options.asymmetric ? -random.below(2 * half + 2) : -half;
        const high = options.asymmetric ? low + 2 * half + 1 : half;
        const scale = 2 ** e;
        const data = Float32Array.from({ length: out * inp }, (_, i) => {
          const within = (i % inp) % options.block;
          // Every block touches both ends of its range, unless it is too short to.
          const k = within === 0 ? high : within === 1 ? low : low + random.below(high - low + 1);
          return k * scale;
        });
        const back = dequantize(quantize(data, [out, inp], options));
        const short = inp % options.block === 1;
        for (const [i, value] of data.entries())
          if (!(short && i % inp === inp - 1))
            assert.equal(back[i] === 0 ? 0 : back[i], value === 0 ? 0 : value);
      },
    ),
  );
});

test("what is not finite, or not of the shape, is refused by name", () => {
  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    const data = new Float32Array(3 * 40).fill(1);
    data[1 * 40 + 35] = bad;
    assert.throws(
      () => quantize(data, [3, 40], { bits: 4, block: 32, asymmetric: true }),
      /NaN or an infinity in row 1, columns 32 to 39/,
    );
  }
  assert.throws(
    () => quantize(new Float32Array(5), [2, 3], kinds[0] as QuantizeOptions),
    /5 elements .* \[2,3\]/,
  );
});

test("MatMulNBits multiplies by exactly the weights these codes stand for", async () => {
  const random = createRandom(4);
  for (const options of kinds)
    for (const [N, K] of [
      [7, 256],
      [5, 48],
      [3, 144],
    ] as const) {
      const weight = Float32Array.from({ length: N * K }, () => random.normal());
      const quantized = quantize(weight, [N, K], options);
      const { bits, block, codes, scales, zeros } = quantized;
      const blocks = Math.ceil(K / block);
      const graph = createGraph();
      const from = [
        graph.input("x", "float32", ["M", K]),
        graph.initializer("codes", "uint8", [N, blocks, (block * bits) / 8], codes),
        graph.initializer("scales", "float32", [N, blocks], scales),
      ];
      if (zeros !== undefined) from.push(graph.initializer("zeros", "uint8", [N, zeros.length / N], zeros));
      // No accuracy level: the input stays float32, so that nothing but the weights is compared.
      const y = graph.op("MatMulNBits", from, { N, K, bits, block_size: block }, "com.microsoft");
      graph.output(y, "y", "float32", ["M", N]);
      const session = await createSession(graph.build(), { threads: 1 });
      const x = Float32Array.from({ length: 3 * K }, () => random.normal());
      const { y: actual } = await run(session, { x: f32(x, [3, K]) });
      const known = dequantize(quantized);
      for (let m = 0; m < 3; m++)
        for (let n = 0; n < N; n++) {
          let expected = 0;
          for (let k = 0; k < K; k++) expected += (x[m * K + k] as number) * (known[n * K + k] as number);
          const got = (actual as Float32Array)[m * N + n] as number;
          assert.ok(
            Math.abs(got - expected) < 1e-4,
            `${JSON.stringify(options)} ${N}×${K}: ${got}, ${expected}`,
          );
        }
    }
});
