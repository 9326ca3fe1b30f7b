import { useMemo, useState } from "react";
import { Button } from "../../../components/ui/button.tsx";
import { Dialog } from "../../../components/ui/dialog.tsx";
import { VirtualTable } from "../../../components/virtual-table.tsx";
import { ExampleText, Side } from "../example.tsx";
import { countStatuses, mainReason, Reasons, StatusFilter, Verdict, verdictMeaning } from "../verdict.tsx";
import { type Part, place } from "./convert.ts";
import type { Preview } from "./hand-in.ts";

type Row = { at: number; row: Part["rows"][number]; said: Preview["rows"][number] };

/** What the checks found in a row, and what was noted as it was read. */
const reasonsOf = ({ row: { notes = [] }, said }: Row) => [
  ...said.reasons,
  ...notes.map((message) => ({ check: "reading", severity: "note" as const, message })),
];

/** What would become of each row, before anything is signed. */
export function CheckedRows({ part, preview }: { part: Part; preview: Preview }) {
  const [status, setStatus] = useState<string>();
  const [opened, setOpened] = useState<Row>();
  const all = useMemo(
    () =>
      part.rows.flatMap((row, at): Row[] => {
        const said = preview.rows[at];
        return said ? [{ at, row, said }] : [];
      }),
    [part, preview],
  );
  const rows = status === undefined ? all : all.filter(({ said }) => said.status === status);
  return (
    <div className="flex flex-col gap-3">
      {preview.comparedWith === "upload" && (
        <p role="status" className="text-sm text-wait">
          The texts of this Datanet are not open to you: these rows were compared with each other only, and
          some may be there already. Ask for leave under Access on its page, and check again.
        </p>
      )}
      <StatusFilter counts={countStatuses(preview.rows)} chosen={status} onChoose={setStatus} />
      <VirtualTable<Row>
        key={status ?? ""}
        caption="Rows that were read"
        total={rows.length}
        rowAt={(at) => rows[at]}
        height="min(50dvh, 34rem)"
        columns={[
          {
            heading: "Row",
            width: "4.75rem",
            cell: (row) => (
              <Button
                variant="link"
                size="small"
                aria-label={`Open row ${row.at + 1}`}
                onClick={() => setOpened(row)}
              >
                {row.at + 1}
              </Button>
            ),
          },
          { heading: "Verdict", width: "9rem", cell: ({ said }) => <Verdict status={said.status} /> },
          {
            heading: "Asks",
            width: "minmax(12rem, 3fr)",
            cell: ({ row, said }) => <Side example={said.masked ?? row.example} side="asked" />,
          },
          {
            heading: "Learned",
            width: "minmax(10rem, 2fr)",
            cell: ({ row, said }) => <Side example={said.masked ?? row.example} side="answered" />,
          },
          {
            heading: "Why",
            width: "minmax(12rem, 3fr)",
            cell: (row) => mainReason(reasonsOf(row)),
          },
        ]}
      />
      {opened && (
        <Dialog
          open
          onOpenChange={() => setOpened(undefined)}
          title={`Row ${opened.at + 1}`}
          description={place(opened.row.source)}
        >
          <div className="flex flex-wrap items-center gap-2 text-sm">
            <Verdict status={opened.said.status} /> {verdictMeaning(opened.said.status)}
          </div>
          <ExampleText example={opened.said.masked ?? opened.row.example} />
          {opened.said.masked && (
            <details className="text-sm">
              <summary className="text-quiet">As it was read, before personal data was masked</summary>
              <div className="mt-2">
                <ExampleText example={opened.row.example} />
              </div>
            </details>
          )}
          <Reasons reasons={reasonsOf(opened)} />
        </Dialog>
      )}
    </div>
  );
}
