import { FileTextIcon, UploadIcon, XIcon } from "lucide-react";
import { type DragEvent, useId, useState } from "react";
import { Button } from "../../../components/ui/button.tsx";
import { Card } from "../../../components/ui/card.tsx";
import { TextArea } from "../../../components/ui/field.tsx";
import { cn } from "../../../lib/cn.ts";
import { bytes } from "../../../lib/format.ts";

const known = ".jsonl,.ndjson,.json,.csv,.tsv,.tab,.parquet,.pq,.txt,.text,.md,.markdown,.pdf,.docx";
const filesMax = 200;

/** Where files are dropped or picked, or a text is pasted. */
export function Bring({
  files,
  onFiles,
  onRead,
}: {
  files: readonly File[];
  onFiles: (files: readonly File[]) => void;
  onRead: (files: readonly File[]) => void;
}) {
  const [over, setOver] = useState(false);
  const [pasted, setPasted] = useState("");
  const id = useId();
  const add = (more: Iterable<File>) => {
    const before = new Set(files.map(({ name }) => name));
    onFiles([...files, ...[...more].filter(({ name }) => !before.has(name))].slice(0, filesMax));
  };
  function drop(event: DragEvent) {
    event.preventDefault();
    setOver(false);
    add(event.dataTransfer.files);
  }
  const all = pasted.trim() === "" ? files : [...files, new File([pasted], "pasted text")];
  return (
    <Card
      heading="Bring what you know"
      note="JSON Lines, JSON, CSV, TSV, Parquet, text, Markdown, PDF, DOCX: what they are is found out, and nothing is stored yet."
    >
      <div className="grid gap-4 lg:grid-cols-2">
        <div className="flex flex-col gap-3">
          <label
            htmlFor={id}
            onDragOver={(event) => {
              event.preventDefault();
              setOver(true);
            }}
            onDragLeave={() => setOver(false)}
            onDrop={drop}
            className={cn(
              "flex flex-1 cursor-pointer flex-col items-center justify-center gap-2 rounded-lg border-2 border-dashed px-4 py-10 text-center focus-within:border-accent hover:bg-sunken",
              over && "border-accent bg-accent-soft",
            )}
          >
            <UploadIcon aria-hidden className="size-7 text-quiet" />
            <span className="font-medium">Drop files here, or pick them</span>
            <span className="text-sm text-quiet">Large files are read as they are sent.</span>
            <input
              id={id}
              type="file"
              multiple
              accept={known}
              className="sr-only"
              onChange={({ target }) => {
                add(target.files ?? []);
                target.value = "";
              }}
            />
          </label>
          {files.length > 0 && (
            <ul className="flex flex-col divide-y rounded-md border text-sm">
              {files.map((file) => (
                <li key={file.name} className="flex items-center gap-2 px-3 py-1.5">
                  <FileTextIcon aria-hidden className="size-4 shrink-0 text-quiet" />
                  <span className="min-w-0 flex-1 truncate" title={file.name}>
                    {file.name}
                  </span>
                  <span className="text-quiet">{bytes(file.size)}</span>
                  <Button
                    variant="quiet"
                    size="small"
                    aria-label={`Leave out ${file.name}`}
                    onClick={() => onFiles(files.filter((one) => one !== file))}
                  >
                    <XIcon />
                  </Button>
                </li>
              ))}
            </ul>
          )}
        </div>
        <TextArea
          label="Or paste a text"
          rows={9}
          value={pasted}
          onChange={({ target }) => setPasted(target.value)}
          placeholder={'{"prompt":"Mirel Dosan works as a","completion":" baker."}'}
          hint="Rows of JSON, a table with tabs between its columns, or plain text that is cut into chunks."
        />
      </div>
      <Button
        variant="primary"
        className="mt-4"
        disabled={all.length === 0 || all.every(({ size }) => size === 0)}
        onClick={() => onRead(all)}
      >
        Read {all.length > 1 ? `${all.length} files` : "it"} and check each row
      </Button>
    </Card>
  );
}
