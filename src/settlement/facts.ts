import { stringToHex } from "viem";
import { CallRevertedError, type ChainReader, type ProtocolContracts } from "../chain/index.ts";
import { type Address, type Digest, type ReleaseFacts, type TermsFacts, toHex } from "../protocol/index.ts";

/** A release as the chain has it; none of it ever changes. */
export type ChainRelease = {
  readonly modelId: bigint;
  readonly facts: ReleaseFacts;
  /** In the manifest's order. */
  readonly datanets: readonly {
    readonly datanetId: bigint;
    readonly pool: Address;
    /** Examples of the version: the weight of its owner and its pool. */
    readonly examples: number;
  }[];
};

/** What the chain says about releases, and about whom an answer pays. */
export type ChainFacts = {
  /** Undefined for a release that was never published. */
  release(releaseId: Digest): Promise<ChainRelease | undefined>;
  /** Whom an answer of a release pays that was issued then, seconds, by this operator. */
  terms(release: ChainRelease, issuedAt: bigint, operator: Address): Promise<TermsFacts>;
  /**
   * When a receipt signed now is issued, seconds: a time for which the chain's word is final. That is the time of the latest
   * block, for changes are in force from the second after theirs; or, on a chain that makes blocks only when they are needed,
   * two seconds ago, which no block can still be given.
   */
  issueTime(nowSec: bigint): Promise<bigint>;
  /**
   * Whether a batch settled then, seconds, may hold receipts of the release: it is attested, or the network does not ask for that. Ahead
   * of now it is as things stand, an attestation that is known to end included.
   */
  settleable(releaseId: Digest, at: bigint): Promise<boolean>;
};

/** How long a block may take from the reading of the clock to its place in the chain, seconds. */
const blockSeconds = 2n;
const releasesKept = 256;

export function chainFacts(
  { public: read, explain }: Pick<ChainReader, "public" | "explain">,
  contracts: Pick<
    ProtocolContracts,
    "ProtocolParameters" | "DatanetRegistry" | "ModelRegistry" | "ReleaseVerdicts"
  >,
): ChainFacts {
  const { ProtocolParameters, DatanetRegistry, ModelRegistry, ReleaseVerdicts } = contracts;
  const kept = new Map<Digest, ChainRelease>();
  const addressAt = async (id: string, at: bigint): Promise<Address> => {
    const value = await read.readContract({
      ...ProtocolParameters,
      functionName: "valueAt",
      args: [stringToHex(id, { size: 32 }), at],
    });
    return `0x${value.toString(16).padStart(40, "0")}`;
  };

  async function readRelease(releaseId: Digest): Promise<ChainRelease | undefined> {
    const args = [releaseId] as const;
    try {
      const [release, versions] = await Promise.all([
        read.readContract({ ...ModelRegistry, functionName: "releaseOf", args }),
        read.readContract({ ...ModelRegistry, functionName: "versionsOf", args }),
      ]);
      const { index, publishedAt, promptWeiPerToken, completionWeiPerToken, modelId } = release;
      return {
        modelId,
        facts: {
          ...index,
          root: toHex(index.root),
          publishedAt: BigInt(publishedAt),
          promptWeiPerToken,
          completionWeiPerToken,
        },
        datanets: await Promise.all(
          versions.map(async ({ datanetId, version }) => {
            const [pool, { count }] = await Promise.all([
              read.readContract({ ...DatanetRegistry, functionName: "poolOf", args: [datanetId] }),
              read.readContract({
                ...DatanetRegistry,
                functionName: "versionOf",
                args: [datanetId, version],
              }),
            ]);
            return { datanetId, pool: toHex(pool), examples: count };
          }),
        ),
      };
    } catch (error) {
      const explained = explain(error, "ModelRegistry.releaseOf");
      if (explained instanceof CallRevertedError && explained.errorName === "UnknownRelease")
        return undefined;
      throw explained;
    }
  }

  return {
    release: async (releaseId) => {
      const known = kept.get(releaseId);
      if (known !== undefined) return known;
      const found = await readRelease(releaseId);
      if (found === undefined) return undefined;
      if (kept.size >= releasesKept) kept.delete(kept.keys().next().value!);
      kept.set(releaseId, found);
      return found;
    },
    terms: async ({ modelId, datanets }, at, operator) => {
      const [split, treasury, stakers, developer, owners] = await Promise.all([
        read.readContract({ ...ProtocolParameters, functionName: "feeSplitAt", args: [at] }),
        addressAt("treasury", at),
        addressAt("stakersPool", at),
        read.readContract({ ...ModelRegistry, functionName: "ownerAt", args: [modelId, at] }),
        Promise.all(
          datanets.map(({ datanetId }) =>
            read.readContract({ ...DatanetRegistry, functionName: "ownerAt", args: [datanetId, at] }),
          ),
        ),
      ]);
      return {
        split,
        payees: { operator: toHex(operator), treasury, developer: toHex(developer), stakers },
        datanets: datanets.map(({ pool, examples }, i) => ({
          owner: toHex(owners[i]!),
          pool,
          acceptedExamples: examples,
        })),
      };
    },
    settleable: (releaseId, at) =>
      read.readContract({
        ...ReleaseVerdicts,
        functionName: "settleableAt",
        args: [releaseId, at],
        blockTag: "pending",
      }),
    issueTime: async (nowSec) => {
      const { timestamp } = await read.getBlock({ includeTransactions: false });
      const safe = nowSec - blockSeconds;
      return timestamp > safe ? timestamp : safe;
    },
  };
}
