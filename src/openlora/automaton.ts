/**
 * Regular expressions as grammar rules, one for each state of their deterministic automaton (Thompson 1968; Rabin and Scott 1959). There is
 * one way only to read each text, so that no pattern takes long to follow; and rules that small are the ones that xgrammar 0.1.27 gets
 * right, which merges states of larger ones that differ.
 */
import { type CodeRange, type Expression, literal, oneOf, rule, sequence } from "./ebnf.ts";

/** An expression whose automaton would be too large, or that no text matches. */
export class AutomatonError extends Error {
  override name = "AutomatonError";
}

/** What may still be spent on automata, in steps of about a microsecond. */
export type Budget = { steps: number };

type Edge = { readonly ranges: readonly CodeRange[]; readonly beyond: boolean; readonly to: number };

/** Stands for every character outside of ASCII that the expression does not name. */
const otherCode = 0x110000;

/**
 * @param expression refers to no rules
 * @param budget is spent
 * @returns rules, the first of which is `name` and matches what the expression does
 * @throws AutomatonError when the budget is spent, or nothing matches
 */
export function automatonRules(
  name: string,
  expression: Expression,
  budget: Budget,
): Map<string, Expression> {
  const edges: Edge[][] = [[]];
  const skips: number[][] = [[]];
  const named = new Set<number>();
  const step = (count: number) => {
    budget.steps -= count;
    if (budget.steps < 0) throw new AutomatonError("it is too complicated");
  };
  const state = (): number => {
    step(4);
    skips.push([]);
    return edges.push([]) - 1;
  };

  function addCharacter(character: string, from: number): number {
    const code = character.codePointAt(0) as number;
    if (code > 0x7f) named.add(code);
    const to = state();
    edges[from]?.push({ ranges: [[code, code]], beyond: false, to });
    return to;
  }

  /** Adds texts that share what they begin with: long lists of values are common. */
  function addTexts(texts: readonly string[], from: number): number {
    const end = state();
    const begun = new Map<string, number>();
    for (const text of texts) {
      let at = from;
      for (const character of text) {
        const key = `${at} ${character}`;
        at = begun.get(key) ?? addCharacter(character, at);
        begun.set(key, at);
      }
      skips[at]?.push(end);
    }
    return end;
  }

  /** Adds a part behind a state. @returns the state behind the part */
  function add(part: Expression, from: number): number {
    if ("literal" in part) {
      let at = from;
      for (const character of part.literal) at = addCharacter(character, at);
      return at;
    }
    if ("set" in part) {
      const to = state();
      edges[from]?.push({ ranges: part.set, beyond: part.beyond, to });
      return to;
    }
    if ("sequence" in part) return part.sequence.reduce((at, each) => add(each, at), from);
    if ("oneOf" in part) {
      const texts = part.oneOf.flatMap((each) => ("literal" in each ? [each.literal] : []));
      if (texts.length === part.oneOf.length) return addTexts(texts, from);
      const end = state();
      for (const each of part.oneOf) {
        const start = state();
        skips[from]?.push(start);
        skips[add(each, start)]?.push(end);
      }
      return end;
    }
    if ("rule" in part) throw new TypeError("An automaton cannot refer to rules.");
    let at = from;
    for (let i = 0; i < part.min; i++) at = add(part.repeat, at);
    const end = state();
    skips[at]?.push(end);
    if (part.max === undefined) {
      const loop = state();
      skips[at]?.push(loop);
      const back = add(part.repeat, loop);
      skips[back]?.push(loop, end);
    }
    for (let i = part.min; i < (part.max ?? 0); i++) {
      at = add(part.repeat, at);
      skips[at]?.push(end);
    }
    return end;
  }

  const accepting = add(expression, 0);
  // Characters that no edge tells apart.
  const cuts = [...edges.flat().flatMap(({ ranges }) => ranges.flatMap(([from, to]) => [from, to + 1]))];
  const starts = [...new Set([0, ...cuts.filter((code) => code <= 0x7f)])].sort((a, b) => a - b);
  const classes: CodeRange[] = [
    ...starts.map((from, i): CodeRange => [from, (starts[i + 1] ?? 0x80) - 1]),
    ...[...named].sort((a, b) => a - b).map((code): CodeRange => [code, code]),
    [otherCode, otherCode],
  ];
  const classAt = new Map(classes.map(([from], i) => [from, i]));
  const classesOf = ({ ranges, beyond }: Edge): number[] => {
    const found: number[] = [];
    for (const [from, to] of ranges)
      for (let i = classAt.get(from) as number; i < classes.length && (classes[i] as CodeRange)[0] <= to; i++)
        found.push(i);
    for (let i = starts.length; beyond && i < classes.length; i++) found.push(i);
    return found;
  };

  const closed = (from: Iterable<number>): number[] => {
    const seen = new Set(from);
    for (const at of seen) for (const to of skips[at] as number[]) seen.add(to);
    step(seen.size);
    return [...seen].sort((a, b) => a - b);
  };
  const sets: number[][] = [];
  const numbers = new Map<string, number>();
  const numberOf = (set: number[]): number => {
    const key = set.join();
    const known = numbers.get(key);
    if (known !== undefined) return known;
    numbers.set(key, sets.length);
    return sets.push(set) - 1;
  };
  /** For each state, where each class of characters leads. */
  const moves: Map<number, number>[] = [];
  numberOf(closed([0]));
  for (let i = 0; i < sets.length; i++) {
    const targets = new Map<number, number[]>();
    for (const at of sets[i] as number[])
      for (const edge of edges[at] as Edge[])
        for (const own of classesOf(edge)) {
          step(1);
          const known = targets.get(own);
          if (known === undefined) targets.set(own, [edge.to]);
          else known.push(edge.to);
        }
    const lead = new Map([...targets].map(([own, to]) => [own, numberOf(closed(to))]));
    moves.push(lead);
    // Only all characters outside of ASCII can be told as a set: where some of them lead elsewhere, the rest lead nowhere.
    const rest = lead.get(classes.length - 1);
    for (let own = starts.length; own < classes.length; own++)
      if (lead.get(own) !== rest) lead.delete(classes.length - 1);
  }
  return rulesOf(name, {
    classes,
    moves,
    ends: sets.map((set) => set.includes(accepting)),
  });
}

