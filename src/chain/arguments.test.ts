import assert from "node:assert/strict";
import { test } from "node:test";
import { type Abi, parseAbi } from "viem";
import { showArguments } from "./arguments.ts";

test("amounts are told whole in OPEN, wherever they stand; other numbers as they are", () => {
  const open = 10n ** 18n;
  const abi = parseAbi([
    "struct Part { address to; uint256 amount; }",
    "function pay(uint256 agentId, uint256 amount, uint256[] amount)",
    "function divide(Part part, uint256 amount)",
    "function divide(uint256 seconds)",
  ]) as Abi;
  assert.equal(
    showArguments(abi, "pay", [7n, 15n * 10n ** 17n, [open, 0n]]),
    "7, 1.5 OPEN, [1 OPEN, 0 OPEN]",
  );
  const part = { to: `0x${"01".repeat(20)}`, amount: open };
  assert.equal(
    showArguments(abi, "divide", [part, 1n]),
    `{to: ${part.to}, amount: 1 OPEN}, 0.000000000000000001 OPEN`,
  );
  assert.equal(showArguments(abi, "divide", [60n]), "60");
});
