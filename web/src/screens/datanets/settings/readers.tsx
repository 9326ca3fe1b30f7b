import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, ask } from "../../../api/client.ts";
import type { Schema } from "../../../api/types.ts";
import { Address } from "../../../components/hash.tsx";
import { Loaded } from "../../../components/states.tsx";
import { Badge } from "../../../components/ui/badge.tsx";
import { Button } from "../../../components/ui/button.tsx";
import { Card } from "../../../components/ui/card.tsx";
import { Dialog } from "../../../components/ui/dialog.tsx";
import { TextArea } from "../../../components/ui/field.tsx";
import { Table } from "../../../components/ui/table.tsx";
import { When } from "../../../components/when.tsx";
import { count, short } from "../../../lib/format.ts";
import { useAct } from "../../../wallet/act.tsx";

type Reader = Schema<"Reader">;
const pageSize = 50;
const tones = { asked: "wait", admitted: "good", refused: "bad" } as const;
const labels = { asked: "waits", admitted: "admitted", refused: "refused" } as const;

/** Who asked to read, and deciding. */
export function Readers({ datanetId }: { datanetId: string }) {
  const [offset, setOffset] = useState(0);
  const [refused, setRefused] = useState<Reader>();
  const [reason, setReason] = useState("");
  const { act, busy, failure } = useAct();
  const found = useQuery({
    queryKey: ["datanet", datanetId, "readers", offset],
    queryFn: ({ signal }) =>
      ask(
        api.GET("/v1/datanets/{datanetId}/readers", {
          params: { path: { datanetId }, query: { offset, limit: pageSize } },
          signal,
        }),
      ),
  });
  const decide = (reader: string, state: "admitted" | "refused", why?: string) =>
    act(async () => {
      await ask(
        api.PUT("/v1/datanets/{datanetId}/readers/{reader}", {
          params: { path: { datanetId, reader } },
          body: { state, ...(why && { reason: why }) },
        }),
      );
      return state === "admitted"
        ? `${short(reader)} may read.`
        : `${short(reader)} may not read, and its passes have ended.`;
    });
  return (
    <Card
      heading="Who asked to read"
      note="Those who wait stand first. Whom you admit asks again, and gets a pass for an hour."
    >
      <Loaded query={found} rows={3}>
        {({ total, readers }) => (
          <>
            <Table
              caption="Readers"
              stack
              rows={readers}
              keyOf={({ reader }) => reader}
              empty={
                <p className="text-sm text-quiet">
                  Nobody has asked. Where everybody may read, nobody needs to.
                </p>
              }
              columns={[
                {
                  heading: "Reader",
                  cell: ({ reader, purpose }) => (
                    <>
                      <Address value={reader} />
                      <span className="block max-w-prose [overflow-wrap:anywhere] text-quiet">{purpose}</span>
                    </>
                  ),
                },
                {
                  heading: "State",
                  cell: ({ state, reason: why }) => (
                    <>
                      <Badge tone={tones[state]}>{labels[state]}</Badge>
                      {why && <span className="block text-quiet">{why}</span>}
                    </>
                  ),
                },
                { heading: "Asked", wide: true, cell: ({ askedAtMs }) => <When ms={askedAtMs} /> },
                {
                  heading: "Decide",
                  numeric: true,
                  cell: (one) => (
                    <span className="inline-flex flex-wrap justify-end gap-2">
                      {one.state !== "admitted" && (
                        <Button
                          size="small"
                          disabled={busy}
                          aria-label={`Admit ${one.reader}`}
                          onClick={() => decide(one.reader, "admitted")}
                        >
                          Admit
                        </Button>
                      )}
                      {one.state !== "refused" && (
                        <Button
                          size="small"
                          variant="danger"
                          disabled={busy}
                          aria-label={`Refuse ${one.reader}`}
                          onClick={() => {
                            setReason("");
                            setRefused(one);
                          }}
                        >
                          Refuse
                        </Button>
                      )}
                    </span>
                  ),
                },
              ]}
            />
            {total > pageSize && (
              <p className="mt-3 flex flex-wrap items-center gap-2 text-sm text-quiet">
                {count(offset + 1)} to {count(Math.min(total, offset + pageSize))} of {count(total)}
                <Button size="small" disabled={offset === 0} onClick={() => setOffset(offset - pageSize)}>
                  Before
                </Button>
                <Button
                  size="small"
                  disabled={offset + pageSize >= total}
                  onClick={() => setOffset(offset + pageSize)}
                >
                  Next
                </Button>
              </p>
            )}
          </>
        )}
      </Loaded>
      {failure}
      {refused && (
        <Dialog
          open
          onOpenChange={() => setRefused(undefined)}
          title={`Refuse ${short(refused.reader)}?`}
          description="Its passes end at once. You may admit it later."
        >
          <TextArea
            label="Why, for the reader"
            rows={2}
            maxLength={2_000}
            value={reason}
            onChange={({ target }) => setReason(target.value)}
          />
          <Button
            variant="danger"
            className="self-start"
            disabled={busy}
            onClick={async () => {
              await decide(refused.reader, "refused", reason.trim());
              setRefused(undefined);
            }}
          >
            Refuse
          </Button>
        </Dialog>
      )}
    </Card>
  );
}
