import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { api, ask } from "../../api/client.ts";
import { Amount } from "../../components/amount.tsx";
import { Hash, Transaction } from "../../components/hash.tsx";
import { Facts, Page, Stat, Stats } from "../../components/page.tsx";
import { Loaded } from "../../components/states.tsx";
import { Badge } from "../../components/ui/badge.tsx";
import { Card } from "../../components/ui/card.tsx";
import { When } from "../../components/when.tsx";
import { count } from "../../lib/format.ts";
import { explorerTrail } from "./trail.ts";

/** Receipts settled together: three Merkle roots on chain, disputable until the batch is final. */
export function BatchPage() {
  const { batch } = useParams({ strict: false }) as { batch: string };
  const found = useQuery({
    queryKey: ["batch", batch],
    queryFn: ({ signal }) =>
      ask(api.GET("/v1/batches/{batchId}", { params: { path: { batchId: Number(batch) } }, signal })),
    refetchInterval: (query) => (query.state.data?.state === "final" ? false : 3_000),
  });
  return (
    <Page title={`Batch ${found.data?.number ?? ""}`} trail={explorerTrail}>
      <Loaded query={found} rows={6}>
        {(data) => (
          <>
            <Stats>
              <Stat label="State">
                <Badge className="text-sm">{data.state}</Badge>
              </Stat>
              <Stat
                label="Receipts"
                note={data.channels === 1 ? "from 1 channel" : `from ${count(data.channels)} channels`}
              >
                {count(data.receipts.count)}
              </Stat>
              <Stat label="Divided">
                <Amount wei={data.totalWei} />
              </Stat>
              <Stat label="Payees" note={`${count(data.journal.count)} payments`}>
                {count(data.balances.count)}
              </Stat>
              {data.gasUsed != null && data.receipts.count > 0 && (
                <Stat label="Gas a receipt" note={`${count(data.gasUsed)} in all`}>
                  {count(Math.round(data.gasUsed / data.receipts.count))}
                </Stat>
              )}
            </Stats>
            <Card heading="On chain">
              <Facts
                facts={[
                  [
                    "Transaction",
                    data.transactionHash === null ? (
                      "not posted yet"
                    ) : (
                      <Transaction key="tx" value={data.transactionHash} />
                    ),
                  ],
                  ["Prepared", <When key="prepared" exact="second" ms={data.preparedAtMs} />],
                  [
                    "Final",
                    data.finalAtSec === null ? (
                      "not posted yet"
                    ) : (
                      <When key="final" exact="second" ms={data.finalAtSec * 1000} />
                    ),
                  ],
                  ["Receipts' root", <Hash key="receipts" value={data.receipts.root} />],
                  ["Payments' root", <Hash key="journal" value={data.journal.root} />],
                  ["Balances' root", <Hash key="balances" value={data.balances.root} />],
                  ["Content's digest", <Hash key="content" value={data.contentDigest} />],
                ]}
              />
            </Card>
          </>
        )}
      </Loaded>
    </Page>
  );
}
