/** How a command speaks: results to standard output, everything else to standard error. */
export type Io = {
  /** Whether `--json` was given. */
  json: boolean;
  /** Whether standard output shows colours. */
  color: boolean;
  /**
   * Prints the command's result: `text` for people, or `data` as one line of JSON under `--json`.
   *
   * @param data - JSON value; `bigint` becomes a decimal string
   * @param text - the same, for people, without a final line break
   */
  result: (data: unknown, text: string) => void;
  /** Tells progress or a note on standard error; silent under `--json`. */
  note: (text: string) => void;
  /** Prints to standard error, always. */
  warn: (text: string) => void;
};

/** One line of JSON, every `bigint` as a decimal string. */
export function jsonLine(data: unknown): string {
  return `${JSON.stringify(data, (_key, value) => (typeof value === "bigint" ? value.toString() : value))}\n`;
}

/**
 * @param json - whether the result is wanted as JSON
 * @param out - standard output
 * @param err - standard error
 */
export function createIo(
  json: boolean,
  out: NodeJS.WritableStream & { isTTY?: boolean } = process.stdout,
  err: NodeJS.WritableStream = process.stderr,
): Io {
  return {
    json,
    color: out.isTTY === true && !process.env.NO_COLOR && !json,
    result: (data, text) => void out.write(json ? jsonLine(data) : `${text}\n`),
    note: (text) => void (json || err.write(`${text}\n`)),
    warn: (text) => void err.write(`${text}\n`),
  };
}
