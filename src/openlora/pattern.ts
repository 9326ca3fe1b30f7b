/** Regular expressions (ECMA-262, as JSON schemas use them) as grammar for what stands between a JSON string's quotes. */
import {
  type CodeRange,
  complement,
  type Expression,
  literal,
  oneOf,
  repeat,
  sequence,
  set,
} from "./ebnf.ts";
import { plainAscii, plainCharacter } from "./json-text.ts";

/** A pattern that has no meaning or none that a grammar can have. */
export class PatternError extends Error {
  override name = "PatternError";
}

const lengthMax = 2_000;
const depthMax = 16;
const repeatMax = 10_000;
const fewMax = 512;
const lastCode = 0x10ffff;
const beyondAscii: readonly CodeRange[] = [
  [0x80, 0xd7ff],
  [0xe000, lastCode],
];

const classes: Record<string, readonly CodeRange[]> = {
  d: [[0x30, 0x39]],
  w: [
    [0x30, 0x39],
    [0x41, 0x5a],
    [0x5f, 0x5f],
    [0x61, 0x7a],
  ],
  s: [
    [0x09, 0x0d],
    [0x20, 0x20],
    [0xa0, 0xa0],
    [0x1680, 0x1680],
    [0x2000, 0x200a],
    [0x2028, 0x2029],
    [0x202f, 0x202f],
    [0x205f, 0x205f],
    [0x3000, 0x3000],
    [0xfeff, 0xfeff],
  ],
};
const lineEnds: readonly CodeRange[] = [
  [0x0a, 0x0a],
  [0x0d, 0x0d],
  [0x2028, 0x2029],
];
const controls: Record<string, string> = { n: "\n", r: "\r", t: "\t", f: "\f", v: "\v", 0: "\0" };

const both = (a: readonly CodeRange[], b: readonly CodeRange[]): CodeRange[] =>
  a.flatMap(([first, last]) =>
    b.flatMap(([from, to]) => {
      const range = [Math.max(first, from), Math.min(last, to)] as const;
      return range[0] <= range[1] ? [range] : [];
    }),
  );

/** One character as JSON text spells it between quotes. */
const spelt = (character: string): Expression => literal(JSON.stringify(character).slice(1, -1));

/**
 * Characters of a set: those that need no escape, and only where there are none of these, the others. Of some characters beyond ASCII
 * but not all, only a few are kept.
 */
function oneCharacter(ranges: readonly CodeRange[]): Expression {
  const ascii = both(ranges, plainAscii);
  const beyond = both(ranges, beyondAscii);
  if (codesIn(beyond) >= codesIn(beyondAscii)) return { set: ascii, beyond: true };
  const few = codesIn(beyond) <= fewMax ? listed(beyond) : [];
  const cases = [...(ascii.length > 0 ? [set(...ascii)] : []), ...few];
  if (cases.length > 0) return oneOf(...cases);
  if (beyond.length > 0)
    throw new PatternError(`a class has more than ${fewMax} characters outside of ASCII and not all`);
  const others = listed(both(ranges, complement(plainAscii, 0x7f)));
  if (others.length === 0) throw new PatternError("a class has no characters");
  return oneOf(...others);
}

const codesIn = (ranges: readonly CodeRange[]) =>
  ranges.reduce((sum, [first, last]) => sum + last - first + 1, 0);

const listed = (ranges: readonly CodeRange[]): Expression[] =>
  ranges.flatMap(([first, last]) =>
    Array.from({ length: last - first + 1 }, (_, i) => spelt(String.fromCodePoint(first + i))),
  );

/**
 * What a pattern matches; where it is not held by `^` and `$`, with anything before and behind it.
 *
 * @throws PatternError for what is malformed or cannot be told as a grammar: assertions, backreferences, properties of Unicode
 */
