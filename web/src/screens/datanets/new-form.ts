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

export type Rules = Omit<Schema<"DatanetRules">, "stakeWei"> & { stakeWei?: string };
export type AccessRule =
  | { kind: "public" }
  | { kind: "request"; terms: string }
  /** `least` in the token's base units. */
  | { kind: "token"; terms: string; contract: string; least: string };

export type NewDatanet = {
  card: { name: string; domain: string; description: string; license: string };
  rules: Rules;
  /** How many curators judge each row; null for none. */
  overlap: number | null;
  curators: string[];
  access: AccessRule;
};

const text = (data: FormData, name: string) => String(data.get(name) ?? "").trim();

function whole(data: FormData, name: string, label: string): number | undefined {
  const given = text(data, name);
  if (given === "") return undefined;
  if (!/^[1-9]\d{0,6}$/.test(given))
    throw new Error(`${label}: expected a whole number from 1, not "${given}".`);
  return Number(given);
}

/** What is asked of rows. @throws Error with the field and what it expects */
export function readRules(data: FormData): Rules {
  const languages = text(data, "languages")
    .toLowerCase()
    .split(/[\s,]+/)
    .filter(Boolean);
  const strange = languages.find((language) => !/^[a-z]{2}$/.test(language));
  if (strange) throw new Error(`Languages: expected two letters each, such as en, not "${strange}".`);
  const minTokens = whole(data, "minTokens", "At least");
  const maxTokens = whole(data, "maxTokens", "At most");
  if (minTokens !== undefined && maxTokens !== undefined && minTokens > maxTokens)
    throw new Error("Length: what is asked at least is more than what is allowed at most.");
  const stakeWei = text(data, "stake") === "" ? 0n : parseOpen(text(data, "stake"));
  const contributors = readAddresses(data, "contributors", "Whose rows are taken");
  return {
    refuse: (Object.keys(optionalChecks) as Check[]).filter((check) => data.has(`refuse ${check}`)),
    maskPersonalData: data.has("mask"),
    ...(languages.length > 0 && { languages }),
    ...(minTokens !== undefined && { minTokens }),
    ...(maxTokens !== undefined && { maxTokens }),
    ...(stakeWei > 0n && { stakeWei: stakeWei.toString() }),
    ...(contributors.length > 0 && { contributors }),
  };
}

const addressPattern = /^0x[0-9a-f]{40}$/;

/** Addresses between commas, spaces or lines. @throws Error with what is none */
export function readAddresses(data: FormData, name: string, label: string): string[] {
  const addresses = text(data, name)
    .toLowerCase()
    .split(/[\s,]+/)
    .filter(Boolean);
  const other = addresses.find((address) => !addressPattern.test(address));
  if (other) throw new Error(`${label}: expected addresses of 0x and 40 hex digits, not "${other}".`);
  return addresses;
}

/** How many curators judge each row; null for none. */
export const readOverlap = (data: FormData): number | null => Number(text(data, "overlap")) || null;

/** Who may read. @throws Error with the field and what it expects */
export function readAccess(data: FormData): AccessRule {
  const [kind, terms] = [text(data, "access"), text(data, "terms")];
  if (kind !== "request" && kind !== "token") return { kind: "public" };
  if (terms === "") throw new Error("Terms: readers who ask accept terms by signature; say which.");
  if (kind === "request") return { kind, terms };
  const [contract, ...others] = readAddresses(data, "contract", "Token");
  if (contract === undefined || others.length > 0)
    throw new Error("Token: expected the address of one ERC-20 or ERC-721 on this chain.");
  const least = text(data, "least") || "1";
  if (!/^[1-9]\d{0,77}$/.test(least))
    throw new Error(`How much of it: expected a whole number from 1, not "${least}".`);
  return { kind, terms, contract, least };
}

/** @throws Error with the field and what it expects */
export const readForm = (data: FormData): NewDatanet => ({
  card: {
    name: text(data, "name"),
    domain: text(data, "domain"),
    description: text(data, "description"),
    license: text(data, "license"),
  },
  rules: readRules(data),
  overlap: readOverlap(data),
  curators: readAddresses(data, "curators", "Curators"),
  access: readAccess(data),
});
