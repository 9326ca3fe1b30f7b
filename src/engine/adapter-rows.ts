/**
 * Where adapters lie while they run: every row of the batch holds its own, in the layout that the serving graph reads.
 *
 * The A matrices of modules that read the same input are stacked, so that one product serves them all. A row's adapter is copied in when
 * the row opens (a 135M-parameter base, rank 8: 1.8 MB for q and v, 9.8 MB for all seven modules); no step copies adapters, as it would
 * if rows gathered theirs from a shared pool (measured, the graph alone, 16 rows under 16 adapters of all seven modules: 1.64 × the base's
 * run with gathering, 1.23 × without; `bench openlora` measures whole steps).
 */
import { type ModelConfig, type ModuleName, modulePath, moduleShape } from "./config.ts";
import { type Adapter, adapterShapes } from "./lora.ts";
import { f32, type Tensor } from "./runtime.ts";
import { loraInput } from "./transformer.ts";

/** Modules that read the same input, in the order their weights are stacked. */
export const moduleGroups = [
  ["q_proj", "k_proj", "v_proj"],
  ["o_proj"],
  ["gate_proj", "up_proj"],
  ["down_proj"],
] as const satisfies readonly (readonly ModuleName[])[];

/** Graph input of a group's stacked A `[B, n·r, in]`. `names`: its modules that adapters may change. */
export const stackedA = (layer: number, names: readonly ModuleName[]) =>
  `${modulePath(layer, names[0] as ModuleName)}.rows_A`;
/** Graph input of a module's B `[B, r, out]`, the adapter's scale folded in. */
export const rowsB = (layer: number, name: ModuleName) => `${modulePath(layer, name)}.rows_B`;

/** An adapter in the layout of {@link createAdapterRows}, ready to be copied into a row. `key` tells it from others. */
export type PackedAdapter = { readonly key: symbol; readonly data: Float32Array };

export type AdapterLayout = {
  /** Largest rank of an adapter. */
  readonly rank: number;
  readonly modules: readonly ModuleName[];
};

type Part = {
  readonly input: string;
  /** Shape of one row. */
  readonly shape: readonly [number, number];
  /** Where a packed adapter has it. */
  readonly offset: number;
};

function partsOf(config: ModelConfig, { rank, modules }: AdapterLayout): { parts: Part[]; floats: number } {
  const parts: Part[] = [];
  let floats = 0;
  const part = (input: string, shape: [number, number]) => {
    parts.push({ input, shape, offset: floats });
    floats += shape[0] * shape[1];
  };
  for (let layer = 0; layer < config.layers; layer++)
    for (const group of moduleGroups) {
      const names = group.filter((name) => modules.includes(name));
      const [first] = names;
      if (first === undefined) continue;
      part(stackedA(layer, names), [names.length * rank, moduleShape(config, first)[1]]);
      for (const name of names) part(rowsB(layer, name), [rank, moduleShape(config, name)[0]]);
    }
  return { parts, floats };
}

/** Bytes that an adapter takes in a row, and in memory once it is packed. */
export const packedBytes = (config: ModelConfig, layout: AdapterLayout): number =>
  partsOf(config, layout).floats * 4;

/**
 * Lays an adapter out for rows. Ranks below the layout's are padded with zeros, which changes no product.
 *
 * @throws RangeError when its rank is larger, or it changes other modules
 */
export function packAdapter(config: ModelConfig, layout: AdapterLayout, adapter: Adapter): PackedAdapter {
  const { rank, modules } = layout;
  const { rank: own, scale } = adapter.config;
  if (own > rank)
    throw new RangeError(
      `It has rank ${own}; this server holds ranks up to ${rank}. Serve with rank ${own}.`,
    );
  const extra = adapter.config.modules.filter((m) => !modules.includes(m));
  if (extra.length > 0)
    throw new RangeError(
      `It changes ${extra.join(", ")}; this server holds adapters of ${modules.join(", ")}.`,
    );
  const { parts, floats } = partsOf(config, layout);
  const data = new Float32Array(floats);
  const offsets = new Map(parts.map(({ input, offset }) => [input, offset]));
  for (const { name, layer, part, shape } of adapterShapes(config, adapter.config)) {
    const from = adapter.tensors.get(name)?.data as Float32Array;
    const module = modules.find((m) => name === loraInput(layer, m, part)) as ModuleName;
    if (part === "A") {
      const group = moduleGroups.find((names) => (names as readonly string[]).includes(module));
      const names = (group as readonly ModuleName[]).filter((m) => modules.includes(m));
      const at = (offsets.get(stackedA(layer, names)) as number) + names.indexOf(module) * rank * shape[1];
      data.set(from, at);
    } else {
      const [out, r] = shape;
      const at = offsets.get(rowsB(layer, module)) as number;
      for (let i = 0; i < out; i++)
        for (let j = 0; j < r; j++) data[at + j * out + i] = (from[i * r + j] as number) * scale;
    }
  }
  return { key: Symbol(), data };
}

export type AdapterRows = ReturnType<typeof createAdapterRows>;

/** Adapters of `rows` rows, all of them the base model's (zeros) at first. */
export function createAdapterRows(config: ModelConfig, layout: AdapterLayout, rows: number) {
  const { parts } = partsOf(config, layout);
  const pools = parts.map((part) => {
    const size = part.shape[0] * part.shape[1];
    return { ...part, size, data: new Float32Array(rows * size) };
  });
  /** The key of what each row holds, open or not; undefined for the base model. */
  const held: (symbol | undefined)[] = Array.from({ length: rows }, () => undefined);
  return {
    /** Puts an adapter, or the base model, into a row. @returns whether it had to be copied */
    set(row: number, adapter: PackedAdapter | undefined): boolean {
      if (held[row] === adapter?.key) return false;
      held[row] = adapter?.key;
      for (const { data, size, offset } of pools)
        if (adapter === undefined) data.fill(0, row * size, (row + 1) * size);
        else data.set(adapter.data.subarray(offset, offset + size), row * size);
      return true;
    },
    /** Gives row `to` what row `from` holds. */
    copy(from: number, to: number): void {
      if (held[from] === held[to]) return;
      held[to] = held[from];
      for (const { data, size } of pools) data.copyWithin(to * size, from * size, (from + 1) * size);
    },
    /** Exchanges what two rows hold. */
    swap(a: number, b: number): void {
      if (held[a] === held[b]) return;
      [held[a], held[b]] = [held[b], held[a]];
      for (const { data, size } of pools) {
        const kept = data.slice(a * size, (a + 1) * size);
        data.copyWithin(a * size, b * size, (b + 1) * size);
        data.set(kept, b * size);
      }
    },
    /** What rows [first, first + count) hold: the same again while their graph inputs are the same. */
    tag: (first: number, count: number): readonly unknown[] => held.slice(first, first + count),
    /** Graph inputs of rows [first, first + count). */
    feeds(first: number, count: number): Record<string, Tensor> {
      return Object.fromEntries(
        pools.map(({ input, data, size, shape }) => [
          input,
          f32(data.subarray(first * size, (first + count) * size), [count, ...shape]),
        ]),
      );
    },
  };
}
