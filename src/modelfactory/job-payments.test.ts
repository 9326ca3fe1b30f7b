/** A job that costs something, on a real chain: from its plan to the settlement of its escrow, and once whatever dies in between. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { type ChainWriter, chainClients, protocolAbis } from "../chain/index.ts";
import { parseSafetensors } from "../engine/index.ts";
import {
  bytesDigest,
  type Digest,
  deliverableDigest,
  escrowId,
  type JobPlan,
  jobDigest,
  stoppedSplit,
  toHex,
} from "../protocol/index.ts";
import { openCall, openEscrow, readEscrow } from "./escrow.ts";
import { openGround, openWords, trainedSteps, type World } from "./fixtures/factory.ts";
import type { JobSpecInput } from "./job.ts";
import type { PaymentDependencies } from "./job-payments.ts";

const ground = await openGround();
const { network } = ground;
const { contracts } = network;
const operator = network.writer(network.accounts.operator);
const payment: PaymentDependencies = {
  chain: operator,
  contracts,
  weiPerToken: 10n ** 12n,
  deadlineSeconds: 3_600,
  onBlock: (listener) => network.chain.onBlock(listener),
};
const open = (more: Parameters<typeof ground.open>[0] = {}) => ground.open({ payment, ...more });
let world: World = await open();
after(async () => {
  await world.close();
  await ground.close();
});
const { datanet, version } = await openWords(ground, world);
const quick = { rank: 2, alpha: 4, epochs: 2, batch: 8, threads: 1, seed: 5 };
const spec: JobSpecInput = {
  model: "words",
  datanets: [{ datanetId: datanet.datanetId.toString(), version: version.version }],
  recipe: { ...quick, calibration: { retrainings: 0, leaveOut: 0 } },
};
/** A thousand epochs of three steps: no machine is through with it before it is ended. */
const long: JobSpecInput = {
  ...spec,
  recipe: {
    ...quick,
    ...{ epochs: 1000, learningRate: 1e-4, stopAtOptimum: false },
    calibration: { retrainings: 0, leaveOut: 0 },
  },
};

const ether = 10n ** 18n;
async function payerNamed(name: string): Promise<ChainWriter> {
  const account = network.keys.account(name);
  await network.faucet(account.address, 100n * ether);
  return chainClients({ embedded: network.chain, account, abis: protocolAbis });
}
const payer = await payerNamed("payer");

/** What it costs, from the answer to who asked for it. */
async function ordered(id: string, wishes: JobSpecInput): Promise<JobPlan> {
  const job = await world.factory.createJob(id, wishes);
  assert.deepEqual([job.state, job.payment?.state], ["unpaid", "unpaid"]);
  assert.ok(job.payment);
  return job.payment.plan;
}
/** Pays, and has it seen. */
async function pay(plan: JobPlan, by = payer) {
  const paid = await openEscrow(by, contracts, toHex(operator.account.address), plan);
  await world.factory.getJob(plan.id).catch(() => {}); // not of a plan that was never ordered
  return paid;
}
const paymentOf = async (id: string) => (await world.factory.getJob(id)).payment;
const held = () => operator.public.getBalance({ address: contracts.JobEscrow.address });
const trained = (id: string, steps: number) => trainedSteps(world, id, steps);
/** Resolves once the job's payment is settled and that has been seen. */
async function settled(id: string) {
  for (let i = 0; i < 400; i++) {
    const now = await paymentOf(id);
    if (now?.operatorWei !== null) return now;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`Job ${id} is not settled.`);
}
const cancel = (id: Digest) => payer.write({ ...contracts.JobEscrow, functionName: "cancel", args: [id] });

