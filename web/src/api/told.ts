/** Requests that take a while, and are told about line by line while they do. */
import { ApiError } from "./client.ts";
import { ownHeader } from "./refusal.ts";

export type Told = { readonly stage: string; readonly done: number; readonly of: number };
type Line = { progress: Told } | { status: number; answer: unknown };

/**
 * Posts, and hears how far it is (`application/x-ndjson`) until the answer comes.
 *
 * @param headers a pass, where one is needed
 * @throws ApiError when the node refused; Error when it stopped answering
 */
export async function postTold<T>(
  path: string,
  onProgress: (progress: Told) => void,
  headers: Readonly<Record<string, string>> = {},
): Promise<T> {
  const response = await fetch(path, {
    method: "POST",
    headers: { ...ownHeader, ...headers, accept: "application/x-ndjson" },
  });
  let rest = "";
  let last: Line | undefined;
  const decoder = new TextDecoder();
  for await (const bytes of chunksOf(response)) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = lines.pop() as string;
    for (const line of lines) {
      last = JSON.parse(line) as Line;
      if ("progress" in last) onProgress(last.progress);
    }
  }
  if (last === undefined || !("status" in last))
    throw new Error(
      "The node stopped answering before it was done. Look whether it was: it is safe to try again.",
    );
  if (last.status < 300) return last.answer as T;
  const { error } = (last.answer ?? {}) as { error?: { code?: string; message?: string } };
  throw new ApiError(
    last.status,
    error?.code ?? String(last.status),
    error?.message ?? `The node answered ${last.status}.`,
  );
}

/** Not every browser goes through a stream by itself. */
async function* chunksOf({ body }: Response): AsyncGenerator<Uint8Array> {
  const reader = body?.getReader();
  for (;;) {
    const next = await reader?.read();
    if (next === undefined || next.done) return;
    yield next.value;
  }
}
