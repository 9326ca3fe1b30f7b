import { existsSync, readFileSync } from "node:fs";
import type { OnUploadProgress, UploadProgress } from "../datanets/index.ts";
import { operatorTokenFile } from "../node/index.ts";
import { formatOpen } from "./amount.ts";
import { noteAssumedNode } from "./assumed-node.ts";
import { CliError, exitCodes } from "./errors.ts";
import { nodeUrl, type Settings, settingsFromEnvironment } from "./settings.ts";
import { oneLine } from "./table.ts";

/** What a request may carry. */
export type Sending = {
  /** Sent as JSON, or as it is when it is bytes or text. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Act in the operator's name: send the operator token of the node's home. */
  readonly operator?: boolean;
  readonly signal?: AbortSignal;
};

/** The last line of an answer whose progress is told. */
type Answered<T> = { readonly status: number; readonly answer: T };

/** A server-sent event. */
export type ServerEvent = { readonly id: string; readonly event: string; readonly data: string };

/** The running node, as the commands talk to it. */
export type NodeClient = {
  readonly url: string;
  readonly settings: Settings;
  /** @returns the answer's JSON. @throws ApiError, CliError */
  get<T>(path: string, sending?: Sending): Promise<T>;
  post<T>(path: string, body?: unknown, sending?: Sending): Promise<T>;
  put<T>(path: string, body: unknown, sending?: Sending): Promise<T>;
  delete<T>(path: string, sending?: Sending): Promise<T>;
  /** As `post`, and is told how far it has come; a node that does not tell answers as it always did. */
  postWatched<T>(path: string, body: unknown, onProgress: OnUploadProgress, sending?: Sending): Promise<T>;
  /** An answer whose body has not been read. @throws ApiError for a status above 299 */
  send(method: string, path: string, sending?: Sending): Promise<Response>;
  /** The events of a stream, until the node ends it. */
  events(method: string, path: string, sending?: Sending): AsyncGenerator<ServerEvent>;
};

/** An error that the node answered with. */
export class ApiError extends CliError {
  override name = "ApiError";
  readonly status: number;

  constructor(status: number, ...rest: ConstructorParameters<typeof CliError>) {
    super(...rest);
    this.status = status;
  }
}

/** An answer that is read whole is shorter than this. The longest: an audit file with the largest basis of the shipped base, 1,024 directions of 221,184 numbers in base64, has 288 MiB. */
const answerBytesMax = 384 * 2 ** 20;
const eventBytesMax = 4 * 2 ** 20;

/** The node that `OPENLEDGER_URL` names, or the one of this home. Nothing is asked of it yet. */
export function connect(settings = settingsFromEnvironment()): NodeClient {
  const url = nodeUrl(settings);
  async function send(method: string, path: string, sending: Sending = {}): Promise<Response> {
    const { body, headers, operator = false, signal } = sending;
    const raw = typeof body === "string" || body instanceof Uint8Array;
    let response: Response;
    try {
      response = await fetch(url + path, {
        method,
        headers: {
          ...(body === undefined || raw ? {} : { "content-type": "application/json" }),
          ...(operator ? { authorization: `Bearer ${operatorToken(settings.dataFolder, url)}` } : {}),
          ...headers,
        },
        ...(body === undefined
          ? {}
          : { body: raw ? (body as NonNullable<RequestInit["body"]>) : JSON.stringify(body) }),
        ...(signal === undefined ? {} : { signal }),
      });
    } catch (cause) {
      if (cause instanceof CliError || signal?.aborted) throw cause;
      throw noNode(url, cause);
    }
    noteAssumedNode(settings, url);
    if (!response.ok) throw await apiError(response, url + path);
    return response;
  }
  const json = async <T>(method: string, path: string, sending?: Sending): Promise<T> => {
    const response = await send(method, path, sending);
    return parse<T>(await readText(response, url), url);
  };
  return {
    url,
    settings,
    send,
    get: (path, sending) => json("GET", path, sending),
    post: (path, body, sending) =>
      json("POST", path, { ...sending, ...(body === undefined ? {} : { body }) }),
    put: (path, body, sending) => json("PUT", path, { ...sending, body }),
    delete: (path, sending) => json("DELETE", path, sending),
    async postWatched<T>(path: string, body: unknown, onProgress: OnUploadProgress, sending: Sending = {}) {
      const headers = { ...sending.headers, accept: "application/x-ndjson, application/json" };
      const response = await send("POST", path, { ...sending, body, headers });
      if (!response.headers.get("content-type")?.startsWith("application/x-ndjson"))
        return parse<T>(await readText(response, url), url);
      const last = await readText(response, url, (line) => {
        const isProgress = line.startsWith('{"progress":');
        if (isProgress) onProgress(parse<{ progress: UploadProgress }>(line, url).progress);
        return isProgress;
      });
      const line = parse<Answered<T>>(last, url);
      if (line.status < 300) return line.answer;
      throw await apiError(new Response(JSON.stringify(line.answer), { status: line.status }), url + path);
    },
    async *events(method, path, sending = {}) {
      const headers = { ...sending.headers, accept: "text/event-stream" };
      const response = await send(method, path, { ...sending, headers });
      try {
        yield* serverEvents(response.body ?? []);
      } catch (cause) {
        if (cause instanceof CliError || sending.signal?.aborted) throw cause;
        throw noNode(url, cause);
      }
    },
  };
}