test("a job waits for its payment, and its release pays the operator the whole of it, once", async () => {
  const plan = await ordered("one", spec);
  // 20 rows in batches of 8, twice.
  assert.equal(plan.steps, 6);
  assert.ok(BigInt(plan.amountWei) > 0n && BigInt(plan.amountWei) % (2n * 10n ** 12n) === 0n);
  await world.jobs.drain();
  assert.equal((await world.factory.getJob("one")).state, "unpaid");
  const toPay = world.factory.toPay(await world.factory.getJob("one"));
  assert.deepEqual(
    [toPay?.jobDigest, toPay?.deliverable, toPay?.amountWei, toPay?.operator],
    [jobDigest(plan), deliverableDigest(plan), plan.amountWei, toHex(operator.account.address)],
  );
  await assert.rejects(world.factory.pause("one"), { code: "job-unpaid" });
  const { escrowId: id, transactionHash } = await pay(plan);
  assert.ok(transactionHash !== null);
  assert.equal(id, escrowId(payer.account.address, operator.account.address, jobDigest(plan)));
  assert.equal((await pay(plan)).transactionHash, null, "who was interrupted pays no second time");
  const again = await world.factory.createJob("one", spec);
  assert.deepEqual(
    [again.payment?.state, again.payment?.escrowId, again.payment?.payer],
    ["open", id, toHex(payer.account.address)],
  );
  const before = await operator.public.getBalance({ address: operator.account.address });
  await world.jobs.drain();
  const job = await world.factory.getJob("one");
  assert.equal(job.error, null);
  assert.equal(job.state, "succeeded");
  assert.deepEqual(
    [job.payment?.state, job.payment?.operatorWei, job.payment?.payerWei, job.payment?.evidence],
    ["succeeded", plan.amountWei, "0", job.releaseId],
  );
  const gas = 10n ** 15n;
  const earned = (await operator.public.getBalance({ address: operator.account.address })) - before;
  assert.ok(earned <= BigInt(plan.amountWei) && earned > BigInt(plan.amountWei) - gas);
  assert.equal(await held(), 0n);
});

test("rows are counted once: a sweep is priced at once, and each of its points by its own epochs", async () => {
  const point = async (epochs: number) =>
    ordered(`point-${epochs}`, { ...spec, model: "point", recipe: { ...spec.recipe, epochs, rank: epochs } });
  const first = await point(1);
  const begun = process.cpuUsage();
  const plans = [await point(2), await point(3), await point(4)];
  const { user, system } = process.cpuUsage(begun);
  assert.ok(user + system < 1e6, `${user + system} µs: a thread takes more than a second to open the base`);
  for (const [at, { amountWei, steps }] of plans.entries())
    assert.deepEqual(
      [BigInt(amountWei), steps],
      [BigInt(first.amountWei) * BigInt(at + 2), first.steps * (at + 2)],
    );
  const halved = await ordered("halved", { ...spec, model: "point", recipe: { ...spec.recipe, batch: 4 } });
  assert.equal(halved.steps, 10, "another batch is counted anew");
});

test("a node that dies before or after the settlement settles once", async () => {
  for (const stopAt of ["released", "settled"]) {
    await world.close();
    const reached = Promise.withResolvers<void>();
    const stop = Promise.withResolvers<void>();
    world = await open({
      afterStep: async (step) => {
        if (step !== stopAt) return;
        reached.resolve();
        await stop.promise;
      },
    });
    const id = `dies-${stopAt}`;
    const plan = await ordered(id, { ...spec, model: id });
    const { escrowId: escrow } = await pay(plan);
    await reached.promise;
    const closed = world.close();
    stop.reject(new Error("The process ends here."));
    await closed;
    world = await open();
    await world.jobs.drain();
    const job = await world.factory.getJob(id);
    assert.deepEqual([job.state, job.error], ["succeeded", null], stopAt);
    assert.equal((await settled(id))?.operatorWei, plan.amountWei);
    const { state, done } = await readEscrow(operator, contracts, escrow);
    assert.deepEqual([state, done], ["succeeded", plan.steps]);
    assert.equal(await held(), 0n);
  }
});

