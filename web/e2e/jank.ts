/** What a person feels while a page loads and moves: things that jump (layout shift) and moments in which nothing answers (long tasks). */
import assert from "node:assert/strict";
import type { Browser, BrowserContext, Page } from "playwright-core";

/** Cumulative layout shift from which a page counts as jumping: half of what web.dev calls good. */
export const shiftMax = 0.05;
/** A task from which an answer to a finger comes late, milliseconds: the least that browsers report. */
export const taskMsMax = 50;

const watcher = `(() => {
  const place = (node) => node instanceof Element ? node.tagName.toLowerCase() + " " + (node.textContent ?? "").trim().slice(0, 40) : "text";
  const jank = (globalThis.jank = { score: 0, moved: [], tasks: [] });
  new PerformanceObserver((list) => {
    for (const { value, hadRecentInput, sources } of list.getEntries())
      if (!hadRecentInput) {
        jank.score += value;
        const [first] = sources;
        if (first) jank.moved.push(value.toFixed(4) + " " + place(first.node) + " " + Math.round(first.previousRect.y) + " to " + Math.round(first.currentRect.y));
      }
  }).observe({ type: "layout-shift", buffered: true });
  new PerformanceObserver((list) => jank.tasks.push(...list.getEntries().map(({ duration }) => duration))).observe({ type: "longtask" });
})();`;

/** Has every page of a browser watched from its first moment on. */
export async function watchJank(context: BrowserContext): Promise<void> {
  await context.addInitScript(watcher);
}

/** How much of a page jumped since it was opened, not counting what answered its reader at once; and what did. */
export type Shift = { readonly score: number; readonly moved: readonly string[] };

export const shiftOf = (page: Page): Promise<Shift> =>
  page.evaluate<Shift>("({ score: jank.score, moved: jank.moved })");

/** Forgets the tasks before, so that the next ones are those of what is measured. */
export const forgetTasks = (page: Page): Promise<void> => page.evaluate("void (jank.tasks.length = 0)");

/** Tasks of {@link taskMsMax} and longer, milliseconds. */
export const longTasks = async (page: Page): Promise<number[]> => {
  // Observers are told after the task that they are told of.
  await page.waitForTimeout(200);
  return page.evaluate<number[]>("[...jank.tasks]");
};

/** An entry of Chromium's trace: of a task its time on a clock (`dur`) and on the processor (`tdur`), microseconds. */
type TraceEvent = {
  readonly name: string;
  readonly ph: string;
  readonly pid: number;
  readonly tid: number;
  readonly tdur?: number;
  readonly args: { readonly name?: string };
};

/**
 * What something finds, and the longest task of any page meanwhile in milliseconds of processor time: other work on the machine makes a
 * task take longer, and leaves this as it is.
 */
export async function traced<T>(
  browser: Browser,
  page: Page,
  act: () => Promise<T>,
): Promise<{ found: T; longestTaskCpuMs: number }> {
  await browser.startTracing(page, { categories: ["toplevel"] });
  const found = await act();
  const trace = await browser.stopTracing();
  const { traceEvents } = JSON.parse(trace.toString()) as { traceEvents: TraceEvent[] };
  const thread = ({ pid, tid }: TraceEvent) => `${pid}.${tid}`;
  const pages = new Set(
    traceEvents
      .filter(({ name, args }) => name === "thread_name" && args.name === "CrRendererMain")
      .map(thread),
  );
  const tasks = traceEvents.filter(
    (event) => event.ph === "X" && event.name.endsWith("RunTask") && pages.has(thread(event)),
  );
  assert.ok(tasks.length > 0, "Chromium tells of the tasks that it ran");
  return { found, longestTaskCpuMs: Math.max(...tasks.map(({ tdur = 0 }) => tdur)) / 1000 };
}

export type Scroll = {
  readonly rowsMost: number;
  readonly tasks: readonly number[];
  readonly seconds: number;
};

/** Scrolls a table of rows from its first to its last, `step` pixels a frame. @returns the most rows in the document at once */
export async function scrollThrough(page: Page, caption: string | RegExp, step = 600): Promise<Scroll> {
  const table = page.getByRole("table", { name: caption });
  await table.getByRole("row").nth(1).waitFor();
  await forgetTasks(page);
  const { rowsMost, seconds } = await table.evaluate<{ rowsMost: number; seconds: number }, number>(
    // As a text: the page's own types are not these files'.
    new Function(
      "table",
      "step",
      `const began = performance.now();
       let rowsMost = 0;
       table.scrollTop = 0;
       return new Promise((done) => {
         const turn = () => {
           rowsMost = Math.max(rowsMost, table.querySelectorAll('[role="row"]').length);
           if (table.scrollTop + table.clientHeight >= table.scrollHeight - 1)
             return done({ rowsMost, seconds: (performance.now() - began) / 1000 });
           table.scrollTop += step;
           requestAnimationFrame(turn);
         };
         requestAnimationFrame(turn);
       });`,
    ) as never,
    step,
  );
  return { rowsMost, seconds, tasks: await longTasks(page) };
}
