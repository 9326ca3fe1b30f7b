/** Check digits, so that a run of digits is taken for what it is and not for what it looks like. Inputs hold nothing but the characters named. */

/** Luhn's formula (ISO/IEC 7812-1, annex B). @param digits at least one decimal digit */
export function luhn(digits: string): boolean {
  let sum = 0;
  for (let i = 0; i < digits.length; i++) {
    const digit = Number(digits[digits.length - 1 - i]);
    const twice = 2 * digit;
    sum += i % 2 === 0 ? digit : twice > 9 ? twice - 9 : twice;
  }
  return sum % 10 === 0;
}

/** Remainder by 97 of a number in which A stands for 10, B for 11 and so on (ISO 7064). @param text digits and capital letters */
export function mod97(text: string): number {
  let rest = 0;
  for (const character of text) {
    const value = Number.parseInt(character, 36);
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97;
  }
  return rest;
}

/** Products of the group of symmetries of a pentagon, of which Verhoeff's digits are the elements (Verhoeff 1969). */
const multiply = (a: number, b: number) =>
  a < 5 ? (b < 5 ? (a + b) % 5 : 5 + ((a + b) % 5)) : b < 5 ? 5 + ((a - b + 5) % 5) : (a - b + 5) % 5;
const permute = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];

/** Verhoeff's formula. @param digits decimal */
export function verhoeff(digits: string): boolean {
  let check = 0;
  for (let i = 0; i < digits.length; i++) {
    let digit = Number(digits[digits.length - 1 - i]);
    for (let times = i % 8; times > 0; times--) digit = permute[digit] as number;
    check = multiply(check, digit);
  }
  return check === 0;
}

/** Sum of digits, each times its weight. */
export const weighted = (digits: string, weights: readonly number[]): number =>
  weights.reduce((sum, weight, i) => sum + weight * Number(digits[i]), 0);
