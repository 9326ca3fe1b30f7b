/** A developer's process: trains a release, publishes it with the Datanet it is of; later does what anyone may when appeals are over. */
import type { Address } from "viem";
import { CallRevertedError } from "../../src/chain/index.ts";
import { makeRelease } from "../../src/inference/fixtures/release.ts";
import { tinyBaseName } from "../../src/openlora/fixtures/tiny-base.ts";
import { toHex } from "../../src/protocol/index.ts";
import { publishTestRelease } from "../../src/validators/fixtures/attester.ts";
import { drawCount, readSeats } from "../../src/validators/index.ts";
import { serveChild } from "../common/child.ts";
import { openParty } from "./party.ts";

const { chain, contracts } = openParty(process.argv.slice(2), "developer");
const baseFolder = process.argv[5] as string;
const { OpenStaking, Verdicts } = contracts;
const price = { promptWeiPerToken: "1000000000000000", completionWeiPerToken: "10000000000000000" };

const methods = {
  address: () => toHex(chain.account.address),
  /** @param contributors in ascending order */
  async publish(contributors: Address[]) {
    const developer = toHex(chain.account.address);
    const release = await makeRelease({
      model: "valley",
      baseFolder,
      baseName: tinyBaseName,
      contributors: contributors.map((one) => toHex(one)),
      developer,
      datanetId: 1n,
      price,
      seed: 7,
      thresholdMillionths: 500_000,
    });
    return { release, ...(await publishTestRelease(chain, contracts, release)) };
  },
  /** Executes slashes, and pays every validator, honest or not, its parts of the fees of draws. */
  async settleVerdicts() {
    const slashes = await chain.public.readContract({ ...OpenStaking, functionName: "slashCount" });
    for (let id = 1n; id <= slashes; id++)
      await chain.write({ ...OpenStaking, functionName: "executeSlash", args: [id] });
    const seats = await readSeats(chain, contracts);
    for (let drawId = await drawCount(chain, contracts); drawId >= 1; drawId--)
      for (const seat of seats)
        await chain
          .write({ ...Verdicts, functionName: "payFee", args: [BigInt(drawId), seat] })
          .catch((error: Error) => {
            if (!(error instanceof CallRevertedError)) throw error; // paid already, or not earned
          });
  },
};
export type DeveloperMethods = typeof methods;
serveChild(methods);
