/** Builds both indexes of one release in a process of its own, whose memory is its own. */
import { createHash } from "node:crypto";
import { closeSync, openSync, readFileSync, readSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import {
  adamMetric,
  buildPayIndex,
  createExplainWriter,
  defaultExplainOptions,
  defaultPayIndexOptions,
  encodeBasis,
  layerBlocks,
  openExplainIndex,
  payIndexCost,
  planExplainIndex,
  scaleGradient,
  widenAdapter,
} from "../../src/attribution/index.ts";
import { createGradients, createRandom, positionsFor, type Sequence } from "../../src/engine/index.ts";
import { serveChild } from "../common/child.ts";
import { cpuMs, note, rounded, scratchFolder } from "../common/measure.ts";
import { createMaterial } from "./material.ts";

export type BuildShape = {
  examples: number;
  contributors: number;
  heldOut: number;
  maxFisherRows: number;
  nullRows: number;
  threads: number;
  seed: number;
  /** For the temporary files and the explain index. */
  folder: string;
};

const mib = (bytes: number) => Math.round(bytes / 2 ** 20);
const status = (what: string) =>
  1024 *
  Number(new RegExp(`^${what}:\\s+(\\d+) kB`, "m").exec(readFileSync("/proc/self/status", "utf8"))?.[1]);

/** Resident bytes now, from where the highest value is counted (Linux's proc(5): clear_refs). */
function startPeak(): number {
  writeFileSync("/proc/self/clear_refs", "5");
  return status("VmRSS");
}

/** How well ranks agree, −1 … 1 (Spearman). */
function rankCorrelation(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const ranks = (x: ArrayLike<number>) => {
    const order = Array.from({ length: x.length }, (_, i) => i).sort(
      (i, j) => (x[i] as number) - (x[j] as number),
    );
    const rank = new Float64Array(x.length);
    for (const [place, i] of order.entries()) rank[i] = place - (x.length - 1) / 2;
    return rank;
  };
  const [x, y] = [ranks(a), ranks(b)];
  let [xy, xx] = [0, 0];
  for (let i = 0; i < x.length; i++) {
    xy += (x[i] as number) * (y[i] as number);
    xx += (x[i] as number) ** 2;
  }
  return xy / xx;
}

async function build(shape: BuildShape) {
  const material = createMaterial(shape);
  const { sequences, heldOut } = material;
  const adapter = widenAdapter(material.base.config, material.adapter);
  const { threads, seed } = shape;
  const positions = positionsFor([...sequences, ...heldOut]);
  const gradients = await createGradients(material.base, adapter.config, {
    parts: ["B"],
    positions,
    threads,
  });
  const p = gradients.width;
  const options = {
    ...defaultPayIndexOptions,
    maxFisherRows: shape.maxFisherRows,
    nullRows: shape.nullRows,
    threads,
    seed,
    scratchFolder: shape.folder,
  };
  // Single rows are compared with what the explain index says of them, for a few questions.
  const questions = heldOut.slice(0, 4) as Sequence[];
  const steps = 100;
  const metric = adamMetric(
    gradients.segments,
    p,
    (name) => material.secondMoments.get(name) as Float32Array,
    1 - 0.999 ** steps,
  );
  const asked = (await gradients.rows(adapter, questions, 1, createRandom(1))).data;
  const queries = questions.map((_, q) => scaleGradient({ metric }, asked.subarray(q * p, (q + 1) * p)));
  const exact = queries.map(() => new Float64Array(sequences.length));

  const plan = planExplainIndex(sequences.length, p, { ...defaultExplainOptions, seed });
  const path = join(shape.folder, "explain");
  const file = openSync(path, "w+");
  const hash = createHash("sha256");
  let explainBytes = 0;
  const writer = createExplainWriter(plan, (bytes) => {
    hash.update(bytes);
    writeSync(file, bytes);
    explainBytes += bytes.length;
  });
  let comparedMs = 0;
  const before = startPeak();
  const cpu = cpuMs();
  const started = performance.now();
  const stages: Record<string, number> = {};
  let since = started;
  const index = await buildPayIndex(
    {
      gradients,
      adapter,
      secondMoments: material.secondMoments,
      beta2: 0.999,
      steps,
      sequences,
      contributorOf: material.contributorOf,
      contributors: shape.contributors,
      heldOut,
      explain(row, example) {
        writer.add(row);
        const compared = performance.now();
        queries.forEach((query, q) => {
          let sum = 0;
          for (let j = 0; j < p; j++) sum += (row[j] as number) * (query[j] as number);
          (exact[q] as Float64Array)[example] = sum;
        });
        comparedMs += performance.now() - compared;
        if (example % 1000 === 999) note(`explain row ${example + 1} of ${sequences.length}`);
      },
    },
    options,
    (stage, done, of) => {
      if (stage === "curvature" || done % 1024 === 0 || done === of) note(`${stage}: ${done} of ${of}`);
      stages[stage] = (stages[stage] ?? 0) + performance.now() - since;
      since = performance.now();
    },
  );
  writer.end();
  const seconds = (performance.now() - started) / 1000;
  const cpuSeconds = (cpuMs() - cpu) / 1000;
  const peak = status("VmHWM");
  const cost = payIndexCost({
    ...shape,
    rows: index.contributorOfRow.length,
    width: p,
    widestLayer: Math.max(...layerBlocks(gradients.segments).map(({ length }) => length)),
    options,
  });
  const read = (position: number, length: number) => {
    const bytes = new Uint8Array(length);
    readSync(file, bytes, 0, length, position);
    return bytes;
  };
  const explain = openExplainIndex(explainBytes, read);
  const agreement = queries.map((query, q) =>
    rankCorrelation(explain.scores(query), exact[q] as Float64Array),
  );
  const overlap = queries.map((query, q) => {
    const best = new Set(explain.top(query, 10).map(({ example }) => example));
    const order = Array.from((exact[q] as Float64Array).keys()).sort(
      (i, j) => (exact[q]?.[j] as number) - (exact[q]?.[i] as number),
    );
    return order.slice(0, 10).filter((example) => best.has(example)).length / 10;
  });
  closeSync(file);
  const tokens = sequences.reduce((sum, { ids }) => sum + ids.length, 0);
  const mean = (values: readonly number[]) => values.reduce((sum, x) => sum + x, 0) / values.length;
  const basis = encodeBasis(index.basis);
  return {
    examples: shape.examples,
    contributors: shape.contributors,
    rows: index.contributorOfRow.length,
    heldOut: shape.heldOut,
    tokensPerExample: rounded(tokens / sequences.length, 1),
    width: p,
    sampledGradients: index.report.fisherRows,
    k: index.k,
    seconds: rounded(seconds, 1),
    cpuSeconds: rounded(cpuSeconds, 1),
    stageSeconds: Object.fromEntries(
      Object.entries(stages).map(([stage, ms]) => [stage, rounded(ms / 1000, 1)]),
    ),
    memory: {
      residentBeforeMiB: mib(before),
      peakMiB: mib(peak),
      growthMiB: mib(peak - before),
      heldMiB: mib(cost.memory),
      filesMiB: mib(cost.files),
      matrixMiB: mib(4 * sequences.length * p),
    },
    payBytes: { basis: basis.length, rows: index.rows.length * index.k * 2 },
    explain: {
      seconds: rounded(index.report.explainSeconds - comparedMs / 1000, 1),
      bits: plan.bits,
      dimensions: plan.dimensions,
      bytes: explainBytes,
      bytesPerRow: explainBytes / sequences.length,
      digest: hash.digest("hex"),
      rankCorrelation: rounded(mean(agreement), 4),
      top10Overlap: rounded(mean(overlap), 2),
    },
    basisDigest: createHash("sha256").update(basis).digest("hex"),
  };
}

export type Built = Awaited<ReturnType<typeof build>>;
export type BuildMethods = { build(shape: Omit<BuildShape, "folder">): Promise<Built> };

serveChild({
  async build(shape: Omit<BuildShape, "folder">) {
    await using folder = scratchFolder("openledger-scale-");
    return await build({ ...shape, folder: folder.path });
  },
} satisfies BuildMethods);
