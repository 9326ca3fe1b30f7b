/** The parts of JSON text as grammar: strings, numbers, and any value. */
import {
  type CodeRange,
  type Expression,
  literal,
  oneOf,
  optional,
  repeat,
  rule,
  sequence,
  set,
} from "./ebnf.ts";

/** ASCII characters that stand in a JSON string as they are. */
export const plainAscii: readonly CodeRange[] = [
  [0x20, 0x21],
  [0x23, 0x5b],
  [0x5d, 0x7f],
];

const quote = literal('"');
const hex = set("0-9", "a-f", "A-F");

/** What follows the backslash of an escape; halves of surrogate pairs come in pairs only, so that every string is well-formed. */
const escapeText = oneOf(
  set('"', "\\", "/", "b", "f", "n", "r", "t"),
  sequence(
    literal("u"),
    oneOf(
      sequence(set("0-9", "a-c", "A-C", "e-f", "E-F"), hex, hex, hex),
      sequence(set("d", "D"), set("0-7"), hex, hex),
      sequence(
        ...[set("d", "D"), set("8-9", "a-b", "A-B"), hex, hex, literal("\\u")],
        ...[set("d", "D"), set("c-f", "C-F"), hex, hex],
      ),
    ),
  ),
);

/** One character that stands in a JSON string as it is. */
export const plainCharacter: Expression = { set: plainAscii, beyond: true };

/** A string around what is between its quotes. */
export const quoted = (content: Expression): Expression => sequence(quote, content, quote);

/** A comma or colon, and a space as models like to put one behind it. */
export const comma = literal(",");
export const separated = (mark: "," | ":"): Expression => sequence(literal(mark), optional(literal(" ")));

/** Exactly this value. */
export const jsonLiteral = (value: unknown): Expression => literal(JSON.stringify(value));

export const digit = set("0-9");

/** Digits behind which every number is exact enough and none is infinite. */
export const digitsMax = 15;

const wholePart = oneOf(literal("0"), sequence(set("1-9"), repeat(digit, 0, digitsMax - 1)));

const integerText: Expression = oneOf(
  literal("0"),
  sequence(optional(literal("-")), set("1-9"), repeat(digit, 0, digitsMax - 1)),
);

const numberText: Expression = sequence(
  optional(literal("-")),
  wholePart,
  optional(sequence(literal("."), repeat(digit, 1, digitsMax))),
  optional(sequence(set("e", "E"), optional(set("+", "-")), digit, optional(digit))),
);

/**
 * Rules for JSON of any shape, by the names that {@link rule} refers to them by. A string's rule goes on to its closing quote, one
 * character after the other, since what a token may be is known for all that stays within one rule: with characters as a rule of their
 * own, or the quote outside, each mask of a vocabulary of 150,000 takes 200 ms in place of 0.1.
 */
export const anyRules: Readonly<Record<string, Expression>> = {
  any: oneOf(
    ...["any_object", "any_array", "string", "number"].map(rule),
    ...["true", "false", "null"].map(literal),
  ),
  any_object: sequence(literal("{"), rule("any_first")),
  any_first: oneOf(literal("}"), rule("any_pair")),
  any_pair: sequence(rule("string"), separated(":"), rule("any"), rule("any_more")),
  any_more: oneOf(literal("}"), sequence(separated(","), rule("any_pair"))),
  any_array: sequence(literal("["), rule("any_items")),
  any_items: oneOf(literal("]"), sequence(rule("any"), rule("any_others"))),
  any_others: oneOf(literal("]"), sequence(separated(","), rule("any"), rule("any_others"))),
  string: sequence(quote, rule("string_rest")),
  string_rest: oneOf(
    quote,
    sequence(plainCharacter, rule("string_rest")),
    sequence(literal("\\"), rule("string_escape"), rule("string_rest")),
  ),
  string_escape: escapeText,
};

/** Numbers of any size. */
export const numberTexts: Readonly<Record<string, Expression>> = { number: numberText, integer: integerText };
