import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { openRunning } from "./fixtures/running.ts";

const open = 10n ** 18n;
const running = await openRunning({ closeTimeoutSeconds: 2 }, true);
const { run, refused, call, file, home } = running;
after(() => running.close());

test("accounts are listed by name, with what they have", async () => {
  assert.deepEqual((await run("wallet", "list")).accounts, []);
  await run("wallet", "faucet", "7", "--as", "alma");
  await run("wallet", "address", "--as", "bero");
  const { accounts } = await run("wallet", "list");
  assert.deepEqual(
    accounts.map(({ name, imported, balanceWei }: Record<string, unknown>) => [name, imported, balanceWei]),
    [
      ["alma", false, (7n * open).toString()],
      ["bero", false, "0"],
    ],
  );
  assert.match((await call(["wallet", "list"])).out, /^alma +0x[0-9a-f]{40} +7$/m);
});

test("what an account has is told in all its forms", async () => {
  await run("token", "wrap", "2", "--as", "alma");
  await run("gov", "lock", "1.5", "--as", "alma");
  const has = await run("wallet", "balance", "--as", "alma");
  assert.deepEqual(
    [has.wopenWei, has.gopenWei, has.votesWei, has.stakedWei],
    [(2n * open).toString(), ((3n * open) / 2n).toString(), "0", "0"],
  );
  assert.ok(BigInt(has.balanceWei) < (7n * open) / 2n);
  const before = (await run("wallet", "list")).accounts.length;
  for (const reading of [
    ["balance"],
    ["claim"],
    ["wallet", "balance"],
    ["stake", "rewards"],
    ["gov", "votes"],
  ]) {
    const unknown = await refused([...reading, "--as", "amla"], 1);
    assert.deepEqual([unknown.code, unknown.expected], ["unknown-account", "alma, bero"], reading.join(" "));
  }
  assert.equal((await run("wallet", "list")).accounts.length, before, "reading makes no account");
  assert.match((await call(["wallet", "balance", has.address])).out, /^GOPEN +1\.5$/m);
});

test("a key leaves encrypted and comes back; the bare key is printed only when that is said", async () => {
  const { address } = await run("wallet", "address", "--as", "alma");
  const password = file("password", "correct horse\n");
  const keystore = join(home, "alma-keystore.json");
  await run("wallet", "export", keystore, "--as", "alma", "--password-file", password);
  assert.equal(statSync(keystore).mode & 0o777, 0o600);
  const { version, address: plain, crypto } = JSON.parse(readFileSync(keystore, "utf8"));
  assert.deepEqual([version, `0x${plain}`, crypto.kdf, crypto.kdfparams.n], [3, address, "scrypt", 131_072]);
  const { privateKey } = await run("wallet", "export", "--show-private-key", "--as", "alma");
  assert.ok(!readFileSync(keystore, "utf8").includes(privateKey.slice(2)));

  const again = ["wallet", "export", keystore, "--as", "alma", "--password-file", password];
  assert.match((await refused(again, 2)).actual, /is there already, and nothing is written over/);
  assert.match((await refused(["wallet", "export", "--as", "alma"], 2)).expected, /show-private-key/);
  assert.equal(
    (await refused(["wallet", "export", "--as", "nobody", "--show-private-key"], 1)).code,
    "unknown-account",
  );
  const known = ["wallet", "import", keystore, "--as", "copy", "--password-file", password];
  assert.equal((await refused(known, 1)).message, 'This key is already in your wallet, as "alma".');
});

/** The format's own test vector, from its definition. */
const definition = {
  version: 3,
  id: "3198bc9c-6672-5ab3-d995-4942343ae5b6",
  crypto: {
    cipher: "aes-128-ctr",
    cipherparams: { iv: "6087dab2f9fdbbfaddc31a909735c1e6" },
    ciphertext: "5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46",
    kdf: "pbkdf2",
    kdfparams: {
      c: 262_144,
      dklen: 32,
      prf: "hmac-sha256",
      salt: "ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd",
    },
    mac: "517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2",
  },
};

test("a keystore file of any wallet is imported and signs", async () => {
  const password = file("definition", "testpassword\n");
  const path = file("definition.json", JSON.stringify(definition));
  const { address } = await run("wallet", "import", path, "--as", "geth", "--password-file", password);
  assert.equal(
    (await run("wallet", "export", "--show-private-key", "--as", "geth")).privateKey,
    "0x7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d",
  );
  await run("wallet", "faucet", "3", "--as", "geth");
  assert.equal((await run("wallet", "send", `0x${"34".repeat(20)}`, "1", "--as", "geth")).from, address);

  const wrong = ["wallet", "import", path, "--as", "x", "--password-file", file("wrong", "guess\n")];
  assert.equal((await refused(wrong, 1)).code, "wrong-password");
  const scrypt = { kdf: "scrypt", kdfparams: { n: 2 ** 30, r: 8, p: 1, dklen: 32, salt: "00" } };
  const hungry = JSON.stringify({ version: 3, crypto: { ...definition.crypto, ...scrypt } });
  const bomb = ["wallet", "import", file("bomb.json", hungry), "--as", "x", "--password-file", password];
  assert.match((await refused(bomb, 1)).actual, /at most 512 MiB/);
});

