/** The numbers that governance sets: their names carry their unit. No document and no chain is needed here. */
import { count, duration, money, parseOpen } from "../lib/format.ts";

/** The heads of a fee, in the order of `FeeSplit`; the first five sum to 10,000, `owners` is a part of `data`. */
export const feeHeads = ["operator", "treasury", "developer", "stakers", "data", "owners"] as const;
export type FeeHead = (typeof feeHeads)[number];
export type FeeSplit = Readonly<Record<FeeHead, number>>;

/** What a head is for. */
export const headWords: Readonly<Record<FeeHead, string>> = {
  operator: "who ran the model",
  treasury: "governance's treasury",
  developer: "who made the release",
  stakers: "validators and their delegators",
  data: "whose examples shaped the answer",
  owners: "of the data's part: the Datanets' owners",
};

export type Unit = "address" | "wei" | "seconds" | "basis points" | "millionths" | "count";

/** The unit of a parameter, from its name. */
export function unitOf(name: string): Unit {
  if (name.endsWith("Wei")) return "wei";
  if (name.endsWith("Seconds")) return "seconds";
  if (name.endsWith("Bps")) return "basis points";
  if (name.endsWith("Millionths")) return "millionths";
  return name === "treasury" || name === "stakersPool" ? "address" : "count";
}

/** What a value is entered in, for people. */
export const unitWords: Readonly<Record<Unit, string>> = {
  address: "an address",
  wei: "OPEN, or wei",
  seconds: "seconds, or as in 12 h or 7 d",
  "basis points": "per cent",
  millionths: "a share between 0 and 1",
  count: "a whole number",
};

const exactSpans: readonly (readonly [bigint, string])[] = [
  [86_400n, "days"],
  [3_600n, "h"],
  [60n, "min"],
];

/** A value as people read it; exact. */
export function showParameter(name: string, value: bigint): string {
  switch (unitOf(name)) {
    case "wei": {
      const { amount, unit } = money(value);
      return `${amount} ${unit}`;
    }
    case "seconds": {
      const whole = exactSpans.find(([size]) => value > 0n && value % size === 0n);
      if (whole) return value === 86_400n ? "1 day" : `${count(value / whole[0])} ${whole[1]}`;
      return value < 60n ? `${value} s` : `${duration(Number(value) * 1_000)} (${count(value)} s)`;
    }
    case "basis points":
      return percentOf(Number(value));
    case "millionths":
      return `${Number(value) / 1_000_000}`;
    case "count":
      return count(value);
    case "address":
      return `0x${value.toString(16).padStart(40, "0")}`;
  }
}

/** Basis points as per cent. */
export const percentOf = (bps: number): string => `${bps / 100} %`;

const spans: Readonly<Record<string, bigint>> = {
  "": 1n,
  s: 1n,
  min: 60n,
  h: 3_600n,
  d: 86_400n,
  day: 86_400n,
  days: 86_400n,
};

/**
 * A value as a person types it: `7 d`, `12 h`, `10` (OPEN where it is money), `2.5` per cent, `0.1` of one.
 *
 * @throws Error that says what is expected
 */
export function parseParameter(name: string, text: string): bigint {
  const unit = unitOf(name);
  const typed = text.trim();
  const [, digits, suffix = ""] = /^(\d{1,30}(?:\.\d{1,18})?) ?([a-zA-Z%]*)$/.exec(typed) ?? [];
  const whole = digits !== undefined && /^\d+$/.test(digits) ? BigInt(digits) : undefined;
  if (unit === "address" && /^0x[0-9a-fA-F]{40}$/.test(typed)) return BigInt(typed);
  if (unit === "wei" && digits !== undefined && /^(open)?$/i.test(suffix)) return parseOpen(digits);
  if (unit === "wei" && whole !== undefined && suffix === "wei") return whole;
  const span = unit === "seconds" ? spans[suffix.toLowerCase()] : undefined;
  if (span !== undefined && whole !== undefined) return whole * span;
  if (unit === "basis points" && digits !== undefined && (suffix === "" || suffix === "%"))
    return scaled(digits, 2);
  if (unit === "millionths" && digits !== undefined && suffix === "") return scaled(digits, 6);
  if (unit === "count" && whole !== undefined && suffix === "") return whole;
  throw new Error(`Expected ${unitWords[unit]}.`);
}

/** A decimal as a whole number of its `decimals`th places. */
function scaled(digits: string, decimals: number): bigint {
  const [whole = "0", fraction = ""] = digits.split(".");
  const kept = fraction.replace(/0+$/, "");
  if (kept.length > decimals) throw new Error(`Expected at most ${decimals} decimals.`);
  return BigInt(whole) * 10n ** BigInt(decimals) + BigInt(kept.padEnd(decimals, "0"));
}

/** The packed heads of a fee as the contract stores them: 16 bits each, the operator lowest. */
export function unpackSplit(packed: bigint): FeeSplit {
  const of = (at: number) => Number((packed >> BigInt(16 * at)) & 0xffffn);
  return Object.fromEntries(feeHeads.map((head, at) => [head, of(at)])) as FeeSplit;
}

/** What is wrong with a fee split, or nothing. */
export function splitError(
  split: FeeSplit,
  bounds: Readonly<Record<FeeHead, readonly [number, number]>>,
): string | undefined {
  for (const head of feeHeads) {
    const [lowest, highest] = bounds[head];
    if (!(split[head] >= lowest && split[head] <= highest))
      return `The ${head}'s part must be from ${percentOf(lowest)} to ${percentOf(highest)}; it is ${percentOf(split[head])}.`;
  }
  const whole = feeHeads.slice(0, 5).reduce((sum, head) => sum + split[head], 0);
  return whole === 10_000
    ? undefined
    : `The first five parts must sum to 100 %; they sum to ${percentOf(whole)}.`;
}
