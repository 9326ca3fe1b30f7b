/**
 * Personal data in a text, by what can be told for sure: forms that nothing else has, and numbers whose check digits are right. Names, addresses
 * and dates of birth are not looked for: nobody finds those without guessing.
 */
import { isIPv4, isIPv6 } from "node:net";
import { luhn, mod97 } from "./checksums.ts";
import { nationalIds } from "./national-ids.ts";

export const personalKinds = ["email", "phone", "iban", "card", "ip", "national-id"] as const;
export type PersonalKind = (typeof personalKinds)[number];

/** Where it stands, in UTF-16 code units; the data itself is not repeated, since reports are read by others. */
export type PersonalData = {
  readonly kind: PersonalKind;
  readonly start: number;
  readonly end: number;
  /** Of a national id. */
  readonly country?: string;
};

/** RFC 5321: at most 64 characters before the @, 63 a label; what is quoted or in other scripts is not looked for. */
const email =
  /(?<![\w.%+-])[A-Za-z0-9](?:[\w.%+-]{0,62}[\w%+-])?@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,6}[A-Za-z]{2,24}(?![\w@-]|\.\w)/g;

/** Country codes of E.164, by their first digits. */
const countryCode =
  /^(?:1|7|2[07]|2[1-69]\d|3[0-469]|3[578]\d|4[013-9]|42\d|5[1-8]|5[09]\d|6[0-6]|6[7-9]\d|8[1246]|8[0578]\d|9[0-58]|9[679]\d)/;
