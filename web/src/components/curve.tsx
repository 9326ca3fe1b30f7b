import { useEffect, useRef } from "react";
import uPlot from "uplot";
import { dateToSecond, figure } from "../lib/format.ts";
import { useTheme } from "../lib/theme.ts";

export type Series = { label: string; values: readonly (number | null)[]; dashed?: boolean };

type Props = {
  /** What the picture shows, for who does not see it. */
  label: string;
  xLabel: string;
  x: readonly number[];
  series: readonly Series[];
  /** Pixels. */
  height?: number;
  /** Whether x is seconds since 1970. */
  time?: boolean;
  logarithmic?: boolean;
};

const colour = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const inks = ["--accent", "--wait", "--bad", "--good"];

const [minutes, hours, days] = [60, 3_600, 86_400];
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const minute = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const second = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

/** A moment of an axis, as fine as its marks are apart; seconds since 1970. */
function clock(at: number, splits: readonly number[]): string {
  const between = (splits[1] ?? 0) - (splits[0] ?? 0);
  return (between >= days ? day : between >= minutes ? minute : second).format(at * 1000);
}

/** How far apart a time axis may set its marks, seconds: no finer than what it writes. */
const apart = [
  ...[1, 2, 5, 10, 30, minutes, 2 * minutes, 5 * minutes, 10 * minutes, 30 * minutes],
  ...[hours, 2 * hours, 6 * hours, 12 * hours, days, 2 * days, 7 * days, 30 * days, 90 * days, 365 * days],
];
const labelSpace = 76;

/** Room for the longest of an axis's labels, in pixels; 7 for a digit of its font. */
const roomFor = (labels: readonly string[] | null): number =>
  24 + 7 * Math.max(4, ...(labels ?? []).map(({ length }) => length));

function tellLast(plot: uPlot): void {
  const points = plot.data[0].length;
  if (points > 0 && plot.cursor.idx == null) plot.setLegend({ idx: points - 1 }, false);
}

/** Lines over steps or time, as they grow; a thousand points are drawn in about a millisecond. */
export function Curve({ label, xLabel, x, series, height = 220, time = false, logarithmic = false }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [theme] = useTheme();
  const names = series.map(({ label }) => label).join("|");
  const data = [x, ...series.map(({ values }) => values)] as unknown as uPlot.AlignedData;
  const latest = useRef(data);
  latest.current = data;

  // biome-ignore lint/correctness/useExhaustiveDependencies: made again when the look or the lines change, fed when the data does
  useEffect(() => {
    const element = place.current;
    if (!element) return;
    const axis = {
      stroke: colour("--quiet"),
      grid: { stroke: colour("--line"), width: 1 },
      ticks: { stroke: colour("--line") },
    };
    const made = new uPlot(
      {
        width: element.clientWidth,
        height,
        ...(time ? { padding: [null, labelSpace / 2, null, null] as uPlot.Padding } : {}), // half of the last label
        legend: { live: true },
        cursor: { drag: { x: true, y: false } },
        // Where no pointer asks for a point, the legend tells the last.
        hooks: { setCursor: [tellLast], setData: [tellLast] },
        scales: { x: { time }, y: logarithmic ? { distr: 3 } : {} },
        axes: [
          {
            ...axis,
            space: labelSpace,
            ...(time ? { incrs: apart, values: (_, splits) => splits.map((at) => clock(at, splits)) } : {}),
          },
          {
            ...axis,
            size: (_, labels) => roomFor(labels),
            values: (_, splits) => splits.map((value) => figure(value)),
          },
        ],
        series: [
          {
            label: xLabel,
            value: (_, at) => (at == null ? "–" : time ? dateToSecond(at * 1000) : figure(at, 6)),
          },
          ...series.map(({ label, dashed }, line) => ({
            label,
            value: (_: uPlot, value: number | null) => (value == null ? "–" : figure(value)),
            stroke: colour(inks[line % inks.length] as string),
            width: 1.75,
            spanGaps: true,
            ...(dashed ? { dash: [6, 4] } : {}),
            points: { show: latest.current[0].length < 40 },
          })),
        ],
      },
      latest.current,
      element,
    );
    plot.current = made;
    const observer = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [theme, names, height, time, logarithmic, xLabel]);

  useEffect(() => plot.current?.setData(data));

  return (
    <div
      ref={place}
      role="img"
      aria-label={label}
      // What is drawn for a wider window asks for no room: the place shrinks first, then the picture.
      className="w-full min-w-0 overflow-x-clip contain-inline-size"
      style={{ minHeight: height + 32 }}
    />
  );
}
