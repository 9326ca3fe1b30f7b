import { mapSlowly } from "./each-row.ts";
import type { Rules } from "./rules.ts";
import type { Check, Finding } from "./verdict.ts";

/** Characters that are looked at, more than a tweet has. */
const charactersMax = 160;

type Detector = typeof import("eld/medium")["eld"];
let detector: Promise<Detector> | undefined;

const load = (): Promise<Detector> => {
  detector ??= import("eld/medium").then(({ eld }) => eld);
  return detector;
};

/** Tells a text's language, ISO 639-1, by its beginning; undefined where it cannot be told for sure. */
export async function languageTeller(): Promise<(text: string) => string | undefined> {
  const { detect } = await load();
  return (text) => {
    const told = detect(text.slice(0, charactersMax));
    return told.language !== "" && told.isReliable() ? told.language : undefined;
  };
}

/**
 * Which language a text is in, by its byte n-grams (ELD, 60 languages, medium table: 71 MB, loaded when it is first asked). The score is the
 * table's, 0 to 1: not a probability. A text whose language cannot be told, too short most often, is never refused.
 *
 * What is as expected goes without saying: a language that the rules ask for, or, where they ask for none, the one that most rows are in.
 */
export async function languageCheck({ languages }: Rules): Promise<Check> {
  const { detect } = await load();
  const languageOf = await languageTeller();
  return {
    name: "language",
    async run(rows) {
      const found = await mapSlowly(rows, ({ text }) => languageOf(text));
      const expected = languages ?? mostOf(found);
      const scoreOf = (text: string, language: string) =>
        Math.round((detect(text.slice(0, charactersMax)).getScores()[language] ?? 0) * 100) / 100;
      return rows.map(({ text }, i): Finding | undefined => {
        const language = found[i];
        if (language === undefined)
          return languages && { message: "Its language cannot be told for sure.", mayRefuse: false };
        if (expected.includes(language)) return undefined;
        const score = scoreOf(text, language);
        const is = `Its language is ${nameOf(language)} (${score})`;
        if (languages !== undefined)
          return {
            message: `${is}, not ${languages.map(nameOf).join(" or ")}.`,
            details: { language, score, languages },
          };
        return {
          message: `${is}; most of these rows are in ${expected.map(nameOf).join(" or ")}.`,
          details: { language, score },
          mayRefuse: false,
        };
      });
    },
  };
}

/** The most frequent language; several where they are equally frequent, none where no row's can be told. */
function mostOf(found: readonly (string | undefined)[]): string[] {
  const counts = new Map<string, number>();
  for (const language of found)
    if (language !== undefined) counts.set(language, (counts.get(language) ?? 0) + 1);
  const most = Math.max(...counts.values());
  return [...counts].filter(([, count]) => count === most).map(([language]) => language);
}

const names = new Intl.DisplayNames("en", { type: "language" });
const named = new Map<string, string>();
function nameOf(language: string): string {
  const name = named.get(language) ?? names.of(language) ?? language;
  named.set(language, name);
  return name;
}
