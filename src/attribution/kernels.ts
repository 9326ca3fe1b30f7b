/**
 * The inner loops of the scans, in WebAssembly SIMD. All sums are exact integers; `scan.ts` has the same in plain JavaScript.
 *
 * Every kernel reads four places at once, a quarter of the rows apart: one load of the query serves four rows, and processors fetch ahead
 * along several streams faster than along one.
 */
import { type Code, type Locals, loop, op, WebAssembly, wasmFunction, wasmModule } from "./wasm.ts";

/** Places that are read at once. */
export const streams = 4;
/** Bytes by which the loops over int16 and int8 advance: a row's length in memory is a multiple of it. */
export const vectorBytes = 32;
/** Most numbers of an int8 row that are summed in 32 bits: 2¹⁹/8 pairs of products, 2 · 128 · 127 at most. */
export const int8Columns = 2 ** 19;
/** Rows whose codes lie interleaved byte by byte. */
export const codeRows = 16;
/** Bytes of one row's codes that are summed in 16 bits: 256 · 240 < 2¹⁶. */
const codeChunk = 256;

const names = (prefix: string) => Array.from({ length: streams }, (_, i) => `${prefix}${i}`);
/** Sets prefix0 … prefix3 to `from`, `from` + `apart`, … */
const spread = ({ get, set }: Locals, prefix: string, from: string, apart: string): Code[] =>
  names(prefix).map((name, i) => [
    ...get(i === 0 ? from : `${prefix}${i - 1}`),
    ...(i === 0 ? [] : [...get(apart), ...op.i32Add]),
    ...set(name),
  ]);
/** Four signed 32-bit lanes as two of 64 bits, by pairs. @param code leaves the lanes; it is put down twice */
const pairSums = (code: Code): Code => [
  ...code,
  ...op.i64x2ExtendLowI32x4S,
  ...code,
  ...op.i64x2ExtendHighI32x4S,
  ...op.i64x2Add,
];

/** Adds both 64-bit lanes of the local v to the float64 at the address `out`. */
const addToOut = ({ get }: Locals, out: string): Code => [
  ...get(out),
  ...get(out),
  ...op.f64Load(),
  ...get("v"),
  ...op.i64x2ExtractLane(0),
  ...get("v"),
  ...op.i64x2ExtractLane(1),
  ...op.i64Add,
  ...op.f64ConvertI64S,
  ...op.f64Add,
  ...op.f64Store(),
];

type RowKernel = {
  name: string;
  /** Vectors kept for each row, by their prefixes; they begin as zero. */
  kept: readonly string[];
  /** What one step of {@link vectorBytes} of a row loads, as eight 16-bit lanes each; the query's lanes lie 16 bytes apart. */
  loads: readonly Code[];
  /** Takes four sums of two products from the stack. */
  add: (locals: Locals, row: number) => Code;
  /** Leaves a row's total as two 64-bit lanes. */
  total: (locals: Locals, row: number) => Code;
};

/**
 * A function (row, apart, stride, length, query, out, outEnd), with n float64 between `out` and `outEnd`: for 4 n rows, at row + s · apart +
 * i · stride for s < 4 and i < n, the sum of products over the first `length` bytes is added to the float64 number s · n + i of `out`. The
 * query is in 16 bits for both kinds of rows.
 */
function rowKernel({ name, kept, loads, add, total }: RowKernel) {
  const rows = names("row");
  const vectors = kept.flatMap((prefix) => names(prefix));
  return wasmFunction(
    name,
    ["row", "apart", "stride", "length", "query", "out", "outEnd"],
    { i32: [...rows, ...names("out"), "outApart", "skip", "q", "end"], v128: [...vectors, "v", "pair"] },
    (locals) => {
      const { get, set, advance } = locals;
      const step = loads.map(
        (load, i): Code => [
          ...get("q"),
          ...op.v128Load(16 * i),
          ...set("v"),
          ...rows.flatMap((row, r) => [
            ...get(row),
            ...load,
            ...get("v"),
            ...op.i32x4DotI16x8S,
            ...add(locals, r),
          ]),
        ],
      );
      return [
        [...get("outEnd"), ...get("out"), ...op.i32Sub, ...set("outApart")],
        [...get("stride"), ...get("length"), ...op.i32Sub, ...set("skip")],
        ...spread(locals, "row", "row", "apart"),
        ...spread(locals, "out", "out", "outApart"),
        loop(
          [
            ...vectors.map((vector): Code => [...op.v128Zero, ...set(vector)]),
            [...get("row0"), ...get("length"), ...op.i32Add, ...set("end")],
            [...get("query"), ...set("q")],
            loop(
              [
                ...step,
                ...rows.map((row) => advance(row, op.i32Const(vectorBytes))),
                advance("q", op.i32Const(16 * loads.length)),
              ],
              [...get("row0"), ...get("end"), ...op.i32LtU],
            ),
            ...names("out").map(
              (out, r): Code => [...total(locals, r), ...set("v"), ...addToOut(locals, out)],
            ),
            ...rows.map((row) => advance(row, get("skip"))),
            ...names("out").map((out) => advance(out, op.i32Const(8))),
          ],
          [...get("out0"), ...get("outEnd"), ...op.i32LtU],
        ),
      ];
    },
  );
}

