import { useQuery } from "@tanstack/react-query";
import { receiptsQuery } from "../../api/live.ts";
import type { Schema } from "../../api/types.ts";
import { Amount } from "../../components/amount.tsx";
import { ReceiptLink } from "../../components/hash.tsx";
import { Stat, Stats } from "../../components/page.tsx";
import { Empty, Loaded } from "../../components/states.tsx";
import { Badge } from "../../components/ui/badge.tsx";
import { Card } from "../../components/ui/card.tsx";
import { Table } from "../../components/ui/table.tsx";
import { When } from "../../components/when.tsx";
import { count } from "../../lib/format.ts";

const listed = 100;
const shown = 25;

/** A release's latest paid answers: what they cost, and what of it is final. */
export function Usage({ release }: { release: Schema<"Release"> }) {
  const receipts = useQuery(receiptsQuery({ releaseId: release.id, limit: listed }));
  return (
    <Loaded query={receipts} rows={6}>
      {({ receipts: rows }) => {
        const fees = rows.reduce((sum, { feeWei }) => sum + BigInt(feeWei), 0n);
        const final = rows
          .filter(({ state }) => state === "final")
          .reduce((sum, { feeWei }) => sum + BigInt(feeWei), 0n);
        const of = rows.length === listed ? `of the latest ${listed} answers` : "of all answers";
        return (
          <div className="flex flex-col gap-5">
            <Stats>
              <Stat
                label="Paid answers"
                note={rows.length === listed ? "at least; the latest are below" : "in all"}
              >
                {count(rows.length)}
              </Stat>
              <Stat label="Fees" note={of}>
                <Amount wei={fees} />
              </Stat>
              <Stat label="Final, to be claimed" note={of}>
                <Amount wei={final} />
              </Stat>
            </Stats>
            <Card heading="Latest answers">
              <Table
                caption="Latest answers"
                stack
                rows={rows.slice(0, shown)}
                keyOf={({ receiptId }) => receiptId}
                empty={
                  <Empty title="Nobody has asked this release yet">
                    Ask it in the playground, and see whom it pays.
                  </Empty>
                }
                columns={[
                  { heading: "Receipt", cell: ({ receiptId }) => <ReceiptLink value={receiptId} /> },
                  { heading: "State", cell: ({ state }) => <Badge>{state}</Badge> },
                  { heading: "Fee", numeric: true, cell: ({ feeWei }) => <Amount wei={feeWei} /> },
                  {
                    heading: "Accepted",
                    numeric: true,
                    wide: true,
                    cell: ({ acceptedAtMs }) => <When ms={acceptedAtMs} />,
                  },
                ]}
              />
            </Card>
          </div>
        );
      }}
    </Loaded>
  );
}
