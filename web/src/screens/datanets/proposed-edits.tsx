import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import type { Address } from "viem";
import { api, ask } from "../../api/client.ts";
import type { Schema } from "../../api/types.ts";
import { Loaded } from "../../components/states.tsx";
import { Badge } from "../../components/ui/badge.tsx";
import { Button } from "../../components/ui/button.tsx";
import { Card } from "../../components/ui/card.tsx";
import { CheckField } from "../../components/ui/field.tsx";
import { count } from "../../lib/format.ts";
import { SignedButton, useAct } from "../../wallet/act.tsx";
import { AskToRead } from "./access.tsx";
import { decline, type Edit, isDeclined, openEdits, takeEdits } from "./edits.ts";
import { type Example, roleName } from "./example.tsx";
import { passHeaders, useReportPass } from "./pass.ts";
import { textDiff } from "./text-diff.ts";

type Props = { report: Schema<"ContributionReport">; me: Address | undefined };

/** So many texts are shown, and one signature takes them. */
const atOnce = 500;

/** Texts that curators would have in place of one's rows: what changes in each, and taking or declining it. */
export function ProposedEdits({ report, me }: Props) {
  const { contributionId, proposed } = report;
  const pass = useReportPass(report.datanetId);
  const found = useQuery({
    queryKey: ["contribution", contributionId, "proposed", proposed, pass ?? ""],
    queryFn: ({ signal }) =>
      ask(
        api.GET("/v1/contributions/{contributionId}", {
          params: { path: { contributionId }, query: { status: "proposed", limit: atOnce } },
          headers: passHeaders(pass),
          signal,
        }),
      ),
    enabled: proposed > 0,
  });
  if (proposed === 0) return null;
  return (
    <Card
      heading={`Edits proposed to ${me === report.contributor ? "your" : "these"} rows`}
      note="A curator would have these rows otherwise. A text that is taken counts in place of its row, under its contributor's consent to it; what is declined stays as it was decided."
      aria-label="Edits proposed"
    >
      <Loaded query={found} rows={4}>
        {(page) =>
          // Where texts are gated, these are shown with a pass.
          openEdits(page).length === 0 ? (
            <AskToRead datanetId={report.datanetId} />
          ) : (
            <Edits key={proposed} report={page} me={me} />
          )
        }
      </Loaded>
      {proposed > atOnce && (
        <p className="mt-3 text-sm text-quiet">
          The first {count(atOnce)} of {count(proposed)}: the others follow when these are taken.
        </p>
      )}
    </Card>
  );
}

function Edits({ report, me }: Props) {
  const { contributionId, contributor } = report;
  const edits = openEdits(report);
  const mine = me === contributor;
  const [declined, setDeclined] = useState(
    () => new Set(edits.filter((edit) => isDeclined(contributionId, edit)).map(({ line }) => line)),
  );
  const [left, setLeft] = useState<ReadonlySet<number>>(new Set());
  const { act, busy, failure } = useAct();
  const wanted = edits.filter(({ line }) => !declined.has(line) && !left.has(line));
  function choose(edit: Edit, isDeclinedNow: boolean) {
    decline(contributionId, edit, isDeclinedNow);
    const next = new Set(declined);
    if (isDeclinedNow) next.add(edit.line);
    else next.delete(edit.line);
    setDeclined(next);
  }
  return (
    <>
      <ul className="flex flex-col gap-4">
        {edits.map((edit) => (
          <li key={edit.line} className="flex flex-col gap-2 border-b pb-4">
            <p className="flex flex-wrap items-center gap-2 text-sm">
              <span className="font-medium">Row {edit.line}</span>
              {declined.has(edit.line) && <Badge tone="quiet">declined</Badge>}
              <span className="text-quiet">{edit.reason}</span>
            </p>
            {!declined.has(edit.line) && <ExampleDiff before={edit.before} after={edit.after} />}
            {mine && (
              <div className="flex flex-wrap items-center gap-3">
                {!declined.has(edit.line) && (
                  <CheckField
                    label={`Take the text for row ${edit.line}`}
                    checked={!left.has(edit.line)}
                    onCheckedChange={(taken) => {
                      const next = new Set(left);
                      if (taken === true) next.delete(edit.line);
                      else next.add(edit.line);
                      setLeft(next);
                    }}
                  />
                )}
                <Button
                  size="small"
                  aria-label={
                    declined.has(edit.line) ? `Show it again: row ${edit.line}` : `Decline row ${edit.line}`
                  }
                  onClick={() => choose(edit, !declined.has(edit.line))}
                >
                  {declined.has(edit.line) ? "Show it again" : "Decline"}
                </Button>
              </div>
            )}
          </li>
        ))}
      </ul>
      {failure}
      {mine ? (
        <div className="mt-4 flex flex-wrap items-center gap-3">
          <SignedButton
            variant="primary"
            disabled={busy || wanted.length === 0}
            onClick={() =>
              act(async () => {
                const done = await takeEdits(report, contributor as Address, wanted);
                return `Contribution ${done.contributionId} holds them: ${count(done.accepted)} count, ${count(done.pending)} wait for review.`;
              })
            }
          >
            {busy ? "Waiting for your signature …" : `Sign and take ${count(wanted.length)}`}
          </SignedButton>
          <p className="text-sm text-quiet">
            One signature, a consent to exactly these texts. It costs nothing.
          </p>
        </div>
      ) : (
        <p className="mt-4 text-sm text-quiet">Only who gave the rows takes or declines them.</p>
      )}
    </>
  );
}

const turnsOf = (example: Example): { role: string; content: string }[] =>
  "messages" in example
    ? example.messages
    : [
        { role: "prompt", content: example.prompt },
        { role: "completion", content: example.completion },
      ];

/** What changes from one example to another, turn by turn. */
function ExampleDiff({ before, after }: { before: Example | undefined; after: Example }) {
  const [old, now] = [before ? turnsOf(before) : [], turnsOf(after)];
  return (
    <ol className="flex flex-col gap-2">
      {Array.from({ length: Math.max(old.length, now.length) }, (_, turn) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: turns never move
        <li key={turn} className="rounded-md border bg-sunken px-3 py-2">
          <p className="text-xs font-medium text-quiet">{roleName((now[turn] ?? old[turn])?.role ?? "")}</p>
          <p className="text-sm whitespace-pre-wrap [overflow-wrap:anywhere]">
            {textDiff(
              before ? (old[turn]?.content ?? "") : (now[turn]?.content ?? ""),
              now[turn]?.content ?? "",
            ).map(({ change, text }, at) =>
              change === "same" ? (
                text
              ) : change === "gone" ? (
                // biome-ignore lint/suspicious/noArrayIndexKey: pieces never move
                <del key={at} className="rounded-xs bg-bad-soft text-bad">
                  {text}
                </del>
              ) : (
                // biome-ignore lint/suspicious/noArrayIndexKey: pieces never move
                <ins key={at} className="rounded-xs bg-good-soft text-good no-underline">
                  {text}
                </ins>
              ),
            )}
          </p>
        </li>
      ))}
    </ol>
  );
}
