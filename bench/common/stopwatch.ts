/** Where a benchmark's time goes, by name, in the order in which the parts first ran. */
import { cpuMs, rounded } from "./measure.ts";

export type PartTime = {
  seconds: number;
  /** Of all threads of this process together: what counts where others use the cores as well. */
  cpuSeconds: number;
};

/** Parts of one name are added up; parts within parts are counted in both. */
export function createStopwatch() {
  const parts = new Map<string, { ms: number; cpu: number }>();
  return {
    async time<T>(name: string, work: () => T | Promise<T>): Promise<T> {
      const [ms, cpu] = [performance.now(), cpuMs()];
      try {
        return await work();
      } finally {
        const before = parts.get(name) ?? { ms: 0, cpu: 0 };
        parts.set(name, { ms: before.ms + performance.now() - ms, cpu: before.cpu + cpuMs() - cpu });
      }
    },
    times: (): Record<string, PartTime> =>
      Object.fromEntries(
        [...parts].map(([name, { ms, cpu }]) => [
          name,
          { seconds: rounded(ms / 1000, 1), cpuSeconds: rounded(cpu / 1000, 1) },
        ]),
      ),
  };
}
