/**
 * The engine's side of `scripts/peft_check.py`: `node scripts/peft_check.ts MODEL ADAPTER REQUEST.json OUT.safetensors`.
 *
 * Encodes the texts of REQUEST (`{"texts": [...]}`), feeds them token by token through the decoder that serves answers, writes
 * `logits.<i>` `[tokens, vocab]` for each text to OUT and prints the token ids as JSON.
 */
import { readFileSync, writeFileSync } from "node:fs";
import {
  createDecoder,
  formatSafetensors,
  loadCheckpoint,
  loadPeft,
  type TensorData,
} from "../src/engine/index.ts";

const [model, adapterFolder, request, out] = process.argv.slice(2);
if (model === undefined || adapterFolder === undefined || request === undefined || out === undefined)
  throw new Error("Usage: node scripts/peft_check.ts MODEL ADAPTER REQUEST.json OUT.safetensors");

const { texts } = JSON.parse(readFileSync(request, "utf8")) as { texts: string[] };
const checkpoint = loadCheckpoint(model);
const adapter = loadPeft(adapterFolder, checkpoint.config);
const { vocab, maxPositions } = checkpoint.config;
const decoder = await createDecoder(checkpoint, {
  modules: adapter.config.modules,
  rank: adapter.config.rank,
  maxRows: 1,
  maxLength: Math.min(maxPositions, 512),
  threads: 1,
});
const packed = decoder.pack(adapter);

const batch = texts.map((text) => checkpoint.tokenizer.encode(text));
const tensors: [string, TensorData][] = [];
for (const [i, ids] of batch.entries()) {
  const data = new Float32Array(ids.length * vocab);
  for (const [t, id] of ids.entries()) {
    const [logits] =
      t === 0 ? await decoder.prefill([{ ids: [id], adapter: packed }]) : await decoder.decode([id]);
    data.set(logits as Float32Array, t * vocab);
  }
  decoder.remove(0);
  tensors.push([`logits.${i}`, { data, shape: [ids.length, vocab] }]);
}
writeFileSync(out, formatSafetensors(tensors, "F32"));
console.log(JSON.stringify(batch));
