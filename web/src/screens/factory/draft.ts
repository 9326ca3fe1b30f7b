/** A fine-tuning job as a person fills it in, before it is asked for. */
import { overPreset, type PresetName } from "../../../../src/modelfactory/preset-values.ts";

/** Recipe fields that differ from the preset, by name, as the API has them. */
export type Fields = Readonly<Record<string, unknown>>;

export type Draft = {
  readonly model: string;
  /** Version by Datanet. */
  readonly datanets: Readonly<Record<string, number>>;
  readonly preset: PresetName;
  readonly fields: Fields;
  readonly continueFrom: string;
  readonly promptWei: string;
  readonly completionWei: string;
  readonly publish: boolean;
};

export const emptyDraft: Draft = {
  model: "",
  datanets: {},
  preset: "balanced",
  fields: {},
  continueFrom: "",
  promptWei: "1000000000000",
  completionWei: "10000000000000",
  publish: true,
};

/** What is sent: the preset with the person's own fields over it. */
export function jobOf(draft: Draft) {
  const { model, datanets, preset, fields, continueFrom, publish } = draft;
  return {
    model: model.trim(),
    datanets: Object.entries(datanets).map(([datanetId, version]) => ({ datanetId, version })),
    recipe: overPreset(preset, fields as { calibration?: object }) as Fields,
    continueFrom: continueFrom === "" ? null : continueFrom,
    price: { promptWeiPerToken: draft.promptWei, completionWeiPerToken: draft.completionWei },
    publish,
  };
}

/** Why a draft cannot be estimated yet: what to fill in next; nothing when it is whole. */
export function missing({ model, datanets }: Pick<Draft, "model" | "datanets">): string | undefined {
  if (Object.keys(datanets).length === 0) return "Choose at least one Datanet version.";
  if (!/^[a-z0-9][a-z0-9._-]{0,63}$/.test(model.trim()))
    return "Give the model a name of small letters, digits, dots and dashes.";
  return undefined;
}

type Job = {
  readonly spec: {
    readonly model: string;
    readonly datanets: readonly { readonly datanetId: string; readonly version: number }[];
    readonly recipe: object;
    readonly continueFrom: string | null;
    readonly price: { readonly promptWeiPerToken: string; readonly completionWeiPerToken: string };
    readonly publish: boolean;
  };
};

/** A draft that asks for what another job asked for. */
export const draftOf = ({ spec }: Job): Draft => ({
  model: spec.model,
  datanets: Object.fromEntries(spec.datanets.map(({ datanetId, version }) => [datanetId, version])),
  preset: "balanced",
  fields: { ...spec.recipe },
  continueFrom: spec.continueFrom ?? "",
  promptWei: spec.price.promptWeiPerToken,
  completionWei: spec.price.completionWeiPerToken,
  publish: spec.publish,
});

const textMax = 64 * 1024;

/** A draft's recipe as a file. */
export async function recipeText({ preset, fields }: Pick<Draft, "preset" | "fields">): Promise<string> {
  const { stringify } = await import("yaml");
  return stringify({ preset, ...fields }, { lineWidth: 0 });
}

/**
 * A recipe's preset and fields from a file; what they may be is the node's to say.
 *
 * @throws Error naming the line
 */
export async function readRecipe(text: string): Promise<Pick<Draft, "preset" | "fields">> {
  if (text.length > textMax) throw new Error(`The recipe is longer than ${textMax} characters.`);
  const [{ parseDocument, isMap }, { presetNames }] = await Promise.all([
    import("yaml"),
    import("../../../../src/modelfactory/preset-values.ts"),
  ]);
  const document = parseDocument(text, { schema: "core", version: "1.2" });
  const [fault] = document.errors;
  if (fault) throw new Error(`The recipe is not YAML: ${fault.message.split("\n")[0]}.`);
  if (document.contents !== null && !isMap(document.contents))
    throw new Error('The recipe is not a list of fields. Expected such as "epochs: 10".');
  // No aliases: a few lines of them can stand for more than any memory holds.
  const { preset = "balanced", ...fields } = (document.toJS({ maxAliasCount: 0 }) ?? {}) as Record<
    string,
    unknown
  >;
  const named = presetNames.find((name) => name === preset);
  if (!named) throw new Error(`There is no preset "${String(preset)}"; there are ${presetNames.join(", ")}.`);
  return { preset: named, fields };
}
