import { z } from "zod";

/** Why the protocol refused a value. Programs branch on the code, people read the message. */
export type ProtocolErrorCode =
  | "not-canonical"
  | "out-of-range"
  | "length"
  | "not-in-list"
  | "order"
  | "sum"
  | "signature"
  | "no-weight";

/** A value that cannot be hashed, signed or paid. The message says what was expected and what came. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
  readonly code: ProtocolErrorCode;

  constructor(code: ProtocolErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** An error in a line for people; a schema's issues each after its place: `recipe.epochs: expected at most 1000, actual 2000`. */
export function whatIsWrong(error: Error): string {
  if (!(error instanceof z.ZodError)) return error.message;
  const line = error.issues
    .map((issue) => {
      const place = issue.path.map(String).join(".");
      return place === "" ? inWords(issue) : `${place}: ${inWords(issue)}`;
    })
    .join("; ");
  return line.length > 400 ? `${line.slice(0, 399)}…` : line;
}

/** What a value of the wrong kind should have been. */
const kinds: Readonly<Record<string, string>> = {
  number: "a number",
  int: "a whole number",
  bigint: "a whole number",
  string: "text",
  boolean: "true or false",
  array: "a list",
  object: "an object",
  null: "null",
};

/** What a limit counts, after its number. */
const counted: Readonly<Record<string, string>> = {
  string: " characters",
  array: " entries",
  set: " entries",
};

/** @returns undefined where the issue says it in words of its own */
function expected(issue: z.core.$ZodIssue): string | undefined {
  // A schema's own words do not begin as the library's do.
  if (
    issue.code !== "invalid_union" &&
    !/^(Invalid (input|option|string)|Too (big|small))/.test(issue.message)
  )
    return;
  if (issue.code === "invalid_type") return kinds[issue.expected];
  if (issue.code === "too_big")
    return `${issue.inclusive === false ? "less than" : "at most"} ${issue.maximum}${counted[issue.origin] ?? ""}`;
  if (issue.code === "too_small")
    return `${issue.inclusive === false ? "more than" : "at least"} ${issue.minimum}${counted[issue.origin] ?? ""}`;
  if (issue.code === "invalid_value") return issue.values.map((value) => JSON.stringify(value)).join(" or ");
  if (issue.code === "invalid_union") {
    const all = issue.errors.map(([first]) => first && expected(first));
    if (all.length > 0 && all.every((one) => one !== undefined)) return [...new Set(all)].join(" or ");
  }
  return;
}

function inWords(issue: z.core.$ZodIssue): string {
  const what = expected(issue);
  if (what === undefined) return issue.message;
  const { input } = issue;
  if (
    typeof input === "number" ||
    typeof input === "boolean" ||
    (typeof input === "string" && input.length <= 40)
  )
    return `expected ${what}, actual ${JSON.stringify(input)}`;
  const [, received] = /received (\w+)$/.exec(issue.message) ?? [];
  return `expected ${what}${received === undefined ? "" : `, actual ${received === "undefined" ? "nothing" : (kinds[received] ?? received)}`}`;
}
