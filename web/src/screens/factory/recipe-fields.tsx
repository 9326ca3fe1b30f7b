import { useState } from "react";
import { type PresetName, presetNames, presetValues } from "../../../../src/modelfactory/preset-values.ts";
import { Failure } from "../../components/states.tsx";
import { Button } from "../../components/ui/button.tsx";
import { CheckField, TextArea, TextField } from "../../components/ui/field.tsx";
import { type Draft, type Fields, readRecipe, recipeText } from "./draft.ts";

type Recipe = Pick<Draft, "preset" | "fields">;
type Props = { recipe: Recipe; onChange: (recipe: Recipe) => void };

const said: Record<PresetName, string> = {
  quick: "To see whether it works at all: few epochs, and scores that nothing has tested.",
  balanced: "To the held-out optimum, and six retrainings that the scores are held against.",
  thorough: "Slower steps, more patience, twice the retrainings.",
};

type NumberField = {
  name: string;
  label: string;
  asDefault: number;
  min: number;
  step: number | "any";
  hint?: string;
};
/** Defaults as in the node's own schema of recipes. */
const numbers: readonly NumberField[] = [
  { name: "learningRate", label: "Learning rate", asDefault: 0.003, min: 0, step: "any" },
  { name: "epochs", label: "Epochs at most", asDefault: 30, min: 1, step: 1 },
  { name: "patience", label: "Patience, epochs", asDefault: 2, min: 1, step: 1 },
  { name: "batch", label: "Batch", asDefault: 20, min: 1, step: 1 },
  { name: "rank", label: "Rank", asDefault: 8, min: 1, step: 1, hint: "1 to 16" },
  { name: "alpha", label: "Alpha", asDefault: 16, min: 1, step: "any" },
  { name: "warmupSteps", label: "Warm-up, steps", asDefault: 20, min: 1, step: 1 },
  { name: "finalRate", label: "Final rate, part of the peak", asDefault: 0.1, min: 0, step: "any" },
  { name: "maxLength", label: "Longest example, tokens", asDefault: 256, min: 16, step: 1 },
  { name: "seed", label: "Seed", asDefault: 1, min: 0, step: 1 },
];

/** A recipe: by a word, by its fields, or as a file. */
export function RecipeFields({ recipe: { preset, fields }, onChange }: Props) {
  const set = (next: Fields) => onChange({ preset, fields: { ...fields, ...next } });
  const chosen = (name: string, asDefault: unknown) =>
    fields[name] ?? (presetValues[preset] as Fields)[name] ?? asDefault;
  return (
    <div className="flex flex-col gap-4">
      <fieldset className="grid gap-2 sm:grid-cols-3">
        <legend className="sr-only">Preset</legend>
        {presetNames.map((name) => (
          <label
            key={name}
            className="flex cursor-pointer gap-2 rounded-md border p-3 text-sm has-checked:border-accent has-checked:bg-accent-soft"
          >
            <input
              type="radio"
              name="preset"
              className="mt-0.5 accent-(--accent)"
              checked={preset === name}
              onChange={() => onChange({ preset: name, fields: {} })}
            />
            <span>
              <span className="font-medium capitalize">{name}</span>
              <span className="block text-quiet">{said[name]}</span>
            </span>
          </label>
        ))}
      </fieldset>
      <details className="rounded-md border">
        <summary className="px-3 py-2 text-sm font-medium">Fields</summary>
        <div className="grid gap-3 border-t p-3 sm:grid-cols-2 lg:grid-cols-3">
          {numbers.map(({ name, label, asDefault, min, step, hint }) => (
            <TextField
              key={name}
              label={label}
              type="number"
              min={min}
              step={step}
              {...(hint === undefined ? {} : { hint })}
              value={String(chosen(name, asDefault))}
              onChange={({ target }) =>
                Number.isNaN(target.valueAsNumber) || set({ [name]: target.valueAsNumber })
              }
            />
          ))}
          <CheckField
            label="Stop at the held-out optimum"
            hint="What is trained beyond it is harder to attribute."
            checked={chosen("stopAtOptimum", true) === true}
            onCheckedChange={(checked) => set({ stopAtOptimum: checked === true })}
          />
        </div>
      </details>
      <Yaml recipe={{ preset, fields }} onChange={onChange} />
    </div>
  );
}

function Yaml({ recipe, onChange }: Props) {
  const [text, setText] = useState("");
  const [error, setError] = useState<unknown>();
  return (
    <details
      className="rounded-md border"
      onToggle={({ currentTarget }) => {
        if (currentTarget.open) void recipeText(recipe).then(setText);
      }}
    >
      <summary className="px-3 py-2 text-sm font-medium">As a file (YAML)</summary>
      <div className="flex flex-col gap-3 border-t p-3">
        <TextArea
          label="Recipe"
          rows={8}
          spellCheck={false}
          className="font-mono"
          value={text}
          hint="Every field that a recipe has can stand here; the node says which are not right."
          onChange={({ target }) => setText(target.value)}
        />
        {error !== undefined && <Failure error={error} />}
        <div className="flex flex-wrap gap-2">
          <Button
            onClick={() =>
              readRecipe(text).then(
                (read) => {
                  setError(undefined);
                  onChange(read);
                },
                (failure: unknown) => setError(failure),
              )
            }
          >
            Take this recipe
          </Button>
          <Button
            onClick={() => {
              const link = document.createElement("a");
              link.href = URL.createObjectURL(new Blob([text], { type: "application/yaml" }));
              link.download = "recipe.yaml";
              link.click();
              URL.revokeObjectURL(link.href);
            }}
          >
            Save as a file
          </Button>
        </div>
      </div>
    </details>
  );
}
