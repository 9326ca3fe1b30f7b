/** Figures that one benchmark takes from another's committed run. */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const fileOf = (benchmark: string) => `bench/results/${benchmark}.json`;
const pathOf = (benchmark: string) => fileURLToPath(new URL(`../../${fileOf(benchmark)}`, import.meta.url));

/** What a benchmark printed when its result was last written down, and the file's name; undefined when it never was. */
// biome-ignore lint/suspicious/noExplicitAny: each benchmark has a result of its own form
export function committedResult(benchmark: string): { result: any; from: string } | undefined {
  const path = pathOf(benchmark);
  if (!existsSync(path)) return undefined;
  return { result: JSON.parse(readFileSync(path, "utf8")), from: fileOf(benchmark) };
}
