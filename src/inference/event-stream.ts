/** Server-sent events to a reader that may be slow, or gone. */

/** Longest time nothing of what waits is read: who opens a stream and reads none of it would keep an answer in memory for ever. */
const stallMsMax = 60_000;

export type EventStream = {
  readonly readable: ReadableStream<Uint8Array>;
  /** Bytes that wait to be read. */
  readonly waitingBytes: number;
  /** Does nothing once the reader has left. */
  send(value: object): void;
  /** @param last - data of the last event */
  end(last?: string): void;
};

/**
 * What is not read yet waits in memory: at most what one request's answers hold. A reader that takes nothing for `stallMs` counts as
 * gone, and what waits is dropped.
 *
 * @param onLeave - called once, when the reader leaves before the end or stalls
 */
export function createEventStream(onLeave: () => void, stallMs = stallMsMax): EventStream {
  const encoder = new TextEncoder();
  let waiting: Uint8Array[] = [];
  let waitingBytes = 0;
  let state: "open" | "ended" | "left" = "open";
  /** Wakes the reader that waits for an event. */
  let wake: (() => void) | undefined;
  let stall: NodeJS.Timeout | undefined;

  function woken(): void {
    wake?.();
    wake = undefined;
  }

  function leave(): void {
    clearTimeout(stall);
    if (state === "left") return;
    const whole = state === "ended" && waitingBytes === 0;
    state = "left";
    waiting = [];
    waitingBytes = 0;
    woken();
    if (!whole) onLeave();
  }

  const readable = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        stall?.refresh();
        if (waiting.length === 0 && state === "open")
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        const next = waiting.shift();
        waitingBytes -= next?.length ?? 0;
        if (waiting.length === 0) clearTimeout(stall);
        if (next === undefined) controller.close();
        else controller.enqueue(next);
      },
      cancel: leave,
    },
    { highWaterMark: 0 },
  );

  function write(data: string): void {
    if (state !== "open") return;
    if (waiting.length === 0) {
      clearTimeout(stall);
      stall = setTimeout(leave, stallMs);
      stall.unref();
    }
    const bytes = encoder.encode(`data: ${data}\n\n`);
    waiting.push(bytes);
    waitingBytes += bytes.length;
    woken();
  }

  return {
    readable,
    get waitingBytes() {
      return waitingBytes;
    },
    send: (value) => write(JSON.stringify(value)),
    end(last) {
      if (last !== undefined) write(last);
      if (state === "open") state = "ended";
      woken();
    },
  };
}