/** The token that lets this user act as the operator. It is not sent to a machine elsewhere unless that is said in so many words. */
function operatorToken(home: string, url: string): string {
  const given = process.env.OPENLEDGER_OPERATOR_TOKEN;
  if (given) return given;
  const { hostname } = new URL(url);
  if (process.env.OPENLEDGER_URL && !/^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname)) {
    throw new CliError(`This acts in the operator's name, and ${url} is not on this machine.`, {
      expected: "the operator token of that node in OPENLEDGER_OPERATOR_TOKEN",
      actual: "not set",
      exitCode: exitCodes.usage,
    });
  }
  const file = operatorTokenFile(home);
  if (!existsSync(file)) {
    throw new CliError("This acts in the operator's name, and the operator's token is not here.", {
      expected: file,
      actual: "no such file",
      fix: [
        "Start the node with ./openledger up, which makes it.",
        "If the node runs with another home, set OPENLEDGER_HOME to it.",
      ],
      exitCode: exitCodes.unfit,
    });
  }
  return readFileSync(file, "utf8").trim();
}

function noNode(url: string, cause: unknown): CliError {
  const { cause: reason, message } = cause as Error & { cause?: NodeJS.ErrnoException };
  return new CliError(`No node answers at ${url}.`, {
    expected: "a running node",
    actual: reason?.code ?? reason?.message ?? message,
    fix: ["./openledger up", "If it runs elsewhere, set OPENLEDGER_URL, OPENLEDGER_PORT or OPENLEDGER_HOME."],
    exitCode: exitCodes.unfit,
    code: "no-node",
    cause,
  });
}

/** @param onLine is given each line as it ends; a line that it takes, by returning true, is no part of the text */
async function readText(
  response: Response,
  url: string,
  onLine?: (line: string) => boolean,
): Promise<string> {
  const decoder = new TextDecoder();
  const parts: string[] = [];
  let bytes = 0;
  try {
    for await (const part of response.body ?? []) {
      bytes += part.length;
      if (bytes > answerBytesMax)
        throw new CliError(`${url} answered with more than ${answerBytesMax / 2 ** 20} MiB.`);
      parts.push(decoder.decode(part, { stream: true }));
      if (onLine === undefined || !parts.at(-1)?.includes("\n")) continue;
      const lines = parts.splice(0).join("").split("\n");
      parts.push(...lines.filter((line, i) => i === lines.length - 1 || !onLine(line)));
    }
  } catch (cause) {
    if (cause instanceof CliError) throw cause;
    throw noNode(url, cause);
  }
  return parts.join("") + decoder.decode();
}

function parse<T>(text: string, url: string): T {
  try {
    return JSON.parse(text) as T;
  } catch (cause) {
    throw notANode(url, text, cause);
  }
}

function notANode(url: string, text: string, cause?: unknown): CliError {
  return new CliError(`What answers at ${url} is not an OpenLedger node.`, {
    expected: "JSON",
    actual: text === "" ? "nothing" : oneLine(text),
    fix: ["Set OPENLEDGER_URL or OPENLEDGER_PORT to where the node listens."],
    exitCode: exitCodes.unfit,
    cause,
  });
}

