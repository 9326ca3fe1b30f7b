/**
 * Reads a line of JSON strictly (RFC 8259) and knows places: `JSON.parse` reports no reliable position and silently keeps the
 * last of two equal keys, and an example's digest must not depend on what a parser drops.
 */

/** What is wrong with a JSON text; `column` counts UTF-16 code units from 1. */
export type JsonFault = { readonly column: number; readonly message: string };

export type JsonLine =
  | { readonly value: unknown; readonly columnOf: (path: readonly PropertyKey[]) => number }
  | { readonly fault: JsonFault };

/** Containers may be nested this deep; an example needs two. */
const depthMax = 32;

/** Parses one JSON text. `columnOf` gives the column where the value at a path begins (that of the nearest parent if absent). */
export function readJson(text: string): JsonLine {
  const start = skipSpace(text, 0);
  try {
    const end = skipSpace(text, scanValue(text, start, [], undefined, 0));
    if (end < text.length) throw fault(text, end, "the end of the line");
    const columnOf = (path: readonly PropertyKey[]) => {
      // Only a row that is refused asks: good rows need not remember where everything was, and nobody where all values were.
      const sought: Sought = { path, column: 1 };
      scanValue(text, start, [], sought, 0);
      return sought.column;
    };
    return { value: JSON.parse(text), columnOf };
  } catch (error) {
    if (error instanceof Fault) return { fault: { column: error.at + 1, message: error.message } };
    throw error;
  }
}

/** A path, and the column of what was met last on the way to it. */
type Sought = { readonly path: readonly PropertyKey[]; column: number };

class Fault extends Error {
  readonly at: number;

  constructor(at: number, message: string) {
    super(message);
    this.at = at;
  }
}

function fault(text: string, at: number, expected: string): Fault {
  const found =
    at >= text.length
      ? "the line ends"
      : `found ${JSON.stringify(String.fromCodePoint(text.codePointAt(at)!))}`;
  return new Fault(at, `expected ${expected}, ${found}`);
}

/** @returns the index after the value that begins at `at`. */
function scanValue(
  text: string,
  at: number,
  path: readonly PropertyKey[],
  sought: Sought | undefined,
  depth: number,
): number {
  if (sought !== undefined && path.every((part, depth) => part === sought.path[depth]))
    sought.column = at + 1;
  const first = text[at];
  if (first === "{" || first === "[") {
    if (depth >= depthMax) throw new Fault(at, `nested more than ${depthMax} deep`);
    return first === "{"
      ? scanObject(text, at, path, sought, depth + 1)
      : scanArray(text, at, path, sought, depth + 1);
  }
  if (first === '"') return scanString(text, at);
  const literal =
    /(?:true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)(?![0-9A-Za-z.+-])/y;
  literal.lastIndex = at;
  if (!literal.test(text)) throw fault(text, at, "a value");
  return literal.lastIndex;
}

function scanObject(
  text: string,
  open: number,
  path: readonly PropertyKey[],
  sought: Sought | undefined,
  depth: number,
): number {
  const keys = new Set<string>();
  let at = skipSpace(text, open + 1);
  if (text[at] === "}") return at + 1;
  for (;;) {
    if (text[at] !== '"')
      throw fault(text, at, keys.size === 0 ? 'a key in quotes or "}"' : "a key in quotes");
    const keyEnd = scanString(text, at);
    const key = JSON.parse(text.slice(at, keyEnd)) as string;
    if (keys.has(key)) throw new Fault(at, `the key ${JSON.stringify(key)} occurs twice`);
    keys.add(key);
    at = skipSpace(text, keyEnd);
    if (text[at] !== ":") throw fault(text, at, '":"');
    at = skipSpace(
      text,
      scanValue(text, skipSpace(text, at + 1), sought ? [...path, key] : path, sought, depth),
    );
    if (text[at] === "}") return at + 1;
    if (text[at] !== ",") throw fault(text, at, '"," or "}"');
    at = skipSpace(text, at + 1);
  }
}

function scanArray(
  text: string,
  open: number,
  path: readonly PropertyKey[],
  sought: Sought | undefined,
  depth: number,
): number {
  let at = skipSpace(text, open + 1);
  if (text[at] === "]") return at + 1;
  for (let item = 0; ; item++) {
    at = skipSpace(text, scanValue(text, at, sought ? [...path, item] : path, sought, depth));
    if (text[at] === "]") return at + 1;
    if (text[at] !== ",") throw fault(text, at, '"," or "]"');
    at = skipSpace(text, at + 1);
  }
}

function scanString(text: string, open: number): number {
  for (let at = open + 1; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x22) return at + 1;
    if (code < 0x20) throw new Fault(at, "a control character in a string must be escaped");
    if (code !== 0x5c) continue;
    const escaped = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
    escaped.lastIndex = at;
    if (!escaped.test(text)) throw new Fault(at, 'expected an escape such as \\n, \\" or \\u00e9');
    at = escaped.lastIndex - 1;
  }
  throw new Fault(text.length, "expected the string's closing quote, the line ends");
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (text[at] === " " || text[at] === "\t" || text[at] === "\r" || text[at] === "\n") at++;
  return at;
}
