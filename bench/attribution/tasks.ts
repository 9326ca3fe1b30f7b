/** All tasks, as many at once as there are cores: one thread each loses nothing to the other's waiting. */
import { availableParallelism } from "node:os";
import { startChild } from "../common/child.ts";
import { rounded } from "../common/measure.ts";
import type { PartTime } from "../common/stopwatch.ts";
import type { TaskName } from "./task.ts";
import type { TaskAnswer, TaskMethods, TaskQuestion } from "./task-process.ts";

/** Longest first, so that no core waits long for the last one. */
const byLength: readonly TaskName[] = [
  "facts",
  "shakespeare-hot",
  "transformations",
  "pubmedqa",
  "gsm8k",
  "shakespeare",
];

/** @returns what was measured, by task, in the order in which they were asked for */
export async function measureTasks(
  names: readonly TaskName[],
  options: Omit<TaskQuestion, "name">,
): Promise<Map<TaskName, TaskAnswer>> {
  const waiting = byLength.filter((name) => names.includes(name));
  const found = new Map<TaskName, TaskAnswer>();
  async function work(): Promise<void> {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      // A process a task: what one held in memory is gone before the next.
      await using child = startChild<TaskMethods>(new URL("task-process.ts", import.meta.url));
      found.set(name, await child.call("measure", { ...options, name }));
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  return new Map(names.map((name) => [name, found.get(name) as TaskAnswer]));
}

/** Parts of one name, of all tasks together. */
export function addParts(all: Iterable<Record<string, PartTime>>): Record<string, PartTime> {
  const sums: Record<string, PartTime> = {};
  for (const parts of all)
    for (const [name, { seconds, cpuSeconds }] of Object.entries(parts)) {
      const before = sums[name] ?? { seconds: 0, cpuSeconds: 0 };
      sums[name] = {
        seconds: rounded(before.seconds + seconds, 1),
        cpuSeconds: rounded(before.cpuSeconds + cpuSeconds, 1),
      };
    }
  return sums;
}