/** What to do about errors whose words do not say it themselves. */
const advice: Readonly<Record<string, string>> = {
  "operator-only": "Set OPENLEDGER_HOME to the node's home, or OPENLEDGER_OPERATOR_TOKEN to its token.",
  "scope-missing": "./openledger operator-key create --name … --scope …, with the operator token.",
  model_not_found: "./openledger models",
  "unknown-release": "./openledger models",
  "unknown-receipt":
    "./openledger receipts lists receipts; a release is checked with ./openledger verify <release> --index or --retrain.",
  "unknown-datanet": "./openledger datanet list",
  "unknown-contribution": "./openledger contribute says the number; the Datanet's page lists them all.",
  "unknown-version": "./openledger datanet show <id>",
  "unknown-license": "Choose one of those at /v1/licenses, CC0-1.0 for instance.",
  unknown_key: "./openledger key create --deposit 10",
  "unknown-key": "./openledger key create --deposit 10",
  revoked_key: "./openledger key create --deposit 10",
  no_payment: "./openledger key create --deposit 10, then pass --key or set OPENLEDGER_API_KEY.",
  overspent: "./openledger key create with a larger deposit and limit.",
};

type ErrorJson = {
  readonly error?: {
    readonly message?: unknown;
    readonly code?: unknown;
    readonly param?: unknown;
    readonly details?: Readonly<Record<string, unknown>>;
    readonly expected?: unknown;
    readonly actual?: unknown;
    readonly fix?: unknown;
  };
};

async function apiError(response: Response, url: string): Promise<CliError> {
  const text = await readText(response, url);
  let error: ErrorJson["error"];
  try {
    error = (JSON.parse(text) as ErrorJson | null)?.error;
  } catch {
    error = undefined;
  }
  if (typeof error?.message !== "string") {
    if (response.status === 404) return notANode(url, text);
    return new ApiError(response.status, `${url} answers ${response.status}.`, {
      actual: oneLine(text, 200) || "an empty answer",
      ...(response.status >= 500 ? { fix: ["Look at what the node says where it was started."] } : {}),
    });
  }
  const code = typeof error.code === "string" ? error.code : undefined;
  const details = Object.fromEntries(
    Object.entries(error.details ?? {}).filter(
      ([, value]) => typeof value === "string" || typeof value === "number",
    ),
  ) as Record<string, string | number>;
  const [, datanetId = "<id>"] = /\bDatanet (\d+)/.exec(error.message) ?? [];
  const fix = [error.fix, code === undefined ? undefined : advice[code]?.replace("<id>", datanetId)]
    .flat()
    .filter((step): step is string => typeof step === "string");
  return new ApiError(response.status, error.message, {
    ...pair("expected", error.expected ?? amountOf(details.expectedWei)),
    ...pair("actual", error.actual ?? amountOf(details.actualWei)),
    ...(fix.length > 0 ? { fix } : {}),
    ...(code === undefined ? {} : { code }),
    ...(Object.keys(details).length > 0 ? { details } : {}),
    exitCode: code === "operator-only" ? exitCodes.unfit : exitCodes.failed,
  });
}

const amountOf = (wei: unknown) =>
  typeof wei === "string" && /^\d+$/.test(wei) ? `${formatOpen(BigInt(wei))} OPEN` : undefined;
const pair = (name: "expected" | "actual", value: unknown) =>
  typeof value === "string" || typeof value === "number" ? { [name]: String(value) } : {};

/** Reads server-sent events (WHATWG HTML, section 9.2) from bytes that arrive. */
export async function* serverEvents(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<ServerEvent> {
  const decoder = new TextDecoder();
  let pending = "";
  let id = "";
  let event = "";
  let data: string[] = [];
  for await (const chunk of chunks) {
    pending += decoder.decode(chunk, { stream: true });
    // A carriage return at the end may be half of a line end.
    const whole = pending.endsWith("\r") ? pending.slice(0, -1) : pending;
    const lines = whole.split(/\r\n|\n|\r/);
    pending = (lines.pop() as string) + pending.slice(whole.length);
    for (const line of lines) {
      if (line === "") {
        if (data.length > 0) yield { id, event: event || "message", data: data.join("\n") };
        event = "";
        data = [];
        continue;
      }
      const at = line.indexOf(":");
      const field = at < 0 ? line : line.slice(0, at);
      const value = at < 0 ? "" : line.slice(at + 1).replace(/^ /, "");
      if (field === "data") data.push(value);
      else if (field === "event") event = value;
      else if (field === "id") id = value;
    }
    if (pending.length + data.reduce((sum, { length }) => sum + length, 0) > eventBytesMax)
      throw new CliError(`The node sent an event longer than ${eventBytesMax / 2 ** 20} MiB.`);
  }
}