test("a payer who cancels pays for the steps that there is a checkpoint of; so does one who cancels while the node is away", async () => {
  for (const away of [false, true]) {
    const id = away ? "cancelled-away" : "cancelled";
    const plan = await ordered(id, { ...long, model: id });
    assert.equal(plan.steps, 3000);
    const { escrowId: escrow } = await pay(plan);
    await trained(id, 5);
    if (away) await world.close();
    await cancel(escrow);
    if (away) world = await open();
    const payment = await settled(id);
    assert.ok(payment?.doneSteps && payment.doneSteps >= 1 && payment.doneSteps < plan.steps);
    const parts = stoppedSplit(BigInt(plan.amountWei), payment.doneSteps, plan.steps);
    assert.deepEqual(
      [payment.state, payment.operatorWei, payment.payerWei],
      ["stopped", parts.operator.toString(), parts.payer.toString()],
    );
    assert.equal((await world.factory.getJob(id)).state, "cancelled");
    const checkpoint = await world.factory.checkpoint(id);
    assert.equal(bytesDigest(checkpoint), payment.evidence, "what was paid for can be had, and checked");
    assert.ok(parseSafetensors(checkpoint, id).size > 0);
    assert.equal(await held(), 0n);
  }
});

test("who cancels before the first step pays nothing", async () => {
  const first = await pay(await ordered("gate", { ...long, model: "gate" }));
  await trained("gate", 1);
  await assert.rejects(world.factory.checkpoint("gate"), { code: "unknown-checkpoint" });
  const waiting = await pay(await ordered("waiting", { ...long, model: "waiting" }));
  await cancel(waiting.escrowId);
  const payment = await settled("waiting");
  assert.deepEqual([payment?.state, payment?.operatorWei, payment?.doneSteps], ["stopped", "0", 0]);
  await assert.rejects(world.factory.cancel("gate"), { code: "payment-held" });
  await world.factory.giveBack("gate");
  const gate = await settled("gate");
  assert.deepEqual(
    [gate?.state, gate?.operatorWei],
    ["failed", "0"],
    "what the operator ends is given back whole",
  );
  assert.equal((await readEscrow(operator, contracts, first.escrowId)).state, "failed");
  assert.equal(await held(), 0n);
});

test("a job that fails gives everything back; what was ordered without a release is paid for its report", async () => {
  const exclude = ["ada", "bo"].map((name) => toHex(network.keys.account(name).address));
  await assert.rejects(world.factory.createJob("nobody", { ...spec, model: "nobody", exclude }), {
    code: "nothing-to-train",
  });
  // Somebody else has taken the name meanwhile.
  const plan = await ordered("taken", { ...spec, model: "taken" });
  await ground.registry.ensureModel(network.accounts.curator, "taken");
  await pay(plan);
  await world.jobs.drain();
  const failed = await world.factory.getJob("taken");
  assert.match(failed.error ?? "", /belongs to/);
  assert.deepEqual([failed.payment?.state, failed.payment?.payerWei], ["failed", plan.amountWei]);

  const report = await ordered("report", { ...spec, model: "report", publish: false });
  await pay(report);
  await world.jobs.drain();
  const job = await world.factory.getJob("report");
  assert.deepEqual(
    [job.state, job.payment?.state, job.payment?.evidence],
    ["succeeded", "succeeded", job.evaluated?.report],
  );
  assert.equal(await held(), 0n);
});

