/**
 * From a model's text to content and tool calls, as it comes. The text is anybody's: every character is looked at a bounded number of
 * times, nothing is thrown, and what does not read as a call of a known function stays content.
 */
import { notations, type ToolFormat } from "./tool-format.ts";

/** A call as OpenAI's API shows it: `arguments` is the text of a JSON object. */
export type ToolCall = { readonly name: string; readonly arguments: string };

export type ToolEvent = { readonly content: string } | { readonly call: ToolCall };

/** All events joined are the same however the text was cut. A call comes as a whole, once its last character is there. */
export type ToolParser = {
  push(text: string): ToolEvent[];
  /** No more text comes. */
  end(): ToolEvent[];
};

/** Calls of one answer; as many as a request may bring back. */
const callsMax = 128;
const depthMax = 64;

/** Reading what may be calls: `at` is the next character of the undecided text to look at. */
type Scan = {
  at: number;
  phase: "before" | "json" | "end";
  from: number;
  to: number;
  depth: number;
  inString: boolean;
  escaped: boolean;
};

/**
 * White space that touches a call belongs to neither.
 *
 * @param names - the functions that may be called
 */
export function createToolParser(format: ToolFormat, names: ReadonlySet<string>): ToolParser {
  const { mark, bare, end, between } = notations[format];
  const opener = format === "mistral" ? "[" : "{";
  /** Text whose meaning is not certain yet. */
  let rest = "";
  /** What stands before it: nothing but white space, content, or a call. */
  let before: "nothing" | "content" | "call" = "nothing";
  let scan: Scan | undefined;
  let calls = 0;
  let events: ToolEvent[] = [];

  const isGap = (at: number) =>
    /\s/.test(rest[at] as string) || (before === "call" && between !== "" && rest[at] === between);
  const gapLength = () => {
    let at = 0;
    while (at < rest.length && isGap(at)) at++;
    return at;
  };

  /** Takes the first `length` characters as content. */
  function take(length: number): void {
    const content = rest.slice(before === "call" ? Math.min(gapLength(), length) : 0, length);
    rest = rest.slice(length);
    if (content === "") return;
    events.push({ content });
    before = "content";
  }

  function begin(at: number, phase: Scan["phase"]): void {
    scan = { at, phase, from: at, to: at, depth: 0, inString: false, escaped: false };
  }

  /** @returns whether there is more to decide now */
  function readText(final: boolean): boolean {
    if (before !== "content") {
      const gap = gapLength();
      const opens = before === "nothing" || format === "llama";
      if (bare !== null && opens && rest[gap] === bare && (mark === "" || !rest.startsWith(mark, gap))) {
        if (mark !== "" && !final && mark.startsWith(rest.slice(gap))) return false;
        begin(gap, "before");
        return true;
      }
      if (gap === rest.length) {
        if (final) take(rest.length);
        return false;
      }
    }
    const marked = mark === "" ? -1 : rest.indexOf(mark);
    if (marked >= 0) {
      const content = rest.slice(0, marked).trimEnd().length;
      take(content);
      begin(marked - content + mark.length, "before");
      return true;
    }
    take(final ? rest.length : rest.length - heldLength(rest, mark));
    return false;
  }

  /** What was read is no call. */
  function fail(length: number): true {
    scan = undefined;
    take(length);
    return true;
  }

  function readCall(at: Scan, final: boolean): boolean {
    for (; at.at < rest.length; at.at++) {
      const character = rest[at.at] as string;
      if (at.phase === "before") {
        if (/\s/.test(character)) continue;
        if (character !== opener) return fail(at.at);
        at.phase = "json";
        at.from = at.at;
      }
      if (at.phase === "json") {
        if (step(at, character)) {
          if (at.depth > depthMax) return fail(at.at);
          continue;
        }
        at.to = at.at + 1;
        at.phase = "end";
        if (end === "") return finish(at, at.to);
        continue;
      }
      if (/\s/.test(character)) continue;
      if (rest.startsWith(end, at.at)) return finish(at, at.at + end.length);
      if (final || !end.startsWith(rest.slice(at.at))) break;
      return false;
    }
    if (at.at < rest.length && !(final && end.startsWith(rest.slice(at.at)))) return fail(at.at);
    if (!final) return false;
    // The closing mark may be missing where the answer ends.
    return at.phase === "end" ? finish(at, rest.length) : fail(rest.length);
  }

  function finish({ from, to }: Scan, length: number): true {
    const found = callsIn(rest.slice(from, to), names);
    if (found === undefined || calls + found.length > callsMax) return fail(length);
    calls += found.length;
    events.push(...found.map((call) => ({ call })));
    rest = rest.slice(length);
    before = "call";
    scan = undefined;
    return true;
  }

  function drain(final: boolean): ToolEvent[] {
    events = [];
    while (rest !== "" && (scan === undefined ? readText(final) : readCall(scan, final)));
    return events;
  }

  return {
    push(text) {
      rest += text;
      return drain(false);
    },
    end: () => drain(true),
  };
}

/** Moves over a character of JSON. @returns false at the bracket that closes the first one */
function step(scan: Scan, character: string): boolean {
  if (scan.inString) {
    if (scan.escaped) scan.escaped = false;
    else if (character === "\\") scan.escaped = true;
    else if (character === '"') scan.inString = false;
    return true;
  }
  if (character === '"') scan.inString = true;
  else if (character === "{" || character === "[") scan.depth++;
  else if (character === "}" || character === "]") scan.depth--;
  return scan.depth > 0;
}

/** Characters at the end that may belong to a mark, or to the white space before one. */
function heldLength(text: string, mark: string): number {
  let partial = Math.min(text.length, Math.max(0, mark.length - 1));
  while (partial > 0 && !text.endsWith(mark.slice(0, partial))) partial--;
  return text.length - text.slice(0, text.length - partial).trimEnd().length;
}

/** @param json - one call, or a list of them */
function callsIn(json: string, names: ReadonlySet<string>): ToolCall[] | undefined {
  try {
    const value: unknown = JSON.parse(json);
    const calls = (Array.isArray(value) ? value : [value]).map((one) => callOf(one, names));
    return calls.length > 0 && calls.every((call) => call !== undefined) ? calls : undefined;
  } catch {
    return undefined;
  }
}

function callOf(value: unknown, names: ReadonlySet<string>): ToolCall | undefined {
  if (!isObject(value)) return undefined;
  const { name } = value;
  const given = value.arguments ?? value.parameters ?? {};
  const object: unknown = typeof given === "string" ? JSON.parse(given) : given;
  if (typeof name !== "string" || !names.has(name) || !isObject(object)) return undefined;
  return { name, arguments: JSON.stringify(object) };
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** A whole text's content and calls; null content where there is nothing but calls. */
export function parseToolCalls(
  format: ToolFormat,
  names: ReadonlySet<string>,
  text: string,
): { content: string | null; calls: ToolCall[] } {
  const parser = createToolParser(format, names);
  const events = [...parser.push(text), ...parser.end()];
  const calls = events.flatMap((event) => ("call" in event ? [event.call] : []));
  const content = events.map((event) => ("content" in event ? event.content : "")).join("");
  return { content: calls.length > 0 && content === "" ? null : content, calls };
}
