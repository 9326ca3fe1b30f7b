import { type FormEvent, useState } from "react";
import { Badge } from "../../../components/ui/badge.tsx";
import { Button } from "../../../components/ui/button.tsx";
import { SelectField } from "../../../components/ui/field.tsx";
import { words } from "../../../lib/format.ts";
import type { Mapping, Shape } from "./convert.ts";

type Props = {
  file: string;
  shape: Shape | null;
  /** Why it gave no row, where it gave none. */
  nothingRead?: string | undefined;
  /** Columns of a table that fits no shape that is known. */
  columns?: readonly string[] | undefined;
  mapping?: Mapping | undefined;
  onMap: (mapping: Mapping | undefined) => void;
};

/** What a file is taken for, and which of its columns make an example where a person says otherwise. */
export function Detected({ file, shape, nothingRead, columns: unknown, mapping, onMap }: Props) {
  const columns = unknown ?? (shape?.kind === "table" ? shape.columns : []);
  const [open, setOpen] = useState(false);
  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const data = new FormData(event.currentTarget);
    const value = (name: string) => String(data.get(name) ?? "");
    onMap({
      completion: value("completion"),
      ...(value("prompt") && { prompt: value("prompt") }),
      ...(value("system") && { system: value("system") }),
      ...(value("prompt") && { as: value("as") === "completion" ? "completion" : "chat" }),
    });
  }
  const choices = columns.map((column) => <option key={column}>{column}</option>);
  return (
    <li className="flex flex-col gap-3 py-2">
      <div className="flex flex-wrap items-center gap-2 text-sm">
        <span className="font-medium">{file}</span>
        {shape && <Badge tone="quiet">{shape.format}</Badge>}
        {nothingRead !== undefined && !unknown && (
          <>
            <Badge tone="bad">nothing was read</Badge>
            <span className="text-quiet">{nothingRead}</span>
          </>
        )}
        {shape?.kind === "table" && nothingRead === undefined && (
          <Badge tone="good">{words(shape.shape)}</Badge>
        )}
        {shape?.kind === "document" && nothingRead === undefined && (
          <Badge tone="good">cut into chunks</Badge>
        )}
        {unknown && <Badge tone="wait">say what its columns are</Badge>}
        {shape?.kind === "table" && shape.unused.length > 0 && (
          <span className="text-quiet">not used: {shape.unused.slice(0, 8).join(", ")}</span>
        )}
        {columns.length > 1 && !unknown && (
          <Button variant="link" size="small" onClick={() => setOpen(!open)}>
            {open ? "Leave the columns as they are" : "Change the columns"}
          </Button>
        )}
        {mapping && (
          <Button variant="link" size="small" onClick={() => onMap(undefined)}>
            Find them out again
          </Button>
        )}
      </div>
      {(open || unknown) && columns.length > 0 && (
        <form onSubmit={submit} className="flex flex-wrap items-end gap-3">
          <SelectField
            label="What is asked"
            name="prompt"
            defaultValue={mapping?.prompt ?? (unknown ? columns[0] : "")}
          >
            <option value="">nothing: the text stands alone</option>
            {choices}
          </SelectField>
          <SelectField
            label="What is learned"
            name="completion"
            defaultValue={mapping?.completion ?? columns[1] ?? columns[0]}
          >
            {choices}
          </SelectField>
          <SelectField label="System prompt" name="system" defaultValue={mapping?.system ?? ""}>
            <option value="">none</option>
            {choices}
          </SelectField>
          <SelectField label="As" name="as" defaultValue={mapping?.as ?? "chat"}>
            <option value="chat">question and answer</option>
            <option value="completion">a text that goes on</option>
          </SelectField>
          <Button type="submit">Read it so</Button>
        </form>
      )}
    </li>
  );
}
