/**
 * # openlora: many adapters over one base model
 *
 * {@link createOpenLora} loads a base checkpoint into a thread of its own and answers prompts there, each under the adapter it names.
 *
 * - `service`: the room's face; checks requests, reads adapters through a function it is given, counts pieces back to the asker
 * - `serving`, `worker`: the thread, and what it publishes
 * - `scheduler`: who joins the batch and when; `fair-queue`: tenants take turns, limits refuse the rest
 * - `batch`: the rows generated together, step by step; `prefix-cache`: beginnings of prompts that need not be computed again
 * - `adapters`: disk → memory → row, the least recently used first out of memory
 * - `memory`: what serving will need, before it is loaded
 * - `prompt`; `answer`, `detokenizer`, `stop-strings`: to tokens, and from chosen tokens to whole characters, up to a stop string; `retrace`:
 *   the same for an answer that is checked
 * - `grammars`: holds answers to formats, in threads (`grammar-worker`, `grammar-thread`) that follow a grammar while the engine computes;
 *   `format`: a request's format as a grammar; `json-schema`, with `schema-reader`, `rule-book`, `json-text`, `json-number`, `json-formats`
 *   and `pattern`: schemas as rules (`ebnf`), the regular parts by their `automaton`; `utf8`: no half characters
 * - `pool`: the same face over servers that speak vLLM's dialect; `pool-dispatcher` queues, routes (`pool-routing`) and tries again (`pool-job`),
 *   `pool-member` knows who is well, `pool-server`, `pool-http`, `pool-events`, `pool-dialect` talk and believe nothing unchecked,
 *   `pool-folder` and `pool-residents` bring adapters to servers
 * - `engine-suite`: what both must do
 *
 * An adapter is named by the Keccak-256 of its `adapter_model.safetensors` (checked whenever it is read) and is never replaced in
 * place. An answer's randomness comes from its own seed, whatever else is in the batch; how many rows a step has can still change the
 * last bits of a logit, as in any batched engine, unless it serves with `deterministic`.
 */
export type { AdapterFiles, AdapterMetrics, LoadAdapter } from "./adapters.ts";
export {
  OpenLoraError,
  type OpenLoraErrorCode,
  type OpenLoraErrorDetails,
  OverloadedError,
} from "./errors.ts";
export { memoryByPrecision } from "./memory.ts";
export { type OpenLoraOptions, servingSchema } from "./options.ts";
export { type CreateServerPool, createServerPool } from "./pool.ts";
export type { MemberMetrics } from "./pool-member.ts";
export { type PoolOptions, type PoolServer, poolSchema } from "./pool-options.ts";
export { readPrompt } from "./prompt.ts";
export {
  answerLimit,
  type FinishReason,
  type Format,
  fingerprintOf,
  type GenerateInput,
  type Generation,
  type Message,
  type Piece,
  type Prompt,
  type TokenChance,
  type TokenLogprob,
  type Tool,
} from "./request.ts";
export { answerText } from "./retrace.ts";
export type { SchedulerMetrics } from "./scheduler.ts";
export { type CreateOpenLora, createOpenLora, type OpenLora, type OpenLoraMetrics } from "./service.ts";
export { baseDigestOf, type OpenLoraInfo } from "./serving.ts";
