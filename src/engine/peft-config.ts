/**
 * What the `adapter_config.json` of a PEFT LoRA says of each linear module, in peft's own reading of it (peft 0.21,
 * `check_target_module_exists` and `get_pattern_key`). What peft can do and this engine cannot is refused by name.
 */
import { z } from "zod";
import { type ModelConfig, type ModuleName, moduleNames, modulePath } from "./config.ts";
import { CheckpointError } from "./safetensors.ts";

/** What the configuration says of one linear module. */
export type PeftModule = {
  /** Undefined where only a regular expression says it: then the adapter's tensors tell. */
  readonly adapted: boolean | undefined;
  readonly rank: number;
  /** alpha / rank, or alpha / √rank for rslora. */
  readonly scale: number;
};

export type PeftConfig = {
  /** The scale of modules that no pattern names. */
  readonly scale: number;
  module(layer: number, name: ModuleName): PeftModule;
};

/** Largest rank read. */
export const largestRank = 1024;

/** Names and patterns in one list: enough for every module of a large model, written out. */
const maxNames = 2_000;
const names = z.array(z.string().max(200)).max(maxNames);
const rank = z.number().int().min(1).max(largestRank);
const alpha = z
  .number()
  .positive()
  .max(2 ** 24);
const patterns = (value: z.ZodNumber) =>
  z
    .record(z.string().max(200), value)
    .refine((record) => Object.keys(record).length <= maxNames, `at most ${maxNames} patterns are read`)
    .nullish();

const schema = z.object({
  peft_type: z.string(),
  r: rank,
  lora_alpha: alpha,
  target_modules: z.union([names.min(1), z.string()]),
  exclude_modules: z.union([names, z.string()]).nullish(),
  layers_to_transform: z.union([z.number().int(), z.array(z.number().int()).max(maxNames)]).nullish(),
  layers_pattern: z.union([names, z.string()]).nullish(),
  rank_pattern: patterns(rank),
  alpha_pattern: patterns(alpha),
  init_lora_weights: z.union([z.boolean(), z.string()]).nullish(),
  bias: z.string().nullish(),
  use_dora: z.boolean().nullish(),
  use_rslora: z.boolean().nullish(),
  fan_in_fan_out: z.boolean().nullish(),
  modules_to_save: z.array(z.string()).nullish(),
});
type Written = z.infer<typeof schema>;
type Refuse = (what: string) => CheckpointError;

/** Options that change nothing here, whatever they say. */
const harmless = new Set([
  "auto_mapping",
  "base_model_name_or_path",
  "corda_config",
  "ensure_weight_tying",
  "eva_config",
  "inference_mode",
  "loftq_config",
  "lora_dropout",
  "lora_ga_config",
  "megatron_config",
  "megatron_core",
  "peft_version",
  "qalora_group_size",
  "revision",
  "runtime_config",
  "task_type",
]);

/** Ways of starting that leave the base as it is. PiSSA, CorDA, OLoRA, LoftQ and LoRA-GA train against a base they changed. */
const plainStarts = ["gaussian", "eva", "orthogonal"];

const isUnset = (value: unknown) =>
  value === null || value === false || (typeof value === "object" && Object.keys(value).length === 0);

/**
 * @param json - the parsed file; hostile
 * @throws CheckpointError when it is no LoRA's, is malformed, or asks for something this engine does not do
 */
export function parsePeftConfig(json: unknown, model: ModelConfig, where: string): PeftConfig {
  const refuse: Refuse = (what) => new CheckpointError(`The adapter ${where} ${what}.`);
  const type = z.object({ peft_type: z.string() }).safeParse(json).data?.peft_type;
  if (type !== undefined && type !== "LORA") throw refuse(`is of type ${type}; only LORA is supported`);
  const parsed = schema.safeParse(json);
  if (!parsed.success) throw refuse(`has a malformed adapter_config.json: ${z.prettifyError(parsed.error)}`);
  const config = parsed.data;
  refuseUnsupported(config, json as object, refuse);
  const adapted = adaptedModules(config, model, refuse);
  const rankOf = byPattern("rank_pattern", config, config.r, refuse);
  const alphaOf = byPattern("alpha_pattern", config, config.lora_alpha, refuse);
  const scaleOf = (a: number, r: number) => a / (config.use_rslora === true ? Math.sqrt(r) : r);
  return {
    scale: scaleOf(config.lora_alpha, config.r),
    module(layer, name) {
      const path = modulePath(layer, name);
      const own = rankOf(path);
      return { adapted: adapted(path, layer), rank: own, scale: scaleOf(alphaOf(path), own) };
    },
  };
}