/**
 * Rows of at most 1,024 int16 and a query within ±32,767. A pair of products is at most 2 · 32,768 · 32,767 < 2³¹; 128 of them are not. So
 * every lane keeps T = Σ pair modulo 2³² and H = Σ (pair >> 16), at most 2²². The sum is 2¹⁶ H + L with 0 ≤ L = Σ (pair mod 2¹⁶) < 2²³,
 * and L = T − 2¹⁶ H modulo 2³², exactly.
 */
const int16 = rowKernel({
  name: "int16",
  kept: ["sum", "high"],
  loads: [op.v128Load(0), op.v128Load(16)],
  add: ({ get, set }, row) => [
    ...set("pair"),
    ...get(`sum${row}`),
    ...get("pair"),
    ...op.i32x4Add,
    ...set(`sum${row}`),
    ...get("pair"),
    ...op.i32Const(16),
    ...op.i32x4ShrS,
    ...get(`high${row}`),
    ...op.i32x4Add,
    ...set(`high${row}`),
  ],
  total: ({ get }, row) => [
    ...pairSums(get(`high${row}`)),
    ...op.i32Const(16),
    ...op.i64x2Shl,
    ...pairSums([
      ...get(`sum${row}`),
      ...get(`high${row}`),
      ...op.i32Const(16),
      ...op.i32x4Shl,
      ...op.i32x4Sub,
    ]),
    ...op.i64x2Add,
  ],
});

/** Rows of int8 and a query within ±127: a pair is at most 2 · 128 · 127 < 2¹⁵, and 2¹⁶ pairs of {@link int8Columns} fit in a lane. */
const int8 = rowKernel({
  name: "int8",
  kept: ["sum"],
  loads: [0, 8, 16, 24].map((offset) => op.v128Load8x8S(offset)),
  add: ({ get, set }, row) => [...get(`sum${row}`), ...op.i32x4Add, ...set(`sum${row}`)],
  total: ({ get }, row) => pairSums(get(`sum${row}`)),
});

/**
 * A function (codes, apart, length, tables, out, outEnd) over rows of four-bit codes, two a byte, {@link codeRows} rows together: byte j of
 * all of them, then byte j + 1, `length` bytes in all. `out` holds one int32 for each row of n such groups before `outEnd`. For the groups
 * at codes + s · apart + i · length, the entries that a row's codes pick from the tables, 16 bytes of 0 … 120 for every code, are added
 * to its number, s · n + i counting groups. A byte shuffle looks up 16 rows at once (André, Kermarrec and Le Scouarnec 2015, "Cache
 * locality is not enough", VLDB 9(4)). Even bytes belong to the first eight rows of a group.
 *
 * A byte's two entries sum to at most 240, 256 of those to less than 2¹⁶. With T = Σ of 16-bit lanes modulo 2¹⁶ and H = Σ of their upper
 * bytes, the lower bytes sum to T − 2⁸ H modulo 2¹⁶.
 */
