/** What serving counts, for the metrics page: every number of the engine's and the answers' metrics under its own name. */
import { type Labels, metricsPage } from "../chain/index.ts";
import type { InferenceMetrics } from "../inference/index.ts";
import type { OpenLoraMetrics } from "../openlora/index.ts";

/** Of each server of a pool; `up` is 1 or 0. */
const serverFigures = [
  "up",
  "running",
  "adapters",
  "answersTotal",
  "failuresTotal",
  "busyTotal",
  "outagesTotal",
] as const;

/** `loadsTotal` → `loads_total` */
const snake = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
/** `loadsTotal` → `loads total` */
const words = (name: string) => snake(name).replaceAll("_", " ");

/**
 * Counts (`…Total`) are counters, other numbers gauges; a record of counts, such as `finishedTotal`, is one counter with a series for
 * each of its keys. Lists are left out.
 *
 * @example
 * servingMetrics({ scheduler, adapters }, inference)
 * // … openledger_openlora_running 3 …
 */
export function servingMetrics(
  { scheduler, adapters, pool }: OpenLoraMetrics,
  inference: InferenceMetrics,
): string {
  const page = metricsPage();
  const add = (room: string, figures: object) => {
    for (const [key, value] of Object.entries(figures)) {
      const name = `openledger_${room}_${snake(key)}`;
      const help = `${room}: ${words(key)}`;
      if (key.endsWith("Total") && typeof value === "object" && value !== null) {
        const series = Object.entries(value as Record<string, number>);
        page.counter(
          name,
          help,
          series.map(([kind, count]): [Labels, number] => [{ kind }, count]),
        );
      } else if (typeof value !== "number" && typeof value !== "bigint") continue;
      else if (key.endsWith("Total")) page.counter(name, help, Number(value));
      else page.gauge(name, help, value);
    }
  };
  add("openlora", scheduler);
  add("openlora_adapters", adapters);
  if (pool !== undefined) {
    page.counter(
      "openledger_pool_retries_total",
      "pool: attempts that another one followed",
      pool.retriesTotal,
    );
    for (const figure of serverFigures) {
      const name = `openledger_pool_${snake(figure)}`;
      const series = pool.servers.map((server): [Labels, number] => [
        { server: server.url },
        Number(server[figure]),
      ]);
      const write = figure.endsWith("Total") ? page.counter : page.gauge;
      write(name, `pool: ${words(figure)}`, series);
    }
  }
  add("inference", inference);
  return page.text();
}
