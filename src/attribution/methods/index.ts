/**
 * # attribution/methods: ten ways to say which examples made an answer more likely
 *
 * One file a method, one interface (`method`); docs/attribution.md has the table. `dual` and `kronecker` hold the algebra that several share,
 * `collect` reads from the engine what they score with, and `reference` is every method again in plain loops, to be tested against.
 */
import { adamfisher } from "./adamfisher.ts";
import { bm25 } from "./bm25.ts";
import { datainf } from "./datainf.ts";
import { ekfac } from "./ekfac.ts";
import { eshampoo } from "./eshampoo.ts";
import { fisher } from "./fisher.ts";
import { gradcos } from "./gradcos.ts";
import { graddot } from "./graddot.ts";
import type { Method, MethodName } from "./method.ts";
import { repsim } from "./repsim.ts";
import { tracin } from "./tracin.ts";

export { createBm25 } from "./bm25.ts";
export * from "./collect.ts";
export { gradDot } from "./graddot.ts";
export * from "./method.ts";

export const methods: { readonly [Name in MethodName]: Method } = {
  bm25,
  repsim,
  graddot,
  gradcos,
  tracin,
  datainf,
  fisher,
  adamfisher,
  ekfac,
  eshampoo,
};

/** The method that pays, unless a release measured another one better. */
export const defaultMethod: MethodName = "adamfisher";
