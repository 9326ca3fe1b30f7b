/**
 * The web application as a browser has it: what it loads first, Lighthouse, accessibility and steadiness of every screen, long lists and
 * live curves, and the journeys.
 *
 *   ./openledger bench web [--json] [--runs 5] [--part lighthouse|screens|tasks|journeys|all] [--out FILE]
 *
 * Opens a node with the model that ships, in which people have contributed, trained, asked and been paid, and Debian's Chromium or the
 * one that OPENLEDGER_CHROMIUM names. Lighthouse: desktop, the median of the runs, on home, a Datanet and the playground. Axe: every
 * screen, light and dark, at two widths; and how much of each jumps while it loads, 40 ms from its node. Viewer: ten thousand rows scrolled
 * from top to bottom, 600 pixels a frame. Curves: a run's page while a training of a thousand steps goes on. Of both, the best of the runs:
 * other work on the machine makes tasks longer, never shorter; and the longest task's processor time, which it does not change. Journeys: the browser's tests in web/e2e. --out writes the figures to a file,
 * and keeps there what other parts found.
 *
 * Exit code 1 when a Lighthouse score is below 95, the first load is not below 250 kB compressed, axe finds anything, a screen jumps by 0.05,
 * the viewer holds more than a hundred rows, a task takes 50 ms or a journey fails.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { launch as launchChrome } from "chrome-launcher";
import type { Browser, Page } from "playwright-core";
import { buildWeb } from "../scripts/web.ts";
import { chromiumPath, launch, sandbox, settled } from "../web/e2e/browser.ts";
import { firstLoadKiB } from "../web/e2e/bundle.ts";
import {
  forgetTasks,
  longTasks,
  scrollThrough,
  shiftMax,
  taskMsMax,
  traced,
  watchJank,
} from "../web/e2e/jank.ts";
import { lookAt, screens } from "../web/e2e/screens.ts";
import {
  type Known,
  openWorld,
  populate,
  publishRows,
  startTraining,
  trained,
  type World,
} from "../web/e2e/world.ts";
import { machine, note, quantile } from "./common/measure.ts";

const scoreMin = 95;
const bytesMax = 250_000;
const rowsShownMax = 100;
const rows = 10_000;
/** Each row of the small Datanet is a step of its own. */
const longRun = { batch: 1, epochs: 15, learningRate: 0.001 };
const root = fileURLToPath(new URL("..", import.meta.url));

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    runs: { type: "string", default: "5" },
    part: { type: "string", default: "all" },
    out: { type: "string" },
  },
});
const runs = Number(values.runs);
if (!Number.isInteger(runs) || runs < 1)
  throw new Error(`--runs takes a number from 1; it got ${values.runs}.`);
const parts = ["lighthouse", "screens", "tasks", "journeys", "all"];
if (!parts.includes(values.part)) throw new Error(`--part takes ${parts.join(", ")}; it got ${values.part}.`);
const wants = (part: string) => values.part === part || values.part === "all";

const measured: Readonly<Record<string, (known: Known) => string>> = {
  home: () => "/",
  datanet: ({ datanetId }) => `/datanets/${datanetId}`,
  playground: () => "/playground",
};
const categories = {
  performance: "performance",
  accessibility: "accessibility",
  "best-practices": "bestPractices",
} as const;
type Scores = Record<(typeof categories)[keyof typeof categories], number>;

/** Lighthouse's scores of a page, 0 to 100, the median of the runs. */
async function lighthouseOf(url: string, port: number): Promise<Scores> {
  const { default: lighthouse, desktopConfig } = await import("lighthouse");
  const found = new Map<string, number[]>(Object.keys(categories).map((id) => [id, []]));
  for (let run = 0; run < runs; run++) {
    const result = await lighthouse(
      url,
      { port, logLevel: "silent", onlyCategories: Object.keys(categories) },
      desktopConfig,
    );
    for (const [id, { score }] of Object.entries(result?.lhr.categories ?? {}))
      found.get(id)?.push(Math.round(100 * (score ?? 0)));
  }
  return Object.fromEntries(
    Object.entries(categories).map(([id, name]) => [name, quantile(found.get(id) ?? [], 0.5)]),
  ) as Scores;
}