type Automaton = {
  readonly classes: readonly CodeRange[];
  readonly moves: readonly ReadonlyMap<number, number>[];
  readonly ends: readonly boolean[];
};

function rulesOf(name: string, { classes, moves, ends }: Automaton): Map<string, Expression> {
  const alive = new Set(ends.flatMap((end, i) => (end ? [i] : [])));
  for (let before = -1; before < alive.size; ) {
    before = alive.size;
    for (let i = moves.length - 1; i >= 0; i--)
      if ([...(moves[i] as ReadonlyMap<number, number>).values()].some((to) => alive.has(to))) alive.add(i);
  }
  if (!alive.has(0)) throw new AutomatonError("no text matches it");
  const live = moves.map((lead) => [...lead].filter(([, to]) => alive.has(to)));

  /** The one character that leads on from a state, where there is no choice. */
  const only = (i: number): readonly [text: string, to: number] | undefined => {
    const [first, second] = live[i] as [number, number][];
    if (ends[i] || first === undefined || second !== undefined) return undefined;
    const [from, to] = classes[first[0]] as CodeRange;
    return from === to && from !== otherCode ? [String.fromCodePoint(from), first[1]] : undefined;
  };
  const rules = new Map<string, Expression>();
  const wanted = [0];
  const nameOf = (i: number) => (i === 0 ? name : `${name}_${i}`);
  const onward = (i: number): Expression => {
    let text = "";
    let at = i;
    for (let next = only(at); next !== undefined; next = only(at)) {
      text += next[0];
      at = next[1];
    }
    const parts = text === "" ? [] : [literal(text)];
    if ((live[at] as unknown[]).length > 0) {
      wanted.push(at);
      parts.push(rule(nameOf(at)));
    }
    return sequence(...parts);
  };
  for (const i of wanted) {
    if (rules.has(nameOf(i))) continue;
    const cases = [...Map.groupBy(live[i] as [number, number][], ([, to]) => to)].flatMap(([to, group]) => {
      const ranges = group.map(([own]) => classes[own] as CodeRange);
      const beyond = ranges.some(([from]) => from === otherCode);
      const ascii = ranges.filter(([from]) => from <= 0x7f);
      const single = beyond ? [] : ranges.filter(([from]) => from > 0x7f);
      const rest = onward(to);
      return [
        ...(ascii.length > 0 || beyond ? [sequence({ set: ascii, beyond }, rest)] : []),
        ...single.map(([code]) => sequence(literal(String.fromCodePoint(code)), rest)),
      ];
    });
    rules.set(nameOf(i), oneOf(...cases, ...(ends[i] ? [sequence()] : [])));
  }
  return rules;
}
