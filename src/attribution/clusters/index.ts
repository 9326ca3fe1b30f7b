/**
 * Near duplicates, of which only the first is paid. Read in this order: `shingles` and `wording` (texts), `sketch` (gradients), `bands` (candidates),
 * `clusters`.
 */
export * from "./clusters.ts";
export { sketchExamples, sketchRows, sketchWidth } from "./sketch.ts";
