import assert from "node:assert/strict";
import { test } from "node:test";
import { parsePool, poolName, poolWords } from "./name.ts";

test("pools are named by validator or agent, and found by that name", () => {
  const validator = "0x00112233445566778899aabbccddeeff00112233";
  assert.equal(poolName(BigInt(validator)), validator);
  assert.equal(parsePool(validator.toUpperCase().replace("0X", "0x")), BigInt(validator));
  assert.equal(parsePool("agent:7"), (1n << 160n) + 7n);
  assert.equal(poolName(parsePool("agent:7")), "agent:7");
  assert.equal(poolWords(parsePool("agent:7")), "agent 7");
  for (const wrong of ["", "agent:0", "agent:x", "0x12", `${validator}0`])
    assert.throws(() => parsePool(wrong), /There is no pool/);
});
