/** Who may read a Datanet's texts, as a command line says it. */
import { type Command, InvalidArgumentError } from "commander";
import type { AccessJson } from "./datanet-pass.ts";
import { CliError, exitCodes } from "./errors.ts";
import { readText } from "./files.ts";
import { addressArgument } from "./wallet-account.ts";

export type RuleOptions = { readonly terms?: string; readonly token?: string; readonly least?: string };
type Rule = AccessJson["rule"];

const kinds = ["public", "request", "token"] as const;

function least(text: string): string {
  if (/^[1-9]\d{0,77}$/.test(text)) return text;
  throw new InvalidArgumentError("Expected a whole number from 1, in the token's base units.");
}

/** Adds the option that names who reads, and what belongs to it. @param flag such as `--set` */
export const withRule = (command: Command, flag: string, what: string): Command =>
  command
    .option(`${flag} <kind>`, what)
    .option(
      "--terms <file>",
      `text that readers accept by signature; required with ${flag} request and ${flag} token`,
    )
    .option(
      "--token <address>",
      `ERC-20 or ERC-721 on this chain; required with ${flag} token`,
      addressArgument,
    )
    .option("--least <number>", "how much of it a reader must hold, in its base units: 1 if not said", least);

/** @returns undefined where nothing is said. @throws CliError where something is missing, or would be of no use */
export function ruleOf(
  flag: string,
  kind: string | undefined,
  { terms, token, least: given }: RuleOptions,
): Rule | undefined {
  const wrong = (message: string, expected?: string) =>
    new CliError(message, { ...(expected && { expected }), exitCode: exitCodes.usage });
  if (kind === undefined) {
    if (terms === undefined && token === undefined && given === undefined) return undefined;
    throw wrong(
      `--terms, --token and --least say who may read only with ${flag}.`,
      `${flag} request, or ${flag} token`,
    );
  }
  if (!kinds.some((known) => known === kind))
    throw wrong(`There is no access "${kind}".`, "public, request, or token");
  if (kind !== "token" && (token !== undefined || given !== undefined))
    throw wrong(`--token and --least go with ${flag} token.`);
  if (kind === "public" && terms !== undefined)
    throw wrong(`--terms goes with ${flag} request or ${flag} token: what is open to all asks for nothing.`);
  if (kind === "public") return { kind };
  const missing = [
    ...(kind === "token" && token === undefined ? ["--token <address> (which token opens it)"] : []),
    ...(terms === undefined ? ["--terms <file> (what readers accept)"] : []),
  ];
  if (terms === undefined || missing.length > 0)
    throw wrong(`${flag} ${kind} needs ${missing.join(" and ")}.`);
  const text = readText(terms);
  return kind === "request"
    ? { kind, terms: text }
    : { kind: "token", terms: text, contract: token as string, least: given ?? "1" };
}

/** Who that is, in words. */
export const readersOf = (rule: Rule): string =>
  ({
    public: "everybody",
    request: "whom the owner admits",
    token: `who holds at least ${rule.least} of ${rule.contract}, in its base units`,
  })[rule.kind];
