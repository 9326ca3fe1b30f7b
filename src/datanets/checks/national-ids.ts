/**
 * Numbers that states give to people, of those states whose numbers carry a check digit. Where the bare digits could be anything, the number's
 * name must stand before it.
 */
import { luhn, mod97, verhoeff, weighted } from "./checksums.ts";

export type NationalId = {
  readonly country: string;
  /** Finds what may be one; group 1, where there is one, is the number itself. */
  readonly pattern: RegExp;
  /** @param text the number without separators, capital letters */
  valid(text: string): boolean;
};

/** Whether two digits each are a day of a month; leap years are left to the checksum. */
const isDay = (month: string, day: string) => {
  const days = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][Number(month) - 1];
  return days !== undefined && Number(day) >= 1 && Number(day) <= days;
};

const spanishLetters = "TRWAGMYFPDXBNJZSQVHLCKE";
const finnishLetters = "0123456789ABCDEFHJKLMNPRSTUVWXY";
/** What letters and digits at odd places (from 1) count in a codice fiscale: digits as the letters of the same rank. */
const italianOdd = [
  1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23,
];
const rank = (character: string) =>
  /\d/.test(character) ? Number(character) : (character.codePointAt(0) as number) - 65;

const italian = (text: string) =>
  [...text.slice(0, 15)].reduce(
    (sum, character, i) => sum + (i % 2 === 0 ? (italianOdd[rank(character)] as number) : rank(character)),
    0,
  ) %
    26 ===
  rank(text[15] as string);

/** ISO 7064, mod 11,10, and one digit two or three times among the first ten (§ 139b AO). */
function german(text: string): boolean {
  const counts = [...text.slice(0, 10)].reduce(
    (of, digit) => of.set(digit, (of.get(digit) ?? 0) + 1),
    new Map(),
  );
  const repeated = [...counts.values()].filter((count) => count > 1);
  if (repeated.length !== 1 || repeated[0] > 3) return false;
  let product = 10;
  for (const digit of text.slice(0, 10)) product = (2 * ((Number(digit) + product) % 10 || 10)) % 11;
  return (11 - product) % 10 === Number(text[10]);
}

const brazilian = (text: string) =>
  !/^(\d)\1*$/.test(text) &&
  [9, 10].every((count) => {
    const weights = Array.from({ length: count }, (_, i) => count + 1 - i);
    return ((weighted(text, weights) * 10) % 11) % 10 === Number(text[count]);
  });

const chinese = (text: string) =>
  isDay(text.slice(10, 12), text.slice(12, 14)) &&
  "10X98765432"[weighted(text, [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]) % 11] === text[17];

const before = "(?<![\\w.,/-])";
const after = "(?![\\w/]|[.,-]\\d)";
const bounded = (pattern: string, flags = "g") => new RegExp(before + pattern + after, flags);
const named = (names: string, pattern: string) =>
  new RegExp(`(?<!\\w)(?:${names})(?:[ .:#-]|nr|no|number|is){0,4} ?(${pattern})${after}`, "gid");

/** In the order of countries' codes. */
export const nationalIds: readonly NationalId[] = [
  {
    country: "BE",
    pattern: bounded("\\d\\d\\.\\d\\d\\.\\d\\d-\\d{3}\\.\\d\\d"),
    valid: (text) =>
      isDay(text.slice(2, 4), text.slice(4, 6)) &&
      ["", "2"].some((century) => 97 - (Number(century + text.slice(0, 9)) % 97) === Number(text.slice(9))),
  },
  { country: "BR", pattern: bounded("\\d{3}\\.\\d{3}\\.\\d{3}-\\d\\d"), valid: brazilian },
  {
    country: "CH",
    pattern: bounded("756\\.\\d{4}\\.\\d{4}\\.\\d\\d"),
    valid: (text) => weighted(text, [1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1]) % 10 === 0,
  },
  {
    country: "CN",
    pattern: bounded("[1-9]\\d{5}(?:19|20)\\d\\d[01]\\d[0-3]\\d\\d{3}[\\dX]"),
    valid: chinese,
  },
  {
    country: "DE",
    pattern: named(
      "Steuer-?ID(?:entifikationsnummer)?|IdNr|Steuerliche Identifikationsnummer|Tax ID",
      "[1-9]\\d(?: ?\\d{3}){3}",
    ),
    valid: german,
  },
  {
    country: "ES",
    pattern: bounded("(?:\\d{8}|[XYZ]\\d{7})-?[A-Z]"),
    valid: (text) =>
      spanishLetters[Number(text.slice(0, 8).replace(/^[XYZ]/, (x) => String("XYZ".indexOf(x)))) % 23] ===
      text[8],
  },
  {
    country: "FI",
    pattern: bounded("[0-3]\\d[01]\\d{3}[-+A]\\d{3}[\\dA-Y]"),
    valid: (text) =>
      isDay(text.slice(2, 4), text.slice(0, 2)) &&
      finnishLetters[Number(text.slice(0, 6) + text.slice(-4, -1)) % 31] === text.at(-1),
  },
  {
    country: "FR",
    pattern: bounded("[12] ?\\d\\d ?(?:0[1-9]|1[0-2]) ?(?:\\d\\d|2[AB]) ?\\d{3} ?\\d{3} ?\\d\\d"),
    valid: (text) => {
      const body = text.slice(0, 13).replace("2A", "19").replace("2B", "18");
      return 97 - mod97(body) === Number(text.slice(13));
    },
  },
  { country: "IN", pattern: bounded("[2-9]\\d{3} \\d{4} \\d{4}"), valid: verhoeff },
  {
    country: "IT",
    pattern: bounded("[A-Z]{6}\\d\\d[A-EHLMPRST]\\d\\d[A-Z]\\d{3}[A-Z]"),
    valid: italian,
  },
  {
    country: "NL",
    pattern: named("BSN|burgerservicenummer", "\\d{9}"),
    valid: (text) => text !== "000000000" && weighted(text, [9, 8, 7, 6, 5, 4, 3, 2, -1]) % 11 === 0,
  },
  {
    country: "PL",
    pattern: named("PESEL", "\\d{11}"),
    valid: (text) => weighted(text, [1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]) % 10 === 0,
  },
  {
    country: "SE",
    pattern: bounded("\\d\\d[01]\\d[0-3]\\d[-+]\\d{4}"),
    valid: (text) => isDay(text.slice(2, 4), text.slice(4, 6)) && luhn(text),
  },
];
