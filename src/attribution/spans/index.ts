/**
 * # spans: which runs of an answer stand, word for word, in the training data
 *
 * A suffix array over the texts of a release's Datanets (Infini-gram, arXiv 2401.17377; OLMoTrace, arXiv 2504.07096) gives the longest
 * matches of an answer, how rare they are, and whose documents hold them. Shows, and does not pay.
 *
 * - `words`: text as whole words, coded in bytes that sort; `suffix-array`, `order`: sorting one part of it
 * - `build`, `merge`, `pages`: parts on disk become one index with bounded memory; `format`: the file, its header and digests
 * - `search`, `answer`, `fences`: the longest matches
 * - `service`, `worker`: indexes of releases, built once for the same data, kept as blobs and searched in a thread
 * - `reference`: the same by looking everywhere, slowly
 */
export * from "./build.ts";
export { SpanIndexError, type SpanSource, spanSourceSchema } from "./format.ts";
export { findSpansSlowly } from "./reference.ts";
export * from "./search.ts";
export * from "./service.ts";
