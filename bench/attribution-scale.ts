/**
 * What the indexes of a large release cost: time, bytes and memory to build them, and how fast they are scanned.
 *
 *   ./openledger bench attribution-scale [--json] [--out FILE] [--part build|scan|all] [--examples N] [--contributors N]
 *                                        [--held-out N] [--explain-rows N] [--rounds N]
 *
 * - build: short synthetic chats (10,000 by 1,000 contributors) under a rank-8 adapter of the shipped base, both indexes, in a process
 *   whose resident memory is read from /proc: Linux only
 * - scan: int16 rows larger than the caches, int8 rows of the shipped base's width, and 1,000,000 rows of 8 kB (or as many as half of the
 *   free memory holds), each in turns with merely adding up the same bytes in the same four streams with the same instructions on the
 *   same core. That is the bandwidth they are held against; times are the thread's own
 *
 * Exit code 1 when a scan reaches less than 0.7 of that.
 */
import { writeFileSync } from "node:fs";
import { freemem } from "node:os";
import { parseArgs } from "node:util";
import {
  defaultExplainOptions,
  defaultPayIndexOptions,
  explainRowBytes,
  planExplainIndex,
} from "../src/attribution/index.ts";
import type { BuildMethods, Built } from "./attribution-scale/build-process.ts";
import type { ScanMethods, Scanned } from "./attribution-scale/scan-process.ts";
import { startChild } from "./common/child.ts";
import { machine, note } from "./common/measure.ts";

export type Plan = {
  part: "build" | "scan" | "all";
  examples: number;
  contributors: number;
  heldOut: number;
  maxFisherRows: number;
  nullRows: number;
  explainRows: number;
  payRows: number;
  rounds: number;
};

const bar = 0.7;
/** p of rank 8 on all modules of the shipped base, B matrices along 16 directions. */
const width = 221_184;

/** Building, alone in a process. */
export async function measureBuild(plan: Plan): Promise<Built> {
  const { examples, contributors, heldOut, maxFisherRows, nullRows } = plan;
  await using child = startChild<BuildMethods>(
    new URL("./attribution-scale/build-process.ts", import.meta.url),
  );
  return await child.call("build", {
    examples,
    contributors,
    heldOut,
    maxFisherRows,
    nullRows,
    threads: 1,
    seed: 1,
  });
}

/** Three scans, one process after the other. */
export async function measureScans(plan: Plan) {
  const { rounds } = plan;
  const script = new URL("./attribution-scale/scan-process.ts", import.meta.url);
  const large = planExplainIndex(plan.explainRows, width, { ...defaultExplainOptions, budgetBytes: 0 });
  const fits = Math.min(large.rows, Math.floor(freemem() / 2 / explainRowBytes(large)));
  const whole = {
    rows: Math.max(1, Math.min(plan.payRows, Math.floor(defaultExplainOptions.budgetBytes / (width + 4)))),
    width,
    bits: 8 as const,
    dimensions: width,
    seed: 1,
  };
  const shapes = {
    pay: { kind: "pay", rows: plan.payRows, columns: 1024, rounds },
    explainInt8: { kind: "explain", plan: whole, rounds },
    explainCodes: { kind: "explain", plan: { ...large, rows: fits }, rounds },
  } as const;
  const scans: Partial<Record<keyof typeof shapes, Scanned>> = {};
  for (const [name, shape] of Object.entries(shapes)) {
    await using child = startChild<ScanMethods>(script);
    scans[name as keyof typeof shapes] = await child.call("scan", shape);
    note(`${name}: ${JSON.stringify(scans[name as keyof typeof shapes])}`);
  }
  return scans as Record<keyof typeof shapes, Scanned>;
}

