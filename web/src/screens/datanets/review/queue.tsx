import { useMutation } from "@tanstack/react-query";
import { type KeyboardEvent, useState } from "react";
import { api, ask } from "../../../api/client.ts";
import { queries } from "../../../api/queries.ts";
import { Empty, Failure } from "../../../components/states.tsx";
import { Button } from "../../../components/ui/button.tsx";
import { useToast } from "../../../components/ui/toast.tsx";
import { counted } from "../../../lib/format.ts";
import { NeedsWallet } from "../../../wallet/needs-wallet.tsx";
import { useAddress } from "../../../wallet/wallet.ts";
import { askForPass, passHeaders, usePass } from "../pass.ts";
import { Publish } from "../publish.tsx";
import { type Drafts, decisionsOf, filled, type QueuedRow, toggled, usualReasons } from "./drafts.ts";
import { JudgedRow } from "./judged-row.tsx";

const taken = 20;

/** Rows for this curator to judge: taken for half an hour, judged with buttons or keys, sent together. */
export function Queue({ datanetId }: { datanetId: string }) {
  const address = useAddress();
  const pass = usePass(datanetId);
  const say = useToast();
  const [drafts, setDrafts] = useState<Drafts>(new Map());
  const path = { datanetId };

  const taking = useMutation({
    mutationFn: async () => {
      const admission =
        pass === undefined ? await askForPass(datanetId, address as `0x${string}`, "curation") : undefined;
      if (admission !== undefined && admission.state !== "admitted")
        throw new Error(
          "You are no curator of this Datanet. Its owner names curators, or contributors elect them.",
        );
      const { rows } = await ask(
        api.POST("/v1/datanets/{datanetId}/review/queue", {
          params: { path, query: { limit: taken } },
          headers: passHeaders(admission?.pass ?? pass),
        }),
      );
      setDrafts(new Map());
      return rows as QueuedRow[];
    },
  });
  const sending = useMutation({
    mutationFn: () =>
      ask(
        api.POST("/v1/datanets/{datanetId}/review/decisions", {
          params: { path },
          headers: passHeaders(pass),
          body: { decisions: decisionsOf(drafts) as never },
        }),
      ),
    onSuccess: async ({ recorded, accepted, rejected }) => {
      say(
        `${counted(recorded, "judgement is", "judgements are")} recorded; by ${recorded === 1 ? "it" : "them"} ${counted(accepted, "row counts", "rows count")} now, and ${counted(rejected, "does", "do")} not.`,
      );
      await queries.invalidateQueries({ queryKey: ["datanet", datanetId] });
      taking.mutate();
    },
  });

  const rows = taking.data;
  const ready = decisionsOf(drafts).length;
  /** j and k go from row to row. */
  function move(event: KeyboardEvent<HTMLElement>) {
    const by = event.key === "j" ? 1 : event.key === "k" ? -1 : 0;
    const from = (event.target as HTMLElement).closest("article");
    if (by === 0 || event.target !== from) return;
    const all = [...event.currentTarget.querySelectorAll("article")];
    all[all.indexOf(from) + by]?.focus();
  }
  return (
    <NeedsWallet why="Curators sign that it is they who judge. It costs nothing.">
      <div className="flex flex-col gap-4">
        {taking.error && <Failure error={taking.error} />}
        {rows === undefined ? (
          <div className="flex flex-wrap items-center gap-3">
            <Button variant="primary" disabled={taking.isPending} onClick={() => taking.mutate()}>
              {taking.isPending ? "Taking rows …" : "Take rows to judge"}
            </Button>
            <p className="text-sm text-quiet">
              Up to {taken} are yours for half an hour; your own rows are left out.
            </p>
          </div>
        ) : rows.length === 0 ? (
          <>
            <Empty
              title="Nothing waits for you"
              action={<Button onClick={() => taking.mutate()}>Look again</Button>}
            >
              Rows that you gave, or have judged, wait for others. What counts is trained on once it is
              published as a version.
            </Empty>
            <Publish datanetId={datanetId} pass={pass} />
          </>
        ) : (
          <>
            <div className="sticky top-0 z-10 flex flex-wrap items-center gap-2 rounded-lg border bg-surface p-3 shadow-sm">
              <Button
                variant="primary"
                disabled={ready === 0 || sending.isPending}
                onClick={() => sending.mutate()}
              >
                Send {ready} of {rows.length} judgements
              </Button>
              <Button
                onClick={() =>
                  setDrafts(
                    filled(
                      drafts,
                      rows.map(({ row }) => row),
                      { decision: "accept", reason: "" },
                    ),
                  )
                }
              >
                Accept the rest
              </Button>
              <Button
                onClick={() =>
                  setDrafts(
                    filled(
                      drafts,
                      rows.map(({ row }) => row),
                      {
                        decision: "reject",
                        reason: usualReasons[0],
                      },
                    ),
                  )
                }
              >
                Reject the rest
              </Button>
              <Button variant="quiet" disabled={drafts.size === 0} onClick={() => setDrafts(new Map())}>
                Undo all
              </Button>
              <p className="text-xs text-quiet">
                On a row: <kbd>a</kbd> accept, <kbd>r</kbd> reject, <kbd>e</kbd> edit, <kbd>j</kbd> and{" "}
                <kbd>k</kbd> next and back
              </p>
            </div>
            {sending.error && <Failure error={sending.error} />}
            {/* biome-ignore lint/a11y/noStaticElementInteractions: it only moves the focus between rows */}
            <div className="flex flex-col gap-3" onKeyDown={move}>
              {rows.map((row) => (
                <JudgedRow
                  key={row.row}
                  row={row}
                  draft={drafts.get(row.row)}
                  onDraft={(draft) => setDrafts((before) => toggled(before, row.row, draft))}
                  onChange={(draft) => setDrafts((before) => new Map(before).set(row.row, draft))}
                />
              ))}
            </div>
          </>
        )}
      </div>
    </NeedsWallet>
  );
}
