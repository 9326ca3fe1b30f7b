/** A job that costs something, on a real chain: from its plan to the settlement of its escrow, and once whatever dies in between. */
import assert from "node:assert/strict";
import { test } from "node:test";
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
import { type Ground, manySteps, openFactory } from "./fixtures/factory.ts";
import type { JobSpecInput } from "./job.ts";
import type { PaymentDependencies } from "./job-payments.ts";

const payment = ({ network }: Pick<Ground, "network">) =>
  ({
    chain: network.writer(network.accounts.operator),
    contracts: network.contracts,
    weiPerToken: 10n ** 12n,
    deadlineSeconds: 3_600,
    onBlock: (listener) => network.chain.onBlock(listener),
  }) satisfies PaymentDependencies;
const node = await openFactory((ground) => ({ payment: payment(ground) }));
const { network, spec, trained } = node;
const { contracts } = network;
const operator = network.writer(network.accounts.operator);
/** A thousand epochs of three steps: no machine is through with it before it is ended. */
const long: JobSpecInput = { ...spec, recipe: { ...manySteps, epochs: 1000 } };

const ether = 10n ** 18n;
async function payerNamed(name: string): Promise<ChainWriter> {
  const account = network.keys.account(name);
  await network.faucet(account.address, 100n * ether);
  return chainClients({ embedded: network.chain, account, abis: protocolAbis });
}
const payer = await payerNamed("payer");

/** What it costs, from the answer to who asked for it. */
async function ordered(id: string, wishes: JobSpecInput): Promise<JobPlan> {
  const job = await node.factory.createJob(id, wishes);
  assert.deepEqual([job.state, job.payment?.state], ["unpaid", "unpaid"]);
  assert.ok(job.payment);
  return job.payment.plan;
}
/** Pays, and has it seen. */
async function pay(plan: JobPlan, by = payer) {
  const paid = await openEscrow(by, contracts, toHex(operator.account.address), plan);
  await node.factory.getJob(plan.id).catch((error) => {
    if (error.code !== "unknown-job") throw error; // of a plan that was never ordered
  });
  return paid;
}
const paymentOf = async (id: string) => (await node.factory.getJob(id)).payment;
const held = () => operator.public.getBalance({ address: contracts.JobEscrow.address });
/** Resolves once the job's payment is settled and that has been seen. */
async function settled(id: string) {
  await node.until(async () => (await paymentOf(id))?.operatorWei !== null);
  return paymentOf(id);
}
const cancel = (id: Digest) => payer.write({ ...contracts.JobEscrow, functionName: "cancel", args: [id] });

test("a job waits for its payment, and its release pays the operator the whole of it, once", async () => {
  const plan = await ordered("one", spec);
  // 20 rows in batches of 8, twice.
  assert.equal(plan.steps, 6);
  assert.ok(BigInt(plan.amountWei) > 0n && BigInt(plan.amountWei) % (2n * 10n ** 12n) === 0n);
  await node.jobs.drain();
  assert.equal((await node.factory.getJob("one")).state, "unpaid");
  const toPay = node.factory.toPay(await node.factory.getJob("one"));
  assert.deepEqual(
    [toPay?.jobDigest, toPay?.deliverable, toPay?.amountWei, toPay?.operator],
    [jobDigest(plan), deliverableDigest(plan), plan.amountWei, toHex(operator.account.address)],
  );
  await assert.rejects(node.factory.pause("one"), { code: "job-unpaid" });
  const { escrowId: id, transactionHash } = await pay(plan);
  assert.ok(transactionHash !== null);
  assert.equal(id, escrowId(payer.account.address, operator.account.address, jobDigest(plan)));
  assert.equal((await pay(plan)).transactionHash, null, "who was interrupted pays no second time");
  const again = await node.factory.createJob("one", spec);
  assert.deepEqual(
    [again.payment?.state, again.payment?.escrowId, again.payment?.payer],
    ["open", id, toHex(payer.account.address)],
  );
  const before = await operator.public.getBalance({ address: operator.account.address });
  await node.jobs.drain();
  const job = await node.factory.getJob("one");
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
    const id = `dies-${stopAt}`;
    await node.dieAfter(stopAt, async () => pay(await ordered(id, { ...spec, model: id })));
    await node.jobs.drain();
    const job = await node.factory.getJob(id);
    assert.deepEqual([job.state, job.error], ["succeeded", null], stopAt);
    const paid = await settled(id);
    assert.equal(paid?.operatorWei, paid?.plan.amountWei);
    const { state, done } = await readEscrow(operator, contracts, paid?.escrowId as Digest);
    assert.deepEqual([state, done], ["succeeded", paid?.plan.steps]);
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
    if (away) await node.restart({}, () => cancel(escrow));
    else await cancel(escrow);
    const payment = await settled(id);
    assert.ok(payment?.doneSteps && payment.doneSteps >= 1 && payment.doneSteps < plan.steps);
    const parts = stoppedSplit(BigInt(plan.amountWei), payment.doneSteps, plan.steps);
    assert.deepEqual(
      [payment.state, payment.operatorWei, payment.payerWei],
      ["stopped", parts.operator.toString(), parts.payer.toString()],
    );
    assert.equal((await node.factory.getJob(id)).state, "cancelled");
    const checkpoint = await node.factory.checkpoint(id);
    assert.equal(bytesDigest(checkpoint), payment.evidence, "what was paid for can be had, and checked");
    assert.ok(parseSafetensors(checkpoint, id).size > 0);
    assert.equal(await held(), 0n);
  }
});

