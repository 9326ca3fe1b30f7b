/** The rules of a grammar as they are written: what is shared by all schemas, lists, and the members of objects. */
import { AutomatonError, automatonRules, type Budget } from "./automaton.ts";
import {
  type CodeRange,
  complement,
  type Expression,
  literal,
  oneOf,
  repeat,
  rule,
  sequence,
} from "./ebnf.ts";
import { anyRules, numberTexts, plainAscii, plainCharacter, separated } from "./json-text.ts";
import { fail } from "./schema-reader.ts";

/** Longer lists and texts are counted by the library, which takes more time for each token. */
export const chainMax = 256;

export type RuleBook = ReturnType<typeof createRuleBook>;

/** @param prefix begins the rules' names, and is the first rule */
export function createRuleBook(prefix: string, budget: Budget) {
  const rules = new Map<string, Expression>([[prefix, sequence()]]);

  function common(name: keyof typeof anyRules & string): Expression {
    const full = `${prefix}_${name}`;
    const text = numberTexts[name];
    if (text !== undefined) return regular(full, text, "");
    if (!rules.has(full)) {
      rules.set(full, sequence());
      rules.set(full, renamed(anyRules[name] as Expression));
    }
    return rule(full);
  }

  /** What can be read from left to right without looking back, as rules of its own. */
  function regular(name: string, body: Expression, path: string): Expression {
    if (rules.has(name)) return rule(name);
    try {
      for (const [own, part] of automatonRules(name, body, budget)) rules.set(own, part);
    } catch (error) {
      if (!(error instanceof AutomatonError)) throw error;
      fail(path, `makes a grammar that cannot be used: ${error.message}`);
    }
    return rule(name);
  }

  const fresh = (what: string) => `${prefix}_${what}${rules.size}`;

  /**
   * Items with commas between, from where the list has begun to behind what closes it. Like strings, lists go on within one rule: what
   * follows is known there.
   */
  function list(
    item: Expression,
    min: number,
    max: number | undefined,
    close: string,
    begun: boolean,
  ): Expression {
    const name = fresh("list");
    const last = max ?? min;
    if (last > chainMax && max !== undefined) {
      const others = (least: number, most: number) => repeat(sequence(separated(","), item), least, most);
      const some = begun ? others(min, max) : sequence(item, others(Math.max(0, min - 1), max - 1));
      return sequence(min === 0 && !begun ? oneOf(some, sequence()) : some, literal(close));
    }
    const at = (i: number) => `${name}_${i}`;
    for (let i = last; i >= 0; i--) {
      const next =
        i < last ? rule(at(i + 1)) : max === undefined ? rule(at(i === 0 && !begun ? 1 : i)) : undefined;
      const further =
        next === undefined ? undefined : sequence(...(i > 0 || begun ? [separated(",")] : []), item, next);
      const cases = [...(i >= min ? [literal(close)] : []), ...(further === undefined ? [] : [further])];
      rules.set(at(i), oneOf(...cases));
    }
    if (last === 0 && max === undefined && !begun)
      rules.set(at(1), oneOf(literal(close), sequence(separated(","), item, rule(at(1)))));
    return rule(at(0));
  }

  function renamed(part: Expression): Expression {
    if ("rule" in part) return common(part.rule);
    if ("sequence" in part) return sequence(...part.sequence.map(renamed));
    if ("oneOf" in part) return oneOf(...part.oneOf.map(renamed));
    return "repeat" in part ? repeat(renamed(part.repeat), part.min, part.max) : part;
  }

  /** Listed properties in their order, some of which may be left out, then any number of others, and the brace behind them. */
  function members(
    pairs: readonly { pair: Expression; needed: boolean }[],
    other: Expression | undefined,
  ): Expression {
    const name = fresh("object");
    rules.set(name, sequence());
    const more = other === undefined ? literal("}") : list(other, 0, undefined, "}", true);
    const none = other === undefined ? literal("}") : list(other, 0, undefined, "}", false);
    /** What follows the first `i` properties, where something stands before or nothing does. */
    const after = (i: number, begun: boolean): Expression => {
      if (i < pairs.length) return rule(`${name}_${begun ? "more" : "first"}${i}`);
      return begun ? more : none;
    };
    const firstNeeded = pairs.findIndex(({ needed }) => needed);
    for (let i = pairs.length - 1; i >= 0; i--) {
      const { pair, needed } = pairs[i] as { pair: Expression; needed: boolean };
      const present = sequence(pair, after(i + 1, true));
      const later = sequence(separated(","), present);
      if (i > 0) rules.set(`${name}_more${i}`, needed ? later : oneOf(later, after(i + 1, true)));
      if (i <= firstNeeded || firstNeeded < 0)
        rules.set(`${name}_first${i}`, needed ? present : oneOf(present, after(i + 1, false)));
    }
    rules.set(name, rule(`${name}_first0`));
    return rule(name);
  }

  /** Every key but these, without escapes: down the letters that the keys share, and off them. */
  function otherThan(names: readonly string[]): Expression {
    const anything = repeat(plainCharacter, 0);
    const walk = (rest: readonly (readonly string[])[]): Expression => {
      const next = Map.groupBy(
        rest.filter((letters) => letters.length > 0),
        ([letter]) => letter as string,
      );
      const taken = [...next.keys()].map((letter): CodeRange => {
        const code = letter.codePointAt(0) as number;
        return [code, code];
      });
      const free = complement([...taken, ...complement(plainAscii, 0x7f)], 0x7f);
      const beyond = taken.every(([code]) => code <= 0x7f);
      const cases: Expression[] = [sequence({ set: free, beyond }, anything)];
      for (const [letter, group] of next)
        if (JSON.stringify(letter) === `"${letter}"`)
          cases.push(sequence(literal(letter), walk(group.map((letters) => letters.slice(1)))));
      if (!rest.some((letters) => letters.length === 0)) cases.push(sequence());
      return oneOf(...cases);
    };
    return walk(names.map((name) => Array.from(name)));
  }

  return { rules, common, regular, fresh, list, members, otherThan };
}