/** What axe finds on every screen, one line each, and how much of each jumps while it loads, where it jumps most. */
async function lookAtAll(browser: Browser, url: string, known: Known) {
  const found: string[] = [];
  const layoutShift: Record<string, number> = {};
  for (const [name, path] of Object.entries(screens)) {
    const openings = await lookAt(browser, name, `${url}${path(known)}`);
    const worst = Math.max(...openings.map(({ shift }) => shift.score));
    layoutShift[name] = Math.round(worst * 10_000) / 10_000;
    for (const { at, violations } of openings.flatMap(({ sights }) => sights))
      found.push(...violations.map((line) => `${name}, ${at}: ${line}`));
  }
  return { found, layoutShift };
}

type Tasks = { tasks: readonly number[] };

/**
 * Of several measurements the one with the shortest longest task; and of one more the longest in processor time, as tracing takes time
 * itself.
 *
 * @param ready opens the page, and makes everything before the moment that counts
 */
async function best<M extends Tasks>(browser: Browser, ready: (page: Page) => Promise<() => Promise<M>>) {
  async function run<T>(work: (page: Page, measure: () => Promise<M>) => Promise<T>): Promise<T> {
    const context = await browser.newContext({ viewport: { width: 1440, height: 1000 } });
    await watchJank(context);
    const page = await context.newPage();
    try {
      return await work(page, await ready(page));
    } finally {
      await context.close();
    }
  }
  const all: M[] = [];
  for (let at = 0; at < runs; at++) all.push(await run((_, measure) => measure()));
  const { longestTaskCpuMs } = await run((page, measure) => traced(browser, page, measure));
  const longest = ({ tasks }: M) => Math.max(0, ...tasks);
  const { tasks, ...first } = all.sort((a, b) => longest(a) - longest(b))[0] as M;
  return {
    ...first,
    longTasks: tasks.length,
    longestTaskMs: Math.max(0, ...tasks),
    longestTaskCpuMs,
    ofRuns: all.map(longest),
  };
}

/** A viewer's rows, from top to bottom. */
async function viewer(browser: Browser, world: World) {
  const datanetId = await publishRows(world, rows);
  const found = await best(browser, async (page) => {
    await page.goto(`${world.url}/datanets/${datanetId}`);
    await settled(page);
    return () => scrollThrough(page, /^Rows of version/);
  });
  return { rows, ...found };
}

/** A run's page while its losses come in. */
async function curves(browser: Browser, world: World, { datanetId, version }: Known) {
  let run = 0;
  return best(browser, async (page) => {
    const id = await startTraining(world, `long-${run++}`, { datanetId, version }, longRun);
    await page.goto(`${world.url}/factory/${id}`);
    await settled(page);
    await forgetTasks(page);
    return async () => {
      await trained(world, id);
      const tasks = await longTasks(page);
      const answer = await fetch(`${world.url}/v1/fine-tunes/${id}`);
      const { trained: over } = (await answer.json()) as { trained: { steps: number } };
      return { points: over.steps, tasks };
    };
  });
}

