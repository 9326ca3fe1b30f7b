/**
 * A developer's process: makes a release, publishes it, puts the bond behind it, serves what it was made of, and has validators judge it. The
 * honest one also does what anyone may when appeals are over.
 */
import { CallRevertedError, type ContractWrite } from "../../src/chain/index.ts";
import { type Digest, toHex } from "../../src/protocol/index.ts";
import { openScratchDatabase } from "../../src/store/index.ts";
import {
  publishTestModel,
  publishTestVersion,
  serveAttester,
} from "../../src/validators/fixtures/attester.ts";
import {
  backRelease,
  drawCount,
  executeRefutation,
  openRound,
  openStatements,
  readReleaseStanding,
  readSeats,
} from "../../src/validators/index.ts";
import { serveChild } from "../common/child.ts";
import { openParty } from "./party.ts";
import type { IndexLieName } from "./plants.ts";
import { makeLyingRelease } from "./releases.ts";

const { chain, contracts } = openParty(process.argv.slice(2), "developer");
const lie = process.argv[5] as IndexLieName | "honest";
const { ReleaseVerdicts, Verdicts } = contracts;
const made = await makeLyingRelease(lie, toHex(chain.account.address));
const { release } = made;
const { id } = release.served;

/** What anyone may do, and may have been done. */
// biome-ignore lint/suspicious/noExplicitAny: any call of any of the contracts
async function attempt(call: ContractWrite<any, any>): Promise<void> {
  await chain.write(call).catch((error: Error) => {
    if (!(error instanceof CallRevertedError)) throw error;
  });
}

const methods = {
  address: () => toHex(chain.account.address),
  /** The Datanet that every release here is of. @returns its payees, and the release */
  async publishData() {
    return { made, datanets: await publishTestVersion(chain, contracts, release, made.versionDigest) };
  },
  async publish() {
    await publishTestModel(chain, contracts, release);
    return id;
  },
  /** @returns the URL of its node */
  async serve() {
    const statements = await openStatements({ database: await openScratchDatabase(), chain, contracts });
    const served = { lines: [], evidence: new Map(), release, data: made.data, statements };
    return (await serveAttester(chain, contracts, served)).url;
  },
  async back(wei: bigint) {
    await backRelease(chain, contracts, id, wei);
  },
  async openRound() {
    await openRound(chain, contracts, id);
  },
  /** Executes what is due, and pays every validator, honest or not, its parts of fees. */
  async settleVerdicts(releases: Digest[]) {
    const seats = await readSeats(chain, contracts);
    for (let drawId = await drawCount(chain, contracts); drawId >= 1; drawId--)
      for (const seat of seats)
        await attempt({ ...Verdicts, functionName: "payFee", args: [BigInt(drawId), seat] });
    for (const one of releases) {
      if ((await readReleaseStanding(chain, contracts, one)).outcome === "refuted")
        await executeRefutation(chain, contracts, one);
      for (const seat of seats)
        await attempt({ ...ReleaseVerdicts, functionName: "payFee", args: [one, 1n, seat] });
    }
  },
};
export type DeveloperMethods = typeof methods;
serveChild(methods);
