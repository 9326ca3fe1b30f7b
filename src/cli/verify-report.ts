/** How a verification ends: every check, what was found, and exit code 1 where one failed. */
import type { Check } from "../protocol/index.ts";
import { CliError } from "./errors.ts";
import type { Io } from "./io.ts";

/** A check, and each thing that was found wrong by it, in words. */
export type ShownCheck = Omit<Check, "name"> & { readonly name: string; readonly found?: readonly string[] };

export type Verification = {
  /** What was checked, for the error: "The release". */
  readonly what: string;
  readonly checks: readonly ShownCheck[];
  /** For programs, beside `verified`. */
  readonly json: object;
  /** For people, after the checks; empty paragraphs are left out. */
  readonly paragraphs: readonly (readonly string[])[];
};

/** @throws CliError where a check failed, after everything was shown */
export function reportVerification(io: Io, { what, checks, json, paragraphs }: Verification): void {
  const failed = checks.filter(({ status }) => status === "failed");
  const verified = failed.length === 0;
  const lines = checks.flatMap((check) => [
    checkLine(check),
    ...(check.found ?? []).map((found) => `    ${found}`),
  ]);
  io.result(
    { verified, ...json },
    [lines, ...paragraphs, verified ? ["Nothing failed."] : []]
      .filter(({ length }) => length > 0)
      .map((paragraph) => paragraph.join("\n"))
      .join("\n\n"),
  );
  if (!verified)
    throw new CliError(`${what} does not hold.`, {
      expected: "every check passed, or could not be made",
      actual: `failed: ${failed.map(({ name }) => name).join(", ")}`,
    });
}

const marks = { passed: "✓", failed: "✗", unchecked: "·" } as const;
const short = (text: string) => (text.length > 96 ? `${text.slice(0, 93)}…` : text);

/** A check as a line, and what was found where it failed. */
function checkLine({ name, status, expected, actual }: ShownCheck): string {
  const head = `${marks[status]} ${name.padEnd(16)} ${status}`;
  if (status === "failed") return `${head}\n    expected: ${short(expected)}\n    actual:   ${short(actual)}`;
  return status === "unchecked" ? `${head}: needs ${short(expected)}` : head;
}
