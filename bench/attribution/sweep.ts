/**
 * How the default method's LDS moves with draws, damping, blocks, metric and which matrices are read, with what it costs: the table that
 * defaults are chosen by.
 *
 *   node bench/attribution/sweep.ts [--base FOLDER] [--tables FOLDER] [task …]
 */
import { parseArgs } from "node:util";
import {
  createProducts,
  lds,
  type Material,
  methods,
  type ScoreOptions,
} from "../../src/attribution/index.ts";
import { loadCheckpoint } from "../../src/engine/index.ts";
import { note, rounded } from "../common/measure.ts";
import { baseFolder } from "./base.ts";
import { type Figure, figure } from "./figure.ts";
import { questionsOf } from "./measure.ts";
import { collectState, finalOf, trainRun } from "./run.ts";
import { readTable } from "./table.ts";
import { readTask, resultsFolder, type TaskName } from "./task.ts";

/** The columns of one part of the adapter alone. */
export const onlyPart = (material: Material, part: "A" | "B"): Material =>
  onlySegments(material, (name) => name.endsWith(`.lora_${part}`));

/** The columns of some of the adapter's matrices alone. */
export function onlySegments(material: Material, has: (name: string) => boolean): Material {
  const segments = material.segments.filter(({ name }) => has(name));
  const width = segments.reduce((sum, { length }) => sum + length, 0);
  const cut = (rows: Float32Array) => {
    const count = rows.length / material.width;
    const out = new Float32Array(count * width);
    for (let row = 0; row < count; row++) {
      let at = row * width;
      for (const { offset, length } of segments) {
        out.set(rows.subarray(row * material.width + offset, row * material.width + offset + length), at);
        at += length;
      }
    }
    return out;
  };
  let offset = 0;
  const moved = segments.map((segment) => {
    const own = { ...segment, offset };
    offset += segment.length;
    return own;
  });
  return {
    ...material,
    segments: moved,
    width,
    train: cut(material.train),
    queries: cut(material.queries),
    sampled: cut(material.sampled),
    metric: cut(material.metric),
    checkpoints: [],
  };
}

export type SweepPoint = {
  parts: "A" | "B" | "AB";
  options: ScoreOptions;
  lds: Figure;
  seconds: number;
  rowBytes: number;
};

export async function sweep(
  name: TaskName,
  folders: { base: string; tables: string },
): Promise<SweepPoint[]> {
  const base = loadCheckpoint(folders.base);
  const task = readTask(name);
  const table = readTable(name, task.train.length, folders.tables);
  if (table === undefined) throw new Error(`There is no table of ${name} in ${folders.tables}.`);
  const { queries, texts } = questionsOf(base, task, table);
  const count = task.queries.length;
  const both = await collectState(
    base,
    task,
    finalOf(await trainRun(base, task)),
    queries.slice(0, count),
    { ...texts, queries: texts.queries.slice(0, count) },
    { samples: 8 },
  );
  const materials = { AB: both, B: onlyPart(both, "B"), A: onlyPart(both, "A") } as const;
  const products = await createProducts(1);
  const runs = table.runs.filter(({ kind, seed }) => kind === "half" && seed === 1);
  const points: SweepPoint[] = [];
  const measure = async (parts: SweepPoint["parts"], options: ScoreOptions) => {
    const started = performance.now();
    const scores = await methods.adamfisher.score(materials[parts], products, options);
    const point = {
      parts,
      options,
      lds: figure(lds(scores, runs)),
      seconds: rounded((performance.now() - started) / 1000, 1),
      rowBytes: materials[parts].width,
    };
    points.push(point);
    note(
      `${name} ${parts} ${JSON.stringify(options)}: ${point.lds.mean} [${point.lds.lo}, ${point.lds.hi}], ${point.seconds} s`,
    );
  };
  for (const parts of ["AB", "B"] as const) {
    for (const samples of [1, 2, 4, 8]) await measure(parts, { samples });
    for (const damping of [0.02, 0.05, 0.1, 0.5, 1, 5]) await measure(parts, { samples: 4, damping });
  }
  await measure("A", { samples: 4 });
  await measure("AB", { samples: 4, metric: false });
  await measure("AB", { samples: 4, block: "all" });
  return points;
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      base: { type: "string", default: baseFolder },
      tables: { type: "string", default: resultsFolder },
    },
  });
  for (const name of positionals as TaskName[])
    process.stdout.write(
      `${JSON.stringify({ task: name, points: await sweep(name, { base: values.base, tables: values.tables }) })}\n`,
    );
}