test("a bare key is taken only when that is said, and never over an account", async () => {
  const bare = file("bare", `0x${"0".repeat(63)}2\n`);
  assert.equal(
    (await refused(["wallet", "import", bare, "--password-file", bare], 1)).code,
    "not-a-keystore",
  );
  const { address } = await run("wallet", "import", bare, "--raw", "--as", "bare");
  assert.equal(address, "0x2b5ad5c4795c026514f8317c7a215e218dccd6cf");
  assert.equal((await run("wallet", "address", "--as", "bare")).address, address);
  const third = file("third", `${"0".repeat(63)}3`);
  for (const name of ["alma", "me"])
    assert.equal(
      (await refused(["wallet", "import", third, "--raw", "--as", name], 1)).code,
      "account-exists",
    );
  const zero = file("zero", "0".repeat(64));
  assert.equal((await refused(["wallet", "import", zero, "--raw", "--as", "zero"], 2)).code, "not-a-key");
});

test("the network is told as a browser wallet takes it", async () => {
  const { addEthereumChain, rpcUrl, webSocketUrl } = await run("wallet", "network");
  assert.deepEqual(
    [addEthereumChain.chainId, addEthereumChain.nativeCurrency, addEthereumChain.rpcUrls],
    ["0x2774c", { name: "OPEN", symbol: "OPEN", decimals: 18 }, [rpcUrl]],
  );
  const socket = new WebSocket(webSocketUrl);
  await once(socket, "open");
  socket.send(JSON.stringify({ jsonrpc: "2.0", id: 1, method: "eth_chainId" }));
  const [{ data }] = await once(socket, "message");
  assert.equal(JSON.parse(data).result, addEthereumChain.chainId);
  socket.close();
});

test("a channel is opened, topped up, spent from, and closed after its timeout", async (t) => {
  await run("wallet", "faucet", "20", "--as", "payer");
  const { channelId, payee } = await run("channel", "open", "operator", "5", "--as", "payer");

  await t.test("it is listed and shown, on chain and at the node", async () => {
    const { channels } = await run("channel", "list", "--as", "payer");
    assert.deepEqual(
      channels.map(({ channelId: id, state, depositWei }: Record<string, unknown>) => [
        id,
        state,
        depositWei,
      ]),
      [[channelId, "open", (5n * open).toString()]],
    );
    await run("channel", "topup", channelId, "2.5", "--as", "payer");
    const shown = await run("channel", "show", channelId);
    assert.deepEqual(
      [shown.payee, shown.depositWei, shown.chargedWei, shown.signer],
      [payee, ((75n * open) / 10n).toString(), "0", null],
    );
  });

  await t.test("a voucher signed by hand is one that the node collects by", async () => {
    const signed = await run("channel", "spend", channelId, "1.25", "--as", "payer");
    assert.deepEqual(
      await run("channel", "spend", channelId, "1.25", "--on-top", "--as", "payer"),
      signed,
      "nothing was charged before",
    );
    const answer = await fetch(`${running.node.url}/v1/channels/${channelId}/vouchers`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ cumulative: signed.cumulativeWei, signature: signed.signature }),
    });
    assert.equal(answer.status, 200, await answer.text());
    const tooMuch = await refused(["channel", "spend", channelId, "8", "--as", "payer"], 1);
    assert.deepEqual([tooMuch.expected, tooMuch.actual], ["at most 7.5 OPEN in total", "8 OPEN"]);
    assert.equal((await refused(["channel", "spend", channelId, "1"], 1)).code, "not-payer");
  });

  await t.test("only its payer closes it, and gets back what is left", async () => {
    await run("wallet", "faucet", "1");
    assert.equal((await refused(["channel", "close", channelId], 1)).code, "not-payer");
    const asked = await run("channel", "close", channelId, "--as", "payer");
    assert.ok(asked.state === "closing" && asked.closesAtSec > Date.now() / 1_000);
    const closed = await run("channel", "close", channelId, "--wait", "--as", "payer");
    assert.deepEqual([closed.state, closed.refundWei], ["closed", ((75n * open) / 10n).toString()]);
    const { balanceWei } = (await run("wallet", "list")).accounts.find(
      ({ name }: { name: string }) => name === "payer",
    );
    assert.ok(BigInt(balanceWei) > 19n * open);
    const again = await refused(["channel", "close", channelId, "--as", "payer"], 1);
    assert.equal(again.code, "channel-closed");
    assert.equal(
      (await refused(["channel", "topup", channelId, "1", "--as", "payer"], 1)).code,
      "channel-closed",
    );
  });

  await t.test("what is not there, and what is no channel, is said", async () => {
    assert.equal((await refused(["channel", "show", `0x${"ab".repeat(32)}`], 1)).code, "unknown-channel");
    for (const wrong of [
      ["channel", "show", "0xab"],
      ["channel", "open", "somebody", "1"],
      ["channel", "spend", channelId, "-1"],
      ["channel", "close"],
    ])
      assert.equal((await call(wrong)).code, 2, wrong.join(" "));
    const poor = await refused(["channel", "open", "operator", "1", "--as", "bero"], 1);
    assert.deepEqual([poor.code, poor.expected], ["insufficient-funds", "1.001 OPEN, gas included"]);
  });

  await t.test("people read it", async () => {
    const { out } = await call(["channel", "list", "--as", "payer"]);
    assert.match(out, new RegExp(`^${channelId} +operator +0 +0 +closed$`, "m"));
    assert.doesNotMatch((await call(["channel", "show", channelId])).out, /undefined|NaN|\[object/);
  });
});
