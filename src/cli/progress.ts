import type { Io } from "./io.ts";

export type ProgressBar = {
  /** @param note what to show behind the bar, a loss for instance */
  update(done: number, of: number, note?: string): void;
  /** Leaves the bar as it stands and goes to the next line. */
  end(): void;
};

const width = 28;

const clock = (seconds: number) => {
  const whole = Math.max(0, Math.round(seconds));
  return whole < 3600
    ? `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`
    : `${Math.floor(whole / 3600)} h ${String(Math.floor((whole % 3600) / 60)).padStart(2, "0")} min`;
};

/**
 * A progress bar with what is left to wait, on standard error: redrawn in place on a terminal, a line every ten per cent elsewhere, nothing
 * under `--json`.
 */
export function progressBar(
  io: Io,
  title: string,
  unit = "",
  err: NodeJS.WriteStream = process.stderr,
): ProgressBar {
  const started = performance.now();
  const inPlace = err.isTTY === true && !io.json;
  let drawnAt = 0;
  let lastTenth = -1;
  let line = "";
  const head = unit === "" ? title : `${title}, ${unit}`;
  return {
    update(done, of, note = "") {
      if (io.json) return;
      const share = of === 0 ? 1 : Math.min(1, done / of);
      const tenth = Math.floor(share * 10);
      const now = performance.now();
      if (inPlace ? now - drawnAt < 100 && share < 1 : tenth === lastTenth) return;
      drawnAt = now;
      lastTenth = tenth;
      const passed = (now - started) / 1000;
      const bar = "█".repeat(Math.round(share * width)).padEnd(width, "░");
      const isTold = share >= 0.01 && passed >= 1;
      const left = isTold ? `${clock((passed / share) * (1 - share))} left` : "";
      const time = share < 1 ? left : clock(passed);
      const parts = [`${bar} ${String(Math.floor(share * 100)).padStart(3)} %`, time, note];
      line = `  ${head} ${parts.filter((part) => part !== "").join("  ")}`;
      err.write(inPlace ? `\r\x1b[2K${line}` : `${line}\n`);
    },
    end() {
      if (inPlace && line !== "") err.write("\n");
      line = "";
    },
  };
}
