/**
 * A WebAssembly assembler of a few dozen lines: enough to write a loop over SIMD vectors in TypeScript, so that no compiler and no binary
 * is needed. Encoding: WebAssembly Core Specification 2.0, chapter 5.
 */

/** Bytes of instructions, in order. */
export type Code = readonly number[];

const valueTypes = { i32: 0x7f, v128: 0x7b } as const;

/** LEB128, unsigned. */
export function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let left = value >>> 0;
  do {
    const byte = left & 0x7f;
    left >>>= 7;
    bytes.push(left === 0 ? byte : byte | 0x80);
  } while (left !== 0);
  return bytes;
}

/** LEB128, signed. */
function signed(value: number): number[] {
  const bytes: number[] = [];
  let left = value | 0;
  for (;;) {
    const byte = left & 0x7f;
    left >>= 7;
    if ((left === 0 && (byte & 0x40) === 0) || (left === -1 && (byte & 0x40) !== 0)) return [...bytes, byte];
    bytes.push(byte | 0x80);
  }
}

const simd = (code: number, ...rest: number[]): Code => [0xfd, ...unsigned(code), ...rest];
const memory =
  (prefix: (...rest: number[]) => Code, alignment: number) =>
  (offset = 0): Code =>
    prefix(alignment, ...unsigned(offset));

/** The instructions that the kernels use, by their names in the specification. Loads and stores take a constant byte offset. */
export const op = {
  i32Const: (value: number): Code => [0x41, ...signed(value)],
  i32Add: [0x6a],
  i32Sub: [0x6b],
  i32LtU: [0x49],
  /** The first of two values if the third is not zero, else the second. */
  select: [0x1b],
  f64Add: [0xa0],
  f64ConvertI64S: [0xb9],
  i64Add: [0x7c],
  f64Load: memory((...rest) => [0x2b, ...rest], 3),
  f64Store: memory((...rest) => [0x39, ...rest], 3),
  v128Load: memory((...rest) => simd(0, ...rest), 4),
  /** Eight signed bytes, widened to 16 bits each. */
  v128Load8x8S: memory((...rest) => simd(1, ...rest), 3),
  v128Store: memory((...rest) => simd(11, ...rest), 4),
  v128And: simd(78),
  i8x16Splat: simd(15),
  i8x16Add: simd(110),
  /** Bytes of the first operand by the low bits of the second's; defined only for indices below 16 (relaxed SIMD). */
  i8x16RelaxedSwizzle: simd(0x100),
  i16x8ShrU: simd(141),
  i16x8Shl: simd(139),
  i16x8Add: simd(142),
  i16x8Sub: simd(145),
  i32x4ExtendLowI16x8U: simd(169),
  i32x4ExtendHighI16x8U: simd(170),
  i32x4Shl: simd(171),
  i32x4ShrS: simd(172),
  i32x4Add: simd(174),
  i32x4Sub: simd(177),
  /** Products of signed 16-bit lanes, neighbours added: 8 × 16 bits to 4 × 32. */
  i32x4DotI16x8S: simd(186),
  i64x2ExtendLowI32x4S: simd(199),
  i64x2ExtendHighI32x4S: simd(200),
  i64x2Shl: simd(203),
  i64x2Add: simd(206),
  i64x2ExtractLane: (lane: 0 | 1): Code => simd(29, lane),
  v128Zero: simd(12, ...new Array<number>(16).fill(0)),
} as const;

/** Instructions on a function's parameters and locals, by name. */
export type Locals = {
  readonly get: (name: string) => Code;
  readonly set: (name: string) => Code;
  /** name += the value that `code` leaves, a 32-bit integer. */
  readonly advance: (name: string, code: Code) => Code;
};

export type WasmFunction = { readonly name: string; readonly parameters: number; readonly bytes: Code };

/**
 * A function that returns nothing.
 *
 * @param parameters names of 32-bit integers
 * @param locals names of further ones, by type
 * @throws RangeError when the body names what is not there
 */
export function wasmFunction(
  name: string,
  parameters: readonly string[],
  locals: { readonly i32: readonly string[]; readonly v128: readonly string[] },
  body: (names: Locals) => readonly Code[],
): WasmFunction {
  const names = [...parameters, ...locals.i32, ...locals.v128];
  const at = (local: string) => {
    const index = names.indexOf(local);
    if (index < 0) throw new RangeError(`The function ${name} has no local named ${local}.`);
    return unsigned(index);
  };
  const get = (local: string): Code => [0x20, ...at(local)];
  const set = (local: string): Code => [0x21, ...at(local)];
  const advance = (local: string, code: Code): Code => [...get(local), ...code, ...op.i32Add, ...set(local)];
  const code = [
    0x02,
    ...unsigned(locals.i32.length),
    valueTypes.i32,
    ...unsigned(locals.v128.length),
    valueTypes.v128,
    ...body({ get, set, advance }).flat(),
    0x0b,
  ];
  return { name, parameters: parameters.length, bytes: [...unsigned(code.length), ...code] };
}

/** Runs `body` once, and again as long as `condition` leaves a number other than zero. */
export const loop = (body: readonly Code[], condition: Code): Code => [
  0x03,
  0x40,
  ...body.flat(),
  ...condition,
  0x0d,
  0x00,
  0x0b,
];

/** A module that imports its memory as `env.memory` and exports the functions. */
export function wasmModule(functions: readonly WasmFunction[]): Uint8Array<ArrayBuffer> {
  const text = (value: string) => [...unsigned(value.length), ...new TextEncoder().encode(value)];
  const section = (id: number, count: number, content: readonly number[]) => {
    const bytes = [...unsigned(count), ...content];
    return [id, ...unsigned(bytes.length), ...bytes];
  };
  const counts = functions.length;
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(
      1,
      counts,
      functions.flatMap(({ parameters }) => [
        0x60,
        ...unsigned(parameters),
        ...new Array<number>(parameters).fill(valueTypes.i32),
        0x00,
      ]),
    ),
    ...section(2, 1, [...text("env"), ...text("memory"), 0x02, 0x00, 0x01]),
    ...section(
      3,
      counts,
      functions.flatMap((_, i) => unsigned(i)),
    ),
    ...section(
      7,
      counts,
      functions.flatMap(({ name }, i) => [...text(name), 0x00, ...unsigned(i)]),
    ),
    ...section(
      10,
      counts,
      functions.flatMap(({ bytes }) => bytes),
    ),
  ]);
}

type WasmMemory = { readonly buffer: ArrayBuffer };
type WasmModule = { readonly __module: never };

/** What of the JavaScript interface is used here: TypeScript declares it for browsers only. */
export const { WebAssembly } = globalThis as unknown as {
  WebAssembly: {
    readonly Memory: new (size: { initial: number }) => WasmMemory;
    readonly Module: new (bytes: Uint8Array) => WasmModule;
    readonly Instance: new (
      module: WasmModule,
      imports: { env: { memory: WasmMemory } },
    ) => { readonly exports: Readonly<Record<string, unknown>> };
  };
};
