/** BM25, the lexical baseline. */
import type { Method } from "./method.ts";

/**
 * Robertson and Zaragoza 2009 (The Probabilistic Relevance Framework, equation 3.15), k₁ = 1.2 and b = 0.75: over the query's words,
 * τ = Σ idf · tf (k₁ + 1) / (tf + k₁ (1 − b + b · length / mean length)), idf = ln(1 + (N − df + ½) / (df + ½)).
 */
export const bm25: Method = {
  name: "bm25",
  title: "BM25",
  paper: "Robertson and Zaragoza 2009",
  async score({ texts }) {
    const score = createBm25(texts.train);
    return Float32Array.from(texts.queries.flatMap((query) => [...score(query)]));
  },
};

const words = (text: string): string[] => text.toLowerCase().match(/[\p{L}\p{N}']+/gu) ?? [];

/** @returns a function that scores every document for a query, in the order of `documents` */
export function createBm25(documents: readonly string[]): (query: string) => Float64Array {
  const counts = documents.map((document) => {
    const count = new Map<string, number>();
    for (const word of words(document)) count.set(word, (count.get(word) ?? 0) + 1);
    return count;
  });
  const lengths = counts.map((count) => [...count.values()].reduce((sum, n) => sum + n, 0));
  const mean = lengths.reduce((sum, n) => sum + n, 0) / Math.max(1, documents.length);
  const documentFrequency = new Map<string, number>();
  for (const count of counts)
    for (const word of count.keys()) documentFrequency.set(word, (documentFrequency.get(word) ?? 0) + 1);
  return (query) => {
    const scores = new Float64Array(documents.length);
    for (const word of words(query)) {
      const df = documentFrequency.get(word);
      if (df === undefined) continue;
      const idf = Math.log(1 + (documents.length - df + 0.5) / (df + 0.5));
      counts.forEach((count, i) => {
        const tf = count.get(word);
        if (tf !== undefined)
          scores[i] =
            (scores[i] as number) +
            (idf * tf * 2.2) / (tf + 1.2 * (0.25 + (0.75 * (lengths[i] as number)) / mean));
      });
    }
    return scores;
  };
}
