/**
 * Many adapters over one base: what they cost in a batch, how many may be registered, and llama.cpp beside it.
 *
 *   ./openledger bench openlora [--json] [--peer] [--quick] [--registered 1,16,128] [--requests 2000] [--scratch DIR] [--only decode,registered]
 *
 * A base model of random weights in SmolLM2-135M's shape (30 layers, hidden 576, 9 heads over 3, MLP 1,536, 49,152 tokens, tied),
 * adapters of rank 8, 2 threads.
 *
 * - decode: steps of a batch of 16 without LoRA, with 16 different adapters on q and v, and with 16 on all seven linears, in turns
 * - registered: zipf traffic through the whole service with 1 to 10,000 adapters registered and at most 256 in memory, in turns
 * - peer (--peer): the same 16 adapters in node-llama-cpp, installed into .tools/ outside the lock file, in a process of its own
 *
 * --quick tries it all with a tiny model in seconds; its figures mean nothing, and no bar is held. Otherwise the exit code is 1 below
 * a bar: 0.92 (q and v), 0.75 (all seven), 0.90 (10,000 registered against 16), 4 (peer).
 */
import { parseArgs } from "node:util";
import { createRandom, moduleNames } from "../src/engine/index.ts";
import { machine, median, note, quartiles, rounded } from "./common/measure.ts";
import { namesOf } from "./common/names.ts";
import { adaptersOf, compareSteps, openBatch } from "./openlora/decode.ts";
import { type Base, createAdapterMaker, qv, randomBase, smolShape, tinyShape } from "./openlora/material.ts";
import { comparePeer } from "./openlora/peer.ts";
import { sweepRegistered } from "./openlora/registered.ts";

const rows = 16;
const threads = 2;
const promptTokens = 16;
const outputTokens = 32;
/** Short rounds: whatever else the machine does falls on all services alike. */
const requestsPerRound = 100;
const bars = { ratioDistinct: 0.92, all7: 0.75, registered: 0.9, peer: 4 };

const full = {
  shape: smolShape,
  segments: 6,
  peerRounds: 5,
  registered: [1, 16, 128, 1_024, 10_000],
  requests: 2_000,
  memoryAdapters: 256,
};
const quick: typeof full = {
  shape: tinyShape,
  segments: 2,
  peerRounds: 1,
  registered: [1, 16, 64],
  requests: 80,
  memoryAdapters: 24,
};

type Plan = typeof full & { only: ReadonlySet<string>; scratch: string | undefined; quick: boolean };

const prompts = (vocab: number) => {
  const random = createRandom(7, 43);
  return Array.from({ length: rows }, () =>
    Array.from({ length: promptTokens }, () => 1 + random.below(vocab - 1)),
  );
};

async function measureDecode(base: Base, plan: Plan) {
  const options = { rows, maxLength: promptTokens + outputTokens + 2, threads };
  note("compiling three graphs: no LoRA, q and v, all seven ...");
  const batches = {
    base: await openBatch(base, { ...options, modules: [], adapters: [] }),
    qv: await openBatch(base, {
      ...options,
      modules: qv,
      adapters: adaptersOf(createAdapterMaker(base.config, qv), rows),
    }),
    all7: await openBatch(base, {
      ...options,
      modules: moduleNames,
      adapters: adaptersOf(createAdapterMaker(base.config, moduleNames), rows),
    }),
  };
  const compared = await compareSteps(batches, prompts(base.config.vocab), {
    segments: plan.segments,
    steps: outputTokens,
  });
  const figures = (name: keyof typeof batches) => ({
    tokPerSec: rounded((rows * 1_000) / median(compared.ms(name)), 1),
    stepMsQuartiles: quartiles(compared.ms(name)),
  });
  const [none, own, all7] = [figures("base"), figures("qv"), figures("all7")];
  const [ratio, ratioAll7] = [compared.ratio("qv", "base"), compared.ratio("all7", "base")];
  return {
    tokPerSecBase: none.tokPerSec,
    tokPerSecDistinct: own.tokPerSec,
    ratioDistinct: ratio.median,
    ratioDistinctQuartiles: ratio.quartiles,
    ratioDistinctCpu: ratio.cpu,
    stepMsQuartiles: { base: none.stepMsQuartiles, distinct: own.stepMsQuartiles },
    all7: {
      tokPerSecDistinct: all7.tokPerSec,
      ratioDistinct: ratioAll7.median,
      ratioDistinctQuartiles: ratioAll7.quartiles,
      ratioDistinctCpu: ratioAll7.cpu,
      stepMsQuartiles: all7.stepMsQuartiles,
    },
  };
}

