import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { api, ask } from "../../api/client.ts";
import { receiptsQuery } from "../../api/live.ts";
import { Amount } from "../../components/amount.tsx";
import { ReceiptLink } from "../../components/hash.tsx";
import { Page, Stat, Stats, StatsPlace } from "../../components/page.tsx";
import { Empty, Loaded } from "../../components/states.tsx";
import { Badge } from "../../components/ui/badge.tsx";
import { Card } from "../../components/ui/card.tsx";
import { Table } from "../../components/ui/table.tsx";
import { When } from "../../components/when.tsx";
import { count } from "../../lib/format.ts";
import { Search } from "./search.tsx";
import { Transactions } from "./transactions.tsx";

/** The chain and what is settled on it. */
export function Explorer() {
  const summary = useQuery({
    queryKey: ["explorer"],
    queryFn: ({ signal }) => ask(api.GET("/v1/explorer/summary", { signal })),
    refetchInterval: 5_000,
  });
  const transactions = useQuery({
    queryKey: ["transactions"],
    queryFn: ({ signal }) =>
      ask(api.GET("/v1/explorer/transactions", { params: { query: { limit: 12 } }, signal })),
    refetchInterval: 5_000,
  });
  const receipts = useQuery(receiptsQuery({ limit: 12 }));
  return (
    <Page
      title="Explorer"
      lead="Every block, transaction, receipt and batch of this network, as the chain has it."
    >
      <Search />
      <Loaded query={summary} place={<StatsPlace count={4} />}>
        {({ headBlock, transactions, events, accounts, contracts, behindBlocks }) => (
          <Stats>
            <Stat
              label="Newest block"
              note={behindBlocks === 0 ? "all indexed" : `the index is ${behindBlocks} blocks behind`}
            >
              {count(headBlock)}
            </Stat>
            <Stat label="Transactions">{count(transactions)}</Stat>
            <Stat label="Events">{count(events)}</Stat>
            <Stat label="Accounts" note={`${contracts} of them contracts`}>
              {count(accounts)}
            </Stat>
          </Stats>
        )}
      </Loaded>
      <div className="grid gap-5 2xl:grid-cols-2">
        <Card heading="Newest blocks">
          <Loaded query={summary} rows={6}>
            {({ latest }) => (
              <Table
                caption="Newest blocks"
                rows={latest}
                keyOf={({ hash }) => hash}
                columns={[
                  {
                    heading: "Block",
                    cell: ({ number }) => (
                      <Link
                        to="/explorer/blocks/$block"
                        params={{ block: String(number) }}
                        className="text-accent hover:underline"
                      >
                        {count(number)}
                      </Link>
                    ),
                  },
                  { heading: "Transactions", numeric: true, cell: ({ transactions }) => transactions },
                  {
                    heading: "Gas used",
                    numeric: true,
                    wide: true,
                    cell: ({ gasUsed, gasLimit }) => `${count(gasUsed)} of ${count(gasLimit)}`,
                  },
                  {
                    heading: "When",
                    numeric: true,
                    cell: ({ timestampSec }) => <When ms={timestampSec * 1000} />,
                  },
                ]}
              />
            )}
          </Loaded>
        </Card>
        <Card heading="Newest transactions">
          <Loaded query={transactions} rows={6}>
            {({ transactions }) => <Transactions transactions={transactions} />}
          </Loaded>
        </Card>
        <Card heading="Newest receipts">
          <Loaded query={receipts} rows={6}>
            {({ receipts }) => (
              <Table
                caption="Newest receipts"
                stack
                rows={receipts}
                keyOf={({ receiptId }) => receiptId}
                empty={<Empty title="No answer has been paid yet" />}
                columns={[
                  { heading: "Receipt", cell: ({ receiptId }) => <ReceiptLink value={receiptId} /> },
                  { heading: "Fee", numeric: true, cell: ({ feeWei }) => <Amount wei={feeWei} /> },
                  { heading: "State", cell: ({ state }) => <Badge>{state}</Badge> },
                  { heading: "When", numeric: true, cell: ({ acceptedAtMs }) => <When ms={acceptedAtMs} /> },
                ]}
              />
            )}
          </Loaded>
        </Card>
        <Card
          heading="Batches"
          note="Receipts are settled together; a batch can be disputed until it is final."
          action={
            <Link to="/explorer/challenges" className="text-sm text-accent hover:underline">
              Challenges
            </Link>
          }
        >
          <Batches />
        </Card>
      </div>
    </Page>
  );
}

function Batches() {
  const batches = useQuery({
    queryKey: ["batches"],
    queryFn: ({ signal }) => ask(api.GET("/v1/batches", { params: { query: { limit: 12 } }, signal })),
    refetchInterval: 5_000,
  });
  return (
    <Loaded query={batches} rows={6}>
      {({ batches }) => (
        <Table
          caption="Batches"
          rows={batches}
          keyOf={({ batchId }) => String(batchId)}
          empty={<Empty title="No batch has been settled yet" />}
          columns={[
            {
              heading: "Batch",
              cell: ({ batchId, number }) => (
                <Link
                  to="/explorer/batches/$batch"
                  params={{ batch: String(batchId) }}
                  className="text-accent hover:underline"
                >
                  {number ?? "not posted"}
                </Link>
              ),
            },
            { heading: "Receipts", numeric: true, cell: ({ receipts }) => count(receipts.count) },
            { heading: "Divided", numeric: true, cell: ({ totalWei }) => <Amount wei={totalWei} /> },
            { heading: "State", cell: ({ state }) => <Badge>{state}</Badge> },
          ]}
        />
      )}
    </Loaded>
  );
}
