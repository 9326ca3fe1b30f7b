import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { openRunning } from "./fixtures/running.ts";

const running = await openRunning();
const { openledger, node, home } = running;
after(() => running.close());

test("a home without a running node is told once whose node answers, on standard error alone", async () => {
  const other = join(home, "..", "other");
  mkdirSync(other);
  writeFileSync(join(other, "config.json"), JSON.stringify({ port: Number(new URL(node.url).port) }));
  const env = { OPENLEDGER_HOME: other, OPENLEDGER_PORT: undefined };
  const told = await openledger(["datanet", "list"], env);
  assert.equal(told.code, 0);
  assert.equal(
    told.err,
    `No node of this home (${other}) runs: this is the node at ${node.url}. OPENLEDGER_URL names a node, OPENLEDGER_HOME a home.\n`,
  );
  assert.match(told.out, /^There is no Datanet yet/);
  const { out, err } = await openledger(["datanet", "list", "--json"], env);
  assert.deepEqual([out, err], ['{"datanets":[]}\n', ""]);
});

test("nothing is said where the node was named, or is this home's own", async () => {
  const named = await openledger(["status"], {
    OPENLEDGER_HOME: join(home, "..", "named"),
    OPENLEDGER_URL: node.url,
  });
  assert.deepEqual([named.code, named.err], [0, ""]);
  const own = await openledger(["status"], { OPENLEDGER_PORT: undefined });
  assert.deepEqual([own.code, own.err], [0, ""]);
});
