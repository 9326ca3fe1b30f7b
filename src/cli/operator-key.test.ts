import assert from "node:assert/strict";
import { after, test } from "node:test";
import { openRunning } from "./fixtures/running.ts";

const running = await openRunning({}, true);
after(() => running.close());
const { run, call, refused, openledger } = running;

test("a key does its part, shows in list and log, and ends", async () => {
  const made = await run(
    "operator-key",
    "create",
    "--name",
    "nightly",
    "--scope",
    "faucet,read",
    "--expires",
    "90d",
  );
  assert.match(made.secret, /^olk_[0-9a-f]{16}_[\w-]{43}$/);
  assert.deepEqual([made.scopes, made.requestsPerMinute], [["read", "faucet"], 600]);
  assert.ok(Math.abs(made.expiresAtMs - Date.now() - 90 * 86_400_000) < 60_000);
  const as = { OPENLEDGER_OPERATOR_TOKEN: made.secret };
  const given = await openledger(["wallet", "faucet", "5", "--json"], as);
  assert.equal(given.code, 0, given.err);
  const error = await refused(["settle"], 1, as);
  assert.equal(error.code, "scope-missing");
  assert.match(error.message, /needs the scope settlement/);
  const { keys } = await run("operator-key", "list");
  assert.deepEqual(
    keys.map(({ id, state, createdBy }: Record<string, string>) => [id, state, createdBy]),
    [[made.id, "active", "root"]],
  );
  const { entries } = await run("operator-key", "log", "--limit", "3");
  assert.deepEqual(
    entries.map((entry: Record<string, unknown>) => [entry.who, entry.name, entry.path, entry.status]),
    [
      [`key:${made.id}`, "nightly", "/v1/settle", 403],
      [`key:${made.id}`, "nightly", "/v1/faucet", 200],
      ["root", "", "/v1/operator/keys", 201],
    ],
  );
  const page = await call(["operator-key", "log", "--limit", "1"]);
  assert.match(
    page.out,
    /key:\w+ \(nightly\) +settlement +POST \/v1\/settle +403\n\n→ older ones: --before \d+/,
  );
  const ended = await run("operator-key", "revoke", made.id);
  assert.equal(ended.keys[0].state, "revoked");
  assert.equal((await refused(["wallet", "faucet", "5"], 1, as)).code, "key-revoked");
});

test("what makes no sense is wrong usage", async () => {
  const create = (...rest: string[]) => call(["operator-key", "create", "--name", "x", ...rest]);
  for (const rest of [
    ["--scope", "root"],
    ["--scope", "read", "--expires", "soon"],
    ["--scope", "read", "--rate", "0"],
    [],
  ])
    assert.equal((await create(...rest)).code, 2, rest.join(" "));
});
