/** The explain index of a release as it is built: a file that row after row is written to. */
import { closeSync, openSync, writeSync } from "node:fs";
import { createExplainWriter, defaultExplainOptions, planExplainIndex } from "../attribution/index.ts";

export type ExplainFile = {
  /** @param example greater than that of the call before */
  add(row: Float32Array, example: number): void;
  /** @throws RangeError when there was no row at all */
  end(): void;
  [Symbol.dispose](): void;
};

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
      writer ??= createExplainWriter(
        planExplainIndex(examples, row.length, { ...defaultExplainOptions, seed }),
        write,
      );
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