export function patternExpression(source: string): Expression {
  if (source.length > lengthMax) throw new PatternError(`it has more than ${lengthMax} characters`);
  const text = Array.from(source);
  let at = 0;
  const fail = (why: string): never => {
    throw new PatternError(`${why} (at character ${at + 1})`);
  };
  const take = (token: string): boolean => {
    if (text.slice(at, at + token.length).join("") !== token) return false;
    at += token.length;
    return true;
  };
  const anything = repeat(plainCharacter, 0);

  function hexadecimal(digits: number): string {
    const code = text.slice(at, at + digits).join("");
    if (!new RegExp(`^[0-9a-fA-F]{${digits}}$`).test(code)) fail("an escape lacks hexadecimal digits");
    at += digits;
    return String.fromCharCode(Number.parseInt(code, 16));
  }

  /** Behind a backslash: a set, or one character. */
  function escaped(inClass: boolean): readonly CodeRange[] | string {
    const letter = text[at++] ?? fail("it ends with a backslash");
    const known = classes[letter.toLowerCase()];
    if (known !== undefined) return letter === letter.toLowerCase() ? known : complement(known, lastCode);
    if (letter === "x") return hexadecimal(2);
    if (letter === "u" && take("{")) {
      const end = text.indexOf("}", at);
      const code = Number.parseInt(text.slice(at, end).join(""), 16);
      if (end < 0 || !(code <= lastCode)) fail("a \\u{…} escape is malformed");
      at = end + 1;
      return String.fromCodePoint(code);
    }
    if (letter === "u") {
      const first = hexadecimal(4);
      return /[\uD800-\uDBFF]/.test(first) && take("\\u") ? first + hexadecimal(4) : first;
    }
    if (letter === "0" && /[0-9]/.test(text[at] ?? "")) fail("octal escapes are not supported");
    const control = controls[letter];
    if (control !== undefined) return control;
    if (letter === "b" && inClass) return "\b";
    if (/[a-zA-Z1-9]/.test(letter))
      fail(`\\${letter} is not supported: no assertions, backreferences or properties of Unicode`);
    return letter;
  }

  function characterClass(): Expression {
    const negated = take("^");
    const ranges: CodeRange[] = [];
    const member = (): readonly CodeRange[] | string => (take("\\") ? escaped(true) : (text[at++] as string));
    while (!take("]")) {
      if (at >= text.length) fail("a character class has no end");
      const first = member();
      if (typeof first !== "string") {
        ranges.push(...first);
        continue;
      }
      const from = first.codePointAt(0) as number;
      if (text[at] !== "-" || text[at + 1] === "]" || text[at + 1] === undefined) {
        ranges.push([from, from]);
        continue;
      }
      at++;
      const last = member();
      const to = typeof last === "string" ? (last.codePointAt(0) as number) : fail("a range ends with a set");
      if (to < from) fail("a range runs backwards");
      ranges.push([from, to]);
    }
    return oneCharacter(negated ? complement(ranges, lastCode) : ranges);
  }

  function quantified(part: Expression): Expression {
    let [min, max]: [number, number | undefined] = [1, 1];
    if (take("*")) [min, max] = [0, undefined];
    else if (take("+")) [min, max] = [1, undefined];
    else if (take("?")) [min, max] = [0, 1];
    else {
      const counts = /^\{([0-9]{1,9})(,([0-9]{0,9}))?\}/.exec(text.slice(at, at + 24).join(""));
      if (counts === null) {
        if (text[at] === "{") fail("a { stands for itself only behind a backslash");
        return part;
      }
      at += counts[0].length;
      min = Number(counts[1]);
      max = counts[2] === undefined ? min : counts[3] === "" ? undefined : Number(counts[3]);
      if (max !== undefined && max < min) fail("a repetition's counts run backwards");
      if (Math.max(min, max ?? 0) > repeatMax) fail(`more than ${repeatMax} repetitions`);
    }
    take("?");
    if (/[*+?{]/.test(text[at] ?? "")) fail("nothing to repeat");
    return repeat(part, min, max);
  }

  function atom(depth: number): Expression {
    if (take("(")) {
      if (depth >= depthMax) fail(`groups nest deeper than ${depthMax}`);
      if (take("?") && !take(":")) {
        const name = /^<[A-Za-z_$][\w$]*>/.exec(text.slice(at, at + 64).join(""));
        if (name === null) fail("assertions and flags are not supported");
        else at += name[0].length;
      }
      const group = alternatives(depth + 1);
      if (!take(")")) fail("a group has no end");
      return group;
    }
    if (take("[")) return characterClass();
    if (take(".")) return oneCharacter(complement(lineEnds, lastCode));
    if (take("\\")) {
      const what = escaped(false);
      return typeof what === "string" ? spelt(what) : oneCharacter(what);
    }
    if (/[*+?{}\])]/.test(text[at] as string))
      fail(`"${text[at]}" stands for itself only behind a backslash`);
    if (/[\^$]/.test(text[at] as string)) fail("^ and $ are supported only around a whole alternative");
    return spelt(text[at++] as string);
  }

  function alternative(depth: number): Expression {
    const parts: Expression[] = [];
    const whole = depth === 0;
    if (whole && !take("^")) parts.push(anything);
    let ended = false;
    while (at < text.length && text[at] !== "|" && text[at] !== ")") {
      if (whole && text[at] === "$" && (text[at + 1] ?? "|") === "|") {
        at++;
        ended = true;
        break;
      }
      parts.push(quantified(atom(depth)));
    }
    if (whole && !ended) parts.push(anything);
    return sequence(...parts);
  }

  function alternatives(depth: number): Expression {
    const cases = [alternative(depth)];
    while (take("|")) cases.push(alternative(depth));
    return oneOf(...cases);
  }

  const result = alternatives(0);
  if (at < text.length) fail('a ")" has no group');
  return result;
}
