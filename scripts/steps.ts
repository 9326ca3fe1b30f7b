import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** The repository's root folder. */
export const repository = new URL("../", import.meta.url);

/** A program that passes or fails, run by this Node from the repository's root. */
export type Step = {
  name: string;
  /** A JavaScript or TypeScript file below the repository, and its arguments. */
  command: string[];
};

/** Lists of steps, each list in turn beside the others: what uses one core each. */
export type Beside = { beside: readonly (readonly Step[])[] };

export type Outcome = { name: string; passed: boolean; seconds: number; how: string };

/** @param held - whether what it prints is told at its end, whole, so that it does not mix with another's */
async function runStep(step: Step, held: boolean): Promise<Outcome> {
  const title = `\n── ${step.name}\n`;
  if (!held) process.stdout.write(title);
  const started = performance.now();
  // ONNX Runtime's reports to its maker are off in tests too.
  const env = { ...process.env, ORT_DISABLE_TELEMETRY: "1" };
  const child = spawn(process.execPath, step.command, {
    cwd: fileURLToPath(repository),
    env,
    stdio: held ? ["ignore", "pipe", "pipe"] : "inherit",
  });
  const printed: Buffer[] = [];
  child.stdout?.on("data", (bytes: Buffer) => printed.push(bytes));
  child.stderr?.on("data", (bytes: Buffer) => printed.push(bytes));
  const [code, signal] = await once(child, held ? "close" : "exit");
  if (held) process.stdout.write(`${title}${Buffer.concat(printed)}`);
  return {
    name: step.name,
    passed: code === 0,
    seconds: (performance.now() - started) / 1000,
    how: code === 0 ? "passed" : `FAILED (${signal ?? `exit code ${code}`})`,
  };
}

/** One line a step, and a last line that says it all. */
export function summary(outcomes: readonly Outcome[]): string {
  const width = Math.max(...outcomes.map(({ name }) => name.length));
  const lines = outcomes.map(
    ({ name, how, seconds }) => `   ${name.padEnd(width)}  ${seconds.toFixed(1).padStart(6)} s  ${how}`,
  );
  const failed = outcomes.filter(({ passed }) => !passed);
  const verdict =
    failed.length === 0
      ? "Everything passed."
      : `${failed.length} of ${outcomes.length} failed: ${failed.map(({ name }) => name).join(", ")}.`;
  return `\n── summary\n${lines.join("\n")}\n${verdict}\n`;
}

async function runLane(steps: readonly Step[], held: boolean): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const step of steps) outcomes.push(await runStep(step, held));
  return outcomes;
}

/**
 * Runs every step in turn, also after one has failed, so that one run tells everything.
 *
 * @returns exit code: 0 when all passed, else 1
 */
export async function runSteps(steps: readonly (Step | Beside)[]): Promise<number> {
  const outcomes: Outcome[] = [];
  for (const step of steps) {
    const lanes = "beside" in step ? step.beside : [[step]];
    const ended = await Promise.all(lanes.map((lane, at) => runLane(lane, at > 0)));
    outcomes.push(...ended.flat());
  }
  process.stdout.write(summary(outcomes));
  return outcomes.every(({ passed }) => passed) ? 0 : 1;
}