test("who cancels before the first step pays nothing", async () => {
  const first = await pay(await ordered("gate", { ...long, model: "gate" }));
  await trained("gate", 1);
  await assert.rejects(node.factory.checkpoint("gate"), { code: "unknown-checkpoint" });
  const waiting = await pay(await ordered("waiting", { ...long, model: "waiting" }));
  await cancel(waiting.escrowId);
  const payment = await settled("waiting");
  assert.deepEqual([payment?.state, payment?.operatorWei, payment?.doneSteps], ["stopped", "0", 0]);
  await assert.rejects(node.factory.cancel("gate"), { code: "payment-held" });
  await node.factory.giveBack("gate");
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
  await assert.rejects(node.factory.createJob("nobody", { ...spec, model: "nobody", exclude }), {
    code: "nothing-to-train",
  });
  // Somebody else has taken the name meanwhile.
  const plan = await ordered("taken", { ...spec, model: "taken" });
  await node.registry.ensureModel(network.accounts.curator, "taken");
  await pay(plan);
  await node.jobs.drain();
  const failed = await node.factory.getJob("taken");
  assert.match(failed.error ?? "", /belongs to/);
  assert.deepEqual([failed.payment?.state, failed.payment?.payerWei], ["failed", plan.amountWei]);

  const report = await ordered("report", { ...spec, model: "report", publish: false });
  await pay(report);
  await node.jobs.drain();
  const job = await node.factory.getJob("report");
  assert.deepEqual(
    [job.state, job.payment?.state, job.payment?.evidence],
    ["succeeded", "succeeded", job.evaluated?.report],
  );
  assert.equal(await held(), 0n);
});

test("a job whose model is bound to cost nothing meanwhile fails before it is trained, and gives everything back", async () => {
  const study = await node.create("Study", "CC-BY-NC-4.0");
  for (const split of ["train", "heldout"] as const) {
    const rows = Array.from({ length: 24 }, (_, i) => ({ prompt: `${split} ${i}`, completion: ` ${i}.` }));
    await node.contribute("ada", rows, split, study);
  }
  const { version } = await node.publish(study);
  const priced = await ordered("priced", { ...spec, model: "bound" });
  const free = await ordered("free-of-charge", {
    ...spec,
    model: "bound",
    datanets: [{ datanetId: study.datanetId.toString(), version }],
    price: { promptWeiPerToken: "0", completionWeiPerToken: "0" },
  });
  await pay(free);
  await node.jobs.drain();
  const first = await node.factory.getJob("free-of-charge");
  assert.deepEqual([first.state, first.error], ["succeeded", null]);
  await pay(priced);
  await node.jobs.drain();
  const job = await node.factory.getJob("priced");
  assert.deepEqual([job.state, job.trained], ["failed", null]);
  assert.match(job.error ?? "", /permits no commercial use, which binds the releases after it/);
  const payment = await settled("priced");
  assert.deepEqual([payment?.state, payment?.payerWei], ["failed", priced.amountWei]);
  assert.equal(await held(), 0n);
});

