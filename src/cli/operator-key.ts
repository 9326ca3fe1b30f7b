import { type Command, InvalidArgumentError } from "commander";
import { type Scope, scopeMeanings, scopes } from "../operators/index.ts";
import { showDate } from "./dates.ts";
import { connect } from "./http.ts";
import type { Io } from "./io.ts";
import { wholeUpTo } from "./numbers.ts";
import { subcommand } from "./subcommand.ts";
import { pairs, table } from "./table.ts";

type KeyJson = {
  readonly id: string;
  readonly name: string;
  readonly state: "active" | "expired" | "revoked";
  readonly scopes: readonly Scope[];
  readonly requestsPerMinute: number;
  readonly createdBy: string;
  readonly createdAtMs: number;
  readonly expiresAtMs: number | null;
  readonly lastUsedAtMs: number | null;
};

type EntryJson = {
  readonly seq: number;
  readonly atMs: number;
  readonly who: string;
  readonly name: string;
  readonly scope: Scope;
  readonly method: string;
  readonly path: string;
  readonly status: number | null;
};

/** @example scopeList("datanets,read") // ["datanets", "read"] */
function scopeList(text: string): Scope[] {
  const names = text.split(",").map((name) => name.trim());
  const unknown = names.filter((name) => !scopes.includes(name as Scope));
  if (unknown.length > 0)
    throw new InvalidArgumentError(`There is no scope "${unknown[0]}". There are ${scopes.join(", ")}.`);
  return names as Scope[];
}

const unitMs: Readonly<Record<string, number>> = { h: 3_600_000, d: 86_400_000 };

/** @example lifetime("90d") // 7776000000, ms */
function lifetime(text: string): number {
  const [, count = "", unit = ""] = /^([1-9]\d{0,4})([hd])$/.exec(text) ?? [];
  if (count === "") throw new InvalidArgumentError("Expected hours or days, as in 12h or 90d.");
  return Number(count) * (unitMs[unit] as number);
}

const limitOption = ["--limit <n>", "at most so many, newest first", wholeUpTo(200), 50] as const;

/** `openledger operator-key create|list|revoke|log`: parts of what the operator may, for programs and people. */
export function define(command: Command, io: Io): void {
  subcommand(command, "create", "Create a key that may do a part of what the operator may")
    .requiredOption("--name <text>", "what it is for; the log shows it")
    .requiredOption("--scope <list>", "what it may do, separated by commas", scopeList)
    .option("--expires <time>", "how long it works, as in 12h or 90d; until revoked unless given", lifetime)
    .option("--rate <n>", "requests a minute", wholeUpTo(60_000), 600)
    .addHelpText(
      "after",
      `\nScopes:\n${pairs(scopes.map((scope) => [`  ${scope}`, scopeMeanings[scope]] as const))}`,
    )
    .action(async (options: { name: string; scope: Scope[]; expires?: number; rate: number }) => {
      const { name, scope, expires, rate } = options;
      const expiresAtMs = expires === undefined ? null : Date.now() + expires;
      const wish = { name, scopes: scope, requestsPerMinute: rate, expiresAtMs };
      const made = await connect().post<KeyJson & { secret: string }>("/v1/operator/keys", wish, {
        operator: true,
      });
      io.result(
        made,
        `${showKey(made)}\n\nIts secret, shown this once:\n\n  ${made.secret}\n\n→ export OPENLEDGER_OPERATOR_TOKEN=${made.secret}`,
      );
    });
  subcommand(command, "list", "List operator keys, newest first; ended ones stay for 90 days")
    .option(...limitOption)
    .option("--after <id>", "those after this key: the next page")
    .action(async ({ limit, after }: { limit: number; after?: string }) => {
      const page = new URLSearchParams({ limit: String(limit), ...(after === undefined ? {} : { after }) });
      const found = await connect().get<{ keys: KeyJson[]; next: string | null }>(
        `/v1/operator/keys?${page}`,
        { operator: true },
      );
      io.result(found, found.keys.length === 0 ? noKeys : more(keyTable(found.keys), "--after", found.next));
    });
  subcommand(command, "revoke", "End a key, and those it created")
    .argument("<id>", "the key's id, as list shows it")
    .action(async (id: string) => {
      const ended = await connect().delete<{ keys: KeyJson[] }>(
        `/v1/operator/keys/${encodeURIComponent(id)}`,
        { operator: true },
      );
      io.result(ended, keyTable(ended.keys));
    });
  subcommand(command, "log", "Show what was done, and refused, in the operator's name")
    .option(...limitOption)
    .option("--before <seq>", "those before this entry: the next page", wholeUpTo(Number.MAX_SAFE_INTEGER))
    .action(async ({ limit, before }: { limit: number; before?: number }) => {
      const page = new URLSearchParams({
        limit: String(limit),
        ...(before === undefined ? {} : { before: String(before) }),
      });
      const found = await connect().get<{ entries: EntryJson[]; next: number | null }>(
        `/v1/operator/log?${page}`,
        { operator: true },
      );
      const text = found.entries.length === 0 ? "Nothing was done yet." : logTable(found.entries);
      io.result(found, more(text, "--before", found.next));
    });
}

const noKeys = "There are none. Create one: ./openledger operator-key create --name ci --scope datanets";

const more = (text: string, option: string, next: string | number | null): string =>
  next === null ? text : `${text}\n\n→ older ones: ${option} ${next}`;

const date = (ms: number | null, none: string) => (ms === null ? none : showDate(Math.floor(ms / 1_000)));

const showKey = (key: KeyJson): string =>
  pairs([
    ["key", `${key.id} (${key.name})`],
    ["scopes", key.scopes.join(", ")],
    ["rate", `${key.requestsPerMinute} requests a minute`],
    ["ends", date(key.expiresAtMs, "when it is revoked")],
  ]);

const keyTable = (keys: readonly KeyJson[]): string =>
  table(keys, [
    ["key", ({ id }) => id],
    ["name", ({ name }) => name],
    ["state", ({ state }) => state],
    ["scopes", (key) => key.scopes.join(", ")],
    ["a minute", ({ requestsPerMinute }) => requestsPerMinute, "number"],
    ["ends", ({ expiresAtMs }) => date(expiresAtMs, "–")],
    ["last used", ({ lastUsedAtMs }) => date(lastUsedAtMs, "never")],
    ["made by", ({ createdBy }) => createdBy],
  ]);

const logTable = (entries: readonly EntryJson[]): string =>
  table(entries, [
    ["entry", ({ seq }) => seq, "number"],
    ["when", ({ atMs }) => date(atMs, "–")],
    ["who", ({ who, name }) => (name === "" ? who : `${who} (${name})`)],
    ["scope", ({ scope }) => scope],
    ["what", ({ method, path }) => `${method} ${path}`],
    ["result", ({ status }) => status ?? "under way, or cut off", "number"],
  ]);