test("a payment that is not what was asked, or comes twice, or too late, is given back at once", async () => {
  const plan = await ordered("picky", { ...long, model: "picky" });
  const call = openCall(contracts, operator.account.address, plan);
  const [to, digest, deliverable, steps, deadline] = call.args;
  const wrong = await payerNamed("wrong");
  const fees = async () => wrong.public.getBalance({ address: wrong.account.address });
  await wrong.write({ ...call, value: call.value - 1n });
  for (const [name, args] of [
    ["steps", [to, digest, deliverable, steps - 1, deadline]],
    ["deadline", [to, digest, deliverable, steps, deadline - 1]],
    ["deliverable", [to, digest, digest, steps, deadline]],
  ] as const)
    await (await payerNamed(name)).write({ ...call, args });
  assert.equal((await world.factory.getJob("picky")).state, "unpaid");
  await world.jobs.drain();
  assert.equal(await held(), 0n);
  assert.ok((await fees()) > 99n * ether);
  await pay(plan);
  await trained("picky", 1);
  await pay(plan, await payerNamed("second"));
  const other = { ...plan, id: "never ordered" };
  const { escrowId: stray } = await pay(other);
  await new Promise((resolve) => setTimeout(resolve, 200));
  for (let i = 0; i < 200 && (await held()) > BigInt(plan.amountWei) * 2n; i++)
    await new Promise((resolve) => setTimeout(resolve, 25));
  assert.equal(
    await held(),
    BigInt(plan.amountWei) * 2n,
    "one is held for the job, one for nothing known here",
  );
  assert.equal((await readEscrow(operator, contracts, stray)).state, "open");
  await world.factory.giveBack("picky");
  await world.jobs.drain();
  await operator.write({ ...contracts.JobEscrow, functionName: "fail", args: [stray] });

  // An hour later nobody waits for it any more.
  const late = await ordered("late", { ...spec, model: "late" });
  await world.close();
  world = await open({ now: () => Date.now() + 2 * 3_600_000 });
  assert.deepEqual(
    [(await world.factory.getJob("late")).state, (await paymentOf("late"))?.state],
    ["cancelled", "expired"],
  );
  await pay(late);
  await world.jobs.drain();
  for (let i = 0; i < 200 && (await held()) > 0n; i++)
    await new Promise((resolve) => setTimeout(resolve, 25));
  assert.equal(await held(), 0n);
});

test("what is not done by its deadline is left, and given back", async () => {
  await world.close();
  world = await open({ payment: { ...payment, deadlineSeconds: 2 } });
  const plan = await ordered("slow", { ...long, model: "slow" });
  const { escrowId: escrow } = await pay(plan);
  await trained("slow", 1);
  await world.factory.pause("slow");
  await new Promise((resolve) => setTimeout(resolve, 3_100));
  await world.factory.resume("slow");
  await world.jobs.drain();
  const job = await world.factory.getJob("slow");
  assert.match(job.error ?? "", /deadline .* has passed/);
  assert.equal((await readEscrow(operator, contracts, escrow)).state, "failed");
  // Silent to the end: the payer takes it.
  const silent = await ordered("silent", { ...long, model: "silent" });
  const paid = await pay(silent);
  await trained("silent", 1);
  await world.close();
  await new Promise((resolve) => setTimeout(resolve, 3_100));
  await payer.write({ ...contracts.JobEscrow, functionName: "refund", args: [paid.escrowId] });
  world = await open();
  const payment_ = await settled("silent");
  assert.deepEqual([payment_?.state, payment_?.payerWei], ["refunded", silent.amountWei]);
  await world.jobs.drain();
  const { state } = await world.factory.getJob("silent");
  assert.ok(state === "cancelled" || state === "failed", "nobody works for nothing");
  assert.equal(await held(), 0n);
});

test("a node that asks nothing starts at once, and still settles what it was paid before", async () => {
  await world.close();
  world = await open();
  const plan = await ordered("before", { ...spec, model: "before" });
  await world.close();
  world = await open({ payment: { ...payment, weiPerToken: 0n } });
  await pay(plan);
  const free = await world.factory.createJob("free", { ...spec, model: "free" });
  assert.deepEqual([free.state === "unpaid", free.payment], [false, null]);
  await world.jobs.drain();
  assert.equal((await settled("before"))?.operatorWei, plan.amountWei);
  assert.equal((await world.factory.getJob("free")).state, "succeeded");
});
