import { z } from "zod";
import { OpenLedgerError } from "./errors.ts";

export type Fetch = typeof globalThis.fetch;

export type Sending = {
  readonly method?: "GET" | "POST" | "DELETE";
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array<ArrayBuffer>;
  readonly signal?: AbortSignal | undefined;
};

/** The node, over HTTP. */
export type Http = {
  readonly baseUrl: string;
  /** @throws OpenLedgerError for a status above 299, or when nothing answers */
  send(path: string, sending?: Sending): Promise<Response>;
  /** The answer's JSON, if it has the form that is expected. @throws OpenLedgerError */
  json<S extends z.ZodType>(schema: S, path: string, sending?: Sending): Promise<z.output<S>>;
};

/** Longest answer that is read; a release's pay index with its proofs is the longest there is. */
const bodyBytesMax = 256 * 2 ** 20;
const eventCharsMax = 4 * 2 ** 20;

export function createHttp(baseUrl: string, fetch: Fetch): Http {
  const url = baseUrl.replace(/\/+$/, "");
  async function send(
    path: string,
    { method = "GET", headers = {}, body, signal }: Sending = {},
  ): Promise<Response> {
    let response: Response;
    try {
      response = await fetch(url + path, {
        method,
        headers: { ...headers },
        ...(body === undefined ? {} : { body }),
        ...(signal === undefined ? {} : { signal }),
      });
    } catch (cause) {
      if (signal?.aborted) throw cause;
      throw new OpenLedgerError(0, "no-node", `No node answers at ${url}: ${(cause as Error).message}.`, {
        cause,
      });
    }
    if (!response.ok) throw await refusal(response);
    return response;
  }
  return {
    baseUrl: url,
    send,
    json: async (schema, path, sending) => readJson(schema, await send(path, sending)),
  };
}

/** An answer's JSON, if it has the form that is expected. @throws OpenLedgerError `not-a-node`, `bad-answer` */
export async function readJson<S extends z.ZodType>(schema: S, response: Response): Promise<z.output<S>> {
  const text = await readText(response);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new OpenLedgerError(
      0,
      "not-a-node",
      `${response.url} sends no JSON: it is not an OpenLedger node.`,
      {
        cause,
      },
    );
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new OpenLedgerError(
    0,
    "bad-answer",
    `${response.url} answers otherwise than expected: ${z.prettifyError(parsed.error).slice(0, 500)}`,
  );
}

async function readText(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const chunk of chunksOf(response)) {
    bytes += chunk.length;
    if (bytes > bodyBytesMax)
      throw new OpenLedgerError(
        0,
        "bad-answer",
        `${response.url} answers with more than ${bodyBytesMax} bytes.`,
      );
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

/** A body piece by piece. Not every browser can iterate a stream, but every one can read it. */
async function* chunksOf(response: Response): AsyncGenerator<Uint8Array> {
  const reader = response.body?.getReader();
  if (reader === undefined) return;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

const errorSchema = z.object({
  error: z.object({
    message: z.string(),
    code: z.string().nullish(),
    details: z.record(z.string(), z.union([z.string(), z.number()])).optional(),
  }),
});

async function refusal(response: Response): Promise<OpenLedgerError> {
  const text = await readText(response);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  const parsed = errorSchema.safeParse(value);
  if (!parsed.success)
    return new OpenLedgerError(
      response.status,
      "not-a-node",
      `${response.url} answers ${response.status}: ${text.slice(0, 200)}`,
    );
  const { message, code, details } = parsed.data.error;
  const ms = Number(
    response.headers.get("retry-after-ms") ?? Number(response.headers.get("retry-after")) * 1_000,
  );
  return new OpenLedgerError(response.status, code ?? "error", message, {
    ...(details === undefined ? {} : { details }),
    retryAfterMs: ms > 0 ? ms : undefined,
  });
}

/** The data of server-sent events, as they arrive. */
export async function* eventData(response: Response): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let pending = "";
  let data: string[] = [];
  for await (const chunk of chunksOf(response)) {
    pending += decoder.decode(chunk, { stream: true });
    // A carriage return at the end may be half of a line end.
    const whole = pending.endsWith("\r") ? pending.slice(0, -1) : pending;
    const lines = whole.split(/\r\n|\n|\r/);
    pending = (lines.pop() as string) + pending.slice(whole.length);
    for (const line of lines) {
      if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
      if (line !== "" || data.length === 0) continue;
      yield data.join("\n");
      data = [];
    }
    if (pending.length + data.reduce((sum, { length }) => sum + length, 0) > eventCharsMax)
      throw new OpenLedgerError(0, "bad-answer", "The node sent an event that is too long.");
  }
}

/** JSON as it is sent: bytes, because their digest is in the receipt. */
export function jsonBody(value: unknown): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(value));
}

export const jsonType = { "content-type": "application/json" } as const;
