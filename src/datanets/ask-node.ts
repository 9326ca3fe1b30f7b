/** Another node's answers, as JSON: bounded in bytes and time, and never from where it redirects to. */
import { DatanetError } from "./errors.ts";
import type { Ask } from "./remote-version.ts";

const askMs = 60_000;

/** @param node its address, http or https */
export function askNode(node: string): Ask {
  const base = URL.parse(node);
  if (base === null || !["http:", "https:"].includes(base.protocol) || base.username !== "")
    throw new DatanetError(
      "bad-import",
      `"${node}" is no node's address; expected one such as https://node.example.`,
    );
  return async (path, bytesMax) => {
    const url = new URL(path, base);
    const failed = (why: string) => new DatanetError("bad-import", `${url} cannot be had: ${why}.`);
    const response = await fetch(url, { signal: AbortSignal.timeout(askMs), redirect: "error" }).catch(
      (error: Error) => {
        throw failed(error.cause instanceof Error ? error.cause.message : error.message);
      },
    );
    if (!response.ok) throw failed(`the node answers ${response.status}`);
    const parts: Uint8Array[] = [];
    let length = 0;
    try {
      for await (const part of response.body ?? []) {
        length += part.length;
        if (length > bytesMax) throw new Error(`it is longer than ${bytesMax} bytes`);
        parts.push(part);
      }
      return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(parts)));
    } catch (error) {
      throw failed((error as Error).message);
    }
  };
}
