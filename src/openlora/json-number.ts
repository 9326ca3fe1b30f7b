/** Numbers between two bounds as grammar, digit by digit. */
import { type Expression, literal, oneOf, optional, repeat, sequence, set } from "./ebnf.ts";
import { digit, digitsMax } from "./json-text.ts";

/** Lowest and highest value, both allowed themselves. */
export type Bounds = { readonly min: number; readonly max: number };

/** Beyond these a bound counts as none: numbers have {@link digitsMax} digits. */
export const boundMax = 10 ** digitsMax - 1;

/** Digits that a bound keeps behind the point. */
export const fractionDigits = 6;
const scale = 10 ** fractionDigits;

/** Numbers of exactly `width` digits, zeros in front, from `low` to `high`. */
function fixedWidth(low: number, high: number, width: number): Expression {
  if (width === 0) return sequence();
  const unit = 10 ** (width - 1);
  const [first, last] = [Math.floor(low / unit), Math.floor(high / unit)];
  const span = (a: number, b: number) => set([48 + a, 48 + b]);
  const rest = (a: number, b: number) => fixedWidth(a, b, width - 1);
  const full = repeat(digit, width - 1, width - 1);
  if (first === last) return sequence(span(first, first), rest(low % unit, high % unit));
  const cases: Expression[] = [];
  let from = first;
  let to = last;
  if (low % unit !== 0) {
    cases.push(sequence(span(first, first), rest(low % unit, unit - 1)));
    from++;
  }
  if (high % unit !== unit - 1) {
    cases.push(sequence(span(last, last), rest(0, high % unit)));
    to--;
  }
  if (from <= to) cases.push(sequence(span(from, to), full));
  return oneOf(...cases);
}

/** Whole numbers from `low` ≥ 0 to `high`, without zeros in front. */
function natural(low: number, high: number): Expression {
  const cases: Expression[] = [];
  for (let width = 1, first = 0; first <= high; width++, first = 10 ** (width - 1)) {
    const last = Math.min(high, 10 ** width - 1);
    if (last >= low) cases.push(fixedWidth(Math.max(low, first), last, width));
  }
  return oneOf(...cases);
}

/** Integers within bounds, or undefined where there are none. */
export function integersBetween({ min, max }: Bounds): Expression | undefined {
  const low = Math.max(Math.ceil(min), -boundMax);
  const high = Math.min(Math.floor(max), boundMax);
  if (low > high) return undefined;
  const cases: Expression[] = [];
  if (low < 0) cases.push(sequence(literal("-"), natural(Math.max(1, -high), -low)));
  if (high >= 0) cases.push(natural(Math.max(0, low), high));
  return oneOf(...cases);
}

/**
 * Decimal numbers within bounds, or undefined where there are none. Where a bound has digits behind the point, numbers between it and
 * the next integer have at least {@link fractionDigits} of them.
 *
 * @param bounds multiples of 10^-fractionDigits
 */
export function numbersBetween({ min, max }: Bounds): Expression | undefined {
  const cases: Expression[] = [];
  if (max >= 0) cases.push(...magnitudes(Math.max(0, min), max));
  if (min < 0) {
    const below = magnitudes(Math.max(0, -max), -min);
    if (below.length > 0) cases.push(sequence(literal("-"), oneOf(...below)));
  }
  return cases.length === 0 ? undefined : oneOf(...cases);
}

/** Decimals from `low` ≥ 0 to `high`, as cases. */
function magnitudes(low: number, high: number): Expression[] {
  const top = Math.min(high, boundMax);
  if (low > top) return [];
  const parts = (value: number) => {
    const whole = Math.floor(value);
    return [whole, Math.round((value - whole) * scale)] as const;
  };
  const [lowWhole, lowPart] = parts(low);
  const [topWhole, topPart] = parts(top);
  const anyFraction = optional(sequence(literal("."), repeat(digit, 1, digitsMax)));
  const zeros = optional(sequence(literal("."), repeat(literal("0"), 1, fractionDigits)));
  if (lowWhole === topWhole) return [withFractions(lowWhole, lowPart, topPart)];
  const cases: Expression[] = [];
  const firstFull = lowPart === 0 ? lowWhole : lowWhole + 1;
  if (lowPart !== 0) cases.push(withFractions(lowWhole, lowPart, scale));
  if (firstFull <= topWhole - 1) cases.push(sequence(natural(firstFull, topWhole - 1), anyFraction));
  cases.push(
    topPart === 0 ? sequence(natural(topWhole, topWhole), zeros) : withFractions(topWhole, 0, topPart),
  );
  return cases;
}

/** One whole part with the fractions from `low` to `high` millionths; a `high` of a whole one is left out itself. */
function withFractions(whole: number, low: number, high: number): Expression {
  const cases: Expression[] = [];
  if (low === 0) cases.push(sequence());
  const point = literal(".");
  if (low < high)
    cases.push(
      sequence(
        point,
        fixedWidth(low, high - 1, fractionDigits),
        repeat(digit, 0, digitsMax - fractionDigits),
      ),
    );
  if (high < scale) cases.push(sequence(point, fixedWidth(high, high, fractionDigits)));
  return sequence(natural(whole, whole), oneOf(...cases));
}
