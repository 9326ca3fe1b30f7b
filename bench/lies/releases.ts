/** Releases over the same data and the same adapter: one with the index that follows from them, and one for each lie about it. */
import type { TestRelease } from "../../src/inference/fixtures/release.ts";
import { type Address, type Digest, decodeRow, type Manifest, releaseId } from "../../src/protocol/index.ts";
import type { ReleaseData } from "../../src/validators/fixtures/attester.ts";
import {
  type IndexRelease,
  makeIndexRelease,
  withIndex,
} from "../../src/validators/fixtures/index-release.ts";
import type { IndexLieName } from "./plants.ts";

/** Of which an answer in three has contributors above the threshold. */
const seed = 6;
const price = { promptWeiPerToken: "1000000000000000", completionWeiPerToken: "10000000000000000" };

export type MadeRelease = {
  readonly release: TestRelease;
  readonly data: ReleaseData;
  /** Of the Datanet version's manifest, as the chain names it. */
  readonly versionDigest: Digest;
  /** In ascending order; each may have several rows. */
  readonly contributors: readonly Address[];
};

/** Rows of half the numbers, each worth twice as much: room for a liar, and by itself no lie. */
function withRow(made: IndexRelease, row: number, by: number): IndexRelease["material"] {
  const { index, manifest } = made.material;
  const rows = index.map(({ bytes }, i) => {
    const factor = i === row ? by / 2 : 0.5;
    return Int16Array.from(decodeRow(bytes), (x) => Math.round(x * factor));
  });
  return withIndex(made.material, { rows, told: { scale: String(2 * Number(manifest.index.scale)) } });
}

/** @param developer who publishes it */
export async function makeLyingRelease(
  lie: IndexLieName | "honest",
  developer: Address,
): Promise<MadeRelease> {
  const copied = ({ representatives }: { representatives: Uint32Array }) =>
    representatives.map((at, i) => (i === 12 ? 0 : at));
  const made = await makeIndexRelease(lie === "merged" ? { representatives: copied } : {}, seed);
  const { contributors, payees, carried } = made;
  const material =
    lie === "inflated"
      ? withRow(made, 1, 2)
      : lie === "nulls"
        ? withRow(made, payees.length + 8, 0.25)
        : made.material;
  const manifest: Manifest = { ...material.manifest, developer, price };
  const { adapter, adapterConfig, basis, clusters, explain } = material.files;
  return {
    release: {
      served: {
        id: releaseId(manifest),
        model: "valley",
        manifest,
        contributors: payees,
        createdAtMs: manifest.createdAtMs,
      },
      files: {
        adapterConfig,
        adapterTensors: adapter,
        basis,
        explain: explain?.read(0, explain.length) as Uint8Array,
        rows: material.index.map(({ bytes }) => bytes),
      },
      indexRows: material.index,
    },
    data: { carried, clusters: clusters as Uint8Array },
    versionDigest: material.registered?.versions[0] as Digest,
    contributors,
  };
}
