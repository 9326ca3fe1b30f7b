/**
 * What Datanets cost and how right their checks are: reading and checking rows, near duplicates on real texts, estimates of fine-tuning jobs.
 *
 *   ./openledger bench datanets [--json] [--quick] [--data DIR] [--part reading|near|jobs|all] [--recipes four|all|NAME] [--out FILE]
 *
 * - reading: 2 GB of JSON Lines, made as they are read from the texts of the data folder in rows of 2,000 characters, through the reader of files and the checks of single rows,
 *   in a process of its own whose largest resident memory is told. --quick reads 64 MB; `reading.bytes` says how much it was
 * - near: half of the texts of 10 words or more are taken in, copies of them with 0 to 20 % of their words edited and texts that are no copies are asked;
 *   then a million rows made of the texts, in a process of its own (`nearMany`). --quick takes in 50,000
 * - jobs: what four jobs are estimated to take, in time and memory, against what they take (the worst is told; `jobs` has all), and a training that is killed
 *   and gone on with. --quick runs one; --recipes all runs
 *   ten, and a part of a name those whose name holds it
 *
 * --out writes the figures to a file, and keeps there what other parts found. The data folder is shared/data beside the repository, or docs/ where that is missing. Speeds are of one core's time. Exit code 1 when
 * near duplicates have a recall below 0.95 or a precision below 0.9, an estimate is off by more than 25 %, or a resumed training ends in other bytes.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { startChild } from "./common/child.ts";
import { machine, note } from "./common/measure.ts";
import { measureJobs } from "./datanets/jobs.ts";
import { defaultData, textsOf } from "./datanets/material.ts";
import { measureNear } from "./datanets/near.ts";
import type { NearManyMethods } from "./datanets/near-many-process.ts";
import type { ReadingMethods } from "./datanets/reading-process.ts";

const bars = { recall: 0.95, precision: 0.9, estimateErrorPct: 25 };
const parts = ["reading", "near", "jobs", "all"];

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
    data: { type: "string", default: defaultData() },
    part: { type: "string", default: "all" },
    recipes: { type: "string", default: "four" },
    out: { type: "string" },
  },
});
if (!parts.includes(values.part)) throw new Error(`--part takes ${parts.join(", ")}; it got ${values.part}.`);
const wants = (part: string) => values.part === part || values.part === "all";

const on = machine();
const near = wants("near")
  ? { ...measureNear(textsOf(values.data), values.quick ? 1_000 : 4_000), on }
  : undefined;
if (near) note(`near duplicates: recall ${near.recall}, precision ${near.precision}`);
const nearMany = wants("near")
  ? { ...(await nearMillion(values.quick ? 50_000 : 1_000_000)), on }
  : undefined;
if (nearMany) note(`${nearMany.rows} rows: ${nearMany.rowsPerSec} rows a second, ${nearMany.indexMiB} MiB`);
const reading = wants("reading") ? await read(values.quick ? 64e6 : 2e9) : undefined;
if (reading) note(`reading: ${reading.rows} rows, ${reading.rssMiB} MiB`);
const jobs = wants("jobs")
  ? await measureJobs(values.quick ? 1 : Number.POSITIVE_INFINITY, values.recipes)
  : undefined;

async function nearMillion(rows: number) {
  await using child = startChild<NearManyMethods>(
    new URL("./datanets/near-many-process.ts", import.meta.url),
  );
  return await child.call("measure", { folder: values.data, rows });
}

async function read(bytes: number) {
  await using child = startChild<ReadingMethods>(new URL("./datanets/reading-process.ts", import.meta.url));
  return await child.call("read", { folder: values.data, bytes });
}

const found = {
  rowsPerSec: reading && Math.round(reading.rows / reading.cpuSeconds),
  rssMiBAt2GB: reading?.rssMiB,
  nearDup: near,
  nearMany,
  estimateErrorPct: jobs?.seconds.worst,
  memoryErrorPct: jobs?.memory.worst,
  resumeBitExact: jobs?.resume.bitExact,
  reading: reading && { ...reading, quick: values.quick, on },
  jobs: jobs && { ...jobs, quick: values.quick, on },
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
  near && near.recall < bars.recall && `a recall of ${near.recall}`,
  near && near.precision < bars.precision && `a precision of ${near.precision}`,
  jobs &&
    jobs.seconds.worst > bars.estimateErrorPct &&
    `an estimate of time that is off by ${jobs.seconds.worst} %`,
  jobs &&
    jobs.memory.worst > bars.estimateErrorPct &&
    `an estimate of memory that is off by ${jobs.memory.worst} %`,
  jobs && !jobs.resume.bitExact && "a resumed training that ended in other bytes",
].filter(Boolean);
if (missed.length > 0) {
  note(`Below the bar: ${missed.join(", ")}.`);
  process.exitCode = 1;
}
