/** The numbers that governance sets: their names carry their unit. */
import { type Address, type Hex, hexToString, stringToHex } from "viem";
import { genesisValues } from "../chain/index.ts";
import { toHex } from "../protocol/index.ts";
import { formatOpen, parseOpen } from "./amount.ts";
import { showDuration } from "./dates.ts";
import { CliError, exitCodes } from "./errors.ts";

/** Every value but the fee split, which is set as a whole. */
export const parameterNames: readonly string[] = [...Object.keys(genesisValues), "treasury", "stakersPool"];

/** The heads of a fee, in the order of `FeeSplit`. */
export const feeHeads = ["operator", "treasury", "developer", "stakers", "data", "owners"] as const;
export type FeeHead = (typeof feeHeads)[number];

export const parameterId = (name: string): Hex => stringToHex(name, { size: 32 });
export const parameterName = (id: Hex): string => hexToString(id, { size: 32 });

type Unit = "address" | "wei" | "seconds" | "basis points" | "millionths" | "count";

export function unitOf(name: string): Unit {
  if (name.endsWith("Wei")) return "wei";
  if (name.endsWith("Seconds")) return "seconds";
  if (name.endsWith("Bps")) return "basis points";
  if (name.endsWith("Millionths")) return "millionths";
  return name === "treasury" || name === "stakersPool" ? "address" : "count";
}

const asAddress = (value: bigint): Address => toHex(`0x${value.toString(16).padStart(40, "0")}`);

/** A value as people read it. */
export function showParameter(name: string, value: bigint): string {
  switch (unitOf(name)) {
    case "wei":
      return value > 0n && value < 10n ** 12n ? `${value} wei` : `${formatOpen(value)} OPEN`;
    case "seconds":
      return value < 60n ? `${value} s` : `${showDuration(value)} (${value} s)`;
    case "basis points":
      return `${Number(value) / 100} %`;
    case "millionths":
      return `${Number(value) / 1_000_000}`;
    case "count":
      return value.toString();
    case "address":
      return asAddress(value);
  }
}

/** A smaller number without a unit is more likely meant as OPEN. */
const leastBareWei = 10n ** 9n;

const secondsIn = { s: 1n, min: 60n, h: 3_600n, d: 86_400n } as const;

/**
 * Reads a value in the parameter's own unit, or with a unit that says another: `3600`, `1h`, `2d`; `10OPEN`; `3%`.
 *
 * @throws CliError for a name that is no parameter, and for a value that is none of this kind
 */
export function parseParameter(name: string, text: string): bigint {
  if (!parameterNames.includes(name))
    throw new CliError(`There is no parameter "${name}".`, {
      ...(name === "feeSplit"
        ? { fix: ["./openledger gov propose fee-split operator=1500 …"] }
        : { expected: parameterNames.join(", ") }),
      exitCode: exitCodes.usage,
      code: "unknown-parameter",
    });
  const unit = unitOf(name);
  const [, digits, , suffix = ""] = /^(\d{1,30}(\.\d{1,18})?) ?([a-zA-Z%]*)$/.exec(text.trim()) ?? [];
  const whole = digits !== undefined && /^\d+$/.test(digits) ? BigInt(digits) : undefined;
  if (unit === "address" && /^0x[0-9a-fA-F]{40}$/.test(text)) return BigInt(text);
  if (unit === "wei" && whole !== undefined && suffix === "" && whole > 0n && whole < leastBareWei)
    throw new CliError(`${whole} what?`, {
      expected: `${whole}OPEN, or ${whole}wei`,
      actual: text,
      exitCode: exitCodes.usage,
      code: "no-unit",
    });
  if (unit !== "address" && whole !== undefined && suffix === "") return whole;
  if (unit === "wei" && digits !== undefined && /^open$/i.test(suffix)) return parseOpen(digits);
  if (unit === "wei" && whole !== undefined && suffix === "wei") return whole;
  if (unit === "seconds" && whole !== undefined && Object.hasOwn(secondsIn, suffix))
    return whole * secondsIn[suffix as keyof typeof secondsIn];
  if (unit === "basis points" && digits !== undefined && suffix === "%") return percent(digits);
  throw new CliError(`This is not a value of ${name}.`, {
    expected: {
      wei: "wei, or OPEN as in 10OPEN",
      seconds: "seconds, or as in 30min, 12h or 7d",
      "basis points": "basis points, or per cent as in 2.5%",
      millionths: "millionths",
      count: "a number",
      address: "an address",
    }[unit],
    actual: text.slice(0, 60),
    exitCode: exitCodes.usage,
  });
}

function percent(digits: string): bigint {
  const hundredths = Number(digits) * 100;
  if (Number.isSafeInteger(hundredths)) return BigInt(hundredths);
  throw new CliError("A per cent has at most two decimals.", { actual: digits, exitCode: exitCodes.usage });
}
