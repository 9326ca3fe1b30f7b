/** A developer's process: trains a release, publishes it with the Datanet it is of; later executes slashes whose appeal is over, as anyone may. */
import type { Address } from "viem";
import { makeRelease } from "../../src/inference/fixtures/release.ts";
import { tinyBaseName } from "../../src/openlora/fixtures/tiny-base.ts";
import { toHex } from "../../src/protocol/index.ts";
import { publishTestRelease } from "../../src/validators/fixtures/attester.ts";
import { serveChild } from "../common/child.ts";
import { openParty } from "./party.ts";

const { chain, contracts } = openParty(process.argv.slice(2), "developer");
const baseFolder = process.argv[5] as string;
const { OpenStaking } = contracts;
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
  /** @returns how many */
  async executeSlashes() {
    const count = await chain.public.readContract({ ...OpenStaking, functionName: "slashCount" });
    for (let id = 1n; id <= count; id++)
      await chain.write({ ...OpenStaking, functionName: "executeSlash", args: [id] });
    return Number(count);
  },
};
export type DeveloperMethods = typeof methods;
serveChild(methods);
