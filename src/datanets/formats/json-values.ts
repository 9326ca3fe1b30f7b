import { setImmediate } from "node:timers/promises";
import { readRecord } from "./json-lines.ts";
import { type FormatLimits, mebibytes } from "./limits.ts";
import { type RecordItem, UnreadableError } from "./source.ts";
import { badEncoding, textPieces } from "./text-bytes.ts";

/** Members of an object that are a row's own lists, not lists of rows. */
const ownLists = new Set(["messages", "conversations", "conversation", "dialog", "history"]);
const depthMax = 64;
const keyLengthMax = 64;

const [quote, comma, colon, backslash] = [0x22, 0x2c, 0x3a, 0x5c];
const [bracketOpen, bracketClose, braceOpen, braceClose] = [0x5b, 0x5d, 0x7b, 0x7d];

/** A row that is being collected until it is whole; longer than allowed, only its length is kept. */
type Capture = { readonly line: number; readonly depth: number; text: string; length: number; scalar?: true };

type State = {
  /** Open brackets. */
  readonly open: ("{" | "[")[];
  line: number;
  inString: boolean;
  escaped: boolean;
  /** Within a number, true, false or null. */
  inWord: boolean;
  /** Of the outermost object: the key that was read last, whether its value is due, and how many values have begun. */
  key: string;
  inKey: boolean;
  valueDue: boolean;
  members: number;
  /** The outermost object is a table of rows by name. */
  named: boolean;
  /** How many brackets are open where elements are rows. */
  listDepth: number | undefined;
  /** A list has begun that is one of rows if its first element is an object. */
  undecided: boolean;
  row: Capture | undefined;
  /** The outermost object, as long as it may be a row itself. */
  whole: Capture | undefined;
};

/**
 * JSON as a table: a list of objects; an object that holds one under any name; an object of objects by name; objects one after the
 * other; or one object that is a row. Only the row that is being read is held.
 *
 * @throws UnreadableError `broken-json`, `cut-short`
 */
export async function* readJsonValues(
  file: string,
  chunks: AsyncIterable<Uint8Array>,
  { rowBytesMax }: FormatLimits,
): AsyncGenerator<RecordItem[]> {
  const state = startState();
  let row = 0;
  for await (const piece of textPieces(chunks)) {
    const items: RecordItem[] = [];
    let failure: unknown;
    try {
      for (const capture of scan(state, piece, rowBytesMax))
        items.push(itemOf(file, ++row, capture, rowBytesMax));
    } catch (error) {
      failure = error;
    }
    await setImmediate();
    yield items;
    if (failure !== undefined) throw failure;
  }
  if (state.open.length === 0) return;
  const within = state.inString ? "a string" : state.open.at(-1) === "{" ? "an object" : "a list";
  throw new UnreadableError(
    "cut-short",
    `The file ends within ${within}: it was cut short, or a quote or bracket is missing.`,
    { line: state.line },
  );
}

function itemOf(
  file: string,
  row: number,
  { line, text, length, scalar }: Capture,
  rowBytesMax: number,
): RecordItem {
  const source = { file, line, row };
  if (scalar) {
    const message = "The element of the list is no object with columns.";
    return { source, refused: { code: "not-an-object", message } };
  }
  if (length > rowBytesMax) {
    const message = `The row has ${length} characters; at most ${mebibytes(rowBytesMax)} are read. Split it.`;
    return { source, refused: { code: "too-long", message } };
  }
  if (text.includes("\uFFFD"))
    return {
      source,
      refused: { code: "bad-encoding", message: `The row holds U+FFFD, which stands for ${badEncoding}.` },
    };
  return { source, ...readRecord(text) };
}

function startState(): State {
  return {
    open: [],
    line: 1,
    inString: false,
    escaped: false,
    inWord: false,
    key: "",
    inKey: false,
    valueDue: false,
    members: 0,
    named: false,
    listDepth: undefined,
    undecided: false,
    row: undefined,
    whole: undefined,
  };
}

