import assert from "node:assert/strict";
import { after, test } from "node:test";
import { createWalletClient, http } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { viemChain } from "../../src/chain/index.ts";
import { exampleDigest } from "../../src/protocol/index.ts";
import { examples, openTestNode, release } from "./fixtures/node.ts";
import { type ChannelPayment, createClient, OpenLedgerError, openChannelCall } from "./index.ts";

const open = 10n ** 18n;
const node = await openTestNode();
after(() => node[Symbol.asyncDispose]());
const baseUrl = node.url;
const reader = createClient({ baseUrl });
const account = () => privateKeyToAccount(generatePrivateKey());
const payer = account();
const wallet = createWalletClient({
  account: payer,
  chain: viemChain(node.network.network),
  transport: http(`${baseUrl}/rpc`),
});
await node.network.faucet(payer.address, 100n * open);

const card = { name: "Words", description: "", domain: "test", license: "CC0-1.0" };
const datanet = await node.datanets.create(node.network.accounts.curator, card);
const datanetId = datanet.datanetId.toString();
const ada = account();
const rows = examples("a", 12);
const reportOfAda = await reader.contribute({ datanetId, examples: rows, account: ada });
await reader.contribute({ datanetId, examples: examples("b", 8), account: account() });
await reader.contribute({ datanetId, examples: examples("h", 24), account: account(), split: "heldout" });
await node.datanets.publishVersion(datanet.datanetId, node.network.accounts.curator);
await release(node, datanetId, "words");

const messages = [{ role: "user", content: "aabe0=" }] as const;
const ask = { model: "words", messages, maxTokens: 8, temperature: 0, seed: 7 };

async function openChannel(depositWei: bigint): Promise<ChannelPayment> {
  const {
    channelId,
    chainId: _,
    ...call
  } = openChannelCall(await reader.network(), {
    payer: payer.address,
    depositWei,
  });
  await wallet.sendTransaction(call);
  return { channelId, signer: payer, maxWeiPerAnswer: open / 100n };
}

const isError = (code: string) => (error: unknown) => {
  assert.ok(error instanceof OpenLedgerError, String(error));
  assert.equal(error.code, code, error.message);
  return true;
};

test("a contribution reports every row, and a row given again is a duplicate", async () => {
  assert.deepEqual(
    { accepted: reportOfAda.accepted, duplicates: reportOfAda.duplicates, by: reportOfAda.contributor },
    { accepted: 12, duplicates: 0, by: ada.address.toLowerCase() },
  );
  assert.deepEqual(
    reportOfAda.rows.map(({ digest }) => digest),
    rows.map(exampleDigest),
  );
  const again = await reader.contribute({ datanetId, examples: rows.slice(0, 2), account: account() });
  assert.deepEqual([again.accepted, again.duplicates], [0, 2]);
  assert.equal(again.rows[1]?.duplicateOf?.line, 2);
  const { exampleCount, rows: page } = await reader.contribution(again.contributionId, { offset: 1 });
  assert.deepEqual([exampleCount, page], [2, again.rows.slice(1)]);
});

test("nothing is signed under a licence that was not agreed to", async () => {
  const signed: unknown[] = [];
  const watched = {
    address: ada.address,
    signTypedData: async (data: unknown) => {
      signed.push(data);
      return "0x" as const;
    },
  };
  const contribution = { datanetId, examples: examples("c", 1), account: watched };
  await assert.rejects(
    reader.contribute({ ...contribution, license: "CC-BY-4.0" }),
    isError("other-license"),
  );
  const elsewhere = createClient({ baseUrl, network: { chainId: 1 } });
  await assert.rejects(elsewhere.contribute(contribution), isError("wrong-network"));
  assert.equal(signed.length, 0);
});

test("models tell their prices, and the base model is free", async () => {
  const models = await reader.models();
  const words = models.find(({ id }) => id === "words");
  assert.equal(words?.parent, "openledger-tiny");
  assert.equal(words?.completionWeiPerToken, 10n ** 13n);
  const answer = await reader.chat({ ...ask, model: "openledger-tiny" });
  assert.deepEqual([answer.feeWei, answer.requestId], [0n, null]);
});

test("an API key pays; the receipt holds, and says what the answer cost", async () => {
  const { secret, call, activate } = await reader.createKey({ payer: payer.address, depositWei: open });
  const { channelId: _, chainId: __, ...transaction } = call;
  await wallet.sendTransaction(transaction);
  await activate();
  const client = createClient({ baseUrl, apiKey: secret });
  const answer = await client.chat(ask);
  assert.ok(answer.requestId);
  const receipt = await client.waitForReceipt(answer.requestId);
  assert.equal(receipt.feeWei, answer.feeWei);
  assert.equal(
    receipt.bundle.payments.reduce((sum, { amount }) => sum + amount, 0n),
    answer.feeWei,
  );
  assert.equal(receipt.bundle.receipt.releaseId, answer.releaseId);
  assert.notEqual(receipt.bundle.query, "0x", "the answer's influence was traced");
  const { holds, checks } = await client.verifyReceipt(receipt.receiptId, answer);
  assert.deepEqual(
    checks.filter(({ status }) => status !== "passed").map(({ name, status }) => [name, status]),
    // Where contributors were paid and the pool was not, only the chain can tell which pool that would have been.
    receipt.bundle.scores.length > 0 ? [["terms", "unchecked"]] : [],
  );
  assert.equal(holds, true);
});

