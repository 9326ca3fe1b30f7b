/**
 * What a decoder leaves in the device's memory from one step to the next. The truth is in the host's; copies on the device carry the tag
 * of what they were made from, and one whose tag has changed is made anew.
 */
import { type Device, type Tensor, toDevice } from "./runtime.ts";

export type DeviceMemory = ReturnType<typeof createDeviceMemory>;

const same = (a: readonly unknown[], b: readonly unknown[]) =>
  a.length === b.length && a.every((item, i) => item === b[i]);

/** @param places sets of tensors kept at once, such as one for the rows that decode and one for a row that takes its prompt in */
export function createDeviceMemory(device: Device, places = 2) {
  const kept = new Map<string, { tag: readonly unknown[]; tensors: Record<string, Tensor> }>();

  function drop(place: string): void {
    for (const tensor of Object.values(kept.get(place)?.tensors ?? {})) tensor.dispose();
    kept.delete(place);
  }

  function keep(place: string, tag: readonly unknown[], tensors: Record<string, Tensor>): void {
    drop(place);
    const [oldest] = kept.keys();
    if (oldest !== undefined && kept.size >= places) drop(oldest);
    kept.set(place, { tag, tensors });
  }

  return {
    /** The tensors of a place: those kept there, while the tag is theirs, or a copy of what `read` returns. On the CPU, just that. */
    async get(
      place: string,
      tag: readonly unknown[],
      read: () => Record<string, Tensor>,
    ): Promise<Record<string, Tensor>> {
      if (device === "cpu") return read();
      const here = kept.get(place);
      if (here !== undefined && same(here.tag, tag)) {
        kept.delete(place); // and last again: the place that was asked for longest ago is given up first
        kept.set(place, here);
        return here.tensors;
      }
      const tensors = await toDevice(read(), device);
      keep(place, tag, tensors);
      return tensors;
    },
    /** Keeps tensors that are on the device already. */
    keep,
  };
}
