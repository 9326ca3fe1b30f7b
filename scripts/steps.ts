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

export type Outcome = { name: string; passed: boolean; seconds: number; how: string };

async function runStep(step: Step): Promise<Outcome> {
  process.stdout.write(`\n── ${step.name}\n`);
  const started = performance.now();
  // ONNX Runtime's reports to its maker are off in tests too.
  const env = { ...process.env, ORT_DISABLE_TELEMETRY: "1" };
  const child = spawn(process.execPath, step.command, {
    cwd: fileURLToPath(repository),
    env,
    stdio: "inherit",
  });
  const [code, signal] = await once(child, "exit");
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

/**
 * Runs every step in turn, also after one has failed, so that one run tells everything.
 *
 * @returns exit code: 0 when all passed, else 1
 */
export async function runSteps(steps: readonly Step[]): Promise<number> {
  const outcomes: Outcome[] = [];
  for (const step of steps) outcomes.push(await runStep(step));
  process.stdout.write(summary(outcomes));
  return outcomes.every(({ passed }) => passed) ? 0 : 1;
}
