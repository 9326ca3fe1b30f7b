import { CheckIcon, PencilIcon, XIcon } from "lucide-react";
import { useState } from "react";
import { Badge } from "../../../components/ui/badge.tsx";
import { Button } from "../../../components/ui/button.tsx";
import { SelectField, TextArea, TextField } from "../../../components/ui/field.tsx";
import { cn } from "../../../lib/cn.ts";
import { place } from "../contribute/convert.ts";
import { type Example, ExampleText } from "../example.tsx";
import { Reasons } from "../verdict.tsx";
import { type Draft, type QueuedRow, usualReasons } from "./drafts.ts";

type Props = {
  row: QueuedRow;
  draft: Draft | undefined;
  onDraft: (draft: Draft) => void;
  onChange: (draft: Draft) => void;
};

/** One row to be judged: its text, what the checks say, and the judgement. Its keys: a accepts, r rejects, e edits. */
export function JudgedRow({ row, draft, onDraft, onChange }: Props) {
  const [editing, setEditing] = useState(false);
  const accept = () => onDraft({ decision: "accept", reason: "" });
  const reject = () => onDraft({ decision: "reject", reason: usualReasons[0] });
  const edit = () => {
    setEditing(!editing);
    if (editing) return;
    onChange({ decision: "reject", reason: draft?.reason || "Better so.", proposal: row.example });
  };
  const keys: Record<string, () => void> = { a: accept, r: reject, e: edit };
  const proposal = draft?.proposal;
  return (
    <article
      aria-label={`Row ${row.row}`}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: its keys work where it has the focus
      tabIndex={0}
      data-row={row.row}
      onKeyDown={(event) => {
        if (event.target !== event.currentTarget || event.ctrlKey || event.metaKey || event.altKey) return;
        keys[event.key]?.();
      }}
      className={cn(
        "flex flex-col gap-3 rounded-lg border bg-surface p-4",
        draft?.decision === "accept" && "border-good",
        draft?.decision === "reject" && "border-bad",
      )}
    >
      <header className="flex flex-wrap items-center gap-2 text-sm text-quiet">
        <span className="font-medium text-text">Row {row.row}</span>
        <Badge tone="quiet">{row.split === "train" ? "train" : "held out"}</Badge>
        {row.judged > 0 && <Badge tone="wait">judged by {row.judged} already</Badge>}
        {row.source && <span className="min-w-0 truncate">{place(row.source)}</span>}
      </header>
      {editing && proposal ? (
        <EditedExample
          example={proposal}
          onEdit={(next) => onChange({ ...(draft as Draft), proposal: next })}
        />
      ) : (
        <ExampleText example={row.example} />
      )}
      {row.reasons.length > 0 && <Reasons reasons={row.reasons} />}
      {draft?.decision === "reject" && (
        <div className="flex flex-wrap items-end gap-3">
          <SelectField
            label="Why"
            value={usualReasons.find((reason) => reason === draft.reason) ?? ""}
            onChange={({ target }) => onChange({ ...draft, reason: target.value })}
          >
            {usualReasons.map((reason) => (
              <option key={reason}>{reason}</option>
            ))}
            <option value="">In my own words</option>
          </SelectField>
          <TextField
            label="What the contributor reads"
            value={draft.reason}
            maxLength={2_000}
            required
            error={draft.reason.trim() === "" ? "A rejection needs a reason." : undefined}
            onChange={({ target }) => onChange({ ...draft, reason: target.value })}
            className="min-w-64 flex-1"
          />
        </div>
      )}
      <div className="flex flex-wrap gap-2">
        <Button
          size="small"
          aria-pressed={draft?.decision === "accept"}
          className="aria-pressed:bg-good-soft aria-pressed:text-good"
          onClick={accept}
        >
          <CheckIcon /> Accept
        </Button>
        <Button
          size="small"
          aria-pressed={draft?.decision === "reject" && proposal === undefined}
          className="aria-pressed:bg-bad-soft aria-pressed:text-bad"
          onClick={reject}
        >
          <XIcon /> Reject
        </Button>
        <Button
          size="small"
          aria-pressed={proposal !== undefined}
          className="aria-pressed:bg-wait-soft aria-pressed:text-wait"
          onClick={edit}
        >
          <PencilIcon /> {editing ? "Done editing" : "Propose an edit"}
        </Button>
      </div>
    </article>
  );
}

function EditedExample({ example, onEdit }: { example: Example; onEdit: (example: Example) => void }) {
  if (!("messages" in example))
    return (
      <div className="grid gap-3 md:grid-cols-2">
        <TextArea
          label="Prompt"
          value={example.prompt}
          onChange={({ target }) => onEdit({ ...example, prompt: target.value })}
        />
        <TextArea
          label="Completion"
          value={example.completion}
          onChange={({ target }) => onEdit({ ...example, completion: target.value })}
        />
      </div>
    );
  return (
    <div className="flex flex-col gap-3">
      {example.messages.map(({ role, content }, turn) => (
        <TextArea
          // biome-ignore lint/suspicious/noArrayIndexKey: turns never move
          key={turn}
          label={role}
          value={content}
          onChange={({ target }) =>
            onEdit({
              messages: example.messages.map((message, at) =>
                at === turn ? { ...message, content: target.value } : message,
              ),
            })
          }
        />
      ))}
    </div>
  );
}
