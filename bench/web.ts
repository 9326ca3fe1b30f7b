/**
 * The web application as a browser has it: what it loads first, Lighthouse, accessibility of every screen, and the journeys.
 *
 *   ./openledger bench web [--json] [--runs 5] [--out FILE]
 *
 * Opens a node with the model that ships, in which people have contributed, trained, asked and been paid, and Debian's Chromium or the
 * one that OPENLEDGER_CHROMIUM names. Lighthouse: desktop, the median of the runs, on home, a Datanet and the playground. Axe: every
 * screen, light and dark, at two widths. Journeys: the browser's tests in web/e2e.
 *
 * Exit code 1 when a Lighthouse score is below 95, the first load is not below 250 kB compressed, axe finds anything or a journey fails.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { globSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { launch as launchChrome } from "chrome-launcher";
import type { Browser } from "playwright-core";
import { chromiumPath, launch, sandbox } from "../web/e2e/browser.ts";
import { firstLoadKiB } from "../web/e2e/bundle.ts";
import { lookAt, screens } from "../web/e2e/screens.ts";
import { type Known, openWorld, populate } from "../web/e2e/world.ts";
import { machine, note, quantile } from "./common/measure.ts";

const scoreMin = 95;
const bytesMax = 250_000;
const root = fileURLToPath(new URL("..", import.meta.url));

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    runs: { type: "string", default: "5" },
    out: { type: "string" },
  },
});
const runs = Number(values.runs);
if (!Number.isInteger(runs) || runs < 1)
  throw new Error(`--runs takes a number from 1; it got ${values.runs}.`);

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

/** What axe finds on every screen, one line each. */
async function axe(browser: Browser, url: string, known: Known): Promise<string[]> {
  const found: string[] = [];
  for (const [name, path] of Object.entries(screens)) {
    const { sights } = await lookAt(browser, name, `${url}${path(known)}`);
    for (const { at, violations } of sights)
      found.push(...violations.map((line) => `${name}, ${at}: ${line}`));
  }
  return found;
}

/** The tests of whole journeys, in processes of their own. */
async function journeys(): Promise<{ passed: number; failed: number }> {
  const files = globSync("web/e2e/**/*.test.ts", { cwd: root }).filter(
    (file) => !/screens|bundle/.test(file),
  );
  const child = spawn(
    process.execPath,
    ["--test", "--test-reporter=tap", "--test-timeout=300000", ...files],
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

const on = machine();
const executablePath = chromiumPath();
if (executablePath === undefined)
  throw new Error("No Chromium is on this machine. Install one, or name it in OPENLEDGER_CHROMIUM.");
const world = await openWorld();
const known = await populate(world);
note("the node is populated");
const lighthouse: Record<string, Scores> = {};
let violations: string[];
try {
  // Lighthouse reads its traces from a browser that it starts itself.
  const measuring = await launchChrome({
    chromePath: executablePath,
    chromeFlags: ["--headless=new", ...sandbox],
  });
  try {
    for (const [name, path] of Object.entries(measured)) {
      lighthouse[name] = await lighthouseOf(`${world.url}${path(known)}`, measuring.port);
      note(`${name}: ${JSON.stringify(lighthouse[name])}`);
    }
  } finally {
    measuring.kill();
  }
  await using browser = await launch();
  violations = await axe(browser, world.url, known);
} finally {
  await world.close();
}
const result = {
  initialJsKiB: Math.round(10 * firstLoadKiB()) / 10,
  lighthouse,
  axeViolations: violations.length,
  screens: Object.keys(screens).length,
  journeys: await journeys(),
  runs,
  on,
};
if (values.out !== undefined) writeFileSync(values.out, `${JSON.stringify(result, null, 2)}\n`);
process.stdout.write(`${JSON.stringify(result, null, values.json ? undefined : 2)}\n`);
const missed = [
  ...Object.entries(lighthouse).flatMap(([screen, scores]) =>
    Object.entries(scores).map(([what, score]) => score < scoreMin && `${what} of ${screen} at ${score}`),
  ),
  result.initialJsKiB * 1024 >= bytesMax && `a first load of ${result.initialJsKiB} KiB`,
  violations.length > 0 && `${violations.length} violations: ${violations.slice(0, 3).join("; ")}`,
  (result.journeys.failed > 0 || result.journeys.passed === 0) && `${result.journeys.failed} journeys failed`,
].filter(Boolean);
if (missed.length > 0) {
  note(`Below the bar: ${missed.join(", ")}.`);
  process.exitCode = 1;
}
