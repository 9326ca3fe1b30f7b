import { eachRow } from "./each-row.ts";
import type { Rules } from "./rules.ts";
import type { Check, Finding } from "./verdict.ts";

/** Characters that are looked at, more than a tweet has. */
const charactersMax = 160;

type Detector = typeof import("eld/medium")["eld"];
let detector: Promise<Detector> | undefined;

/**
 * Which language a text is in, by its byte n-grams (ELD, 60 languages, medium table: 71 MB, loaded when it is first asked). The score is the
 * table's, 0 to 1: not a probability. A text whose language cannot be told, too short most often, is never refused.
 */
export async function languageCheck({ languages }: Rules): Promise<Check> {
  detector ??= import("eld/medium").then(({ eld }) => eld);
  const { detect } = await detector;
  return eachRow("language", ({ text }): Finding => {
    const found = detect(text.slice(0, charactersMax));
    const { language } = found;
    const score = Math.round((found.getScores()[language] ?? 0) * 100) / 100;
    if (language === "" || !found.isReliable())
      return {
        message: "Its language cannot be told for sure.",
        details: { language, score },
        mayRefuse: false,
      };
    if (languages !== undefined && !languages.includes(language))
      return {
        message: `Its language is ${nameOf(language)} (${score}), not ${languages.map(nameOf).join(" or ")}.`,
        details: { language, score, languages },
      };
    return {
      message: `Its language is ${nameOf(language)} (${score}).`,
      details: { language, score },
      mayRefuse: false,
    };
  });
}

const names = new Intl.DisplayNames("en", { type: "language" });
const named = new Map<string, string>();
function nameOf(language: string): string {
  const name = named.get(language) ?? names.of(language) ?? language;
  named.set(language, name);
  return name;
}
