import { englishDataset, englishRecommendedTransformers, RegExpMatcher } from "obscenity";
import { eachRow } from "./each-row.ts";
import type { Check } from "./verdict.ts";

const matcher = new RegExpMatcher({ ...englishDataset.build(), ...englishRecommendedTransformers });
const wordsNamedMax = 10;

/** Words that were looked up, and whether they hold a match: language repeats itself, and looking up costs a hundred patterns. */
const lookedUp = new Map<string, boolean>();
const lookedUpMax = 100_000;
const cachedLengthMax = 40;

function isSuspect(word: string): boolean {
  if (word.length > cachedLengthMax) return matcher.hasMatch(word);
  const known = lookedUp.get(word);
  if (known !== undefined) return known;
  if (lookedUp.size >= lookedUpMax) lookedUp.clear();
  const suspect = matcher.hasMatch(word);
  lookedUp.set(word, suspect);
  return suspect;
}

/** Words on obscenity's English list, also in disguise ("a$$"). It knows no other language, and no meaning: what it finds is for people to judge. */
export const profanityCheck = (): Check =>
  eachRow("profanity", ({ text }) => {
    // The list's exceptions may be of several words ("kung fu"): a suspect word is judged where it stands.
    if (!text.match(/\S+/g)?.some(isSuspect)) return undefined;
    const matches = matcher.getAllMatches(text);
    if (matches.length === 0) return undefined;
    const words = matches.map(
      (match) => englishDataset.getPayloadWithPhraseMetadata(match).phraseMetadata?.originalWord ?? "?",
    );
    const named = [...new Set(words)].sort().slice(0, wordsNamedMax);
    return {
      message: `${matches.length === 1 ? "A word" : `${matches.length} words`} of it ${matches.length === 1 ? "is" : "are"} on the list of profanities: ${named.join(", ")}.`,
      details: { words: named, count: matches.length },
    };
  });
