/** What is told of a version's rows beside their texts: how long each is, and in which language. */
import { setImmediate } from "node:timers/promises";
import type { Example } from "../protocol/index.ts";
import { textOf } from "./checks/each-row.ts";
import { languageTeller } from "./checks/language.ts";
import { type CountTokens, tokensOf } from "./checks/length.ts";

/** By a row's place in its split; rows from `looked` on have none. */
export type RowFacts = {
  /** Tokens as the base model counts them; undefined where nobody counts. */
  readonly tokens: Uint32Array | undefined;
  /** ISO 639-1; undefined where it cannot be told for sure. */
  readonly languages: readonly (string | undefined)[];
  /** How many rows were looked at. */
  readonly looked: number;
};

/** Of a split, as a version's content holds it: the same array is looked at once. */
export type FactsOf = (rows: readonly { readonly example: Example }[]) => Promise<RowFacts>;

/** What one version may cost: rows, and characters of text. */
export type FactLimits = { readonly rowsMax: number; readonly charactersMax: number };
export const factLimits: FactLimits = { rowsMax: 100_000, charactersMax: 64_000_000 };
const charactersBetweenPauses = 16_384;

/**
 * Looks at rows once, one version after the other, and lets the process answer others in between. What is beyond the limits is left
 * out, and `looked` says so.
 */
export function createRowFacts(
  countTokens: CountTokens | undefined,
  limits: FactLimits = factLimits,
): FactsOf {
  const known = new WeakMap<object, Promise<RowFacts>>();
  let last: Promise<unknown> = Promise.resolve();
  return (rows) => {
    const found = known.get(rows);
    if (found) return found;
    const facts = last.then(() => look(rows, countTokens, limits));
    known.set(rows, facts);
    last = facts.catch(() => known.delete(rows));
    return facts;
  };
}

async function look(
  rows: Parameters<FactsOf>[0],
  countTokens: CountTokens | undefined,
  { rowsMax, charactersMax }: FactLimits,
): Promise<RowFacts> {
  const languageOf = await languageTeller();
  const size = Math.min(rows.length, rowsMax);
  const tokens = countTokens && new Uint32Array(size);
  const languages: (string | undefined)[] = [];
  let [characters, sincePause] = [0, 0];
  for (let at = 0; at < size; at++) {
    const { example } = rows[at]!;
    const text = textOf(example);
    characters += text.length;
    if (characters > charactersMax) break;
    sincePause += text.length;
    if (sincePause > charactersBetweenPauses) {
      sincePause = 0;
      await setImmediate();
    }
    if (tokens && countTokens) tokens[at] = tokensOf(example, countTokens);
    languages.push(languageOf(text));
  }
  return { tokens, languages, looked: languages.length };
}
