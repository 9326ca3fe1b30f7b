import assert from "node:assert/strict";
import { chmodSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { inspect } from "node:util";
import { temporaryFolder } from "./fixtures/chain.ts";
import { openKeystore } from "./keys.ts";

test("a keystore is made once, readable by its owner only, and gives the same accounts for ever", () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "keys", "keystore.json");
  const first = openKeystore(path);
  const second = openKeystore(path);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(first.account("operator").address, second.account("operator").address);
  assert.notEqual(first.account("operator").address, first.account("faucet").address);
  assert.throws(() => first.account("No Name"), /not an account name/);
});

test("a known secret gives known accounts", () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "keystore.json");
  writeFileSync(path, JSON.stringify({ format: 1, secret: `0x${"ab".repeat(32)}` }), { mode: 0o600 });
  assert.equal(openKeystore(path).account("operator").address, "0xF2F8111132f39f97F7eBA2f1F19AF7E10Fc8d7A7");
});

test("neither the keystore nor its accounts show the secret when they are printed", () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "keystore.json");
  const keystore = openKeystore(path);
  const { secret } = JSON.parse(readFileSync(path, "utf8"));
  const account = keystore.account("operator");
  const shown =
    inspect([keystore, account], { depth: 9, showHidden: true }) + JSON.stringify([keystore, account]);
  assert.equal(shown.includes(secret.slice(2)), false);
});

test("a keystore that others can read, or that is damaged, is refused with what to do", () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "keystore.json");
  openKeystore(path);
  chmodSync(path, 0o644);
  assert.throws(() => openKeystore(path), /mode 644.*chmod 600/);
  chmodSync(path, 0o600);
  writeFileSync(path, "{}");
  assert.throws(() => openKeystore(path), /cannot be read: expected .*Restore it/);
});