function refuseUnsupported(config: Written, json: object, refuse: Refuse): void {
  if (config.use_dora === true) throw refuse("uses DoRA, which is not supported");
  if ((config.bias ?? "none") !== "none")
    throw refuse(`trains biases ("${config.bias}"), which is not supported`);
  if (config.fan_in_fan_out === true) throw refuse("stores transposed weights, which is not supported");
  if ((config.modules_to_save ?? []).length > 0) throw refuse("saves whole modules, which is not supported");
  const start = config.init_lora_weights;
  if (typeof start === "string" && !plainStarts.includes(start))
    throw refuse(
      `was started with init_lora_weights "${start}", which changes the base: convert it to a plain LoRA (peft's save_pretrained with path_initial_model_for_weight_conversion)`,
    );
  for (const [option, value] of Object.entries(json))
    if (!Object.hasOwn(schema.shape, option) && !harmless.has(option) && !isUnset(value))
      throw refuse(`uses the option "${option}", which is not supported`);
}

/** A path and what is left of it after each dot: a name in a list means every module whose path ends in it. */
const endings = (path: string) => {
  const parts = path.split(".");
  return parts.map((_, i) => parts.slice(i).join("."));
};

function adaptedModules(config: Written, model: ModelConfig, refuse: Refuse) {
  const { target_modules: targets, exclude_modules: excluded } = config;
  const isLayer = layerFilter(config, refuse);
  const listed = new Set(typeof targets === "string" ? [] : targets);
  const known = new Set(
    Array.from({ length: model.layers }, (_, layer) =>
      moduleNames.flatMap((name) => endings(modulePath(layer, name))),
    ).flat(),
  );
  for (const name of listed)
    if (!known.has(name)) throw refuse(`adapts "${name}"; supported: ${moduleNames.join(", ")}`);
  const all = typeof targets === "string" && targets.toLowerCase() === "all-linear";
  const left = new Set(typeof excluded === "string" ? [] : excluded);
  return (path: string, layer: number): boolean | undefined => {
    const ends = endings(path);
    if (ends.some((end) => left.has(end))) return false;
    if (typeof targets === "string" && !all) return undefined;
    // A whole path is meant in whatever layers are chosen.
    const wanted = all || listed.has(path) || (isLayer(layer) && ends.some((end) => listed.has(end)));
    return wanted && typeof excluded === "string" ? undefined : wanted;
  };
}

function layerFilter(config: Written, refuse: Refuse): (layer: number) => boolean {
  const { layers_to_transform: only, layers_pattern: lists } = config;
  if (only === null || only === undefined || (Array.isArray(only) && only.length === 0)) return () => true;
  if (typeof config.target_modules === "string")
    throw refuse("has layers_to_transform beside a target_modules that is no list, which peft refuses");
  const listNames = [lists ?? []].flat().filter((name) => name !== "");
  if (listNames.length > 0 && !listNames.some((name) => /^(model\\?\.)?layers$/.test(name)))
    throw refuse(`has the layers_pattern "${listNames.join('", "')}"; here layers are in "layers"`);
  const layers = new Set([only].flat());
  return (layer) => layers.has(layer);
}

/** The value of the first pattern that matches a path. */
function byPattern(
  option: "rank_pattern" | "alpha_pattern",
  config: Written,
  otherwise: number,
  refuse: Refuse,
): (path: string) => number {
  const rules = Object.entries(config[option] ?? {}).map(([pattern, value]) => {
    const matches = patternMatcher(pattern);
    if (matches === undefined)
      throw refuse(
        `has the ${option} "${pattern}"; supported: a module's name or the end of its path, with ".*" before it and "\\." for dots`,
      );
    return { matches, value };
  });
  return (path) => rules.find(({ matches }) => matches(path))?.value ?? otherwise;
}

/**
 * Peft matches a path by `(.*\.)?(pattern)$`. A regular expression of anyone's is not run: names are read, a dot as any character, an
 * escaped dot or dash as itself, `^`, `.*` before them and `$` behind; nothing else.
 */
function patternMatcher(pattern: string): ((path: string) => boolean) | undefined {
  const found = /^(\^?)(\.\*)?((?:[\w-]|\\?\.|\\-)*)\$?$/.exec(pattern);
  if (found === null) return undefined;
  const [, start, anything, body = ""] = found;
  /** One character each, undefined for any. */
  const wanted = (body.match(/\\?./g) ?? []).map((token) => (token === "." ? undefined : token.at(-1)));
  return (path) => {
    const at = path.length - wanted.length;
    if (at < 0 || wanted.some((character, i) => character !== undefined && character !== path[at + i]))
      return false;
    if (anything) return true;
    return at === 0 || (start === "" && path[at - 1] === ".");
  };
}
