/**
 * JSON schemas as grammars. What a grammar matches is valid after the schema; the reverse need not hold: keys come in the schema's order,
 * spaces only behind commas and colons, numbers have at most 15 digits, and objects whose properties are listed have no others unless
 * `additionalProperties` says so. A keyword that no grammar can hold to is refused by name, never ignored.
 */
import { regexes } from "zod";
import { AutomatonError, automatonRules, type Budget } from "./automaton.ts";
import {
  type CodeRange,
  complement,
  type Expression,
  endless,
  literal,
  oneOf,
  type Rules,
  repeat,
  rule,
  sequence,
} from "./ebnf.ts";
import { type Bounds, boundMax, fractionDigits, integersBetween, numbersBetween } from "./json-number.ts";
import {
  anyRules,
  jsonLiteral,
  numberTexts,
  plainAscii,
  plainCharacter,
  quoted,
  separated,
} from "./json-text.ts";
import { PatternError, patternExpression } from "./pattern.ts";

/** A schema that is malformed, that nothing is valid after, or that asks for what no grammar can hold to. */
export class SchemaError extends Error {
  override name = "SchemaError";
}

const depthMax = 48;
const countMax = 10_000;
/** Longer strings are counted by the library, which takes more time for each token. */
const chainMax = 256;
/** Cases that are compared with each other. */
const exclusiveMax = 64;

type Schema = { readonly [keyword: string]: unknown };
type Type = "object" | "array" | "string" | "number" | "integer" | "boolean" | "null";
const types: readonly Type[] = ["object", "array", "string", "number", "integer", "boolean", "null"];

/** Keywords that restrict values, by the type of those that they restrict. */
const keywords: Record<string, readonly string[]> = {
  object: [
    "properties",
    "required",
    "additionalProperties",
    "propertyNames",
    "minProperties",
    "maxProperties",
  ],
  array: ["items", "prefixItems", "additionalItems", "minItems", "maxItems"],
  string: ["minLength", "maxLength", "pattern", "format"],
  number: ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"],
};
const combining = ["$ref", "anyOf", "oneOf", "allOf", "enum", "const"];
const restricting = [...combining, "type", ...Object.values(keywords).flat()];
const unsupported = [
  ...[
    "not",
    "if",
    "then",
    "else",
    "dependentRequired",
    "dependentSchemas",
    "dependencies",
    "patternProperties",
  ],
  ...["uniqueItems", "contains", "minContains", "maxContains", "unevaluatedItems", "unevaluatedProperties"],
  ...["$dynamicRef", "$recursiveRef"],
];

/** What strings of a format look like. Other formats say nothing about the text, as JSON Schema has it. */
const date =
  "(?:\\d{4}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1\\d|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31))";
const time = "(?:(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d{1,6})?)";
const offset = "(?:Z|[+\\-](?:[01]\\d|2[0-3]):[0-5]\\d)";
const byte = "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]\\d|\\d)";
const label = "[a-z0-9]+(?:-[a-z0-9]+)*";
const host = `${label}(?:\\.${label})*`;
const formats: Record<string, string> = {
  date,
  time: `${time}${offset}`,
  "date-time": `${date}T${time}${offset}`,
  duration: "P(?:\\d{1,4}D(?:T\\d{1,4}H)?|T\\d{1,4}[HMS]|\\d{1,4}[WMY])",
  email: "[A-Za-z0-9]+(?:[._+\\-][A-Za-z0-9]+)*@(?:[A-Za-z0-9]+\\.)+[A-Za-z]{2,12}",
  hostname: host,
  ipv4: `(?:${byte}\\.){3}${byte}`,
  ipv6: "(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}",
  uri: `https?://${host}(?::[1-9]\\d{0,3})?(?:/[A-Za-z0-9._~\\-]*)*`,
  uuid: "[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
};

/**
 * @param schema parsed JSON
 * @param budget is spent on what is regular; several schemas may share one
 * @param prefix begins the rules' names, so that several schemas fit into one grammar
 * @returns the rules; the first, called `prefix`, is a value valid after the schema
 * @throws SchemaError naming the keyword and where it stands
 */
