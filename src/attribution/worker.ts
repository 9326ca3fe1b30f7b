/** The scoring thread: holds the base model's gradient graph and a few releases' adapters and bases; answers with q. */
import {
  type Adapter,
  createGradients,
  type LoraConfig,
  loadCheckpoint,
  moduleNames,
  parseSafetensors,
  readPeft,
  type Sequence,
  sequenceOf,
  serveWorker,
} from "../engine/index.ts";
import { type Basis, decodeBasis, projectQuery } from "./basis.ts";
import { gradDot } from "./graddot.ts";

export type ScoringWorkerData = {
  baseFolder: string;
  threads: number;
  residentReleases: number;
  maxLength: number;
};
export type ReleaseFiles = {
  release: string;
  adapterConfig: Uint8Array;
  adapterTensors: Uint8Array;
  basis: Uint8Array;
};
export type QueryRequest = { release: string; promptIds: number[]; outputIds: number[] };
export type GradDotRequest = {
  release: string;
  examples: Sequence[];
  contributorOf: number[];
  contributors: number;
  queries: { promptIds: number[]; outputIds: number[] }[];
};

type Resident = { adapter: Adapter; basis: Basis; gradients: Awaited<ReturnType<typeof createGradients>> };

export type ScoringMethods = {
  has: (release: string) => boolean;
  load: (files: ReleaseFiles) => void;
  query: (request: QueryRequest) => Promise<Int16Array>;
  gradDot: (request: GradDotRequest) => Promise<number[][]>;
};

await serveWorker<ScoringWorkerData>((data): ScoringMethods => {
  const base = loadCheckpoint(data.baseFolder);
  const graphs = new Map<string, ReturnType<typeof createGradients>>();
  const resident = new Map<string, Promise<Resident>>();

  /** One graph serves all adapters of the same shape and scale. */
  function graphOf(lora: LoraConfig) {
    const key = JSON.stringify([lora.rank, lora.scale, lora.modules]);
    let graph = graphs.get(key);
    if (graph === undefined) {
      graph = createGradients(base, lora, { parts: ["B"], positions: data.maxLength, threads: data.threads });
      graphs.set(key, graph);
    }
    return graph;
  }

  async function open(files: ReleaseFiles): Promise<Resident> {
    const adapter = readPeft(
      JSON.parse(new TextDecoder().decode(files.adapterConfig)),
      parseSafetensors(files.adapterTensors, `of release ${files.release}`),
      base.config,
      `of release ${files.release}`,
    );
    const basis = decodeBasis(files.basis);
    return {
      adapter,
      basis,
      gradients: await graphOf({
        ...adapter.config,
        modules: moduleNames.filter((m) => adapter.config.modules.includes(m)),
      }),
    };
  }

  function use(release: string): Promise<Resident> {
    const found = resident.get(release);
    if (found === undefined) throw new Error(`Release ${release} is not loaded.`);
    resident.delete(release);
    resident.set(release, found); // most recently used last
    return found;
  }

  const toSequence = (promptIds: readonly number[], outputIds: readonly number[]) =>
    sequenceOf(promptIds, outputIds, data.maxLength);

  return {
    has: (release) => resident.has(release),
    async load(files) {
      const opened = open(files);
      resident.set(files.release, opened);
      opened.catch(() => resident.delete(files.release));
      await opened;
      for (const oldest of resident.keys()) {
        if (resident.size <= data.residentReleases) break;
        resident.delete(oldest);
      }
    },
    async query({ release, promptIds, outputIds }) {
      const { adapter, basis, gradients } = await use(release);
      const { data: rows } = await gradients.rows(adapter, [toSequence(promptIds, outputIds)]);
      return projectQuery(basis, rows);
    },
    async gradDot({ release, examples, contributorOf, contributors, queries }) {
      const { adapter, gradients } = await use(release);
      const asked = queries.map((q) => toSequence(q.promptIds, q.outputIds));
      return gradDot(gradients, adapter, examples, contributorOf, contributors, asked, data.threads);
    },
  };
});
