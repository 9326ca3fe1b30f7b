import { CliError, exitCodes } from "./errors.ts";

/** Decimals of OPEN: 1 OPEN is 10¹⁸ wei. */
const decimals = 18;
/** More OPEN than this was never minted. */
const openMax = 1_000_000_000n;
const pattern = new RegExp(`^(\\d{1,10})(?:\\.(\\d{1,${decimals}}))?$`);

/**
 * Reads an amount of OPEN exactly: digits, and up to 18 decimals after a point.
 *
 * @returns wei
 * @throws CliError for anything else: signs, exponents, grouping, more decimals, more than was ever minted
 *
 * @example
 * parseOpen("0.5") // 500000000000000000n
 */
export function parseOpen(text: string): bigint {
  const [, whole, fraction = ""] = pattern.exec(text.trim()) ?? [];
  if (whole === undefined) throw notAnAmount(text);
  const wei = BigInt(whole) * 10n ** BigInt(decimals) + BigInt(fraction.padEnd(decimals, "0"));
  if (wei > openMax * 10n ** BigInt(decimals)) throw notAnAmount(text);
  return wei;
}

function notAnAmount(text: string): CliError {
  return new CliError("This is not an amount of OPEN.", {
    expected: `a decimal number from 0 to ${openMax} with at most ${decimals} decimals, such as 10 or 0.25`,
    actual: JSON.stringify(text.slice(0, 60)),
    exitCode: exitCodes.usage,
  });
}

/** As {@link parseOpen}, and more than nothing. */
export function parsePositiveOpen(text: string): bigint {
  const wei = parseOpen(text);
  if (wei > 0n) return wei;
  throw new CliError("The amount must be more than 0 OPEN.", {
    expected: "more than 0",
    actual: text,
    exitCode: exitCodes.usage,
  });
}

/**
 * Writes wei as OPEN, exactly: `parseOpen` gives the same wei back.
 *
 * @example
 * formatOpen(1_500_000_000_000_000_000n) // "1.5"
 */
export function formatOpen(wei: bigint): string {
  const digits = (wei < 0n ? -wei : wei).toString().padStart(decimals + 1, "0");
  const whole = digits.slice(0, -decimals);
  const fraction = digits.slice(-decimals).replace(/0+$/, "");
  return `${wei < 0n ? "-" : ""}${whole}${fraction === "" ? "" : `.${fraction}`}`;
}
