/** A node that asks for money, and a user who orders a job of it. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { formatOpen } from "./amount.ts";
import { type Json, openRunning } from "./fixtures/running.ts";

const base = fileURLToPath(new URL("../engine/fixtures/llama-untied", import.meta.url));

const running = await openRunning(
  { fineTuneWeiPerToken: "1000000000000", fineTuneDeadlineSeconds: 3_600 },
  true,
);
const { node, run, refused, call, file } = running;
after(() => running.close());

const examples = (count: number, tag: string) =>
  Array.from(
    { length: count },
    (_, i) => `${JSON.stringify({ prompt: `${tag}${i}=`, completion: ` ${i}.` })}\n`,
  ).join("");
await run("datanet", "create", "--name", "Words", "--license", "CC0-1.0");
await run("contribute", "1", file("train.jsonl", examples(20, "t")));
await run("contribute", "1", file("heldout.jsonl", examples(24, "h")), "--heldout");
await run("datanet", "publish", "1");
await run("wallet", "faucet", "100");
const recipe = (epochs: number) =>
  file(
    `recipe-${epochs}.yaml`,
    `rank: 2\nbatch: 8\nthreads: 1\nstopAtOptimum: false\nlearningRate: 0.0001\nepochs: ${epochs}\ncalibration: {retrainings: 0, leaveOut: 0}\n`,
  );
const job = (epochs: number, id: string) => [
  ...["finetune", "--datanet", "1@1", "--model", "words", "--recipe", recipe(epochs), "--id", id],
];

test("an estimate names the price; a job is not begun before it is paid, and then ends in a release", async () => {
  const estimate = await run(...job(2, "e"), "--estimate");
  const price = BigInt(estimate.priceWei);
  assert.ok(price > 0n);
  const unpaid = await refused(job(2, "one"), 1);
  assert.deepEqual([unpaid.code, unpaid.details?.job], ["payment-required", "one"]);
  assert.match(unpaid.fix.join(), /finetune pay one 0\.\d+$/);
  assert.equal((await refused(["finetune", "pay", "one", "0.000000000000000001"], 1)).code, "too-dear");
  assert.equal((await run("finetune", "pay", "one", "1")).payment.state, "open");
  const done = await run("finetune", "--job", "one");
  assert.equal(done.state, "succeeded");
  await node.jobs.drain();
  const { payment } = await run("finetune", "--job", "one");
  assert.deepEqual([payment.state, payment.operatorWei], ["succeeded", price.toString()]);
  assert.match((await call(["finetune", "--job", "one"])).out, /OPEN went to the operator\./);
});

test("a job that was ordered for one account's payment is not paid from another", async () => {
  const dear = await refused([...job(3, "mine"), "--pay", "0.000000000000000001"], 1);
  assert.equal(dear.code, "too-dear", "it is ordered, and waits");
  const other = await refused(["finetune", "pay", "mine", "1", "--as", "other"], 1);
  assert.equal(other.code, "not-payer");
  await run("finetune", "--job", "mine", "--cancel");
});

test("--pay orders and pays at once; cancel shows how it is divided", async () => {
  const begun = await run(...job(900, "long"), "--pay", "10");
  assert.deepEqual([begun.payment.state, begun.payment.forPayer], ["open", begun.payment.payer]);
  for (;;) {
    const events = await node.modelFactory.events("long");
    if (events.some(({ kind, data }) => kind === "step" && Number(data.step) >= 4)) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  // Set aside, it stands where it is, however slow these commands are.
  assert.equal((await run("finetune", "--job", "long", "--pause")).state, "paused");
  assert.equal((await refused(["finetune", "cancel", "long", "--as", "other"], 1)).code, "not-payer");
  assert.equal((await refused(["finetune", "refund", "long"], 1)).code, "too-early");
  assert.equal((await refused(["finetune", "--job", "long", "--cancel"], 1)).code, "payment-held");
  const { out } = await call(["finetune", "cancel", "long"]);
  assert.match(
    out,
    /^\d+ of 2700 steps were done: 0\.\d+ OPEN went to the operator, \d\.\d+ OPEN came back/m,
  );
  const { payment, state } = await run("finetune", "cancel", "long");
  assert.deepEqual([payment.state, state], ["stopped", "cancelled"]);
  assert.equal(
    BigInt(payment.operatorWei) + BigInt(payment.payerWei),
    BigInt(payment.amountWei),
    "to the wei",
  );
  assert.equal((await refused(["finetune", "refund", "long"], 1)).code, "escrow-settled");
  await run(...job(900, "given"), "--pay", "10");
  await run("finetune", "--job", "given", "--pause");
  const given = await run("finetune", "give-back", "given");
  assert.deepEqual([given.payment.state, given.payment.payerWei], ["failed", given.payment.amountWei]);
});

test("what a payer who cancelled paid for is made again from public data; another digest, or another number of steps, is not it", async () => {
  const saved = join(dirname(running.home), "stopped.json");
  const verify = (...what: string[]) => ["verify", ...what, "--retrain", "--base", base];
  const found = await run(...verify("long", "--save", saved));
  const { payment } = await run("finetune", "cancel", "long");
  assert.deepEqual(
    [found.verified, found.adapter, found.checkpoint, found.done, found.steps],
    [true, payment.evidence, payment.evidence, payment.doneSteps, 2700],
  );
  assert.deepEqual(
    found.checks.map(({ name, status }: Json) => [name, status]),
    ["escrow", "base", "recipe", "datanet 1@1", "checkpoint", "steps", "training"].map((name) => [
      name,
      "passed",
    ]),
  );
  const { out } = await call(["verify", "long", "--retrain", "--base", base]);
  assert.match(
    out,
    /of 2700 steps were trained again in .* the checkpoint is theirs, byte for byte\. 0\.\d+ of /,
  );

  const job = JSON.parse(readFileSync(saved, "utf8"));
  const changed = async (change: (job: Json) => void) => {
    const copy = structuredClone(job);
    change(copy);
    const { code, out } = await call([...verify(file("changed.json", JSON.stringify(copy))), "--json"]);
    const { checks } = JSON.parse(out);
    const by = (wanted: string) =>
      checks.filter(({ status }: Json) => status === wanted).map(({ name }: Json) => name);
    return { code, failed: by("failed"), unchecked: by("unchecked") };
  };
  assert.deepEqual(await changed(() => {}), { code: 0, failed: [], unchecked: ["escrow", "datanet 1@1"] });
  const forged = await changed((copy) => {
    copy.checkpoint = `0x${"5".repeat(64)}`;
  });
  assert.deepEqual([forged.code, forged.failed], [1, ["checkpoint", "training"]]);
  const more = await changed((copy) => {
    copy.done += 1;
  });
  assert.deepEqual([more.code, more.failed], [1, ["training"]]);
  const fewer = await changed((copy) => {
    copy.plan.steps = 2600;
  });
  assert.deepEqual(fewer.failed, ["steps"], "a part of fewer steps than there are is more than was done");
  // On another class of machine nearness is all that can be asked: a step more is near, another training is not.
  const elsewhere = (change: (job: Json) => void) =>
    changed((copy) => {
      copy.engine = "openledger-engine/1 onnxruntime/1.0.0 linux-arm64 Another Processor 9";
      change(copy);
    });
  const near = await elsewhere((copy) => {
    copy.done += 1;
  });
  assert.deepEqual([near.code, near.failed, near.unchecked.includes("training")], [0, [], true]);
  const other = await elsewhere((copy) => {
    copy.plan.recipe.seed = 9;
  });
  assert.deepEqual(other.failed, ["training"]);

  // A node that says one thing, and the chain another.
  await node.database.query("update modelfactory.payments set evidence = $1 where job_id = 'long'", [
    `0x${"6".repeat(64)}`,
  ]);
  const lied = await call(verify("long"));
  assert.equal(lied.code, 1);
  assert.match(lied.err, /failed: escrow, training/);
  assert.equal((await refused(verify("one"), 1)).code, "not-stopped");
});

test("a sweep is paid for at one price for all of its jobs, to the wei, and once: who was interrupted pays what is left", async () => {
  const grid = file(
    "grid.yaml",
    "epochs: [1, 2]\nrecipe: {rank: 2, batch: 8, threads: 1, calibration: {retrainings: 0, leaveOut: 0}}\n",
  );
  const sweep = ["finetune", "sweep", grid, "--datanet", "1@1", "--id", "tried"];
  const jobs = () => Promise.all(["tried-1", "tried-2"].map((id) => run("finetune", "--job", id)));
  const unpaid = await refused(sweep, 1);
  const price = BigInt(unpaid.details.priceWei);
  assert.deepEqual([unpaid.code, unpaid.details.sweep], ["payment-required", "tried"]);
  const [fix] = unpaid.fix;
  assert.equal(fix, `./openledger ${sweep.join(" ")} --pay ${formatOpen(price)}`);
  // A sweep without a name has one by then, so that it can be asked for again.
  assert.match((await refused(sweep.slice(0, -2), 1)).fix[0], /--id sweep-[0-9a-f-]{36} --pay /);
  assert.equal((await refused([...sweep, "--pay", formatOpen(price - 1n)], 1)).code, "too-dear");
  const opened = async () => {
    const found = await purse.getContractEvents({
      ...escrow,
      eventName: "EscrowOpened",
      fromBlock: 0n,
      toBlock: "latest",
    });
    return found.reduce((sum, { args }) => sum + (args.amount ?? 0n), 0n);
  };
  const { JobEscrow: escrow } = node.network.contracts;
  const { public: purse } = node.network.writer(node.network.accounts.operator);
  const before = await opened();
  await run("finetune", "pay", "tried-1", "1");
  const paid = await run(...sweep, "--pay", formatOpen(price));
  assert.deepEqual([paid.data.length, BigInt(paid.priceWei)], [2, price]);
  const again = await run(...sweep, "--pay", formatOpen(price));
  assert.equal(again.data.length, 2);
  assert.equal((await opened()) - before, price);
  await node.jobs.drain();
  const settled = await jobs();
  assert.deepEqual(
    settled.map(({ state, payment, releaseId }) => [state, payment.state, releaseId]),
    [1, 2].map(() => ["succeeded", "succeeded", null]),
  );
  assert.equal(
    settled.reduce((sum, { payment }) => sum + BigInt(payment.operatorWei), 0n),
    price,
  );
  assert.equal(BigInt(settled[1].payment.operatorWei), 2n * BigInt(settled[0].payment.operatorWei));
});

test("over HTTP an unpaid job is refused with what to pay; OpenAI's dialect alike", async () => {
  const headers = { authorization: `Bearer ${node.operatorToken}`, "content-type": "application/json" };
  const ask = (path: string, body: object) =>
    fetch(`${node.url}${path}`, { method: "POST", headers, body: JSON.stringify(body) });
  const wishes = { model: "words", datanets: [{ datanetId: "1", version: 1 }] };
  const response = await ask("/v1/fine-tunes", { id: "http", ...wishes });
  assert.equal(response.status, 402);
  const { error, payments } = (await response.json()) as {
    error: { code: string };
    payments: { job: string; contract: string; amountWei: string; steps: number }[];
  };
  assert.equal(error.code, "payment-required");
  const [due] = payments;
  assert.deepEqual(
    [due?.job, due?.contract, due?.steps],
    ["http", node.network.contracts.JobEscrow.address.toLowerCase(), 30],
  );
  const { payment } = (await (await fetch(`${node.url}/v1/fine-tunes/http`)).json()) as {
    payment: { state: string; plan: { amountWei: string } };
  };
  assert.deepEqual([payment.state, payment.plan.amountWei], ["unpaid", due?.amountWei]);
  const openai = await ask("/v1/fine_tuning/jobs", {
    model: "openledger-tiny",
    training_file: "datanet-1@1",
  });
  assert.equal(openai.status, 402);
  const refusal = (await openai.json()) as { error: { code: string }; payments: { job: string }[] };
  assert.equal(refusal.error.code, "payment_required");
  const id = refusal.payments[0]?.job as string;
  const read = (await (await fetch(`${node.url}/v1/fine_tuning/jobs/${id}`, { headers })).json()) as {
    status: string;
    openledger: { payment: { state: string } };
  };
  assert.deepEqual([read.status, read.openledger.payment.state], ["queued", "unpaid"]);
  const grid = { learningRate: [0.001, 0.002] };
  const sweep = await ask("/v1/fine-tunes/sweeps", { id: "grid", ...wishes, grid });
  assert.equal(sweep.status, 402);
  assert.equal(((await sweep.json()) as { payments: unknown[] }).payments.length, 2);
});
