import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { whatIsWrong } from "./error.ts";

const schema = z.strictObject({
  epochs: z.union([z.literal("auto"), z.int().min(1).max(1_000)]).optional(),
  rank: z.int().max(16).optional(),
  rate: z.number().positive().optional(),
  name: z.string().min(2).max(5).optional(),
  kind: z.enum(["text", "chat"]).optional(),
  rows: z.array(z.string()).max(1).optional(),
  even: z
    .int()
    .refine((n) => n % 2 === 0, "an even number")
    .optional(),
});

test("what a schema refuses is told in words: place, what was expected, and what came where it is short", () => {
  for (const [value, message, shown = message] of [
    [
      { epochs: "lots" },
      'epochs: expected "auto" or a number',
      'epochs: expected "auto" or a number, actual "lots"',
    ],
    [{ rank: 64 }, "rank: expected at most 16", "rank: expected at most 16, actual 64"],
    [{ rank: "8" }, "rank: expected a number, actual text", 'rank: expected a number, actual "8"'],
    [
      { rank: 1.5 },
      "rank: expected a whole number, actual a number",
      "rank: expected a whole number, actual 1.5",
    ],
    [{ rate: 0 }, "rate: expected more than 0", "rate: expected more than 0, actual 0"],
    [
      { name: "x" },
      "name: expected at least 2 characters",
      'name: expected at least 2 characters, actual "x"',
    ],
    [{ name: "x".repeat(50) }, "name: expected at most 5 characters"],
    [{ kind: "poem" }, 'kind: expected "text" or "chat"', 'kind: expected "text" or "chat", actual "poem"'],
    [{ rows: ["a", "b"] }, "rows: expected at most 1 entries"],
    [{ rows: [2] }, "rows.0: expected text, actual a number", "rows.0: expected text, actual 2"],
    [{ even: 3 }, "even: an even number"],
    [{ more: 1 }, 'Unrecognized key: "more"'],
    [null, "expected an object, actual null"],
  ] as const) {
    for (const [reportInput, expected] of [
      [false, message],
      [true, shown],
    ] as const) {
      const { error } = schema.safeParse(value, { reportInput });
      assert.deepEqual(error && whatIsWrong(error).split("; ").sort(), expected.split("; ").sort());
    }
  }
  assert.equal(whatIsWrong(new Error("out of luck")), "out of luck");
});
