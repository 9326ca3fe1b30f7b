/** Server-sent events (WHATWG HTML, 9.2) out of a stream of bytes, within bounds. */

/** A stream that is no stream of events, or larger than what was asked for can be. */
export class EventsError extends Error {
  override name = "EventsError";
}

/**
 * The `data` of every event. Other fields and comments are passed over; what follows the last blank line is no event.
 *
 * @param limits bytes of one event and of the whole stream
 * @throws EventsError when a limit is passed or the bytes are not UTF-8
 */
export async function* readEvents(
  chunks: AsyncIterable<Uint8Array>,
  limits: { readonly eventBytes: number; readonly totalBytes: number },
): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let total = 0;
  let rest = "";
  let data: string[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    total += chunk.byteLength;
    if (total > limits.totalBytes) throw new EventsError(`it sent more than ${limits.totalBytes} bytes`);
    try {
      rest += decoder.decode(chunk, { stream: true });
    } catch (cause) {
      throw new EventsError("it sent bytes that are not UTF-8", { cause });
    }
    const lines = rest.split("\n");
    rest = lines.pop() as string;
    for (const ended of lines) {
      const line = ended.endsWith("\r") ? ended.slice(0, -1) : ended;
      if (line === "") {
        if (data.length > 0) yield data.join("\n");
        data = [];
        size = 0;
      } else if (line.startsWith("data:")) {
        size += line.length;
        if (size > limits.eventBytes) break;
        data.push(line.slice(line[5] === " " ? 6 : 5));
      }
    }
    if (size + rest.length > limits.eventBytes)
      throw new EventsError(`it sent an event of more than ${limits.eventBytes} bytes`);
  }
}
