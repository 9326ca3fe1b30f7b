/**
 * JSON schemas as grammars. What a grammar matches is valid after the schema; the reverse need not hold: keys come in the schema's order,
 * spaces only behind commas and colons, numbers have at most 15 digits, and objects whose properties are listed have no others unless
 * `additionalProperties` says so. A keyword that no grammar can hold to is refused by name, never ignored.
 */
import { regexes } from "zod";
import type { Budget } from "./automaton.ts";
import { type Expression, endless, literal, oneOf, type Rules, repeat, rule, sequence } from "./ebnf.ts";
import { formats } from "./json-formats.ts";
import { type Bounds, boundMax, fractionDigits, integersBetween, numbersBetween } from "./json-number.ts";
import { jsonLiteral, plainCharacter, quoted, separated } from "./json-text.ts";
import { PatternError, patternExpression } from "./pattern.ts";
import { chainMax, createRuleBook } from "./rule-book.ts";
import {
  combining,
  createReferences,
  fail,
  inferred,
  isSchema,
  range,
  requireDisjoint,
  restricting,
  type Schema,
  SchemaError,
  type Type,
  types,
  typesOf,
  unsupported,
} from "./schema-reader.ts";

const depthMax = 48;
/**
 * @param schema parsed JSON
 * @param budget is spent on what is regular; several schemas may share one
 * @param prefix begins the rules' names, so that several schemas fit into one grammar
 * @returns the rules; the first, called `prefix`, is a value valid after the schema
 * @throws SchemaError naming the keyword and where it stands
 */
export function schemaRules(schema: unknown, budget: Budget, prefix = "root"): Rules {
  const { rules, common, regular, fresh, list, members, otherThan } = createRuleBook(prefix, budget);
  const references = createReferences(schema);
  const { resolve, followed } = references;
  /** Rules of what is referred to, by JSON pointer; of schemas of any shape, by name. */
  const referred = new Map<string, string>();

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
    if (keyword === "oneOf") requireDisjoint(cases, path, references);
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

  rules.set(prefix, value(schema, "", 0));
  const [circular] = endless(rules);
  if (circular !== undefined)
    throw new SchemaError(
      "The schema refers to itself in such a way that no value would ever end. Make a property on the way optional, or allow null.",
    );
  return rules;
}