async function measurePeer(base: Base, plan: Plan) {
  const adapters = adaptersOf(createAdapterMaker(base.config, qv), rows);
  const options = { rows, maxLength: promptTokens + outputTokens, threads, modules: qv, adapters };
  const ours = {
    F32: await openBatch(base, options),
    Q8_0: await openBatch(base, { ...options, precision: "int8" }),
  };
  const { name, version, f32, q8 } = await comparePeer({
    base,
    adapters,
    ours,
    prompts: prompts(base.config.vocab),
    outputTokens,
    rounds: plan.peerRounds,
    threads,
    scratch: plan.scratch,
  });
  return {
    peer: {
      name,
      version,
      tokPerSec: f32.tokPerSec,
      /** Both chose the same tokens, but for near ties that a float16 cache decides the other way. */
      agrees: f32.agreement >= 0.8,
      f32,
      q8,
    },
    ratioPeer: f32.ratio,
    ratioPeerInt8: q8.ratio,
  };
}

function readPlan(): { plan: Plan; json: boolean } {
  const parts = ["decode", "registered", "peer"];
  const { values } = parseArgs({
    options: {
      json: { type: "boolean", default: false },
      quick: { type: "boolean", default: false },
      peer: { type: "boolean", default: false },
      registered: { type: "string" },
      requests: { type: "string" },
      scratch: { type: "string" },
      only: { type: "string" },
    },
  });
  const size = values.quick ? quick : full;
  const registered = values.registered?.split(",").map(Number) ?? size.registered;
  if (registered.some((n) => !Number.isInteger(n) || n < 1 || n > 100_000))
    throw new Error(
      `--registered takes numbers from 1 to 100000 between commas, such as 1,16,128; it got ${values.registered}.`,
    );
  const requests = Number(values.requests ?? size.requests);
  if (!Number.isInteger(requests) || requests < 1 || requests > 1_000_000)
    throw new Error(`--requests takes a number from 1 to 1000000; it got ${values.requests}.`);
  const only = namesOf("only", values.only ?? (values.peer ? undefined : parts.slice(0, 2).join()), parts);
  return {
    plan: {
      ...size,
      registered,
      requests,
      only: new Set(only),
      scratch: values.scratch,
      quick: values.quick,
    },
    json: values.json,
  };
}

/** Runs the parts that are asked for; figures of others are null. */
async function measure(plan: Plan) {
  const on = machine();
  const base = randomBase(plan.shape);
  // First, while this process holds little: its services need the memory.
  const sweep = plan.only.has("registered")
    ? await sweepRegistered({
        configJson: plan.shape,
        base,
        registered: plan.registered,
        rounds: Math.ceil(plan.requests / requestsPerRound),
        traffic: {
          requests: Math.min(requestsPerRound, plan.requests),
          clients: rows,
          zipfExponent: 1.1,
          promptTokens,
          outputTokens,
        },
        rows,
        memoryAdapters: plan.memoryAdapters,
        threads,
        scratch: plan.scratch,
      })
    : undefined;
  const decode = plan.only.has("decode") ? await measureDecode(base, plan) : undefined;
  const peer = plan.only.has("peer") ? await measurePeer(base, plan) : undefined;
  return {
    modules: "qv",
    batch: rows,
    tokPerSecBase: decode?.tokPerSecBase ?? null,
    tokPerSecDistinct: decode?.tokPerSecDistinct ?? null,
    ratioDistinct: decode?.ratioDistinct ?? null,
    all7: decode?.all7 ?? { ratioDistinct: null, ratioDistinctCpu: null },
    registered: plan.registered,
    tokPerSecByRegistered: sweep?.tokPerSecByRegistered ?? null,
    coldLoadMsP50: sweep?.coldLoadMsP50 ?? null,
    coldLoadMsP95: sweep?.coldLoadMsP95 ?? null,
    bytesPerAdapter: sweep?.bytesPerAdapter ?? null,
    rssMiB: sweep?.rssMiB ?? null,
    peer: peer?.peer ?? null,
    ratioPeer: peer?.ratioPeer ?? null,
    /** Our int8 weights against its Q8_0. */
    ratioPeerInt8: peer?.ratioPeerInt8 ?? null,
    spread: {
      ratioDistinctQuartiles: decode?.ratioDistinctQuartiles ?? null,
      ratioDistinctCpu: decode?.ratioDistinctCpu ?? null,
      stepMsQuartiles: decode?.stepMsQuartiles ?? null,
      ratioByRegistered: sweep?.ratioByRegistered ?? null,
      ratioByRegisteredQuartiles: sweep?.ratioQuartiles ?? null,
      ratioByRegisteredCpu: sweep?.ratioCpu ?? null,
    },
    hitRates: sweep?.hitRates ?? null,
    coldLoads: sweep?.coldLoads ?? null,
    fileBytesPerAdapter: sweep?.fileBytesPerAdapter ?? null,
    rssMiBByRegistered: sweep?.rssMiBByRegistered ?? null,
    traffic: sweep?.traffic ?? null,
    bars,
    quick: plan.quick,
    machine: { ...on, threads, loadAfter: machine().loadBefore },
  };
}

