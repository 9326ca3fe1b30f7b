/** Reading parameters strictly: what has no effect here is accepted only where it changes nothing, and every refusal names its place. */
import type { z } from "zod";
import { badRequest, type InferenceError } from "./errors.ts";

/** An empty list or object. */
export const isEmpty = (value: unknown) =>
  typeof value === "object" && value !== null && Object.keys(value).length === 0;
const isOneOf =
  (...values: readonly unknown[]) =>
  (value: unknown) =>
    values.includes(value);
const always = () => true;
const never = () => false;

/**
 * Parameters of OpenAI's that this server has no effect for. A value under which they change no answer is accepted, any other is
 * refused: an ignored parameter would be a wrong answer.
 */
const withoutEffect: Readonly<Record<string, (value: unknown) => boolean>> = {
  audio: never,
  best_of: isOneOf(1),
  echo: isOneOf(false),
  function_call: isOneOf("none", "auto"),
  functions: isEmpty,
  metadata: always,
  modalities: (value) => Array.isArray(value) && value.length === 1 && value[0] === "text",
  prediction: always,
  prompt_cache_key: always,
  prompt_cache_retention: always,
  reasoning_effort: isOneOf("none"),
  safety_identifier: always,
  service_tier: always,
  store: always,
  suffix: isOneOf(""),
  verbosity: isOneOf("medium"),
  web_search_options: never,
};

/** Leaves out members that say nothing: null is OpenAI's way of saying "the default". */
export function honoured(body: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const kept: Record<string, unknown> = Object.create(null); // a key named __proto__ is a key like any other
  for (const [name, value] of Object.entries(body)) {
    if (value === null) continue;
    const accepted = Object.hasOwn(withoutEffect, name) ? withoutEffect[name] : undefined;
    if (accepted === undefined) kept[name] = value;
    else if (!accepted(value))
      throw badRequest(
        "unsupported_parameter",
        name,
        `Unsupported parameter: '${name}' is ${shown(value)}, which this server cannot do. Leave it out.`,
      );
  }
  return kept;
}

const shown = (value: unknown) => {
  const json = JSON.stringify(value);
  return json.length > 80 ? `${json.slice(0, 77)}…` : json;
};

/** @throws InferenceError 400 naming the first parameter that is wrong */
export function parsed<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const result = schema.safeParse(value, { reportInput: true });
  if (result.success) return result.data;
  throw issueError(result.error.issues[0] as z.core.$ZodIssue);
}

function issueError(issue: z.core.$ZodIssue): InferenceError {
  const place = issue.path.reduce<string>(
    (path, key) =>
      typeof key === "number" ? `${path}[${key}]` : path === "" ? String(key) : `${path}.${String(key)}`,
    "",
  );
  if (issue.code === "unrecognized_keys") {
    const key = String(issue.keys[0]).slice(0, 80);
    const name = place === "" ? key : `${place}.${key}`;
    return badRequest(
      "unknown_parameter",
      name,
      `Unknown parameter: '${name}'. GET /openapi.json lists those that are read.`,
    );
  }
  if (issue.input === undefined)
    return badRequest("missing_required_parameter", place, `Missing required parameter: '${place}'.`);
  return invalidValue(place, issue.message);
}

/** @param why - without a full stop */
export const invalidValue = (place: string, why: string): InferenceError =>
  badRequest("invalid_value", place, `Invalid value for '${place}': ${why}.`);