const internationalStart = /(?<![\w+)])\+(?=\(?[1-9])/g;
/** The North American plan: neither area nor exchange begins with 0 or 1. */
const american = /(?<![\w.+-])(?:1[-. ])?(?:\([2-9]\d\d\) ?|[2-9]\d\d([-.]))[2-9]\d\d[-.]\d{4}(?!\w|[-.]\d)/g;
const named =
  /(?<!\w)(?:phone|telephone|telefon|téléphone|teléfono|telefono|tel|tél|mobile|mobil|cell|fax|whatsapp)(?: (?:number|no|nr))?[.:]{0,2} ?(\(?0\d{1,4}\)?(?:[ /-]?\d{2,5}){1,4})(?!\w|[.,]\d)/dgi;

/** Length of an IBAN by country (SWIFT's IBAN registry, release 97). */
const ibanLength: Readonly<Record<string, number>> = Object.fromEntries(
  (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DK18 DO28 EE20 EG29 ES24 FI18 FO18 FR27 GB22 GE22 " +
    "GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MR27 " +
    "MT31 MU30 NL18 NO15 PK24 PL28 PS29 PT25 QA29 RO24 RS22 SA24 SC31 SD18 SE24 SI19 SK24 SM27 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20"
  )
    .split(" ")
    .map((entry) => [entry.slice(0, 2), Number(entry.slice(2))]),
);
const ibanStart = /(?<![A-Za-z0-9])[A-Z]{2}\d\d(?=[ A-Z0-9])/g;

const plainCard = /(?<![\w.,+-])\d{13,19}(?!\w|[.,-]\d)/g;
const groupedCard =
  /(?<![\w.,+-])(?:\d{4}([ -])\d{4}\1\d{4}\1\d{4}(?:\1\d{3})?|3\d{3}([ -])\d{6}\2\d{4,5})(?!\w|[.,-]\d)/g;
/** Issuers' prefixes with the lengths they give out. */
const issuers: readonly (readonly [prefix: RegExp, lengths: readonly number[]])[] = [
  [/^4/, [13, 16, 19]],
  [/^(?:5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720)/, [16]],
  [/^3[47]/, [15]],
  [/^(?:30[0-5]|3[689])/, [14]],
  [/^(?:6011|64[4-9]|65)/, [16, 19]],
  [/^35(?:2[89]|[3-8])/, [16]],
  [/^62/, [16, 17, 18, 19]],
];

const ipv4 = /(?<![\w.:-]|version |v )(?:\d{1,3}\.){3}\d{1,3}(?![\w-]|\.\d)/gi;
const ipv6 = /(?<![\w:.])[0-9a-f]{1,4}(?::{1,2}[0-9a-f]{1,4}){2,7}(?![\w:])/gi;

/** Networks that are nobody's: this host, private use, link-local, documentation, multicast and reserved (RFC 6890). */
const nobodys =
  /^(?:0|10|127|2(?:2[4-9]|[345]\d))\.|^192\.(?:168|0\.[02])\.|^172\.(?:1[6-9]|2\d|3[01])\.|^169\.254\.|^198\.(?:1[89]|51\.100)\.|^203\.0\.113\.|^100\.(?:6[4-9]|[789]\d|1[01]\d|12[0-7])\./;

type Found = PersonalData[];

/** Personal data in the order it stands; what overlaps is one: the longest. */
export function findPersonalData(text: string): PersonalData[] {
  const found: Found = [];
  if (text.includes("@"))
    for (const match of text.matchAll(email)) push(found, "email", match.index, match[0]);
  if (/\d/.test(text)) findNumbers(text, found);
  found.sort((a, b) => a.start - b.start || b.end - a.end);
  let end = 0;
  return found.filter((each) => {
    if (each.start < end) return false;
    end = each.end;
    return true;
  });
}

/** The text with each find replaced by its kind in brackets. Nothing is found in what comes out. */
export function maskPersonalData(text: string): string {
  let masked = text;
  for (let rounds = 0; rounds < 8; rounds++) {
    const found = findPersonalData(masked);
    if (found.length === 0) break;
    let at = 0;
    const parts = found.map(({ kind, start, end }) => {
      const part = `${masked.slice(at, start)}[${kind}]`;
      at = end;
      return part;
    });
    masked = parts.join("") + masked.slice(at);
  }
  return masked;
}

function push(found: Found, kind: PersonalKind, start: number, text: string, country?: string): void {
  found.push({ kind, start, end: start + text.length, ...(country === undefined ? {} : { country }) });
}

function findNumbers(text: string, found: Found): void {
  findIbans(text, found);
  if (text.includes(".") || text.includes(":")) findAddresses(text, found);
  findNationalIds(text, found);
  for (const pattern of [plainCard, groupedCard])
    for (const match of text.matchAll(pattern))
      if (isCard(match[0])) push(found, "card", match.index, match[0]);
  if (text.includes("+")) findInternational(text, found);
  for (const match of text.matchAll(american)) push(found, "phone", match.index, match[0]);
  for (const match of text.matchAll(named)) {
    const number = match[1] as string;
    const digits = number.replace(/\D/g, "").length;
    if (digits >= 7 && digits <= 13) push(found, "phone", match.indices?.[1]?.[0] ?? match.index, number);
  }
}

/** E.164: a plus, then 8 to 15 digits, of which the first are a country's. A separator stands between digits, or ") " does. */
function findInternational(text: string, found: Found): void {
  for (const { index } of text.matchAll(internationalStart)) {
    let digits = "";
    let end = index + 1;
    for (let at = index + 1; at < text.length && digits.length < 16; at++) {
      const character = text[at] as string;
      if (/\d/.test(character)) {
        digits += character;
        end = at + 1;
      } else if (!/[ ().\-\u00a0]/.test(character) || at - end > 1) break;
    }
    const whole = !/^(?:\w|[.,]\d)/.test(text.slice(end, end + 2));
    if (whole && digits.length >= 8 && digits.length <= 15 && countryCode.test(digits))
      push(found, "phone", index, text.slice(index, end));
  }
}

function isCard(text: string): boolean {
  const digits = text.replace(/\D/g, "");
  return (
    issuers.some(([prefix, lengths]) => lengths.includes(digits.length) && prefix.test(digits)) &&
    luhn(digits)
  );
}

/** From each beginning as many characters as the country's numbers have, single spaces between them left out. */
function findIbans(text: string, found: Found): void {
  for (const { index } of text.matchAll(ibanStart)) {
    const length = ibanLength[text.slice(index, index + 2)];
    if (length === undefined) continue;
    let iban = "";
    let at = index;
    while (iban.length < length && at < text.length) {
      const character = text[at] as string;
      if (/[A-Z0-9]/.test(character)) iban += character;
      else if (character !== " " || text[at - 1] === " ") break;
      at++;
    }
    if (
      iban.length === length &&
      !/[A-Za-z0-9]/.test(text[at] ?? "") &&
      mod97(iban.slice(4) + iban.slice(0, 4)) === 1
    )
      push(found, "iban", index, text.slice(index, at));
  }
}

function findAddresses(text: string, found: Found): void {
  for (const match of text.matchAll(ipv4))
    if (isIPv4(match[0]) && !nobodys.test(match[0])) push(found, "ip", match.index, match[0]);
  // Global unicast only: 2000::/3 (RFC 4291), without the documentation's 2001:db8::/32.
  for (const match of text.matchAll(ipv6))
    if (isIPv6(match[0]) && /^[23][0-9a-f]{3}:/i.test(match[0]) && !/^2001:0?db8:/i.test(match[0]))
      push(found, "ip", match.index, match[0]);
}

function findNationalIds(text: string, found: Found): void {
  for (const { country, pattern, valid } of nationalIds)
    for (const match of text.matchAll(pattern)) {
      const number = match[1] ?? match[0];
      if (!valid(number.replace(/[ .+-]/g, ""))) continue;
      push(found, "national-id", match.indices?.[1]?.[0] ?? match.index, number, country);
    }
}
