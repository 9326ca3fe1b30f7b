/** Which rows a viewer shows, as its address says it. No document is needed here. */
import type { paths } from "../../api/schema.d.ts";
import { count } from "../../lib/format.ts";

type Query = NonNullable<
  paths["/v1/datanets/{datanetId}/versions/{version}/rows"]["get"]["parameters"]["query"]
>;
export type RowFilters = Pick<
  Query,
  "search" | "contributor" | "minTokens" | "maxTokens" | "language" | "standing"
>;

/** What is left out of the address to see all rows again; `row`, the one that is opened, goes with it. */
export const noFilters = {
  ...{ q: undefined, contributor: undefined, tokens: undefined, language: undefined },
  ...{ standing: undefined, row: undefined },
};

const tokensPattern = /^(\d{1,9})-(\d{1,9})?$/;

/** A bar of lengths as the address names it: `10-14`, or `50-` without an upper end. */
export const tokensText = ({ from, to }: { from: number; to: number | null }): string =>
  `${from}-${to ?? ""}`;

/** Lengths for people. */
export const tokensInWords = ({ from, to }: { from: number; to: number | null }): string =>
  to === null
    ? `${count(from)} tokens or more`
    : from === to
      ? `${count(from)} tokens`
      : `${count(from)} to ${count(to)} tokens`;

/** A language by its code; null or `unknown` where it cannot be told. */
export function languageName(code: string | null): string {
  if (code === null || code === "unknown") return "not told for sure";
  return new Intl.DisplayNames("en", { type: "language", fallback: "code" }).of(code) ?? code;
}

/** What an address asks for; what it should not say is left out. @param read one of its parameters */
export function readFilters(read: (name: string) => string | undefined): RowFilters {
  const [, from, to] = tokensPattern.exec(read("tokens") ?? "") ?? [];
  const [search, contributor, language] = [read("q"), read("contributor"), read("language")];
  const standing = read("standing");
  return {
    ...(search && { search: search.slice(0, 200) }),
    ...(contributor && { contributor }),
    ...(from !== undefined && { minTokens: Number(from) }),
    ...(to !== undefined && { maxTokens: Number(to) }),
    ...(language !== undefined && /^([a-z]{2}|unknown)$/.test(language) && { language }),
    ...((standing === "withdrawn" || standing === "counts") && { standing }),
  };
}

/** The same for people, without who gave the rows: an address is shown as one. */
export function filtersInWords({ search, minTokens, maxTokens, language, standing }: RowFilters): string[] {
  return [
    ...(search ? [`with “${search}”`] : []),
    ...(minTokens !== undefined ? [`of ${tokensInWords({ from: minTokens, to: maxTokens ?? null })}`] : []),
    ...(language === undefined
      ? []
      : [language === "unknown" ? "whose language cannot be told" : `in ${languageName(language)}`]),
    ...(standing === undefined ? [] : [standing === "withdrawn" ? "taken back since" : "not taken back"]),
  ];
}
