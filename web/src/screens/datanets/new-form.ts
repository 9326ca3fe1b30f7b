/** What the form of a new Datanet says, as the node takes it. No document is needed here. */
import type { Schema } from "../../api/types.ts";
import { parseOpen } from "../../lib/format.ts";

/** Checks that keep a row out only where the Datanet says so, and what each means. */
export const optionalChecks = {
  contamination: "Rows that stand in the held-out set",
  "near-duplicate": "Rows all but the same as an earlier one",
  language: "Rows in another language than those below",
  length: "Rows shorter or longer than below",
  "personal-data": "Rows with personal data",
  profanity: "Rows with profanity",
  license: "Rows whose licence does not fit the Datanet's",
} as const;
type Check = keyof typeof optionalChecks;

export type NewDatanet = {
  card: { name: string; domain: string; description: string; license: string };
  rules: Omit<Schema<"DatanetRules">, "stakeWei"> & { stakeWei?: string };
  /** How many curators judge each row; null for none. */
  overlap: number | null;
  curators: string[];
  access: { kind: "public" } | { kind: "request"; terms: string };
};

const text = (data: FormData, name: string) => String(data.get(name) ?? "").trim();

function whole(data: FormData, name: string, label: string): number | undefined {
  const given = text(data, name);
  if (given === "") return undefined;
  if (!/^[1-9]\d{0,6}$/.test(given))
    throw new Error(`${label}: expected a whole number from 1, not "${given}".`);
  return Number(given);
}

/** @throws Error with the field and what it expects */
export function readForm(data: FormData): NewDatanet {
  const languages = text(data, "languages")
    .toLowerCase()
    .split(/[\s,]+/)
    .filter(Boolean);
  const strange = languages.find((language) => !/^[a-z]{2}$/.test(language));
  if (strange) throw new Error(`Languages: expected two letters each, such as en, not "${strange}".`);
  const curators = text(data, "curators")
    .toLowerCase()
    .split(/[\s,]+/)
    .filter(Boolean);
  const other = curators.find((curator) => !/^0x[0-9a-f]{40}$/.test(curator));
  if (other) throw new Error(`Curators: expected addresses of 0x and 40 hex digits, not "${other}".`);
  const minTokens = whole(data, "minTokens", "At least");
  const maxTokens = whole(data, "maxTokens", "At most");
  if (minTokens !== undefined && maxTokens !== undefined && minTokens > maxTokens)
    throw new Error("Length: what is asked at least is more than what is allowed at most.");
  const stakeWei = text(data, "stake") === "" ? 0n : parseOpen(text(data, "stake"));
  const terms = text(data, "terms");
  if (text(data, "access") === "request" && terms === "")
    throw new Error("Terms: readers who ask accept terms by signature; say which.");
  const overlap = Number(text(data, "overlap"));
  return {
    card: {
      name: text(data, "name"),
      domain: text(data, "domain"),
      description: text(data, "description"),
      license: text(data, "license"),
    },
    rules: {
      refuse: (Object.keys(optionalChecks) as Check[]).filter((check) => data.has(`refuse ${check}`)),
      maskPersonalData: data.has("mask"),
      ...(languages.length > 0 && { languages }),
      ...(minTokens !== undefined && { minTokens }),
      ...(maxTokens !== undefined && { maxTokens }),
      ...(stakeWei > 0n && { stakeWei: stakeWei.toString() }),
    },
    overlap: overlap === 0 ? null : overlap,
    curators,
    access: text(data, "access") === "request" ? { kind: "request", terms } : { kind: "public" },
  };
}
