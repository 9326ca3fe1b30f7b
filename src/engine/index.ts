/**
 * # engine: Llama, Qwen and Mistral models on ONNX Runtime
 *
 * TypeScript writes the graphs, ONNX Runtime runs them. Knows nothing of money or chains. Read in this order:
 *
 * - `config`, `safetensors`, `half`, `checkpoint`, `tokenizer`, `vocabulary`, `chat`: Hugging Face folders, as they are
 * - `onnx`, `runtime`: a graph builder, and the one way sessions are started (`quiet` turns the runtime's telemetry off)
 * - `webgpu`: whether graphs run on this machine's GPU, tried out in a process of its own (`webgpu-probe`)
 * - `transformer`: the block forward and backward; `training-graph`: tokens to loss and gradients; `decoding-graph`: serving
 * - `quantize`: weights in 8 and 4 bits; `serving-weights`: where a serving graph takes its weights from
 * - `examples`, `batch`: rows to tokens to inputs; `adamw`, `trainer`, `pretrain`: fine-tuning and training from nothing
 * - `gradients`: one gradient an example, for the labels it has or for labels drawn from the model
 * - `lora`: adapters; `peft`, `peft-config`: PEFT folders in and out; `decoder`, `sampling`: answers, each row of a batch under its own adapter
 * - `embedding`: texts as vectors, under an adapter
 * - `worker`: calls into threads, since a run blocks the one it is in, and `garbage` between them; `random`, `bpe`: seeded draws, tokenizer training
 */
export * from "./adamw.ts";
export { type PackedAdapter, packAdapter, packedBytes } from "./adapter-rows.ts";
export * from "./batch.ts";
export * from "./bpe.ts";
export * from "./chat.ts";
export * from "./checkpoint.ts";
export * from "./config.ts";
export * from "./decoder.ts";
export * from "./embedding.ts";
export * from "./examples.ts";
export { collectGarbage } from "./garbage.ts";
export * from "./gradients.ts";
export { cacheBytes } from "./kv-cache.ts";
export * from "./lora.ts";
export * from "./onnx.ts";
export { exportPeft, loadPeft, readPeft } from "./peft.ts";
export * from "./pretrain.ts";
export * from "./quantize.ts";
export * from "./random.ts";
export * from "./runtime.ts";
export * from "./safetensors.ts";
export * from "./sampling.ts";
export * from "./tokenizer.ts";
export * from "./trainer.ts";
export * from "./training-graph.ts";
export { loraInput } from "./transformer.ts";
export * from "./vocabulary.ts";
export * from "./webgpu.ts";
export * from "./worker.ts";
