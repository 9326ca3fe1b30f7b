import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { CallRevertedError, type ContractWrite, type paymentChannelsAbi } from "../chain/index.ts";
import { type Digest, signVoucher, toHex } from "../protocol/index.ts";
import { account, ann, ben, closeTimeoutSec, openWorld, type World } from "./fixtures/world.ts";
import { openChannel } from "./open-channel.ts";

let world: World;
let pay: Awaited<ReturnType<World["payments"]>>;

before(async () => {
  world = await openWorld();
  pay = await world.payments();
});
after(async () => {
  await pay.close();
  await world.close();
});

/** What the contract's own view says. */
async function onChain(channelId: Digest) {
  const { PaymentChannels } = world.contracts;
  const channel = await world
    .client(ann)
    .public.readContract({ ...PaymentChannels, functionName: "channel", args: [channelId] });
  return {
    channelId,
    payer: toHex(channel.payer),
    payee: toHex(channel.payee),
    deposit: channel.deposit,
    collected: channel.collected,
    signer: toHex(channel.signer),
    signerLimit: channel.signerLimit,
    previousSigner: toHex(channel.previousSigner),
    previousLimit: channel.previousLimit,
    previousUntilSec: channel.previousUntil,
    closesAtSec: channel.closesAt,
    closed: channel.closed,
  };
}

async function assertSame(channelId: Digest): Promise<void> {
  const { charged, reserved, published, ...projected } = (await pay.channel(channelId))!;
  assert.deepEqual(projected, await onChain(channelId));
  assert.deepEqual([charged, reserved, published], [0n, 0n, 0n]);
}

type Write = ContractWrite<
  typeof paymentChannelsAbi,
  "topUp" | "setSigner" | "requestClose" | "close" | "collect"
>;

test("the events alone give what the contract's view returns, whatever happened to the channel", async () => {
  const contract = world.contracts.PaymentChannels;
  const signers = [account(51), account(52)] as const;
  const step = fc.oneof(
    fc.record({ what: fc.constant("topUp" as const), wei: fc.bigInt({ min: 1n, max: 100n }) }),
    fc.record({
      what: fc.constant("setSigner" as const),
      who: fc.nat(1),
      wei: fc.bigInt({ min: 0n, max: 99n }),
    }),
    fc.record({ what: fc.constant("collect" as const), wei: fc.bigInt({ min: 1n, max: 150n }) }),
    fc.record({ what: fc.constant("pass" as const) }),
    fc.record({ what: fc.constant("requestClose" as const) }),
    fc.record({ what: fc.constant("close" as const) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 12 }), async (steps) => {
      const { channelId } = await openChannel(world.client(ann), world.contracts, {
        payee: pay.operator,
        signer: signers[0].address,
        depositWei: 100n,
        limitWei: 50n,
      });
      const attempt = async (call: Write, by = ann) => {
        await world
          .client(by)
          .write(call as never)
          .catch((error) => {
            if (!(error instanceof CallRevertedError)) throw error;
          });
      };
      for (const one of steps) {
        if (one.what === "pass") await world.pass(closeTimeoutSec / 2);
        else if (one.what === "topUp")
          await attempt({ ...contract, functionName: "topUp", args: [channelId], value: one.wei }, ben);
        else if (one.what === "setSigner")
          await attempt({
            ...contract,
            functionName: "setSigner",
            args: [channelId, signers[one.who]!.address, one.wei],
          });
        else if (one.what === "collect") {
          const signature = await signVoucher(pay.domain, { channelId, cumulative: one.wei }, ann);
          await attempt({ ...contract, functionName: "collect", args: [channelId, one.wei, signature] }, ben);
        } else await attempt({ ...contract, functionName: one.what, args: [channelId] });
        await assertSame(channelId);
      }
    }),
    { numRuns: 10 },
  );
});

test("channels of other payees are not kept, and a second start adds nothing", async () => {
  const foreign = await openChannel(world.client(ann), world.contracts, {
    payee: ben.address,
    depositWei: 5n,
  });
  const ours = await openChannel(world.client(ann), world.contracts, { payee: pay.operator, depositWei: 5n });
  assert.equal(await pay.channel(foreign.channelId), undefined);
  await assertSame(ours.channelId);
  const count = async () =>
    (await world.database.query<{ n: number }>("select count(*) as n from payments.channels"))[0]!.n;
  const before = await count();
  await pay.close();
  pay = await world.payments();
  await pay.sync();
  assert.equal(await count(), before);
  await assertSame(ours.channelId);
});
