/** The LLM engine (work in progress index). */
export * from "./adamw.ts";
export * from "./batch.ts";
export * from "./bpe.ts";
export * from "./checkpoint.ts";
export * from "./config.ts";
export * from "./pretrain.ts";
export * from "./random.ts";
export * from "./runtime.ts";
export * from "./safetensors.ts";
export * from "./tokenizer.ts";
export * from "./training-graph.ts";
export { loraInput } from "./transformer.ts";
export * from "./gradients.ts";
export * from "./lora.ts";
export * from "./trainer.ts";
export * from "./decoder.ts";
export * from "./sampling.ts";
