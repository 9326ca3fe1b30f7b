import { InvalidArgumentError } from "commander";

/** A whole number above 0, as ids are written. */
export function positiveInteger(text: string): bigint {
  if (/^[1-9]\d{0,77}$/.test(text)) return BigInt(text);
  throw new InvalidArgumentError("This must be a whole number above 0.");
}

/** A whole number from 0. */
export function wholeNumber(text: string): bigint {
  if (/^(0|[1-9]\d{0,77})$/.test(text)) return BigInt(text);
  throw new InvalidArgumentError("This must be a whole number.");
}

/** A whole number from `min` to `max`. */
export const wholeUpTo =
  (max: number, min = 1) =>
  (text: string) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`Expected a whole number from ${min} to ${max}.`);
  };

/** Reads 500 or 5% as basis points. */
export const basisPoints = (text: string): number => parts(text, 10_000);

/** The same for a commission: whatever fits into the contract's uint16, which says what the most is. */
export const commissionPart = (text: string): number => parts(text, 65_535);

function parts(text: string, most: number): number {
  const [, digits = "", sign] = /^(\d{1,5}(?:\.\d{1,2})?)(%?)$/.exec(text) ?? [];
  const bps = Math.round(Number(digits) * (sign === "%" ? 100 : 1) * 100) / 100;
  if (digits !== "" && Number.isInteger(bps) && bps <= most) return bps;
  throw new InvalidArgumentError("This must be basis points, or per cent as in 2.5%.");
}

/** A number with its noun, such as "1 row" and "2 rows". */
export const counted = (count: number, one: string, several = `${one}s`): string =>
  `${count} ${count === 1 ? one : several}`;