const codes = wasmFunction(
  "codes",
  ["codes", "apart", "length", "tables", "out", "outEnd"],
  {
    i32: [...names("row"), ...names("out"), "outApart", "groupEnd", "chunkEnd", "table"],
    v128: [...names("sum"), ...names("high"), "mask", "low", "up", "v"],
  },
  (locals) => {
    const { get, set, advance } = locals;
    const each = (make: (i: number) => Code): Code[] => names("sum").map((_, i) => make(i));
    const flush = (out: string, offset: number, lanes: Code): Code =>
      [op.i32x4ExtendLowI16x8U, op.i32x4ExtendHighI16x8U].flatMap((extend, i) => [
        ...get(out),
        ...get(out),
        ...op.v128Load(offset + 16 * i),
        ...lanes,
        ...extend,
        ...op.i32x4Add,
        ...op.v128Store(offset + 16 * i),
      ]);
    return [
      [...op.i32Const(15), ...op.i8x16Splat, ...set("mask")],
      [...get("outEnd"), ...get("out"), ...op.i32Sub, ...set("outApart")],
      ...spread(locals, "row", "codes", "apart"),
      ...spread(locals, "out", "out", "outApart"),
      loop(
        [
          [...get("tables"), ...set("table")],
          [...get("row0"), ...get("length"), ...op.i32Add, ...set("groupEnd")],
          loop(
            [
              ...each((i) => [...op.v128Zero, ...set(`sum${i}`), ...op.v128Zero, ...set(`high${i}`)]),
              [...get("row0"), ...op.i32Const(codeRows * codeChunk), ...op.i32Add, ...set("chunkEnd")],
              [...get("chunkEnd"), ...get("groupEnd")],
              [...get("chunkEnd"), ...get("groupEnd"), ...op.i32LtU, ...op.select, ...set("chunkEnd")],
              loop(
                [
                  [...get("table"), ...op.v128Load(0), ...set("low")],
                  [...get("table"), ...op.v128Load(16), ...set("up")],
                  ...each((i) => [
                    ...get(`row${i}`),
                    ...op.v128Load(),
                    ...set("v"),
                    ...get("low"),
                    ...get("v"),
                    ...get("mask"),
                    ...op.v128And,
                    ...op.i8x16RelaxedSwizzle,
                    ...get("up"),
                    ...get("v"),
                    ...op.i32Const(4),
                    ...op.i16x8ShrU,
                    ...get("mask"),
                    ...op.v128And,
                    ...op.i8x16RelaxedSwizzle,
                    ...op.i8x16Add,
                    ...set("v"),
                    ...get(`sum${i}`),
                    ...get("v"),
                    ...op.i16x8Add,
                    ...set(`sum${i}`),
                    ...get("v"),
                    ...op.i32Const(8),
                    ...op.i16x8ShrU,
                    ...get(`high${i}`),
                    ...op.i16x8Add,
                    ...set(`high${i}`),
                    ...advance(`row${i}`, op.i32Const(codeRows)),
                  ]),
                  advance("table", op.i32Const(32)),
                ],
                [...get("row0"), ...get("chunkEnd"), ...op.i32LtU],
              ),
              ...each((i) => [
                ...flush(`out${i}`, 0, [
                  ...get(`sum${i}`),
                  ...get(`high${i}`),
                  ...op.i32Const(8),
                  ...op.i16x8Shl,
                  ...op.i16x8Sub,
                ]),
                ...flush(`out${i}`, 32, get(`high${i}`)),
              ]),
            ],
            [...get("row0"), ...get("groupEnd"), ...op.i32LtU],
          ),
          ...each((i) => advance(`out${i}`, op.i32Const(4 * codeRows))),
        ],
        [...get("out0"), ...get("outEnd"), ...op.i32LtU],
      ),
    ];
  },
);

/**
 * A function (from, apart, end, out): adds everything in [from + s · apart, end + s · apart), s < 4, as 64-bit lanes, to what is at `out`.
 * The least that any scan must do: how fast this goes is the bandwidth that scans are held against.
 */
const read = wasmFunction(
  "read",
  ["from", "apart", "end", "out"],
  { i32: names("row"), v128: names("sum") },
  (locals) => {
    const { get, set, advance } = locals;
    return [
      ...spread(locals, "row", "from", "apart"),
      loop(
        [
          ...[0, 16].flatMap((offset) =>
            names("row").map(
              (row, i): Code => [
                ...get(`sum${i}`),
                ...get(row),
                ...op.v128Load(offset),
                ...op.i64x2Add,
                ...set(`sum${i}`),
              ],
            ),
          ),
          ...names("row").map((row) => advance(row, op.i32Const(vectorBytes))),
        ],
        [...get("row0"), ...get("end"), ...op.i32LtU],
      ),
      [
        ...get("out"),
        ...get("out"),
        ...op.v128Load(),
        ...names("sum").flatMap((sum) => [...get(sum), ...op.i64x2Add]),
        ...op.v128Store(),
      ],
    ];
  },
);

/** What an instance of the module exports; addresses and lengths in bytes. */
export type Kernels = {
  readonly int16: RowScan;
  readonly int8: RowScan;
  readonly codes: (
    codes: number,
    apart: number,
    length: number,
    tables: number,
    out: number,
    outEnd: number,
  ) => void;
  readonly read: (from: number, apart: number, end: number, out: number) => void;
};
type RowScan = (
  row: number,
  apart: number,
  stride: number,
  length: number,
  query: number,
  out: number,
  outEnd: number,
) => void;

let compiled: InstanceType<typeof WebAssembly.Module> | undefined;

/** The kernels over a memory. */
export function instantiate(memory: InstanceType<typeof WebAssembly.Memory>): Kernels {
  compiled ??= new WebAssembly.Module(wasmModule([int16, int8, codes, read]));
  return new WebAssembly.Instance(compiled, { env: { memory } }).exports as Kernels;
}
