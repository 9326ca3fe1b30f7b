/** A node that asks for money, and a user who orders a job of it. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { openRunning } from "./fixtures/running.ts";

const running = await openRunning(
  { fineTuneWeiPerToken: "1000000000000", fineTuneDeadlineSeconds: 60 },
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

test("--pay orders and pays at once; cancel shows how it is divided", async () => {
  const begun = await run(...job(900, "long"), "--pay", "10");
  assert.equal(begun.payment.state, "open");
  for (;;) {
    const events = await node.modelFactory.events("long");
    if (events.some(({ kind, data }) => kind === "step" && Number(data.step) >= 4)) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
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
  const given = await run("finetune", "give-back", "given");
  assert.deepEqual([given.payment.state, given.payment.payerWei], ["failed", given.payment.amountWei]);
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
