import { type UseQueryResult, useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import type { Schema } from "../../api/types.ts";
import { Amount } from "../../components/amount.tsx";
import { Address, Transaction } from "../../components/hash.tsx";
import { Page, Stat, Stats, StatsPlace } from "../../components/page.tsx";
import { Empty, Loaded } from "../../components/states.tsx";
import { Badge } from "../../components/ui/badge.tsx";
import { Card } from "../../components/ui/card.tsx";
import { type Column, Table } from "../../components/ui/table.tsx";
import { When } from "../../components/when.tsx";
import { count } from "../../lib/format.ts";
import { challengesQuery, type Draw, disputesQuery, type Undone } from "./challenges.ts";
import { explorerTrail } from "./trail.ts";

type Demand = Schema<"Demand">;
type Watched = Schema<"WatchedBatch">;

/** Whose batch, by the number its attester gave it. */
const batchOf = <Row extends { attester: string; number: number }>(): Column<Row> => ({
  heading: "Batch",
  cell: ({ attester, number }) => (
    <span className="whitespace-nowrap">
      {number} of <Address value={attester} />
    </span>
  ),
});

const draws: Column<Draw>[] = [
  batchOf(),
  {
    heading: "What",
    cell: ({ receipt }) => (receipt === null ? "an audit" : `receipt ${receipt} is said to be wrong`),
  },
  { heading: "By", cell: ({ opener }) => <Address value={opener} /> },
  {
    heading: "Verdict",
    cell: ({ outcome, endsMs }) =>
      outcome !== "open" ? (
        <Badge
          tone={outcome === "found right" ? "good" : outcome.startsWith("found wrong") ? "bad" : "quiet"}
        >
          {outcome}
        </Badge>
      ) : endsMs > Date.now() ? (
        <Badge tone="wait">validators vote</Badge>
      ) : (
        <Badge tone="quiet">not counted yet</Badge>
      ),
  },
  {
    heading: "Found it wrong",
    numeric: true,
    cell: ({ wrong, found }) => (found === 0 ? "nobody voted" : `${wrong} of ${found}`),
  },
  { heading: "Votes until", numeric: true, cell: ({ endsMs }) => <When ms={endsMs} /> },
];

const demands: Column<Demand>[] = [
  batchOf(),
  { heading: "What", cell: ({ kind, index }) => `${kind} ${count(index)}` },
  { heading: "By", cell: ({ demander }) => <Address value={demander} /> },
  { heading: "Price", numeric: true, cell: ({ priceWei }) => <Amount wei={priceWei} /> },
  {
    heading: "State",
    cell: ({ state }) => (
      <Badge tone={state === "answered" ? "good" : state === "enforced" ? "bad" : "wait"}>{state}</Badge>
    ),
  },
  { heading: "Due", numeric: true, cell: ({ deadlineSec }) => <When ms={deadlineSec * 1000} /> },
];

const undone: Column<Undone>[] = [
  {
    heading: "Batches",
    cell: ({ attester, first, last }) => (
      <span className="whitespace-nowrap">
        {first === last ? first : `${first} to ${last}`} of <Address value={attester} />
      </span>
    ),
  },
  { heading: "Proven", cell: ({ proof }) => proof },
  { heading: "By", cell: ({ prover }) => <Address value={prover} /> },
  { heading: "Slashed", numeric: true, cell: ({ slashedWei }) => <Amount wei={slashedWei.toString()} /> },
  {
    heading: "Transaction",
    wide: true,
    cell: ({ transactionHash }) => <Transaction value={transactionHash} />,
  },
  { heading: "When", numeric: true, cell: ({ atMs }) => <When ms={atMs} /> },
];

const watched: Column<Watched>[] = [
  batchOf(),
  {
    heading: "Found",
    cell: ({ state }) => (
      <Badge
        tone={
          state === "honest" || state === "final"
            ? "good"
            : state === "lying" || state === "undone"
              ? "bad"
              : "wait"
        }
      >
        {state}
      </Badge>
    ),
  },
  { heading: "In words", cell: ({ detail }) => detail ?? "" },
  { heading: "Final", numeric: true, cell: ({ finalAtSec }) => <When ms={finalAtSec * 1000} /> },
];

/** A card with the rows that a query brought. */
function Listed<Data, Row>({
  heading,
  note,
  query,
  rowsOf,
  ...table
}: {
  heading: string;
  note: string;
  query: UseQueryResult<Data>;
  rowsOf: (data: Data) => readonly Row[];
  keyOf: (row: Row) => string;
  columns: readonly Column<Row>[];
  empty: ReactNode;
}) {
  return (
    <Card heading={heading} note={note}>
      <Loaded query={query}>
        {(data) => <Table caption={heading} stack rows={rowsOf(data)} {...table} />}
      </Loaded>
    </Card>
  );
}

/** What was held against batches while they could be disputed, and what came of it. */
export function Challenges() {
  const found = useQuery(challengesQuery);
  const disputes = useQuery(disputesQuery);
  return (
    <Page
      title="Challenges"
      trail={explorerTrail}
      lead="Until a batch is final, anyone may accuse a receipt, demand what is withheld, or prove a lie. Who lied loses a part of a bond, and the batch falls."
    >
      <Loaded query={found} place={<StatsPlace count={3} />}>
        {({ draws, undone }) => (
          <Stats>
            <Stat label="Votes open">
              {count(
                draws.newest.filter(({ outcome, endsMs }) => outcome === "open" && endsMs > Date.now())
                  .length,
              )}
            </Stat>
            <Stat label="Accusations and audits">{count(draws.count)}</Stat>
            <Stat label="Times batches fell">{count(undone.count)}</Stat>
          </Stats>
        )}
      </Loaded>
      <Listed
        heading="Accusations and audits"
        note="Validators drawn by their stake compute the answer's gradient again, and vote."
        query={found}
        rowsOf={({ draws }) => draws.newest}
        keyOf={({ drawId }) => drawId.toString()}
        columns={draws}
        empty={
          <Empty title="Nobody has accused a receipt">
            A receipt's page shows how to compute it again; ./openledger verify --replay needs only its file.
          </Empty>
        }
      />
      <Listed
        heading="Demands"
        note="What an attester withholds must be shown on chain in time, or its batch falls."
        query={disputes}
        rowsOf={({ demands }) => demands}
        keyOf={({ itemId }) => itemId}
        columns={demands}
        empty={<Empty title="Nothing is demanded" />}
      />
      <Listed
        heading="Batches that fell"
        note="A proven lie undoes a batch and every later one of its attester."
        query={found}
        rowsOf={({ undone }) => undone.newest}
        keyOf={({ key }) => key}
        columns={undone}
        empty={<Empty title="No batch has fallen" />}
      />
      <Listed
        heading="Others' batches"
        note="What this node found when it computed them again."
        query={disputes}
        rowsOf={({ batches }) => batches}
        keyOf={({ attester, number, receiptsRoot }) => `${attester} ${number} ${receiptsRoot}`}
        columns={watched}
        empty={<Empty title="Nobody else settles here" />}
      />
    </Page>
  );
}
