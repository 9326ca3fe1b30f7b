/** How pages write amounts, counts, hashes, times and sizes. No document is needed here. */

const weiPerOpen = 10n ** 18n;

export type Money = {
  amount: string;
  unit: "OPEN" | "wei";
  /** The whole amount in wei, for a tooltip. */
  exact: string;
};

/**
 * An amount for people: grouped whole OPEN and up to six significant decimals, rounded down. A positive amount too small to
 * show so is written in wei.
 */
export function money(wei: string | number | bigint): Money {
  const signed = BigInt(wei);
  const value = signed < 0n ? -signed : signed;
  const sign = signed < 0n ? "−" : "";
  const exact = `${sign}${value.toLocaleString("en-US")} wei`;
  if (value > 0n && value < 10n ** 6n)
    return { amount: `${sign}${value.toLocaleString("en-US")}`, unit: "wei", exact };
  const whole = (value / weiPerOpen).toLocaleString("en-US");
  const fraction = (value % weiPerOpen).toString().padStart(18, "0");
  const zeros = value < weiPerOpen ? (/^0*/.exec(fraction)?.[0].length ?? 0) : 0;
  const decimals = fraction.slice(0, zeros + 6).replace(/0+$/, "");
  return { amount: `${sign}${whole}${decimals ? `.${decimals}` : ""}`, unit: "OPEN", exact };
}

/**
 * OPEN as a person types it, as wei.
 *
 * @throws Error when it is no amount or has more than 18 decimals
 */
export function parseOpen(text: string): bigint {
  const match = /^(\d{1,10})(?:\.(\d{1,18}))?$/.exec(text.trim().replaceAll(",", ""));
  if (!match) throw new Error("Expected an amount of OPEN such as 12.5, with at most 18 decimals.");
  return BigInt(match[1] as string) * weiPerOpen + BigInt((match[2] ?? "").padEnd(18, "0") || "0");
}

/** Wei as a person would type it in OPEN, with every decimal: what {@link parseOpen} reads. */
export function openText(wei: string | bigint): string {
  const value = BigInt(wei);
  const fraction = (value % weiPerOpen).toString().padStart(18, "0").replace(/0+$/, "");
  return `${value / weiPerOpen}${fraction && `.${fraction}`}`;
}

/** A whole number, grouped by thousands. */
export const count = (value: number | string | bigint): string => BigInt(value).toLocaleString("en-US");

/** The same with its noun: `1 row`, `2,000 rows`. */
export const counted = (value: number | string | bigint, one: string, several = `${one}s`): string =>
  `${count(value)} ${BigInt(value) === 1n ? one : several}`;

/** Settings by name in words; what is in a group is named after it. */
export function settings(of: Readonly<Record<string, unknown>>, group = ""): [name: string, value: string][] {
  return Object.entries(of)
    .flatMap(([name, value]): [string, string][] => {
      const label = group === "" ? words(name) : `${group}, ${words(name)}`;
      if (Array.isArray(value)) return [[label, value.length === 0 ? "none" : value.join(", ")]];
      if (value !== null && typeof value === "object")
        return settings(value as Record<string, unknown>, label);
      return [[label, typeof value === "boolean" ? (value ? "yes" : "no") : String(value ?? "none")]];
    })
    .sort(([a], [b]) => a.localeCompare(b));
}

/** Votes: as OPEN, without decimals where there are a thousand or more. */
export const votes = (wei: bigint): string =>
  wei < 1_000n * weiPerOpen ? money(wei).amount : (wei / weiPerOpen).toLocaleString("en-US");

/** A measured number with `digits` significant digits. */
export const figure = (value: number, digits = 3): string =>
  value.toLocaleString("en-US", { maximumSignificantDigits: digits });

/** A share between 0 and 1. */
export const percent = (share: number, decimals = 1): string =>
  `${(100 * share).toLocaleString("en-US", { maximumFractionDigits: decimals })} %`;

/** The first and last digits of a long hex string. */
export const short = (hex: string): string => (hex.length > 16 ? `${hex.slice(0, 8)}…${hex.slice(-6)}` : hex);

const sizes = ["B", "kB", "MB", "GB", "TB"];

/** Bytes in units of 1,000. */
export function bytes(value: number): string {
  const power = Math.min(sizes.length - 1, value < 1 ? 0 : Math.floor(Math.log10(value) / 3));
  return `${figure(value / 1000 ** power)} ${sizes[power]}`;
}

/** A span of time by its two largest units: `2 h 5 min`, `45 s`. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60)
    return seconds < 600 && seconds % 60
      ? `${Math.floor(seconds / 60)} min ${seconds % 60} s`
      : `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h${minutes % 60 ? ` ${minutes % 60} min` : ""}`;
  return `${Math.round(hours / 24)} days`;
}

/** How long ago, or how soon. */
export function ago(ms: number): string {
  if (Math.abs(ms) < 2000) return "just now";
  return ms > 0 ? `${duration(ms)} ago` : `in ${duration(-ms)}`;
}

const upToMinutes = {
  day: "numeric",
  month: "short",
  year: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  timeZoneName: "short",
} as const;
const minutes = new Intl.DateTimeFormat("en-GB", upToMinutes);
const seconds = new Intl.DateTimeFormat("en-GB", { ...upToMinutes, second: "2-digit" });

/** A date and time with its zone: `22 Nov 2026, 05:31 UTC`. */
export const date = (ms: number): string => minutes.format(ms);

/** The same to the second, as blocks have it: `22 Nov 2026, 05:31:07 UTC`. */
export const dateToSecond = (ms: number): string => seconds.format(ms);

/** A Datanet where several stand beside each other: names may be the same, numbers are not. */
export const datanetLabel = (name: string | undefined, datanetId: string): string =>
  name === undefined ? `Datanet ${datanetId}` : `${name} · ${datanetId}`;

/** A name in camel or snake case as lower-case words. */
export const words = (name: string): string =>
  name
    .replace(/([a-z])([A-Z])/g, "$1 $2")
    .replaceAll(/[_-]/g, " ")
    .toLowerCase();

export type Tone = "good" | "wait" | "bad" | "quiet";

/** What a state means to the eye. */
export function tone(state: string): Tone {
  if (/final|settled|claimed|succeed|complete|accepted|active|done|executed|served/i.test(state))
    return "good";
  if (/revert|slash|challeng|fail|reject|defeat|expired|error|jailed/i.test(state)) return "bad";
  return /cancel|withdrawn|none|paused|deprecat/i.test(state) ? "quiet" : "wait";
}