async function measure(plan: Plan) {
  const on = machine();
  const scans = plan.part === "build" ? null : await measureScans(plan);
  const build = plan.part === "scan" ? null : await measureBuild(plan);
  return {
    payRowsPerSec: scans?.pay.rowsPerSec ?? null,
    explainRowsPerSec: scans?.explainCodes.rowsPerSec ?? null,
    bandwidthRatio:
      scans === null ? null : Math.min(...Object.values(scans).map((scan) => scan.bandwidthRatio)),
    explainBytesPerRow: build?.explain.bytesPerRow ?? null,
    explainBuildSec: build?.explain.seconds ?? null,
    scans,
    build,
    machine: { ...on, threads: 1, loadAfter: machine().loadBefore },
  };
}

type Result = Awaited<ReturnType<typeof measure>>;

function table({ scans, build }: Result): string {
  const lines: string[] = [];
  for (const [name, scan] of Object.entries(scans ?? {}))
    lines.push(
      `${name.padEnd(14)} ${scan.rows} rows in ${scan.queryMs} ms: ${scan.rowsPerSec} rows/s, ${scan.gigabytesPerSec} of ${scan.readGigabytesPerSec} GB/s (${scan.bandwidthRatio})`,
    );
  if (build !== null) {
    const { memory, explain } = build;
    lines.push(
      `${build.examples} examples of ${build.tokensPerExample} tokens by ${build.contributors} contributors, p = ${build.width}: ${build.seconds} s (${build.cpuSeconds} s of processor time)`,
      `memory: ${memory.growthMiB} MiB above ${memory.residentBeforeMiB} (${memory.heldMiB} held); files ${memory.filesMiB} MiB; an N × p matrix would be ${memory.matrixMiB}`,
      `pay index: k = ${build.k}, basis ${build.payBytes.basis} bytes, rows ${build.payBytes.rows}`,
      `explain index: ${explain.bits} bits, ${explain.bytesPerRow} bytes a row, ${explain.seconds} s of the build, rank correlation with float rows ${explain.rankCorrelation}, best ten in common ${explain.top10Overlap}`,
    );
  }
  return lines.join("\n");
}

function readPlan(): { plan: Plan; json: boolean; out: string | undefined } {
  const { values } = parseArgs({
    options: {
      json: { type: "boolean", default: false },
      out: { type: "string" },
      part: { type: "string", default: "all" },
      examples: { type: "string", default: "10000" },
      contributors: { type: "string", default: "1000" },
      "held-out": { type: "string", default: "200" },
      "explain-rows": { type: "string", default: "1000000" },
      rounds: { type: "string", default: "9" },
    },
  });
  const count = (name: "examples" | "contributors" | "held-out" | "explain-rows" | "rounds") => {
    const value = Number(values[name]);
    if (!Number.isInteger(value) || value < 1 || value > 10_000_000)
      throw new Error(`--${name} takes a number from 1 to 10000000; it got ${values[name]}.`);
    return value;
  };
  const { part } = values;
  if (part !== "build" && part !== "scan" && part !== "all")
    throw new Error(`--part takes build, scan or all; it got ${part}.`);
  return {
    plan: {
      part,
      examples: count("examples"),
      contributors: count("contributors"),
      heldOut: count("held-out"),
      maxFisherRows: defaultPayIndexOptions.maxFisherRows,
      nullRows: defaultPayIndexOptions.nullRows,
      explainRows: count("explain-rows"),
      payRows: 2 ** 18,
      rounds: count("rounds"),
    },
    json: values.json,
    out: values.out,
  };
}

if (import.meta.main) {
  const { plan, json, out } = readPlan();
  const result = await measure(plan);
  if (out !== undefined) writeFileSync(out, `${JSON.stringify(result, null, 2)}\n`);
  process.stdout.write(`${json ? JSON.stringify(result) : table(result)}\n`);
  const { bandwidthRatio } = result;
  if (bandwidthRatio !== null && bandwidthRatio < bar) {
    note(`A scan reaches ${bandwidthRatio} of the memory's bandwidth; expected ${bar} at least.`);
    process.exitCode = 1;
  }
}
