import { CheckField, TextField } from "../../components/ui/field.tsx";
import type { Settings } from "./conversation.ts";

type Props = { settings: Settings; onChange: (settings: Settings) => void };

/** How answers are asked for, out of the way until it is wanted. */
export function SettingsPanel({ settings, onChange }: Props) {
  const set = (next: Partial<Settings>) => onChange({ ...settings, ...next });
  return (
    <details className="rounded-lg border bg-surface">
      <summary className="px-4 py-2.5 text-sm font-medium">Settings</summary>
      <div className="grid gap-4 border-t p-4 sm:grid-cols-3">
        <TextField
          label="Longest answer, tokens"
          type="number"
          min={1}
          max={8192}
          value={settings.maxTokens}
          hint="So much is set aside; what is written is paid."
          onChange={({ target }) => set({ maxTokens: Math.max(1, target.valueAsNumber || 1) })}
        />
        <TextField
          label="Temperature"
          type="number"
          min={0}
          max={2}
          step={0.1}
          value={settings.temperature}
          hint="0 always takes the likeliest word."
          onChange={({ target }) => set({ temperature: Math.max(0, target.valueAsNumber || 0) })}
        />
        <TextField
          label="Seed"
          type="number"
          min={0}
          value={settings.seed ?? ""}
          placeholder="drawn anew"
          hint="The same seed gives the same answer."
          onChange={({ target }) =>
            set({ seed: Number.isNaN(target.valueAsNumber) ? null : Math.max(0, target.valueAsNumber) })
          }
        />
        <CheckField
          label="Trace influence"
          hint="Off: the data's part of the fee goes to the Datanets' common pools."
          checked={settings.attribution}
          onCheckedChange={(checked) => set({ attribution: checked === true })}
        />
        <CheckField
          label="Send earlier turns along"
          hint="The model sees the conversation so far, and its tokens are paid for again."
          checked={settings.along}
          onCheckedChange={(checked) => set({ along: checked === true })}
        />
      </div>
    </details>
  );
}
