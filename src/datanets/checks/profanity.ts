import { setImmediate } from "node:timers/promises";
import { englishDataset, englishRecommendedTransformers, type MatchPayload, RegExpMatcher } from "obscenity";
import { mapSlowly } from "./each-row.ts";
import type { Check, Finding } from "./verdict.ts";

const matcher = new RegExpMatcher({ ...englishDataset.build(), ...englishRecommendedTransformers });
const wordsNamedMax = 10;

/** Words that were looked up, and whether they hold a match: language repeats itself, and looking up costs a hundred patterns. */
const lookedUp = new Map<string, boolean>();
const lookedUpMax = 200_000;
/** A longer word is not remembered; its row is searched as it stands. */
const wordLengthMax = 64;
const rowsAtOnce = 100;
const wordsAtOnce = 2_000;

/** Looks many words up at once, in halves where one of them holds a match. */
function lookUp(words: readonly string[]): void {
  if (words.length === 0) return;
  const holds = matcher.hasMatch(words.join("\n"));
  if (!holds || words.length === 1) for (const word of words) lookedUp.set(word, holds);
  else {
    lookUp(words.slice(0, words.length >> 1));
    lookUp(words.slice(words.length >> 1));
  }
}

const wordsOf = (text: string): string[] => text.match(/\S+/g) ?? [];

/** The matcher holds each match against each exception: of a long text, that would be seconds to minutes for one row. */
const searchedAtOnce = 4_096;
/** What an exception of several words may reach beyond that. */
const around = 128;

function matchesIn(text: string): MatchPayload[] {
  const found: MatchPayload[] = [];
  for (let from = 0; from < text.length; from += searchedAtOnce) {
    const start = Math.max(0, from - around);
    for (const match of matcher.getAllMatches(text.slice(start, from + searchedAtOnce + around))) {
      const at = start + match.startIndex;
      if (at >= from && at < from + searchedAtOnce) found.push(match);
    }
  }
  return found;
}

function inspect(text: string): Finding | undefined {
  // The list's exceptions may be of several words ("kung fu"): a suspect word is judged where it stands.
  if (!wordsOf(text).some((word) => lookedUp.get(word) !== false)) return undefined;
  const matches = matchesIn(text);
  if (matches.length === 0) return undefined;
  const words = matches.map(
    (match) => englishDataset.getPayloadWithPhraseMetadata(match).phraseMetadata?.originalWord ?? "?",
  );
  const named = [...new Set(words)].sort().slice(0, wordsNamedMax);
  const [what, are] = matches.length === 1 ? ["A word", "is"] : [`${matches.length} words`, "are"];
  return {
    message: `${what} of it ${are} on the list of profanities: ${named.join(", ")}.`,
    details: { words: named, count: matches.length },
  };
}

/** Words on obscenity's English list, also in disguise ("a$$"). It knows no other language, and no meaning: what it finds is for people to judge. */
export const profanityCheck = (): Check => ({
  name: "profanity",
  async run(rows) {
    const findings: (Finding | undefined)[] = [];
    for (let from = 0; from < rows.length; from += rowsAtOnce) {
      const part = rows.slice(from, from + rowsAtOnce);
      if (lookedUp.size >= lookedUpMax) lookedUp.clear();
      const words = new Set(part.flatMap(({ text }) => wordsOf(text)));
      const fresh = [...words].filter((word) => word.length <= wordLengthMax && !lookedUp.has(word));
      for (let at = 0; at < fresh.length; at += wordsAtOnce) {
        lookUp(fresh.slice(at, at + wordsAtOnce));
        await setImmediate();
      }
      findings.push(...(await mapSlowly(part, ({ text }) => inspect(text))));
    }
    return findings;
  },
});
