import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Digest } from "../protocol/index.ts";
import { ann, open, openWorld, operator, type World } from "./fixtures/world.ts";
import { openChannel } from "./open-channel.ts";
import type { PaymentsDependencies } from "./service.ts";

let world: World;

before(async () => {
  world = await openWorld();
});
after(() => world.close());

const collectedOf = async (channelId: Digest) => {
  const { PaymentChannels } = world.contracts;
  const read = world.client(ann).public;
  const [, collected] = await read.readContract({
    ...PaymentChannels,
    functionName: "collectedOf",
    args: [channelId],
  });
  return collected;
};

/** A channel by key with 500 wei charged. */
async function charged(): Promise<Digest> {
  const pay = await world.payments();
  const key = await pay.createKey({ label: "" });
  const { channelId } = await openChannel(world.client(ann), world.contracts, {
    payee: pay.operator,
    signer: key.signer,
    depositWei: open,
  });
  await pay.activateKey(key.secret, channelId);
  const payer = await pay.authenticate({ authorization: `Bearer ${key.secret}` });
  await world.database.transaction((tx) => pay.reserve(tx, { requestId: channelId, payer, maxWei: 500n }));
  await world.database.transaction((tx) => pay.charge(tx, channelId, 500n));
  await pay.close();
  return channelId;
}

describe("collecting, with the power cut at one step, then started again", () => {
  for (const when of ["before", "after"] as const) {
    for (const step of ["publishing", "sending"] as const) {
      test(`${when} ${step}: collected once, nothing lost`, async () => {
        const channelId = await charged();
        let cuts = 0;
        const cut = async <T>(hit: boolean, action: () => Promise<T>): Promise<T> => {
          if (!hit || cuts > 0) return action();
          if (when === "after") await action();
          cuts++;
          throw new Error("power cut");
        };
        const client = world.client(operator);
        const { database } = world;
        let armed = false;
        const changes: Partial<PaymentsDependencies> = {
          chain: {
            ...client,
            write: ((call) => cut(step === "sending", () => client.write(call))) as typeof client.write,
          },
          database: {
            ...database,
            transaction: (body) => cut(armed && step === "publishing", () => database.transaction(body)),
          },
        };
        const broken = await world.payments(changes);
        armed = true;
        await broken.sync();
        await assert.rejects(broken.collect([{ channelId, atLeast: 500n }]), /power cut/);
        assert.equal(cuts, 1);
        await broken.close();

        const pay = await world.payments();
        const { collected, failures } = await pay.collect([{ channelId, atLeast: 500n }]);
        assert.deepEqual([collected.get(channelId), failures], [500n, []]);
        assert.equal(await collectedOf(channelId), 500n);
        assert.deepEqual((await pay.channel(channelId))?.charged, 500n);
        await pay.close();
      });
    }
  }
});