/** The tests of whole journeys, in a process of their own. */
async function journeys(): Promise<{ passed: number; failed: number }> {
  const child = spawn(
    process.execPath,
    [
      "--test",
      "--test-reporter=tap",
      "--test-timeout=300000",
      "web/e2e/cases/journeys.ts",
      "web/e2e/wallet.test.ts",
      "web/e2e/payer.test.ts",
    ],
    {
      cwd: root,
      env: { ...process.env, OPENLEDGER_BROWSER: "required" },
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  let tap = "";
  child.stdout.on("data", (chunk) => {
    tap += chunk;
  });
  await once(child, "close");
  const tell = (what: string) => Number(new RegExp(`^# ${what} (\\d+)$`, "m").exec(tap)?.[1] ?? 0);
  for (const line of tap.match(/^\s*not ok .*$/gm) ?? []) note(line.trim());
  return { passed: tell("pass"), failed: tell("fail") + tell("cancelled") };
}

/** Lighthouse reads its traces from a browser that it starts itself. */
async function lighthouse(world: World, known: Known, chromePath: string): Promise<Record<string, Scores>> {
  const measuring = await launchChrome({ chromePath, chromeFlags: ["--headless=new", ...sandbox] });
  const found: Record<string, Scores> = {};
  try {
    for (const [name, path] of Object.entries(measured)) {
      found[name] = await lighthouseOf(`${world.url}${path(known)}`, measuring.port);
      note(`${name}: ${JSON.stringify(found[name])}`);
    }
  } finally {
    measuring.kill();
  }
  return found;
}

/** What is asked of a node in which something has happened. */
async function inWorld(chromePath: string) {
  const world = await openWorld();
  try {
    const known = await populate(world);
    note("the node is populated");
    const scores = wants("lighthouse") ? await lighthouse(world, known, chromePath) : undefined;
    await using browser = await launch();
    const looked = wants("screens") ? await lookAtAll(browser, world.url, known) : undefined;
    if (looked) note("every screen is looked at");
    const tasks = wants("tasks")
      ? { viewer: await viewer(browser, world), curves: await curves(browser, world, known) }
      : undefined;
    if (tasks) note(JSON.stringify(tasks));
    return { scores, looked, tasks };
  } finally {
    await world.close();
  }
}

const on = machine();
const executablePath = chromiumPath();
if (executablePath === undefined)
  throw new Error("No Chromium is on this machine. Install one, or name it in OPENLEDGER_CHROMIUM.");
await buildWeb();
const initialJsKiB = Math.round(10 * firstLoadKiB()) / 10;
const { scores, looked, tasks } =
  values.part === "journeys"
    ? { scores: undefined, looked: undefined, tasks: undefined }
    : await inWorld(executablePath);
const walked = wants("journeys") ? await journeys() : undefined;
const found = {
  initialJsKiB,
  lighthouse: scores,
  axeViolations: looked?.found.length,
  layoutShift: looked?.layoutShift,
  viewer: tasks?.viewer,
  curves: tasks?.curves,
  screens: Object.keys(screens).length,
  journeys: walked,
  runs,
  on: { ...on, part: values.part },
};
const { out } = values;
/** What was not measured now is what the file held, else null. */
const before = out !== undefined && existsSync(out) ? JSON.parse(readFileSync(out, "utf8")) : {};
const result = Object.fromEntries(
  Object.entries(found).map(([name, value]) => [name, value ?? before[name] ?? null]),
);
if (out !== undefined) writeFileSync(out, `${JSON.stringify(result, null, 2)}\n`);
process.stdout.write(`${JSON.stringify(result, null, values.json ? undefined : 2)}\n`);
const missed = [
  ...Object.entries(scores ?? {}).flatMap(([screen, scores]) =>
    Object.entries(scores).map(([what, score]) => score < scoreMin && `${what} of ${screen} at ${score}`),
  ),
  initialJsKiB * 1024 >= bytesMax && `a first load of ${initialJsKiB} KiB`,
  looked &&
    looked.found.length > 0 &&
    `${looked.found.length} violations: ${looked.found.slice(0, 3).join("; ")}`,
  ...Object.entries(looked?.layoutShift ?? {}).map(
    ([screen, shift]) => shift >= shiftMax && `${screen} jumps by ${shift}`,
  ),
  tasks && tasks.viewer.rowsMost > rowsShownMax && `${tasks.viewer.rowsMost} rows in the document`,
  ...Object.entries(tasks ?? {}).map(
    ([what, { longestTaskMs }]) => longestTaskMs >= taskMsMax && `a task of ${longestTaskMs} ms in ${what}`,
  ),
  walked && (walked.failed > 0 || walked.passed === 0) && `${walked.failed} journeys failed`,
].filter(Boolean);
if (missed.length > 0) {
  note(`Below the bar: ${missed.join(", ")}.`);
  process.exitCode = 1;
}
