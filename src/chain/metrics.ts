/**
 * Figures in Prometheus' text format 0.0.4 (https://prometheus.io/docs/instrumenting/exposition_formats/). Names end in
 * their unit; labels hold only values from short lists, so that no stranger can make the page grow.
 */
export type Labels = Readonly<Record<string, string>>;

/** One value of several under the same name. */
export type Series = readonly [labels: Labels, value: number];

export type MetricsPage = {
  gauge(name: string, help: string, values: number | bigint | readonly Series[]): void;
  counter(name: string, help: string, values: number | readonly Series[]): void;
  histogram(name: string, help: string, histogram: Histogram): void;
  /** The whole page. */
  text(): string;
};

export type Histogram = {
  observe(value: number): void;
  /** Upper bounds and how many values lay at or below each; the last bound is infinite. */
  buckets(): readonly (readonly [number, number])[];
  sum(): number;
};

/** @param bounds ascending upper bounds */
export function createHistogram(bounds: readonly number[]): Histogram {
  const counts = new Array<number>(bounds.length + 1).fill(0);
  let sum = 0;
  return {
    observe(value) {
      const at = bounds.findIndex((bound) => value <= bound);
      counts[at < 0 ? bounds.length : at]! += 1;
      sum += value;
    },
    buckets() {
      let below = 0;
      return counts.map((count, i): [number, number] => {
        below += count;
        return [bounds[i] ?? Infinity, below];
      });
    },
    sum: () => sum,
  };
}

/** Counts by label values; a combination beyond `seriesMax` is not remembered. */
export type LabelledCounter = {
  add(labels: Labels): void;
  entries(): readonly (readonly [Labels, number])[];
};

const seriesMax = 2_000;

export function createLabelledCounter(): LabelledCounter {
  const series = new Map<string, { labels: Labels; count: number }>();
  return {
    add(labels) {
      const key = Object.values(labels).join("\n");
      const known = series.get(key);
      if (known !== undefined) known.count += 1;
      else if (series.size < seriesMax) series.set(key, { labels, count: 1 });
    },
    entries: () => [...series.values()].map(({ labels, count }) => [labels, count] as const),
  };
}

export function metricsPage(): MetricsPage {
  const lines: string[] = [];
  const head = (name: string, type: string, help: string) => {
    lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
  };
  const write = (name: string, type: string, help: string, values: number | bigint | readonly Series[]) => {
    head(name, type, help);
    if (typeof values === "object")
      for (const [labels, value] of values) lines.push(`${name}{${labelText(labels)}} ${value}`);
    else lines.push(`${name} ${values}`);
  };
  return {
    gauge: (name, help, values) => write(name, "gauge", help, values),
    counter: (name, help, values) => write(name, "counter", help, values),
    histogram(name, help, histogram) {
      head(name, "histogram", help);
      let count = 0;
      for (const [bound, below] of histogram.buckets()) {
        lines.push(`${name}_bucket{le="${bound === Infinity ? "+Inf" : bound}"} ${below}`);
        count = below;
      }
      lines.push(`${name}_sum ${histogram.sum()}`, `${name}_count ${count}`);
    },
    text: () => `${lines.join("\n")}\n`,
  };
}

function labelText(labels: Labels): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${value.replace(/[\\"\n]/g, (c) => (c === "\n" ? "\\n" : `\\${c}`))}"`)
    .join(",");
}
