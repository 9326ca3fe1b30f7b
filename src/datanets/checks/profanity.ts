import { englishDataset, englishRecommendedTransformers, RegExpMatcher } from "obscenity";
import { eachRow } from "./each-row.ts";
import type { Check } from "./verdict.ts";

const matcher = new RegExpMatcher({ ...englishDataset.build(), ...englishRecommendedTransformers });
const wordsNamedMax = 10;

/** Words on obscenity's English list, also in disguise ("a$$"). It knows no other language, and no meaning: what it finds is for people to judge. */
export const profanityCheck = (): Check =>
  eachRow("profanity", ({ text }) => {
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
