/** The same traffic over more and more registered adapters, through the whole service, loads from disk included. */
import { baseDigestOf } from "../../src/openlora/index.ts";
import { type Child, startChild } from "../common/child.ts";
import { median, note, quantile, quartiles, rounded, scratchFolder } from "../common/measure.ts";
import {
  adapterRank,
  type Base,
  createAdapterMaker,
  qv,
  requireRoom,
  writeAdapters,
  writeBase,
} from "./material.ts";
import type { Figures, RegisteredMethods, Round } from "./registered-process.ts";

export type SweepOptions = {
  configJson: object;
  base: Base;
  /** How many adapters are registered, a service for each. */
  registered: readonly number[];
  rounds: number;
  traffic: Omit<Round, "seed">;
  rows: number;
  memoryAdapters: number;
  threads: number;
  scratch: string | undefined;
};

/** What a service of the base needs: its weights, once as they were read and once as ONNX Runtime arranges them. */
const serviceBytes = (base: Base) =>
  [...base.weights.values()].reduce((sum, { byteLength }) => sum + byteLength, 0) * 3 + 300 * 2 ** 20;

/** @throws Error that says how to need less, where there is no memory for all services at once */
function requireMemory(services: number, base: Base): void {
  const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`;
  const needed = services * serviceBytes(base);
  if (process.availableMemory() < needed)
    throw new Error(
      `${services} services side by side need about ${gigabytes(needed)} of memory; ${gigabytes(process.availableMemory())} are there. Compare fewer: --registered 16,10000`,
    );
}

export async function sweepRegistered(given: SweepOptions) {
  const { base, registered, rounds, traffic, rows, memoryAdapters, threads } = given;
  const most = Math.max(...registered);
  const maker = createAdapterMaker(base.config, qv);
  await using scratch = scratchFolder("openledger-bench-openlora-", given.scratch);
  const baseBytes = [...base.weights.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);
  requireRoom(
    scratch.path,
    baseBytes + most * maker.bytes,
    "Register fewer adapters, --registered 1,16,128,1024, or use another disk, --scratch <folder>.",
  );
  requireMemory(registered.length, base);
  writeBase(scratch.path, given.configJson, base);
  note(`writing ${most} adapters of ${maker.bytes} bytes ...`);
  const digests = writeAdapters(scratch.path, maker, most, (written) => note(`${written} written`));

  const baseDigest = await baseDigestOf(scratch.path);
  const services: Child<RegisteredMethods>[] = [];
  await using _ = {
    async [Symbol.asyncDispose]() {
      for (const service of services) await service[Symbol.asyncDispose]();
    },
  };
  const parsedBytes = ((maker.bytes - headerBytes(maker.tensors(0))) / 2) * 4;
  for (const count of registered) {
    const service = startChild<RegisteredMethods>(new URL("registered-process.ts", import.meta.url));
    services.push(service);
    await service.call("open", {
      baseFolder: scratch.path,
      baseDigest,
      adaptersFolder: scratch.path,
      digests: digests.slice(0, count),
      options: {
        threads,
        modules: [...qv],
        rank: adapterRank,
        maxRows: rows,
        contextTokens: traffic.promptTokens + traffic.outputTokens,
        adapterMemoryBytes: memoryAdapters * parsedBytes,
      },
    });
  }

  const rates: number[][] = registered.map(() => []);
  const cpuRates: number[][] = registered.map(() => []);
  for (let round = 0; round < rounds; round++)
    for (let i = 0; i < registered.length; i++) {
      const which = (i + round) % registered.length;
      const { seconds, cpuSeconds, outputTokens } = await services[which]!.call("round", {
        ...traffic,
        seed: round,
      });
      cpuRates[which]!.push(outputTokens / cpuSeconds);
      rates[which]!.push(outputTokens / seconds);
      note(
        `round ${round + 1} of ${rounds}, ${registered[which]} registered: ${rounded(outputTokens / seconds)} tokens a second`,
      );
    }
  const figures: Figures[] = [];
  for (const service of services) figures.push(await service.call("figures", undefined));
  const largest = figures[registered.indexOf(most)]!;
  const cold = largest.recentLoadsMs;
  const resident = registered.indexOf(rows);
  const ratiosOf = (all: readonly number[][]) =>
    all.map((own) => own.map((rate, round) => rate / (all[resident]?.[round] ?? Number.NaN)));
  const ratios = ratiosOf(rates);
  return {
    registered,
    tokPerSecByRegistered: rates.map((own) => rounded(median(own), 1)),
    /** Against as many adapters as there are rows, round by round. */
    ratioByRegistered: resident < 0 ? null : ratios.map((own) => rounded(median(own), 3)),
    ratioQuartiles: resident < 0 ? null : ratios.map((own) => quartiles(own, 3)),
    ratioCpu: resident < 0 ? null : ratiosOf(cpuRates).map((own) => rounded(median(own), 3)),
    coldLoadMsP50: rounded(quantile(cold, 0.5) ?? Number.NaN, 1),
    coldLoadMsP95: rounded(quantile(cold, 0.95) ?? Number.NaN, 1),
    coldLoads: largest.loads,
    hitRates: figures.map(({ memoryHits, loads }) => {
      const all = Math.max(1, memoryHits + loads);
      return {
        memory: rounded(memoryHits / all, 3),
        disk: rounded(loads / all, 3),
      };
    }),
    bytesPerAdapter: Math.round(largest.memoryBytes / Math.max(1, largest.memoryAdapters)),
    fileBytesPerAdapter: maker.bytes,
    rssMiB: largest.rssMiB,
    rssMiBByRegistered: figures.map(({ rssMiB }) => rssMiB),
    traffic: {
      ...traffic,
      requests: rounds * traffic.requests,
      rounds,
      memoryAdapters,
    },
  };
}

const headerBytes = (file: Uint8Array) =>
  8 + Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