export function schemaRules(schema: unknown, budget: Budget, prefix = "root"): Rules {
  const rules = new Map<string, Expression>([[prefix, sequence()]]);
  /** Rules of what is referred to, by JSON pointer; of schemas of any shape, by name. */
  const referred = new Map<string, string>();

  function fail(path: string, why: string): never {
    throw new SchemaError(`${path === "" ? "The schema" : `The schema at ${path}`} ${why}.`);
  }

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

  const isSchema = (value: unknown): value is Schema =>
    typeof value === "object" && value !== null && !Array.isArray(value);

  const count = (given: Schema, keyword: string, path: string): number | undefined => {
    const value = given[keyword];
    if (value === undefined) return undefined;
    if (!Number.isInteger(value) || (value as number) < 0) fail(path, `has a ${keyword} that is no count`);
    if ((value as number) > countMax)
      fail(path, `has a ${keyword} above ${countMax}, the most that is supported`);
    return value as number;
  };

  const range = (given: Schema, from: string, to: string, path: string): [number, number | undefined] => {
    const [min, max] = [count(given, from, path) ?? 0, count(given, to, path)];
    if (max !== undefined && max < min)
      fail(path, `has a ${from} above its ${to}: nothing is valid after it`);
    return [min, max];
  };

  /** @returns what it refers to, and a pointer to it that is spelt the same however the reference is */
  function resolve(reference: unknown, path: string): { target: unknown; pointer: string } {
    if (typeof reference !== "string" || !/^#(\/|$)/.test(reference))
      fail(path, `refers to ${JSON.stringify(reference)}; only "#" and "#/…" are supported`);
    let target: unknown = schema;
    let pointer = "";
    for (const raw of reference.split("/").slice(1)) {
      let key = raw;
      try {
        key = decodeURIComponent(raw);
        pointer += `/${key}`;
        key = key.replaceAll("~1", "/").replaceAll("~0", "~");
      } catch {
        fail(path, `refers to ${JSON.stringify(reference)}, which is malformed`);
      }
      if (typeof target !== "object" || target === null || !Object.hasOwn(target, key))
        fail(path, `refers to ${JSON.stringify(reference)}, which is not in it`);
      target = (target as Record<string, unknown>)[key];
    }
    return { target, pointer };
  }

  /** A schema that may be a reference, followed to one that is none. */
  function followed(given: unknown, path: string): unknown {
    let at = given;
    for (let steps = 0; isSchema(at) && at.$ref !== undefined; steps++) {
      if (steps > depthMax) fail(path, "refers to itself and nothing else");
      at = resolve(at.$ref, path).target;
    }
    return at;
  }

  function value(given: unknown, path: string, depth: number): Expression {
    if (given === true) return common("any");
    if (given === false) return fail(path, "is false: nothing is valid after it");
    if (!isSchema(given)) return fail(path, "is neither an object nor true or false");
    if (depth > depthMax) fail(path, `nests deeper than ${depthMax}, the most that is supported`);
    for (const keyword of unsupported) {
      const idle =
        given[keyword] === undefined || (keyword.startsWith("unevaluated") && given[keyword] === false);
      if (!idle && !(keyword === "uniqueItems" && given[keyword] === false))
        fail(path, `has "${keyword}", which is not supported`);
    }
    const combined = combining.filter((keyword) => given[keyword] !== undefined);
    if (combined.length > 0) return combination(given, combined, path, depth);
    const named = given.type ?? inferred(given);
    if (named === undefined) return common("any");
    const list = Array.isArray(named) ? (named as unknown[]) : [named];
    if (list.length === 0 || !list.every((type) => types.includes(type as Type)))
      fail(path, `has type ${JSON.stringify(named)}; there are ${types.join(", ")}`);
    return oneOf(...new Set(list as Type[]).values().map((type) => typed(type, given, path, depth)));
  }

  /** The type that a schema without one speaks about. */
  function inferred(given: Schema): Type | undefined {
    const found = Object.entries(keywords).filter(([, own]) =>
      own.some((keyword) => given[keyword] !== undefined),
    );
    return found[0]?.[0] as Type | undefined;
  }

  function combination(given: Schema, combined: readonly string[], path: string, depth: number): Expression {
    const [keyword] = combined as [string];
    const typeFits = keyword === "enum" || keyword === "const";
    const beside = restricting.find(
      (other) => other !== keyword && given[other] !== undefined && !(typeFits && other === "type"),
    );
    if (beside !== undefined) fail(path, `has "${beside}" beside "${keyword}", which is not supported`);
    const own = given[keyword];
    if (keyword === "$ref") return reference(own, path, depth);
    if (keyword === "const") return constants([own], given.type, path);
    if (!Array.isArray(own) || own.length === 0) fail(path, `has ${keyword} without a list of cases`);
    const cases = own as unknown[];
    if (keyword === "enum") return constants(cases, given.type, path);
    if (keyword === "allOf" && cases.length > 1)
      fail(path, 'has "allOf" of more than one part, which is not supported: write one schema');
    if (keyword === "oneOf") requireDisjoint(cases, path);
    return oneOf(...cases.map((one, i) => value(one, `${path}/${keyword}/${i}`, depth + 1)));
  }

  function reference(own: unknown, path: string, depth: number): Expression {
    const { target, pointer } = resolve(own, path);
    const known = referred.get(pointer);
    if (known !== undefined) return rule(known);
    const name = `${prefix}_ref${referred.size}`;
    referred.set(pointer, name);
    rules.set(name, sequence());
    followed(target, path);
    rules.set(name, value(target, pointer, depth + 1));
    return rule(name);
  }

  function constants(values: readonly unknown[], type: unknown, path: string): Expression {
    const allowed = type === undefined ? types : Array.isArray(type) ? type : [type];
    const fitting = values.filter((one) => typesOf(one).some((own) => allowed.includes(own)));
    if (fitting.length === 0) fail(path, "names no value of its type");
    return regular(fresh("constant"), oneOf(...fitting.map(jsonLiteral)), path);
  }

  function typed(type: Type, given: Schema, path: string, depth: number): Expression {
    if (type === "null") return literal("null");
    if (type === "boolean") return oneOf(literal("true"), literal("false"));
    if (type === "object") return object(given, path, depth);
    if (type === "array") return array(given, path, depth);
    return type === "string" ? string(given, path) : number(given, type === "integer", path);
  }

  function number(given: Schema, whole: boolean, path: string): Expression {
    const step = given.multipleOf;
    if (step !== undefined && !(whole && step === 1)) fail(path, 'has "multipleOf", which is not supported');
    const unit = 10 ** fractionDigits;
    const bound = (keyword: string, round: (value: number) => number): number | undefined => {
      const limit = given[keyword];
      if (limit === undefined) return undefined;
      if (typeof limit !== "number" || !Number.isFinite(limit))
        fail(path, `has a ${keyword} that is no number`);
      if (Math.abs(limit as number) > boundMax) return limit as number;
      // Behind the point only where a double still has room for it.
      const grain = whole || Math.abs(limit as number) > 1e8 ? 1 : unit;
      return round((limit as number) * grain) / grain;
    };
    const lows = [bound("minimum", Math.ceil), bound("exclusiveMinimum", (x) => Math.floor(x) + 1)];
    const highs = [bound("maximum", Math.floor), bound("exclusiveMaximum", (x) => Math.ceil(x) - 1)];
    const known = (limit: number | undefined) => limit !== undefined;
    if (![...lows, ...highs].some(known)) return common(whole ? "integer" : "number");
    const bounds: Bounds = {
      min: Math.max(-boundMax, ...lows.filter(known)),
      max: Math.min(boundMax, ...highs.filter(known)),
    };
    const between = whole ? integersBetween(bounds) : numbersBetween(bounds);
    if (between === undefined) return fail(path, "has bounds that no number of 15 digits lies between");
    return regular(fresh("number"), between, path);
  }

  function string(given: Schema, path: string): Expression {
    const { pattern, format } = given;
    const [min, max] = range(given, "minLength", "maxLength", path);
    const long = min > 0 || max !== undefined;
    for (const [keyword, text] of Object.entries({ pattern, format }))
      if (text !== undefined && typeof text !== "string") fail(path, `has a ${keyword} that is no text`);
    // Zod writes both for e-mail addresses, its pattern with assertions; the format's own matches nothing that the pattern does not.
    const own =
      format === "email" && pattern === regexes.email.source ? undefined : (pattern as string | undefined);
    const shape = own ?? (typeof format === "string" && formats[format] ? `^${formats[format]}$` : undefined);
    if (shape !== undefined && long)
      fail(
        path,
        `has "${min > 0 ? "minLength" : "maxLength"}" beside "${own ? "pattern" : "format"}", which is not supported`,
      );
    try {
      if (shape !== undefined) return regular(fresh("pattern"), quoted(patternExpression(shape)), path);
    } catch (error) {
      if (error instanceof PatternError) fail(path, `has a pattern that cannot be used: ${error.message}`);
      throw error;
    }
    if (!long) return common("string");
    const body = quoted(repeat(plainCharacter, min, max));
    return (max ?? min) > chainMax ? body : regular(fresh("text"), body, path);
  }

  function array(given: Schema, path: string, depth: number): Expression {
    const [min, max] = range(given, "minItems", "maxItems", path);
    const older = Array.isArray(given.items);
    const first = (older ? given.items : (given.prefixItems ?? [])) as unknown;
    if (!Array.isArray(first)) return fail(path, "has prefixItems that are no list");
    const others = older ? given.additionalItems : given.items;
    const at = older ? "items" : "prefixItems";
    const open = others ?? first.length === 0;
    const heads = first.slice(0, max).map((one, i) => value(one, `${path}/${at}/${i}`, depth + 1));
    if (heads.length < min && open === false)
      fail(path, `has minItems ${min} and only ${heads.length} items: nothing is valid after it`);
    const rest = max === undefined ? undefined : max - heads.length;
    const item = open === false || rest === 0 ? undefined : value(open, `${path}/items`, depth + 1);
    const lead = heads.flatMap((head, i) => (i === 0 ? [head] : [separated(","), head]));
    if (item === undefined) return sequence(literal("["), ...lead, literal("]"));
    const least = Math.max(0, min - heads.length);
    return sequence(literal("["), ...lead, list(item, least, rest, "]", heads.length > 0));
  }

  function object(given: Schema, path: string, depth: number): Expression {
    const properties = given.properties ?? {};
    const required = given.required ?? [];
    if (!isSchema(properties)) return fail(path, "has properties that are no object");
    if (!Array.isArray(required) || !required.every((key) => typeof key === "string"))
      return fail(path, "has required that is no list of names");
    const listed = followed(given.propertyNames, path);
    const listedNames = isSchema(listed) && Array.isArray(listed.enum) ? listed.enum : undefined;
    if (listedNames !== undefined) {
      const own = given.additionalProperties ?? true;
      const named = Object.fromEntries(
        listedNames.map((key) => [String(key), properties[String(key)] ?? own]),
      );
      return object(
        { ...given, properties: named, propertyNames: undefined, additionalProperties: false },
        path,
        depth,
      );
    }
    const declared = Object.keys(properties);
    const names = [...declared, ...new Set(required as string[]).difference(new Set(declared))];
    const others = given.additionalProperties ?? names.length === 0;
    const [min, max] = range(given, "minProperties", "maxProperties", path);
    const needed = new Set(required as string[]);
    if (names.length > 0) {
      if (min > needed.size)
        fail(path, 'has "minProperties" above its required properties, which is not supported');
      if (max !== undefined && (max < names.length || others !== false))
        fail(path, 'has "maxProperties" beside properties, which is not supported');
    } else if (min > 1) fail(path, 'has "minProperties" above 1, which is not supported: keys may repeat');
    const pair = (key: string): Expression => {
      const own = declared.includes(key) ? properties[key] : (given.additionalProperties ?? true);
      const what = value(
        own,
        `${path}/properties/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`,
        depth + 1,
      );
      return sequence(jsonLiteral(key), separated(":"), what);
    };
    // A property that nothing is valid in is one that must not be there.
    const pairs = names
      .filter((key) => needed.has(key) || properties[key] !== false)
      .map((key) => ({ pair: pair(key), needed: needed.has(key) }));
    const other = others === false ? undefined : otherPair(given, others, names, path, depth);
    if (pairs.length > 0) return sequence(literal("{"), members(pairs, other));
    if (other === undefined) return literal("{}");
    return sequence(literal("{"), list(other, min, max, "}", false));
  }

  /** A property that is not listed. */
  function otherPair(
    given: Schema,
    schemaOf: unknown,
    names: readonly string[],
    path: string,
    depth: number,
  ): Expression {
    const keys = followed(given.propertyNames, path);
    const what = value(schemaOf, `${path}/additionalProperties`, depth + 1);
    let key = names.length === 0 ? common("string") : regular(fresh("key"), quoted(otherThan(names)), path);
    if (isSchema(keys) && restricting.some((keyword) => keyword !== "type" && keys[keyword] !== undefined)) {
      if (names.length > 0) fail(path, 'has "propertyNames" beside properties, which is not supported');
      key = value({ type: "string", ...keys }, `${path}/propertyNames`, depth + 1);
    }
    return sequence(key, separated(":"), what);
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

  /** @throws SchemaError unless no value can be valid after two of the cases */
  function requireDisjoint(cases: readonly unknown[], path: string): void {
    if (cases.length > exclusiveMax)
      fail(path, `has "oneOf" with more than ${exclusiveMax} cases: use anyOf`);
    for (let i = 0; i < cases.length; i++)
      for (let j = 0; j < i; j++)
        if (!disjoint(cases[i], cases[j], path))
          fail(
            path,
            `has "oneOf" whose cases ${j} and ${i} may hold at once, which is not supported: use anyOf`,
          );
  }

  function disjoint(one: unknown, two: unknown, path: string): boolean {
    const [a, b] = [followed(one, path), followed(two, path)];
    if (!isSchema(a) || !isSchema(b)) return a === false || b === false;
    const [values, others] = [valuesOf(a), valuesOf(b)];
    if (values !== undefined && others !== undefined) return values.isDisjointFrom(others);
    const [first, second] = [typeNames(a), typeNames(b)];
    if (first !== undefined && second !== undefined && first.isDisjointFrom(second)) return true;
    if (!isSchema(a.properties) || !isSchema(b.properties)) return false;
    const [left, right] = [a, b].map(({ required }) => new Set(Array.isArray(required) ? required : []));
    return [...(left as Set<unknown>).intersection(right as Set<unknown>)].some((key) => {
      const of = (own: unknown) =>
        isSchema(own) && Object.hasOwn(own, String(key)) ? own[String(key)] : true;
      const [mine, yours] = [of(a.properties), of(b.properties)];
      return isSchema(mine) && isSchema(yours) && mine.$ref === undefined && disjoint(mine, yours, path);
    });
  }

  rules.set(prefix, value(schema, "", 0));
  const [circular] = endless(rules);
  if (circular !== undefined)
    throw new SchemaError(
      "The schema refers to itself in such a way that no value would ever end. Make a property on the way optional, or allow null.",
    );
  return rules;
}

const typesOf = (value: unknown): Type[] => {
  if (value === null) return ["null"];
  if (Array.isArray(value)) return ["array"];
  if (typeof value === "number") return Number.isInteger(value) ? ["integer", "number"] : ["number"];
  return [typeof value as Type];
};

/** The only values that can be valid, as JSON, where a schema lists them. */
function valuesOf(schema: Schema): Set<string> | undefined {
  if (schema.const !== undefined) return new Set([JSON.stringify(schema.const)]);
  return Array.isArray(schema.enum) ? new Set(schema.enum.map((one) => JSON.stringify(one))) : undefined;
}

/** The types that values may have, integers as numbers. */
function typeNames(schema: Schema): Set<unknown> | undefined {
  const listed = valuesOf(schema);
  const own = listed === undefined ? schema.type : [...listed].flatMap((json) => typesOf(JSON.parse(json)));
  if (own === undefined) return undefined;
  const list: readonly unknown[] = Array.isArray(own) ? own : [own];
  return new Set(list.map((type) => (type === "integer" ? "number" : type)));
}
