import assert from "node:assert/strict";
import { test } from "node:test";
import { createGraph } from "./onnx.ts";

test("a graph that protobuf cannot hold is refused before it is copied, with the way out", () => {
  const graph = createGraph();
  const gibibyte = new Float32Array(2 ** 28); // never touched: no memory but addresses
  for (const name of ["a", "b"]) graph.initializer(name, "float32", [2 ** 28], gibibyte);
  assert.throws(() => graph.build(), /2\.0 GiB .* less than 2 GiB\. Hold the weights in fewer bits/);
});
