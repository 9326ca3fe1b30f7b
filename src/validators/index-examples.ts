/** Rows of a release's explain index beside the same made again one by one. */
import {
  createExplainWriter,
  defaultExplainOptions,
  type ExplainPlan,
  openExplainRows,
  planExplainIndex,
} from "../attribution/index.ts";
import type { Digest } from "../protocol/index.ts";
import { type ExplainBlob, explainBlob } from "./explain-blob.ts";

export type ExamplesApart = {
  /** What is not as recomputed, in words. */
  readonly faults: readonly string[];
  readonly identical: boolean;
  /** Greatest distance of a row, as a part of the recomputed one's length. */
  readonly apart: number;
};

/** How far a row may be from the recomputed one, both rounded: signs of what is nearly nothing may differ between machines. */
const mostApart = 1 / 64;

/** A row in few bits, and what that says again. */
function rounded(plan: ExplainPlan, row: Float32Array) {
  const parts: Uint8Array[] = [];
  const one = { ...plan, rows: 1 };
  const writer = createExplainWriter(one, (bytes) => parts.push(bytes));
  writer.add(row);
  writer.end();
  const { length, read } = explainBlob(new Uint8Array(Buffer.concat(parts)));
  return openExplainRows(length, read).row(0);
}

/**
 * Reads the rows of these examples, and no others.
 *
 * @param blob the release's explain index, whose digest its manifest states
 * @param told rows of the release, and the seed of its recipe
 * @param examples numbers of rows, and each one's R_i made again
 */
export function compareExamples(
  blob: ExplainBlob,
  told: { readonly digest: Digest | undefined; readonly rows: number; readonly seed: number },
  examples: readonly number[],
  rowAt: (at: number) => Float32Array,
): ExamplesApart {
  const none = (fault: string): ExamplesApart => ({ faults: [fault], identical: false, apart: 0 });
  if (blob.digest !== told.digest)
    return none(
      `the explain index has the digest ${blob.digest}, the manifest states ${told.digest ?? "none"}`,
    );
  let opened: ReturnType<typeof openExplainRows>;
  try {
    opened = openExplainRows(blob.length, blob.read);
  } catch (error) {
    return none((error as Error).message);
  }
  const faults: string[] = [];
  let identical = true;
  let apart = 0;
  for (const [at, example] of examples.entries()) {
    const exact = rowAt(at);
    const plan = planExplainIndex(told.rows, exact.length, { ...defaultExplainOptions, seed: told.seed });
    const [expected, actual] = [JSON.stringify(plan), JSON.stringify(opened.plan)];
    if (expected !== actual) return none(`the explain index should be of ${expected}, and is of ${actual}`);
    const [own, theirs] = [rounded(plan, exact), opened.row(example)];
    let [ownSquares, theirSquares, products] = [0, 0, 0];
    for (let i = 0; i < own.values.length; i++) {
      const [a, b] = [own.values[i] as number, theirs.values[i] as number];
      ownSquares += a * a;
      theirSquares += b * b;
      products += a * b;
      if (a !== b) identical = false;
    }
    if (own.scale !== theirs.scale) identical = false;
    const length = own.scale * Math.sqrt(ownSquares);
    const other = theirs.scale * Math.sqrt(theirSquares);
    const squared = length ** 2 + other ** 2 - 2 * own.scale * theirs.scale * products;
    const distance = Math.sqrt(Math.max(0, squared)) / (length || 1);
    apart = Math.max(apart, distance);
    if (distance <= mostApart) continue;
    const cosine = products / Math.sqrt(ownSquares * theirSquares || 1);
    faults.push(
      cosine > 0.99
        ? `the explain index's row ${example} is ${(other / length).toFixed(3)} times as long as recomputed`
        : `the explain index's row ${example} points elsewhere: its cosine with the recomputed one is ${cosine.toFixed(3)}`,
    );
  }
  return { faults, identical, apart };
}
