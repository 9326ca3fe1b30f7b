import { useCallback, useRef, useState } from "react";
import type { ChatMessage } from "../../../../client/src/index.ts";

/** How an answer is asked for. */
export type Settings = {
  readonly maxTokens: number;
  readonly temperature: number;
  /** Null: drawn anew each time. */
  readonly seed: number | null;
  readonly attribution: boolean;
  /** Earlier questions and answers are sent, and paid for, along with the new one. */
  readonly along: boolean;
};

/** One question and what became of it. */
export type Turn = {
  readonly id: number;
  readonly model: string;
  readonly question: string;
  readonly text: string;
  readonly state: "waiting" | "writing" | "done" | "stopped" | "failed";
  /** Null for a free answer, of which nothing is kept. */
  readonly requestId: string | null;
  readonly tokens: number | null;
  readonly startedMs: number;
  readonly firstMs: number | null;
  readonly endedMs: number | null;
  readonly error?: unknown;
  /** The request's bytes as they were sent, which the receipt commits to. */
  readonly request?: Uint8Array;
};

/** Questions and answers, one at a time: asked, written as they come, stopped. */
export function useConversation(secret: string | undefined) {
  const [turns, setTurns] = useState<readonly Turn[]>([]);
  const running = useRef<AbortController | null>(null);
  const kept = useRef(turns);
  kept.current = turns;

  const change = useCallback((id: number, next: Partial<Turn>) => {
    setTurns((all) => all.map((turn) => (turn.id === id ? { ...turn, ...next } : turn)));
  }, []);

  const ask = useCallback(
    async (model: string, question: string, settings: Settings, insteadOf?: number) => {
      if (running.current) return;
      const controller = new AbortController();
      running.current = controller;
      const earlier = kept.current.filter(
        (turn) => turn.model === model && (turn.state === "done" || turn.state === "stopped"),
      );
      const messages: ChatMessage[] = [
        ...(settings.along
          ? earlier.flatMap(({ question, text }): ChatMessage[] => [
              { role: "user", content: question },
              { role: "assistant", content: text },
            ])
          : []),
        { role: "user", content: question },
      ];
      const id = Math.max(0, ...kept.current.map((turn) => turn.id)) + 1;
      const turn: Turn = {
        ...{ id, model, question, text: "", state: "waiting", requestId: null, tokens: null },
        ...{ startedMs: Date.now(), firstMs: null, endedMs: null },
      };
      setTurns((all) => [...all.filter((other) => other.id !== insteadOf), turn]);
      let text = "";
      let firstMs: number | null = null;
      try {
        const { createClient } = await import("../../../../client/src/index.ts");
        const client = createClient({
          baseUrl: location.origin,
          ...(secret === undefined ? {} : { apiKey: secret }),
          // The request's name comes with the headers: a stopped answer has a receipt, too.
          fetch: async (...request) => {
            const response = await fetch(...request);
            const requestId = response.headers.get("openledger-request-id");
            if (requestId !== null) change(id, { requestId });
            return response;
          },
        });
        const stream = client.stream({
          ...{ model, messages, maxTokens: settings.maxTokens, temperature: settings.temperature },
          ...(settings.seed === null ? {} : { seed: settings.seed }),
          ...(settings.attribution ? {} : { attribution: false }),
          signal: controller.signal,
        });
        for await (const piece of stream) {
          text += piece;
          firstMs ??= Date.now();
          change(id, { text, state: "writing", firstMs });
        }
        const { requestId, completionTokens, request } = await stream.answer();
        change(id, { state: "done", requestId, request, tokens: completionTokens, endedMs: Date.now() });
      } catch (error) {
        change(
          id,
          controller.signal.aborted
            ? { state: "stopped", endedMs: Date.now() }
            : { state: "failed", error, endedMs: Date.now() },
        );
      } finally {
        running.current = null;
      }
    },
    [secret, change],
  );

  return {
    turns,
    ask,
    busy: turns.some(({ state }) => state === "waiting" || state === "writing"),
    stop: () => running.current?.abort(),
    clear: () => setTurns([]),
  };
}
