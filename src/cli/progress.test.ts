import assert from "node:assert/strict";
import { test } from "node:test";
import { progressBar } from "./progress.ts";

const io = (json: boolean) => ({ json, color: false, result: () => {}, note: () => {}, warn: () => {} });
const sink = (isTTY: boolean) => {
  const written: string[] = [];
  return {
    written,
    stream: { isTTY, write: (text: string) => written.push(text) > 0 } as unknown as NodeJS.WriteStream,
  };
};

test("away from a terminal a bar is a line every tenth, and ends at a hundred", () => {
  const { written, stream } = sink(false);
  const bar = progressBar(io(false), "Training", "", stream);
  for (let i = 1; i <= 100; i++) bar.update(i, 100, "loss 1.0");
  bar.end();
  assert.equal(written.length, 11);
  assert.match(written.at(-1) ?? "", /100 %.*loss 1\.0\n$/);
});

test("on a terminal it is drawn in place; under --json there is none", () => {
  const terminal = sink(true);
  progressBar(io(false), "Training", "", terminal.stream).update(5, 5);
  assert.ok(terminal.written.join("").startsWith(`\r\u001b[2K  Training ${"█".repeat(28)} 100 %`));
  const silent = sink(true);
  progressBar(io(true), "Training", "", silent.stream).update(5, 5);
  assert.deepEqual(silent.written, []);
});

test("what is left is told once there is something to tell it by", () => {
  const { written, stream } = sink(false);
  progressBar(io(false), "Reading", "", stream).update(1, 1_000);
  assert.match(written[0] ?? "", /^ {2}Reading ░{28} {3}0 %\n$/);
});