type Result = Awaited<ReturnType<typeof measure>>;

/** What stays below its bar. What was not measured passes. */
function shortfalls(result: Result): string[] {
  const sweep = result.spread.ratioByRegistered;
  const held: [string, number | null, number][] = [
    ["16 adapters on q and v against none", result.ratioDistinct, bars.ratioDistinct],
    ["16 adapters on all seven linears against none", result.all7.ratioDistinct, bars.all7],
    [
      `${Math.max(...result.registered)} registered adapters against ${rows}`,
      sweep === null ? null : sweep[result.registered.indexOf(Math.max(...result.registered))]!,
      bars.registered,
    ],
    ["node-llama-cpp", result.ratioPeer, bars.peer],
  ];
  return held
    .filter(([, ratio, bar]) => ratio !== null && ratio < bar)
    .map(([what, ratio, bar]) => `${what}: the ratio is ${ratio}; expected ${bar} at least.`);
}

/** What was measured, for people. */
function table(result: Result): string {
  const line = (what: string, value: unknown) => `  ${what.padEnd(52)} ${value}`;
  const { all7, peer, spread, machine: on } = result;
  const lines: string[] = [];
  if (result.ratioDistinct !== null)
    lines.push(
      `Batch of ${rows}, tokens a second`,
      line("no LoRA", result.tokPerSecBase),
      line(
        "16 different adapters on q and v",
        `${result.tokPerSecDistinct}, ratio ${result.ratioDistinct} (quartiles ${spread.ratioDistinctQuartiles?.join(", ")}; by processor time ${spread.ratioDistinctCpu})`,
      ),
      line(
        "16 different adapters on all seven linears",
        `ratio ${all7.ratioDistinct} (by processor time ${all7.ratioDistinctCpu})`,
      ),
    );
  if (result.tokPerSecByRegistered !== null)
    lines.push(
      "Registered adapters, zipf traffic, tokens a second",
      ...result.registered.map((count, i) =>
        line(
          `${count}`,
          `${result.tokPerSecByRegistered?.[i]}, ratio ${spread.ratioByRegistered?.[i] ?? "unknown"} (by processor time ${spread.ratioByRegisteredCpu?.[i] ?? "unknown"}), ${rounded(100 * (result.hitRates?.[i]?.disk ?? 0), 1)} % from disk`,
        ),
      ),
      line(
        "cold load, ms: median, 95th percentile",
        `${result.coldLoadMsP50}, ${result.coldLoadMsP95} of ${result.coldLoads}`,
      ),
      line("an adapter in memory, bytes", result.bytesPerAdapter),
      line("resident memory of the largest service, MiB", result.rssMiB),
    );
  if (peer !== null)
    lines.push(
      `${peer.name} ${peer.version}, tokens a second`,
      line("16 contexts with an adapter each: f32, Q8_0", `${peer.tokPerSec}, ${peer.q8.tokPerSec}`),
      line(
        "16 sequences without adapters: f32, Q8_0",
        `${peer.f32.tokPerSecBaseOnly}, ${peer.q8.tokPerSecBaseOnly}`,
      ),
      line(
        "ours with adapters, f32",
        `${peer.f32.ours.tokPerSec}, ratio ${result.ratioPeer} (quartiles ${peer.f32.ratioQuartiles.join(", ")})`,
      ),
      line(
        "ours with adapters, int8",
        `${peer.q8.ours.tokPerSec}, ratio ${result.ratioPeerInt8} (quartiles ${peer.q8.ratioQuartiles.join(", ")})`,
      ),
      line("same tokens before a first difference", peer.f32.agreement),
    );
  lines.push(
    `Load before ${on.loadBefore}, after ${on.loadAfter}; ${on.threads} threads of ${on.cores} cores, ${on.cpu}`,
  );
  return lines.join("\n");
}

if (import.meta.main) {
  const { plan, json } = readPlan();
  const result = await measure(plan);
  process.stdout.write(`${json ? JSON.stringify(result) : table(result)}\n`);
  if (!plan.quick)
    for (const shortfall of shortfalls(result)) {
      note(shortfall);
      process.exitCode = 1;
    }
}
