/**
 * Every check and every test, or the tests below the given paths only.
 *
 *   node scripts/test.ts [path ...]
 *
 * Exit codes: 0 all passed, 1 something failed, 2 there was nothing to test.
 *
 * The tests of TypeScript run in Node's test runner, one process a file, as many at once as there are cores; those of
 * the contracts in forge.
 */
import { existsSync, globSync, statSync } from "node:fs";
import { availableParallelism } from "node:os";
import { relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { checks } from "./check.ts";
import { type Beside, repository, runSteps, type Step } from "./steps.ts";

/** Where tests stand beside the code. */
const folders = ["src", "client", "web", "scripts", "examples", "bench"];

/** A test that runs longer than this hangs. */
const testTimeoutMs = 300_000;

/**
 * The test files at or below some paths.
 *
 * @param paths - files or folders, relative to `cwd`
 * @returns paths relative to the repository, sorted
 */
export function testFiles(paths: readonly string[], cwd = process.cwd()): string[] {
  const root = fileURLToPath(repository);
  const found = paths.flatMap((path) => {
    const absolute = resolve(cwd, path);
    if (!existsSync(absolute)) throw new Error(`There is no file or folder ${absolute} to test.`);
    if (statSync(absolute).isFile()) return [absolute];
    return globSync("**/*.test.ts", {
      cwd: absolute,
      exclude: (name) => name === "node_modules" || name === "dist",
    }).map((name) => resolve(absolute, name));
  });
  return [...new Set(found.map((path) => relative(root, path)))].sort();
}

/** Minutes each, and little more than one core's work: the first runs beside the compiling of the contracts, the second beside the first. */
const inBrowser = ["web/e2e/web.test.ts"];
const commands = ["src/cli/commands.test.ts", "src/cli/demo.test.ts"];

function nodeTests(files: readonly string[], name = "tests", concurrency = availableParallelism()): Step {
  return {
    name,
    command: [
      "--test",
      "--test-reporter=spec",
      `--test-concurrency=${concurrency}`,
      `--test-timeout=${testTimeoutMs}`,
      ...files,
    ],
  };
}

/** Tests of the node and in the browser look at the pages as they are now. */
const webApplication: Step = { name: "web application", command: ["scripts/web.ts"] };

const contractTests: Step = { name: "contract tests", command: ["scripts/forge.ts", "test"] };

/** Everything there is. */
function everything(root: string): (Step | Beside)[] {
  const found = testFiles(
    folders.filter((name) => existsSync(new URL(name, repository))),
    root,
  );
  const files = found.filter((file) => !inBrowser.includes(file) && !commands.includes(file));
  const [ofContracts, others] = [true, false].map((wanted) =>
    checks().filter(({ name }) => name.startsWith("contracts") === wanted),
  ) as [Step[], Step[]];
  return [
    {
      beside: [
        [...others, webApplication, nodeTests(inBrowser, "tests in a browser", 1)],
        [...ofContracts, contractTests, nodeTests(commands, "tests of the commands", 1)],
      ],
    },
    nodeTests(files),
  ];
}

/** What to run for the given paths: everything for none. */
export function steps(paths: readonly string[], cwd = process.cwd()): (Step | Beside)[] {
  const root = fileURLToPath(repository);
  if (paths.length === 0) return everything(root);
  const isContracts = (path: string) => relative(root, resolve(cwd, path)).split("/")[0] === "contracts";
  const files = testFiles(
    paths.filter((path) => !isContracts(path)),
    cwd,
  );
  return [
    ...(files.length > 0 ? [webApplication, nodeTests(files)] : []),
    ...(paths.some(isContracts) ? [contractTests] : []),
  ];
}

if (import.meta.main) {
  const paths = process.argv.slice(2);
  try {
    const chosen = steps(paths);
    if (chosen.length === 0) throw new Error(`No tests are below ${paths.join(", ")}.`);
    process.exitCode = await runSteps(chosen);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
    process.exitCode = 2;
  }
}
