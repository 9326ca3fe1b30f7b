import { useEffect, useState } from "react";
import { api, ask } from "../../api/client.ts";
import { type Curves, noCurves, type TrainingEvent, withEvents } from "./curves.ts";

const kinds = ["warning", "state", "epoch", "step", "index", "calibration"] as const;
const pageSize = 1_000;
/** How often curves are drawn while events come, milliseconds. */
const drawEveryMs = 250;

/**
 * A job's curves: its history, then its events as they happen.
 *
 * @param live whether there will be more
 */
export function useCurves(id: string, live: boolean): { curves: Curves; error: unknown } {
  const [curves, setCurves] = useState(noCurves);
  const [error, setError] = useState<unknown>();
  useEffect(() => {
    let gone = false;
    let source: EventSource | undefined;
    let timer: ReturnType<typeof setInterval> | undefined;
    setCurves(noCurves);
    setError(undefined);

    async function follow() {
      let made = noCurves;
      for (;;) {
        const { data } = await ask(
          api.GET("/v1/fine-tunes/{id}/events", {
            params: { path: { id }, query: { after: made.lastId } },
          }),
        );
        if (gone) return;
        made = withEvents(made, data);
        setCurves(made);
        if (data.length < pageSize) break;
      }
      if (!live) return;
      let waiting: TrainingEvent[] = [];
      source = new EventSource(`/v1/fine-tunes/${encodeURIComponent(id)}/events?after=${made.lastId}`);
      for (const kind of kinds)
        source.addEventListener(kind, ({ data, lastEventId }) => {
          const { atMs, ...rest } = JSON.parse(data) as { atMs: number } & Record<string, unknown>;
          waiting.push({ id: Number(lastEventId), atMs, kind, data: rest });
        });
      timer = setInterval(() => {
        if (waiting.length === 0) return;
        made = withEvents(made, waiting);
        waiting = [];
        setCurves(made);
      }, drawEveryMs);
    }
    follow().catch((failure: unknown) => gone || setError(failure));
    return () => {
      gone = true;
      source?.close();
      clearInterval(timer);
    };
  }, [id, live]);
  return { curves, error };
}
