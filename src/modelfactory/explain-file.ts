/** The explain index of a release as it is built: a file that row after row is written to. */
import { closeSync, openSync, writeSync } from "node:fs";
import {
  createExplainWriter,
  defaultExplainOptions,
  type ExplainPlan,
  planExplainIndex,
} from "../attribution/index.ts";

export type ExplainFile = {
  /** @param example greater than that of the call before */
  add(row: Float32Array, example: number): void;
  /** @throws RangeError when there was no row at all */
  end(): void;
  [Symbol.dispose](): void;
};

/** A blob takes no more: from 131,072 examples on, rows are shorter than the default. */
const mostBytes = 2 ** 30;

/** How an explain index of so many examples lies in its blob. @param width p, numbers in a gradient */
export function planExplainFile(examples: number, width: number, seed: number): ExplainPlan {
  const rowBytes = Math.min(defaultExplainOptions.rowBytes, Math.floor((mostBytes - 32) / examples));
  return planExplainIndex(examples, width, { ...defaultExplainOptions, rowBytes, seed });
}

/** Row i is that of example i, and empty where an example has none: it cannot be read, or is a near duplicate. */
export function createExplainFile(path: string, examples: number, seed: number): ExplainFile {
  const file = openSync(path, "wx");
  let writer: ReturnType<typeof createExplainWriter> | undefined;
  let next = 0;
  const write = (bytes: Uint8Array) => {
    for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
  };
  const emptyTo = (example: number) => {
    for (; next < example; next++) writer?.add(null);
  };
  return {
    add(row, example) {
      writer ??= createExplainWriter(planExplainFile(examples, row.length, seed), write);
      if (example < next)
        throw new RangeError(`Rows of an explain index come in order; ${example} came after ${next - 1}.`);
      emptyTo(example);
      writer.add(row);
      next++;
    },
    end() {
      if (writer === undefined) throw new RangeError("The explain index was given no row.");
      emptyTo(examples);
      writer.end();
    },
    [Symbol.dispose]: () => closeSync(file),
  };
}
