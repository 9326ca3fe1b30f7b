/** Context-free grammars as values, and as the EBNF text that a grammar compiler reads. */

/**
 * What can stand in a rule. `set` is one of the ASCII characters in these ranges, or with `beyond` one of those or any that is not ASCII:
 * xgrammar 0.1.27 misreads ranges outside of ASCII.
 */
export type Expression =
  | { readonly literal: string }
  | { readonly set: readonly CodeRange[]; readonly beyond: boolean }
  | { readonly sequence: readonly Expression[] }
  | { readonly oneOf: readonly Expression[] }
  | { readonly repeat: Expression; readonly min: number; readonly max: number | undefined }
  | { readonly rule: string };

/** Code points, both ends included. */
export type CodeRange = readonly [first: number, last: number];

/** Rules by name; the first is where a text begins. Names are letters, digits and underscores. */
export type Rules = ReadonlyMap<string, Expression>;

export const literal = (text: string): Expression => ({ literal: text });
export const sequence = (...parts: Expression[]): Expression =>
  parts.length === 1 ? (parts[0] as Expression) : { sequence: parts };
export const oneOf = (...cases: Expression[]): Expression =>
  cases.length === 1 ? (cases[0] as Expression) : { oneOf: cases };

/** Repetitions of repetitions are written as one where that is the same: each way to read them apart costs time at every token. */
export function repeat(part: Expression, min: number, max?: number): Expression {
  if ("repeat" in part && part.min <= 1 && max !== 0) {
    if (part.max === undefined) return { repeat: part.repeat, min: part.min * min, max: undefined };
    if (part.max === 1) return { repeat: part.repeat, min: part.min * min, max };
  }
  return { repeat: part, min, max };
}

export const optional = (part: Expression): Expression => repeat(part, 0, 1);
export const rule = (name: string): Expression => ({ rule: name });
/** One of these ASCII characters; a hyphen between two makes a range. */
export const set = (...ranges: (CodeRange | string)[]): Expression => ({
  set: ranges.map((range) =>
    typeof range === "string" ? ([range.charCodeAt(0), range.charCodeAt(range.length - 1)] as const) : range,
  ),
  beyond: false,
});

/** What is left of the code points up to `last` without these ranges. */
export function complement(ranges: readonly CodeRange[], last: number): CodeRange[] {
  const out: CodeRange[] = [];
  let next = 0;
  for (const [from, to] of [...ranges].sort((a, b) => a[0] - b[0])) {
    if (from > next) out.push([next, from - 1]);
    next = Math.max(next, to + 1);
  }
  if (next <= last) out.push([next, last]);
  return out;
}

/** The grammar as xgrammar reads it: `name ::= …`, one rule a line. */
export function formatRules(rules: Rules): string {
  return [...rules].map(([name, body]) => `${name} ::= ${format(body)}\n`).join("");
}

function format(part: Expression): string {
  if ("literal" in part) return `"${Array.from(part.literal, character).join("")}"`;
  if ("rule" in part) return part.rule;
  if ("sequence" in part) return part.sequence.length === 0 ? '""' : part.sequence.map(inner).join(" ");
  if ("oneOf" in part) return part.oneOf.map(inner).join(" | ");
  if ("set" in part) {
    const code = (value: number) => character(String.fromCodePoint(value));
    const ranges = part.beyond ? complement(part.set, 0x7f) : part.set;
    const spelt = ranges.map(([first, last]) =>
      first === last ? code(first) : `${code(first)}-${code(last)}`,
    );
    return `[${part.beyond ? "^" : ""}${spelt.join("")}]`;
  }
  if (part.max === 0) return '""';
  const { min, max } = part;
  const times =
    max === undefined && min < 2 ? "*+"[min] : min === 0 && max === 1 ? "?" : `{${min},${max ?? ""}}`;
  return `${inner(part.repeat)}${times}`;
}

const inner = (part: Expression) =>
  "literal" in part || "rule" in part || "set" in part ? format(part) : `(${format(part)})`;

function character(text: string): string {
  if (/[A-Za-z0-9 _.,:{}]/.test(text)) return text;
  const code = (text.codePointAt(0) as number).toString(16);
  return code.length <= 4 ? `\\u${code.padStart(4, "0")}` : `\\U${code.padStart(8, "0")}`;
}

/** How many characters, sets and references the rules have, repetitions written out up to `unrolled` times. */
export function sizeOf(rules: Rules, unrolled = 128): number {
  const size = (part: Expression): number => {
    if ("literal" in part) return part.literal.length + 1;
    if ("sequence" in part) return part.sequence.reduce((sum, p) => sum + size(p), 1);
    if ("oneOf" in part) return part.oneOf.reduce((sum, p) => sum + size(p), 1);
    if ("repeat" in part)
      return 1 + size(part.repeat) * Math.min(unrolled, Math.max(part.min, part.max ?? 1));
    return 1;
  };
  return [...rules.values()].reduce((sum, body) => sum + size(body), 0);
}

/** The rules from which no finite text can be made: they go round in circles for ever. */
export function endless(rules: Rules): string[] {
  const ends = new Set<string>();
  const canEnd = (part: Expression): boolean => {
    if ("rule" in part) return ends.has(part.rule);
    if ("sequence" in part) return part.sequence.every(canEnd);
    if ("oneOf" in part) return part.oneOf.some(canEnd);
    if ("repeat" in part) return part.min === 0 || canEnd(part.repeat);
    return true;
  };
  for (let before = -1; before < ends.size; ) {
    before = ends.size;
    for (const [name, body] of rules) if (!ends.has(name) && canEnd(body)) ends.add(name);
  }
  return [...rules.keys()].filter((name) => !ends.has(name));
}
