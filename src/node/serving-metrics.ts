/** What serving counts, for the metrics page: every number of the engine's and the answers' metrics under its own name. */
import { type Labels, metricsPage } from "../chain/index.ts";
import type { InferenceMetrics } from "../inference/index.ts";
import type { OpenLoraMetrics } from "../openlora/index.ts";

/** `slotsLeased` → `slots_leased` */
const snake = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
/** `slotsLeased` → `slots leased` */
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
  { scheduler, adapters }: OpenLoraMetrics,
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
  add("inference", inference);
  return page.text();
}
