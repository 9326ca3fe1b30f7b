/** What the program's exit code says. */
export const exitCodes = {
  /** The command did what it was asked, and the answer is yes. */
  ok: 0,
  /** The command ran, and failed or found a no: a failing test, a proof that does not hold. */
  failed: 1,
  /** The command line was wrong; nothing was done. */
  usage: 2,
  /** This machine or its surroundings are not fit: old Node, locked data folder, no node answering. */
  unfit: 3,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** What an error tells the person who reads it. */
export type ErrorDescription = {
  message: string;
  expected?: string;
  actual?: string;
  /** What to do about it, one step a line. */
  fix?: string[];
  /** For programs: which error it is, in the words of the node or the system; shown under `--json` only. */
  code?: string;
  /** For programs: what belongs to it, such as line and column; shown under `--json` only. */
  details?: Readonly<Record<string, string | number>>;
};

/**
 * An error of the command line, told without a stack.
 *
 * @example
 * throw new CliError("The port is taken.", {
 *   expected: "port 8080 free on 127.0.0.1",
 *   actual: "another program listens there",
 *   fix: ["Stop it, or choose another port with --port."],
 *   exitCode: exitCodes.unfit,
 * });
 */
export class CliError extends Error {
  override name = "CliError";
  readonly expected?: string;
  readonly actual?: string;
  readonly fix?: string[];
  readonly code?: string;
  readonly details?: Readonly<Record<string, string | number>>;
  readonly exitCode: ExitCode;

  constructor(
    message: string,
    details: Omit<ErrorDescription, "message"> & { exitCode?: ExitCode; cause?: unknown } = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    if (details.expected !== undefined) this.expected = details.expected;
    if (details.actual !== undefined) this.actual = details.actual;
    if (details.fix !== undefined) this.fix = details.fix;
    if (details.code !== undefined) this.code = details.code;
    if (details.details !== undefined) this.details = details.details;
    this.exitCode = details.exitCode ?? exitCodes.failed;
  }
}

const text = (value: unknown): string | undefined =>
  typeof value === "string" || typeof value === "number" || typeof value === "bigint"
    ? String(value)
    : undefined;

const texts = (value: unknown): string[] | undefined => {
  const lines = [value].flat().filter((line): line is string => typeof line === "string" && line !== "");
  return lines.length > 0 ? lines : undefined;
};

const facts = (value: unknown): Record<string, string | number> | undefined => {
  if (typeof value !== "object" || value === null) return undefined;
  const known = Object.entries(value).filter(
    ([, fact]) => typeof fact === "string" || typeof fact === "number",
  );
  return known.length > 0 ? Object.fromEntries(known) : undefined;
};

/** Reads what any thrown value can tell: our rooms' errors, viem's (`shortMessage`, `metaMessages`) and plain ones. */
export function describeError(thrown: unknown): ErrorDescription {
  if (typeof thrown !== "object" || thrown === null) return { message: String(thrown) };
  const error = thrown as Record<string, unknown>;
  const description: ErrorDescription = {
    message: text(error.shortMessage) || text(error.message) || String(error.name ?? "Unknown error"),
  };
  const expected = text(error.expected);
  const actual = text(error.actual);
  const fix = texts(error.fix) ?? texts(error.metaMessages);
  if (expected !== undefined) description.expected = expected;
  if (actual !== undefined) description.actual = actual;
  if (fix !== undefined) description.fix = fix;
  const details = facts(error.details);
  if (typeof error.code === "string") description.code = error.code;
  if (details !== undefined) description.details = details;
  return description;
}

/** The description as lines for people. */
export function formatError(description: ErrorDescription): string {
  const lines = [`openledger: ${description.message}`];
  if (description.expected !== undefined) lines.push(`  expected: ${description.expected}`);
  if (description.actual !== undefined) lines.push(`  actual:   ${description.actual}`);
  for (const step of description.fix ?? []) lines.push(`  → ${step}`);
  return `${lines.join("\n")}\n`;
}
