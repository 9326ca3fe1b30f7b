/** Reading JSON schemas: what their keywords are, what they refer to, and what cannot be valid after two of them at once. */

/** A schema that is malformed, that nothing is valid after, or that asks for what no grammar can hold to. */
export class SchemaError extends Error {
  override name = "SchemaError";
}

const referencesMax = 48;
const countMax = 10_000;
/** Cases that are compared with each other. */
const exclusiveMax = 64;

/** A schema with keywords. */
export type Schema = { readonly [keyword: string]: unknown };
/** Names of types in schemas. */
export type Type = "object" | "array" | "string" | "number" | "integer" | "boolean" | "null";
export const types: readonly Type[] = ["object", "array", "string", "number", "integer", "boolean", "null"];

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
/** Keywords that stand for a whole schema. */
export const combining = ["$ref", "anyOf", "oneOf", "allOf", "enum", "const"];
/** Keywords that say anything about values. */
export const restricting = [...combining, "type", ...Object.values(keywords).flat()];
/** What no grammar can hold to, or not yet. */
export const unsupported = [
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

/** @param path JSON pointer of the place */
export function fail(path: string, why: string): never {
  throw new SchemaError(`${path === "" ? "The schema" : `The schema at ${path}`} ${why}.`);
}

/** Whether it is a schema with keywords: neither true nor false. */
export const isSchema = (value: unknown): value is Schema =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** A number of items, characters or properties. */
const count = (given: Schema, keyword: string, path: string): number | undefined => {
  const value = given[keyword];
  if (value === undefined) return undefined;
  if (!Number.isInteger(value) || (value as number) < 0) fail(path, `has a ${keyword} that is no count`);
  if ((value as number) > countMax)
    fail(path, `has a ${keyword} above ${countMax}, the most that is supported`);
  return value as number;
};

/** The least and the most that two keywords allow. */
export const range = (
  given: Schema,
  from: string,
  to: string,
  path: string,
): [number, number | undefined] => {
  const [min, max] = [count(given, from, path) ?? 0, count(given, to, path)];
  if (max !== undefined && max < min) fail(path, `has a ${from} above its ${to}: nothing is valid after it`);
  return [min, max];
};

/** The type that a schema without one speaks about. */
export function inferred(given: Schema): Type | undefined {
  const found = Object.entries(keywords).filter(([, own]) =>
    own.some((keyword) => given[keyword] !== undefined),
  );
  return found[0]?.[0] as Type | undefined;
}

/** Follows what a schema refers to, within itself only. */
export type References = {
  /** @returns what it refers to, and a pointer to it that is spelt the same however the reference is */
  resolve(reference: unknown, path: string): { target: unknown; pointer: string };
  /** A schema that may be a reference, followed to one that is none. */
  followed(given: unknown, path: string): unknown;
};

/** @param schema the whole of it */
export function createReferences(schema: unknown): References {
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

  function followed(given: unknown, path: string): unknown {
    let at = given;
    for (let steps = 0; isSchema(at) && at.$ref !== undefined; steps++) {
      if (steps > referencesMax) fail(path, "refers to itself and nothing else");
      at = resolve(at.$ref, path).target;
    }
    return at;
  }

  return { resolve, followed };
}

/** @throws SchemaError unless no value can be valid after two of the cases */
export function requireDisjoint(cases: readonly unknown[], path: string, { followed }: References): void {
  if (cases.length > exclusiveMax) fail(path, `has "oneOf" with more than ${exclusiveMax} cases: use anyOf`);
  for (let i = 0; i < cases.length; i++)
    for (let j = 0; j < i; j++)
      if (!disjoint(cases[i], cases[j], path, followed))
        fail(
          path,
          `has "oneOf" whose cases ${j} and ${i} may hold at once, which is not supported: use anyOf`,
        );
}

function disjoint(one: unknown, two: unknown, path: string, followed: References["followed"]): boolean {
  const [a, b] = [followed(one, path), followed(two, path)];
  if (!isSchema(a) || !isSchema(b)) return a === false || b === false;
  const [values, others] = [valuesOf(a), valuesOf(b)];
  if (values !== undefined && others !== undefined) return values.isDisjointFrom(others);
  const [first, second] = [typeNames(a), typeNames(b)];
  if (first !== undefined && second !== undefined && first.isDisjointFrom(second)) return true;
  if (!isSchema(a.properties) || !isSchema(b.properties)) return false;
  const [left, right] = [a, b].map(({ required }) => new Set(Array.isArray(required) ? required : []));
  return [...(left as Set<unknown>).intersection(right as Set<unknown>)].some((key) => {
    const of = (own: unknown) => (isSchema(own) && Object.hasOwn(own, String(key)) ? own[String(key)] : true);
    const [mine, yours] = [of(a.properties), of(b.properties)];
    return (
      isSchema(mine) && isSchema(yours) && mine.$ref === undefined && disjoint(mine, yours, path, followed)
    );
  });
}

/** The types a value has. */
export const typesOf = (value: unknown): Type[] => {
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
