import assert from "node:assert/strict";
import { test } from "node:test";
import { parseConfig } from "../../src/engine/index.ts";
import { tinyShape } from "../openlora/material.ts";
import { stepFlops } from "./step.ts";

test("a step's operations are those counted by hand", () => {
  const config = { ...parseConfig(tinyShape), layers: 2 };
  const shape = { modules: ["q_proj"] as const, rank: 8, batch: 3, positions: 10, lossRows: 7 };
  const [d, kv, f, tokens] = [64, 32, 128, 30];
  const qkv = d * d + 2 * d * kv;
  const rest = d * d + 3 * d * f;
  const base = 2 * tokens * (qkv + 2 * rest + 2 * (qkv + rest));
  // x Aᵀ and its product with B forward; ∂B, ∂(x Aᵀ), ∂A backward, and ∂x in the second layer only.
  const lora = 2 * tokens * 8 * (5 * d + 6 * d);
  const attention = 2 * 6 * 2 * 3 * 4 * 10 * 10 * 16;
  const head = 4 * 7 * 512 * d;
  assert.equal(stepFlops(config, shape), base + lora + attention + head);
});