test("a job that waits for one payer's payment gives a stranger's back at once, who could cancel it", async () => {
  const me = toHex(payer.account.address);
  const { payment: asked } = await node.factory.createJob("named", { ...long, model: "named" }, "me", me);
  assert.equal(asked?.forPayer, me);
  assert.equal(node.factory.toPay(await node.factory.getJob("named"))?.payer, me);
  const stranger = await payerNamed("stranger");
  const { escrowId: theirs } = await pay(asked.plan, stranger);
  await node.jobs.drain();
  assert.equal((await readEscrow(operator, contracts, theirs)).state, "failed");
  assert.equal(await held(), 0n);
  assert.equal((await node.factory.getJob("named")).state, "unpaid", "it waits as before");
  await pay(asked.plan);
  assert.deepEqual([(await paymentOf("named"))?.state, (await paymentOf("named"))?.payer], ["open", me]);
  await node.factory.giveBack("named");
  await settled("named");
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
  assert.equal((await node.factory.getJob("picky")).state, "unpaid");
  await node.jobs.drain();
  assert.equal(await held(), 0n);
  assert.ok((await fees()) > 99n * ether);
  await pay(plan);
  await trained("picky", 1);
  await pay(plan, await payerNamed("second"));
  const other = { ...plan, id: "never ordered" };
  const { escrowId: stray } = await pay(other);
  // One is held for the job, one for nothing known here.
  await node.until(async () => (await held()) === BigInt(plan.amountWei) * 2n);
  assert.equal((await readEscrow(operator, contracts, stray)).state, "open");
  await node.factory.giveBack("picky");
  await node.jobs.drain();
  await operator.write({ ...contracts.JobEscrow, functionName: "fail", args: [stray] });

  // An hour later nobody waits for it any more.
  const late = await ordered("late", { ...spec, model: "late" });
  await node.restart({ now: () => Date.now() + 2 * 3_600_000 });
  assert.deepEqual(
    [(await node.factory.getJob("late")).state, (await paymentOf("late"))?.state],
    ["cancelled", "expired"],
  );
  await pay(late);
  await node.until(async () => (await held()) === 0n);
});

test("a job's name is of one order: another payer's, or another owner's, is refused, and told nothing to pay", async () => {
  const [a, b] = [toHex(payer.account.address), toHex((await payerNamed("second")).account.address)];
  const order = (owner: string, by: typeof a | null) =>
    node.factory.createJob("ours", { ...spec, model: "ours" }, owner, by);
  const first = await order("me", a);
  assert.equal(first.payment?.forPayer, a);
  assert.deepEqual((await order("me", a)).payment, first.payment, "the same order is the same job");
  for (const [owner, by, message] of [
    ["me", b, /waits for the payment of 0x[0-9a-f]{40}, this order for 0x/],
    ["me", null, /waits for the payment of/],
    ["you", a, /is queued in another name than "you"/],
  ] as const)
    await assert.rejects(order(owner, by), (error: Error & { code?: string }) => {
      assert.equal(error.code, "job-exists");
      assert.match(error.message, message);
      return true;
    });
  // One that waits for anyone's payment may be asked for again by who pays it.
  const anyones = await ordered("anyones", { ...spec, model: "ours" });
  const again = await node.factory.createJob("anyones", { ...spec, model: "ours" }, undefined, b);
  assert.deepEqual([again.payment?.plan, again.payment?.forPayer], [anyones, null]);
});

