/** Answers that tell how far they are: lines of `{"progress":…}`, the last one `{"status":…,"answer":…}` (src/datanets/progress.ts). */

/** What the node does with an upload, as it calls it and as people do. */
const stages: Readonly<Record<string, string>> = {
  reading: "reading the lines",
  words: "looking at each row",
  duplicate: "looking for the same rows",
  length: "measuring lengths",
  language: "telling languages",
  "personal-data": "looking for personal data",
  profanity: "looking for profanity",
  license: "comparing licences",
  contamination: "comparing with held-out rows",
  "near-duplicate": "looking for rows that are nearly the same",
  verdicts: "deciding on each row",
};

/** `label` in a person's words; `done` of `total` stages came before it. */
export type Stage = { readonly label: string; readonly done: number; readonly total: number };

type Line = { progress?: { stage: string; done: number; of: number }; status?: number; answer?: unknown };

function parse(text: string): Line | undefined {
  try {
    return JSON.parse(text) as Line;
  } catch {
    return undefined;
  }
}

/** Reads such an answer as it grows. `T` is what is answered in the end. */
export function createLines<T>() {
  let from = 0;
  return {
    /** The stages that were told since the last time; `text` is all that has come. */
    read(text: string): Stage[] {
      const told: Stage[] = [];
      // The last line may be as long as the whole report: it is not searched again and again, and read at the end alone.
      while (text.startsWith('{"progress":', from)) {
        const end = text.indexOf("\n", from);
        if (end === -1) break;
        const { progress } = parse(text.slice(from, end)) ?? {};
        if (progress) {
          const { stage, done, of } = progress;
          told.push({ label: stages[stage] ?? stage, done, total: of });
        }
        from = end + 1;
      }
      return told;
    },
    /**
     * What was answered in the end, with its status; an answer that was not told in lines is taken as it is.
     *
     * @param status of the answer that carried the lines
     */
    end(text: string, status: number): { readonly status: number; readonly answer: T | undefined } {
      this.read(text);
      const last = parse(text.slice(from));
      if (last?.status !== undefined && "answer" in last)
        return { status: last.status, answer: last.answer as T };
      // It was to be told in lines, and broke off.
      if (from > 0) return { status: 502, answer: undefined };
      return { status, answer: last as T | undefined };
    },
  };
}
