import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { receiptsQuery, statusQuery } from "../../api/live.ts";
import type { Schema } from "../../api/types.ts";
import { Amount } from "../../components/amount.tsx";
import { ReceiptLink } from "../../components/hash.tsx";
import { Page, Stat, Stats, StatsPlace } from "../../components/page.tsx";
import { Empty, Loaded } from "../../components/states.tsx";
import { Badge } from "../../components/ui/badge.tsx";
import { Button } from "../../components/ui/button.tsx";
import { Card } from "../../components/ui/card.tsx";
import { Table } from "../../components/ui/table.tsx";
import { When } from "../../components/when.tsx";
import { count, datanetLabel } from "../../lib/format.ts";
import { useTourMark } from "../../tour/tour.ts";
import { Pulse } from "./pulse.tsx";

/** What the network is doing now. */
export function Home() {
  const status = useQuery(statusQuery);
  const receipts = useQuery(receiptsQuery({ limit: 50 }));
  const mark = useTourMark("network");
  return (
    <Page
      title="Home"
      lead="People who own knowledge get paid when AI uses it. This is what this node sees happen."
      action={
        <>
          <Button asChild variant="primary">
            <Link to="/playground">Ask a model</Link>
          </Button>
          <Button asChild>
            <Link to="/datanets">Contribute knowledge</Link>
          </Button>
        </>
      }
    >
      <Loaded query={status} place={<StatsPlace count={5} />}>
        {(data) => <Figures status={data} />}
      </Loaded>
      <Card
        className={mark}
        heading="Answers and what they pay"
        note="The newest answers, from question to the people paid. It moves as answers come."
      >
        <Loaded query={receipts} rows={8}>
          {({ receipts }) => <Pulse receipts={receipts} />}
        </Loaded>
      </Card>
      <div className="grid gap-5 xl:grid-cols-2">
        <Card
          heading="Newest answers"
          action={
            <Button asChild variant="link">
              <Link to="/explorer">All of them</Link>
            </Button>
          }
        >
          <Loaded query={receipts}>{({ receipts }) => <Answers receipts={receipts.slice(0, 8)} />}</Loaded>
        </Card>
        <Card
          heading="Datanets"
          action={
            <Button asChild variant="link">
              <Link to="/datanets">All of them</Link>
            </Button>
          }
        >
          <Loaded query={status}>{({ datanets }) => <Datanets datanets={datanets} />}</Loaded>
        </Card>
      </div>
    </Page>
  );
}

function Figures({ status }: { status: Schema<"Status"> }) {
  const examples = status.datanets.reduce((sum, { examples }) => sum + examples, 0);
  const paid = status.batches.reduce((sum, { totalWei }) => sum + BigInt(totalWei), 0n);
  return (
    <Stats>
      <Stat label="Paid answers" note={`${count(status.receipts.settled)} settled on chain`}>
        {count(status.receipts.count)}
      </Stat>
      <Stat
        label="Divided in the last batches"
        note={status.batches.length === 1 ? "one batch" : `${status.batches.length} batches`}
      >
        <Amount wei={paid} />
      </Stat>
      <Stat label="Waiting for a batch" note={`${count(status.receipts.pending)} answers not final`}>
        <Amount wei={status.receipts.pendingWei} />
      </Stat>
      <Stat
        label="Rows to train on"
        note={
          status.datanets.length === 1 ? "in one Datanet" : `in ${count(status.datanets.length)} Datanets`
        }
      >
        {count(examples)}
      </Stat>
      <Stat label="Released models" note={`on ${status.base}`}>
        {count(status.models.length)}
      </Stat>
    </Stats>
  );
}

function Answers({ receipts }: { receipts: Schema<"ListedReceipt">[] }) {
  return (
    <Table
      caption="Newest answers"
      stack
      rows={receipts}
      keyOf={({ receiptId }) => receiptId}
      empty={
        <Empty title="No answer has been paid yet">
          Ask a model in the playground: its receipt appears here.
        </Empty>
      }
      columns={[
        { heading: "Receipt", cell: ({ receiptId }) => <ReceiptLink value={receiptId} /> },
        { heading: "Fee", numeric: true, cell: ({ feeWei }) => <Amount wei={feeWei} /> },
        { heading: "State", cell: ({ state }) => <Badge>{state}</Badge> },
        { heading: "When", numeric: true, cell: ({ acceptedAtMs }) => <When ms={acceptedAtMs} /> },
      ]}
    />
  );
}

function Datanets({ datanets }: { datanets: Schema<"Status">["datanets"] }) {
  return (
    <Table
      caption="Datanets"
      rows={datanets}
      keyOf={({ id }) => id}
      empty={
        <Empty title="There is no Datanet yet">Create one, and invite people to bring what they know.</Empty>
      }
      columns={[
        {
          heading: "Name",
          cell: ({ id, name }) => (
            <Link to="/datanets/$id" params={{ id }} className="text-accent hover:underline">
              {datanetLabel(name, id)}
            </Link>
          ),
        },
        { heading: "Licence", cell: ({ license }) => license },
        { heading: "Rows to train on", numeric: true, cell: ({ examples }) => count(examples) },
        {
          heading: "Contributors",
          numeric: true,
          wide: true,
          cell: ({ contributors }) => count(contributors),
        },
      ]}
    />
  );
}
