/**
 * # validators: who checks what no proof on chain can decide
 *
 * That a query is the gradient of its answer, and that an index was made as its manifest says, is seen by computing it again.
 *
 * - `replay`: an answer's gradient once more, from its audit file; `tolerance`: how near two machines' queries must be
 */
export * from "./replay.ts";
export * from "./tolerance.ts";
