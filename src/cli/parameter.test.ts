import assert from "node:assert/strict";
import { test } from "node:test";
import { abiValue } from "./abi-value.ts";
import { parameterId, parameterName, parameterNames, parseParameter, showParameter } from "./parameter.ts";

test("a value is read in the parameter's unit, or in the one it names", () => {
  assert.equal(parseParameter("epochSeconds", "90"), 90n);
  assert.equal(parseParameter("epochSeconds", "2d"), 172_800n);
  assert.equal(parseParameter("votingDelaySeconds", "30min"), 1_800n);
  assert.equal(parseParameter("minimumBondWei", "7wei"), 7n);
  assert.equal(parseParameter("minimumBondWei", "2.5 open"), 25n * 10n ** 17n);
  assert.equal(parseParameter("proverRewardBps", "2.5%"), 250n);
  assert.equal(parseParameter("drawnValidators", "12"), 12n);
  assert.equal(parseParameter("treasury", `0x${"00".repeat(19)}ff`), 255n);
});

test("a value of another kind is none", () => {
  for (const [name, text] of [
    ["epochSeconds", "2.5"],
    ["epochSeconds", "1OPEN"],
    ["epochSeconds", "-1"],
    ["minimumBondWei", "1e18"],
    ["minimumBondWei", "7"],
    ["minimumBondWei", "1d"],
    ["proverRewardBps", "0.001%"],
    ["treasury", "1"],
    ["drawnValidators", "3%"],
    ["nothing", "1"],
  ] as const)
    assert.throws(() => parseParameter(name, text), { name: "CliError", exitCode: 2 }, `${name} ${text}`);
});

test("what is shown of every parameter is in its unit, and its id is its name", () => {
  for (const name of parameterNames) {
    assert.equal(parameterName(parameterId(name)), name);
    assert.match(showParameter(name, 3_000n), / (OPEN|wei|s\)|%)$|^0x|^0\.003$|^3000$/, name);
  }
  assert.equal(showParameter("timelockDelaySeconds", 604_800n), "7 days (604800 s)");
});

test("a function's arguments are read by their types", () => {
  const struct = {
    type: "tuple",
    name: "split",
    components: [
      { type: "uint16", name: "data" },
      { type: "address[]", name: "to" },
    ],
  } as const;
  assert.deepEqual(abiValue(struct, `{"data": 5, "to": ["0x${"AB".repeat(20)}"]}`), {
    data: 5n,
    to: [`0x${"ab".repeat(20)}`],
  });
  assert.equal(abiValue({ type: "bytes32" }, "treasury"), parameterId("treasury"));
  assert.deepEqual(abiValue({ type: "int8[2]" }, "[-1, 2]"), [-1n, 2n]);
  assert.equal(abiValue({ type: "string" }, "[1"), "[1");
  for (const [type, text] of [
    ["uint256", "-1"],
    ["uint256", "1.5"],
    ["address", "0x12"],
    ["bool", "yes"],
    ["bytes32", "0x12"],
    ["uint8[]", "1"],
    ["uint8[]", "[9007199254740993]"],
    ["uint8[]", "[null]"],
  ] as const)
    assert.throws(() => abiValue({ type }, text), { code: "bad-argument" }, `${type} ${text}`);
});
