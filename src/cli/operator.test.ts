import assert from "node:assert/strict";
import { after, test } from "node:test";
import { scopes } from "../operators/index.ts";
import { openRunning } from "./fixtures/running.ts";

const running = await openRunning({}, true);
after(() => running.close());
const { run, refused } = running;
const address = "0x00000000000000000000000000000000000000AA";

test("a wallet is admitted, listed, dismissed; the operator's own account is not", async () => {
  const { people } = await run("operator", "admit", address);
  assert.deepEqual(
    people.map(({ admittedBy }: Record<string, string>) => admittedBy),
    ["configuration", "root"],
  );
  assert.equal(people[1].address, address.toLowerCase());
  assert.deepEqual((await run("operator", "admit", address)).people, people);
  assert.deepEqual((await run("operator", "list")).people, people);
  assert.deepEqual(await run("operator", "dismiss", address), {
    people: people.slice(0, 1),
    dismissed: [address.toLowerCase()],
    keys: [],
  });
  assert.deepEqual((await run("operator", "dismiss", address)).dismissed, []);
  assert.equal((await refused(["operator", "dismiss", people[0].address], 1)).code, "configured");
});

test("an operator key admits nobody", async () => {
  const { secret } = await run("operator-key", "create", "--name", "all", "--scope", scopes.join(","));
  const error = await refused(["operator", "admit", address], 1, { OPENLEDGER_OPERATOR_TOKEN: secret });
  assert.equal(error.code, "people-only");
});