test("what is worth less than the gas of giving it back is left to its deadline, and stands in nobody's way", async () => {
  await node.restart();
  const plan = await ordered("dusty", { ...long, model: "dusty" });
  const call = openCall(contracts, operator.account.address, plan);
  const dust = await Promise.all(["dust-1", "dust-2"].map(payerNamed));
  const balance = () => operator.public.getBalance({ address: operator.account.address });
  const before = await balance();
  for (const by of dust) await by.write({ ...call, value: 1n });
  const idOf = (by: ChainWriter) => escrowId(by.account.address, operator.account.address, jobDigest(plan));
  assert.equal((await node.factory.getJob("dusty")).state, "unpaid");
  await node.jobs.drain();
  assert.equal(await balance(), before, "the operator has paid no gas for it");
  await pay(plan);
  assert.equal((await paymentOf("dusty"))?.state, "open");
  // What holds more than that comes back at once.
  const second = await payerNamed("second");
  await second.write({ ...call, value: 10n ** 15n });
  const stateOf = async (by: ChainWriter) => (await readEscrow(operator, contracts, idOf(by))).state;
  await node.until(async () => (await stateOf(second)) === "failed");
  await node.factory.giveBack("dusty");
  await settled("dusty");
  assert.equal(await held(), 2n);
  await node.pass(3_601);
  for (const by of dust) {
    assert.equal(await stateOf(by), "open");
    await second.write({ ...contracts.JobEscrow, functionName: "refund", args: [idOf(by)] });
  }
  assert.equal(await held(), 0n);
});

test("what is not done by its deadline is left, and given back", async () => {
  await node.restart();
  const plan = await ordered("slow", { ...long, model: "slow" });
  const { escrowId: escrow } = await pay(plan);
  await trained("slow", 1);
  await node.factory.pause("slow");
  await node.pass(3_601);
  await node.factory.resume("slow");
  await node.jobs.drain();
  const job = await node.factory.getJob("slow");
  assert.match(job.error ?? "", /deadline .* has passed/);
  assert.equal((await readEscrow(operator, contracts, escrow)).state, "failed");
  // Silent to the end: the payer takes it.
  const silent = await ordered("silent", { ...long, model: "silent" });
  const paid = await pay(silent);
  await trained("silent", 1);
  await node.restart({}, async () => {
    await node.pass(3_601);
    await payer.write({ ...contracts.JobEscrow, functionName: "refund", args: [paid.escrowId] });
  });
  const payment_ = await settled("silent");
  assert.deepEqual([payment_?.state, payment_?.payerWei], ["refunded", silent.amountWei]);
  await node.jobs.drain();
  const { state } = await node.factory.getJob("silent");
  assert.ok(state === "cancelled" || state === "failed", "nobody works for nothing");
  assert.equal(await held(), 0n);
});

test("a node that asks nothing starts at once, and still settles what it was paid before", async () => {
  const plan = await ordered("before", { ...spec, model: "before" });
  await node.restart({ payment: { ...payment(node), weiPerToken: 0n } });
  await pay(plan);
  const free = await node.factory.createJob("free", { ...spec, model: "free" });
  assert.deepEqual([free.state === "unpaid", free.payment], [false, null]);
  await node.jobs.drain();
  assert.equal((await settled("before"))?.operatorWei, plan.amountWei);
  assert.equal((await node.factory.getJob("free")).state, "succeeded");
});

test("an order is paid in time or given back at once, however far its deadline: half of what there is at least is left to do it in", async () => {
  const day = { payment: { ...payment(node), deadlineSeconds: 24 * 3_600 } };
  await node.restart();
  const { payment: asked, createdAtMs } = await node.factory.createJob("hour", { ...long, model: "hour" });
  assert.ok(asked);
  assert.ok(asked.plan.deadline * 1_000 - asked.payByMs >= asked.payByMs - createdAtMs);
  assert.ok(asked.payByMs > createdAtMs);

  await node.restart(day);
  const late = await ordered("an-hour-before", { ...long, model: "late" });
  await node.pass(23 * 3_600);
  const { escrowId: escrow } = await openEscrow(payer, contracts, toHex(operator.account.address), late);
  await node.until(async () => (await readEscrow(operator, contracts, escrow)).state !== "open");
  await node.jobs.drain();
  assert.equal((await readEscrow(operator, contracts, escrow)).state, "failed");
  const job = await node.factory.getJob("an-hour-before");
  assert.deepEqual([job.state, job.payment?.state, job.trained], ["cancelled", "expired", null]);
  assert.equal(await held(), 0n);

  // Paid in time while the node was away, it is not late.
  const away = await ordered("away", { ...long, model: "away" });
  await node.restart(day, async () => {
    await openEscrow(payer, contracts, toHex(operator.account.address), away);
    await node.pass(2 * 3_600);
  });
  assert.equal((await paymentOf("away"))?.state, "open");
  await node.factory.giveBack("away");
  await settled("away");
  assert.equal(await held(), 0n);
});
