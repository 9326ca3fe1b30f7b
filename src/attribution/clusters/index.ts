/**
 * Near duplicates, of which only the first is paid. Read in this order: `shingles` and `bands` of protocol (how alike texts are, and
 * finding candidates), `boilerplate` and `wording` (texts), `sketch` (gradients), `clusters`.
 */
export * from "./clusters.ts";
export { sketchExamples, sketchRows, sketchWidth } from "./sketch.ts";
