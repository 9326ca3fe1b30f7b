/** How far two adapters are apart, tensor by tensor. */
import { parseSafetensors } from "../engine/index.ts";

export type AdapterDistance = {
  /** ‖ΔW‖/‖W‖ over all tensors, W being the first adapter's; null where a tensor is missing or of another shape. */
  readonly overall: number | null;
  /** The same for each tensor, farthest first; null where W is 0 and the other is not. */
  readonly tensors: readonly { readonly name: string; readonly distance: number | null }[];
  /** Tensors that only one of them has, or whose shapes differ. */
  readonly unmatched: readonly string[];
};

const squares = (values: Iterable<number>) => {
  let sum = 0;
  for (const value of values) sum += value * value;
  return sum;
};
const relative = (difference: number, norm: number) =>
  difference === 0 ? 0 : norm === 0 ? null : Math.sqrt(difference / norm);

/** @param released, @param other PEFT tensors (safetensors). @throws CheckpointError */
export function adapterDistance(released: Uint8Array, other: Uint8Array): AdapterDistance {
  const [of, to] = [
    parseSafetensors(released, "the release's adapter"),
    parseSafetensors(other, "the adapter trained here"),
  ];
  const shape = (tensors: typeof of, name: string) => String(tensors.get(name)?.shape);
  const names = [...new Set([...of.keys(), ...to.keys()])];
  const unmatched = names.filter((name) => shape(of, name) !== shape(to, name));
  const sums = names
    .filter((name) => !unmatched.includes(name))
    .map((name) => {
      const [a, b] = [of.get(name)?.data as Float32Array, to.get(name)?.data as Float32Array];
      return { name, norm: squares(a), difference: squares(a.map((value, i) => value - (b[i] as number))) };
    });
  const total = (key: "norm" | "difference") => sums.reduce((sum, tensor) => sum + tensor[key], 0);
  return {
    overall: unmatched.length > 0 ? null : relative(total("difference"), total("norm")),
    tensors: sums
      .map(({ name, norm, difference }) => ({ name, distance: relative(difference, norm) }))
      .sort((a, b) => (b.distance ?? Number.POSITIVE_INFINITY) - (a.distance ?? Number.POSITIVE_INFINITY)),
    unmatched,
  };
}