/** Follows brackets and strings through a piece of text. @returns the rows that end in it */
function* scan(state: State, piece: string, lengthMax: number): Generator<Capture> {
  let rowFrom = 0;
  let wholeFrom = 0;
  for (let at = 0; at < piece.length; at++) {
    const code = piece.charCodeAt(at);
    if (state.inString) {
      if (state.inKey && state.key.length < keyLengthMax) state.key += piece[at];
      if (state.escaped) state.escaped = false;
      else if (code === backslash) state.escaped = true;
      else if (code === quote) {
        state.inString = false;
        if (state.inKey) state.key = state.key.slice(0, -1);
        state.inKey = false;
      }
      continue;
    }
    if (code === 0x0a) state.line++;
    if (code === 0x20 || (code >= 0x09 && code <= 0x0d) || code === comma || code === colon) {
      state.inWord = false;
      if (state.open.length === 1 && code === colon) state.valueDue = true;
      continue;
    }
    if (code === braceClose || code === bracketClose) {
      close(state, code === braceClose ? "{" : "[");
      if (state.row && state.row.depth > state.open.length) {
        extend(state.row, piece, rowFrom, at + 1, lengthMax);
        yield state.row;
        state.row = undefined;
      }
      if (state.open.length === 0 && state.whole) {
        extend(state.whole, piece, wholeFrom, at + 1, lengthMax);
        yield state.whole;
        state.whole = undefined;
      }
      continue;
    }
    if (state.inWord) continue;
    const begins = state.row ? undefined : beginOf(state, code);
    if (begins === "scalar") yield { line: state.line, depth: 0, text: "", length: 0, scalar: true };
    else if (begins !== undefined) {
      const capture = { line: state.line, depth: state.open.length + 1, text: "", length: 0 };
      if (begins === "whole") [state.whole, wholeFrom] = [capture, at];
      else [state.row, rowFrom, state.whole] = [capture, at, undefined];
    }
    if (code === quote) state.inString = true;
    else if (code === braceOpen || code === bracketOpen) open(state, code === braceOpen ? "{" : "[");
    else state.inWord = true;
  }
  if (state.row) extend(state.row, piece, rowFrom, piece.length, lengthMax);
  if (state.whole) extend(state.whole, piece, wholeFrom, piece.length, lengthMax);
}

/** What begins with this character, and what that makes of the list or object around it. */
function beginOf(state: State, code: number): "row" | "whole" | "scalar" | undefined {
  const depth = state.open.length;
  const object = code === braceOpen;
  if (depth === 0) {
    if (!object && code !== bracketOpen) {
      const found = JSON.stringify(String.fromCharCode(code));
      throw new UnreadableError("broken-json", `Expected "{" or "[", found ${found}.`, { line: state.line });
    }
    Object.assign(state, { members: 0, valueDue: false, named: false, listDepth: object ? undefined : 1 });
    return object ? "whole" : undefined;
  }
  if (state.undecided) {
    state.undecided = false;
    if (object) state.listDepth = depth;
  }
  if (depth === state.listDepth) return object ? "row" : "scalar";
  if (depth > 1) return undefined;
  if (!state.valueDue) {
    state.key = "";
    state.inKey = true;
    return undefined;
  }
  state.valueDue = false;
  state.members++;
  // The first value is an object: the others are taken for rows as well.
  if (object && state.members === 1 && state.key !== "example") state.named = true;
  state.undecided = code === bracketOpen && !ownLists.has(state.key);
  return object && state.named ? "row" : undefined;
}

function open(state: State, bracket: "{" | "["): void {
  state.open.push(bracket);
  if (state.open.length > depthMax)
    throw new UnreadableError("broken-json", `Brackets are nested more than ${depthMax} deep.`, {
      line: state.line,
    });
}

function close(state: State, bracket: "{" | "["): void {
  if (state.open.pop() !== bracket)
    throw new UnreadableError("broken-json", "A bracket closes that was not opened.", { line: state.line });
  if (state.listDepth !== undefined && state.open.length < state.listDepth) state.listDepth = undefined;
  state.undecided = false;
  state.inWord = false;
}

function extend(capture: Capture, piece: string, from: number, to: number, lengthMax: number): void {
  capture.length += to - from;
  capture.text = capture.length > lengthMax ? "" : capture.text + piece.slice(from, to);
}