test("a receipt of another answer, or of another operator, does not hold", async () => {
  const channel = await openChannel(open);
  const client = createClient({ baseUrl, channel });
  const answer = await client.chat(ask);
  const { receiptId } = await client.waitForReceipt(answer.requestId as string);
  const failed = async (of: typeof client, evidence: { text?: string }) => {
    const { holds, checks } = await of.verifyReceipt(receiptId, evidence);
    assert.equal(holds, false);
    return checks.filter(({ status }) => status === "failed").map(({ name }) => name);
  };
  assert.deepEqual(await failed(client, { text: `${answer.text}.` }), ["response"]);
  const forged = createClient({
    baseUrl,
    fetch: async (input, init) => {
      const response = await fetch(input, init);
      if (!String(input).endsWith("/v1/network")) return response;
      const said = (await response.json()) as object;
      return Response.json({ ...said, operator: ada.address });
    },
  });
  assert.deepEqual(await failed(forged, {}), ["signature"]);
});

test("pieces come as they are written and join to the answer that was paid for", async () => {
  const client = createClient({ baseUrl, channel: await openChannel(open) });
  const stream = client.stream(ask);
  const pieces: string[] = [];
  for await (const piece of stream) pieces.push(piece);
  const answer = await stream.answer();
  assert.equal(pieces.join(""), answer.text);
  assert.equal(answer.text, (await client.chat(ask)).text, "the same seed, the same answer");
  const receipt = await client.waitForReceipt(answer.requestId as string);
  assert.equal((await client.verifyReceipt(receipt.receiptId, answer)).holds, true);
});

test("vouchers follow each other, and the last one handed in is for exactly what was used", async () => {
  const client = createClient({ baseUrl, channel: await openChannel(open) });
  const first = await client.chat(ask);
  const second = await client.chat({ ...ask, seed: 8 });
  await client.waitForReceipt(first.requestId as string);
  const receipt = await client.waitForReceipt(second.requestId as string);
  assert.equal(receipt.bundle.receipt.to, first.feeWei + second.feeWei);
  await client.acknowledge(receipt);
  await node.settlement.settleNow();
  const channel = await client.channel();
  assert.equal(channel.chargedWei, first.feeWei + second.feeWei);
  assert.equal(channel.collectedWei, channel.chargedWei, "no more was collected than was used");
  assert.notEqual((await client.receipt(receipt.receiptId)).transactionHash, null);
});

test("nothing is signed beyond the limit", async () => {
  const channel = await openChannel(open);
  const client = createClient({ baseUrl, channel: { ...channel, limitWei: 1_000n } });
  await assert.rejects(client.chat(ask), isError("overspent"));
  const spent = createClient({ baseUrl, channel: { ...channel, limitWei: 0n } });
  await assert.rejects(spent.chat(ask), isError("over-limit"));
});

test("a voucher that somebody else signs does not pay", async () => {
  const channel = await openChannel(open);
  const thief = createClient({ baseUrl, channel: { ...channel, signer: account() } });
  await assert.rejects(thief.chat(ask), isError("forged_voucher"));
});

test("errors carry the node's code and status, streams too", async () => {
  await assert.rejects(reader.chat(ask), isError("no_payment"));
  await assert.rejects(reader.stream(ask).answer(), isError("no_payment"));
  await assert.rejects(createClient({ baseUrl, apiKey: "sk-ol-forged" }).chat(ask), isError("unknown_key"));
  await assert.rejects(reader.chat({ ...ask, model: "none" }), (error) => {
    assert.ok(error instanceof OpenLedgerError);
    return error.status === 404 && error.code === "model_not_found";
  });
  await assert.rejects(createClient({ baseUrl: "http://127.0.0.1:1" }).models(), isError("no-node"));
  await assert.rejects(
    createClient({ baseUrl: `${baseUrl}/v1` }).models(),
    (error) => error instanceof OpenLedgerError,
  );
});

test("a question longer than the context is told so, however long it is", async () => {
  const long = [{ role: "user", content: "word ".repeat(4_000) }] as const;
  const asked = reader.chat({ ...ask, model: "openledger-tiny", messages: long });
  await assert.rejects(asked, isError("context_length_exceeded"));
});

test("leaving a stream ends the answer, and only what was read is charged", async () => {
  const client = createClient({ baseUrl, channel: await openChannel(open) });
  const stream = client.stream({ ...ask, maxTokens: 200 });
  for await (const _ of stream) break;
  await assert.rejects(stream.answer(), isError("bad-answer"));
  await node.inference.drain();
  const { chargedWei } = await client.channel();
  assert.ok(chargedWei < 200n * 10n ** 13n, `${chargedWei} wei were charged`);
});
