import { useQuery } from "@tanstack/react-query";
import { Amount } from "../../components/amount.tsx";
import { Flow, type FlowLink, type FlowNode } from "../../components/flow.tsx";
import { Address, Transaction } from "../../components/hash.tsx";
import { Stat, Stats, StatsPlace } from "../../components/page.tsx";
import { Empty, Loaded, Loading } from "../../components/states.tsx";
import { Card } from "../../components/ui/card.tsx";
import { Table } from "../../components/ui/table.tsx";
import { When } from "../../components/when.tsx";
import { type FeeSplit, headWords, percentOf } from "../../governance/parameter.ts";
import { SplitTable } from "../../governance/parts.tsx";
import { parametersQuery, treasuryQuery } from "../../governance/queries.ts";
import type { Treasury } from "../../governance/treasury.ts";
import { money } from "../../lib/format.ts";

/** Where the treasury's OPEN comes from and goes, and how every fee is divided. */
export function TreasuryView() {
  const treasury = useQuery(treasuryQuery);
  const parameters = useQuery(parametersQuery);
  return (
    <div className="flex flex-col gap-5">
      <Loaded
        query={treasury}
        place={
          <>
            <StatsPlace count={3} />
            <Loading rows={16} />
          </>
        }
      >
        {(treasury) => <Money treasury={treasury} />}
      </Loaded>
      <Card
        heading="How a fee is divided"
        note="Of every paid answer, as governance has set it. A receipt keeps the split of when it was issued."
      >
        <Loaded query={parameters} rows={6}>
          {({ split }) => (
            <div className="grid gap-5 xl:grid-cols-2">
              <FeePicture split={split} />
              <SplitTable split={split} />
            </div>
          )}
        </Loaded>
      </Card>
    </div>
  );
}

const open = (wei: bigint) => `${money(wei).amount} ${money(wei).unit}`;

function Money({ treasury }: { treasury: Treasury }) {
  const { address, heldWei, spentWei, unreleasedWei, income, spending } = treasury;
  const nodes: FlowNode[] = [
    ...income.map(({ name, wei }) => ({ id: name, label: `${name}: ${open(wei)}` })),
    { id: "treasury", label: "Treasury" },
    { id: "held", label: `Held now: ${open(heldWei)}` },
    { id: "spent", label: `Paid by votes: ${open(spentWei)}`, colour: "var(--wait)" },
  ];
  const links: FlowLink[] = [
    ...income.map(({ name, wei }) => ({
      source: name,
      target: "treasury",
      value: Number(wei),
      title: `${name}: ${open(wei)}`,
    })),
    { source: "treasury", target: "held", value: Number(heldWei), title: `Held now: ${open(heldWei)}` },
    {
      source: "treasury",
      target: "spent",
      value: Number(spentWei),
      title: `Paid by votes: ${open(spentWei)}`,
    },
  ];
  return (
    <>
      <Stats>
        <Stat label="Holds" note={<Address value={address} />}>
          <Amount wei={heldWei} />
        </Stat>
        <Stat
          label="Paid by votes"
          note={spending.length === 1 ? "1 payment" : `${spending.length} payments`}
        >
          <Amount wei={spentWei} />
        </Stat>
        <Stat label="Not released yet" note="community and ecosystem, over 48 months">
          <Amount wei={unreleasedWei} />
        </Stat>
      </Stats>
      <Card heading="What came in, and what went out">
        <Flow
          name="Treasury"
          least={640}
          label={`Treasury: ${income.map(({ name, wei }) => `${name} ${open(wei)}`).join(", ")} came in; ${open(spentWei)} went out, ${open(heldWei)} are held.`}
          nodes={nodes}
          links={links}
        />
        <Table
          caption="What came in"
          stack
          rows={income}
          keyOf={({ name }) => name}
          columns={[
            { heading: "Came in as", cell: ({ name }) => name },
            { heading: "Amount", numeric: true, cell: ({ wei }) => <Amount wei={wei} /> },
          ]}
        />
      </Card>
      <Card heading="Paid by votes" note="The newest first.">
        <Table
          caption="Payments of the treasury"
          stack
          rows={spending}
          keyOf={({ transactionHash, what }) => transactionHash + what}
          empty={
            <Empty title="The treasury has paid nothing yet">A proposal to send OPEN pays from it.</Empty>
          }
          columns={[
            { heading: "When", cell: ({ atMs }) => <When ms={atMs} /> },
            { heading: "What", cell: ({ what }) => what },
            { heading: "To", wide: true, cell: ({ to }) => <Address value={to} /> },
            { heading: "Amount", numeric: true, cell: ({ wei }) => <Amount wei={wei} /> },
            {
              heading: "Transaction",
              wide: true,
              cell: ({ transactionHash }) => <Transaction value={transactionHash} />,
            },
          ]}
        />
      </Card>
    </>
  );
}

function FeePicture({ split }: { split: FeeSplit }) {
  const owners = (split.data * split.owners) / 10_000;
  const parts = [
    { id: "operator", bps: split.operator },
    { id: "treasury", bps: split.treasury },
    { id: "developer", bps: split.developer },
    { id: "stakers", bps: split.stakers },
    { id: "data", bps: split.data },
  ] as const;
  const nodes: FlowNode[] = [
    { id: "fee", label: "A fee" },
    ...parts.map(({ id, bps }) => ({ id, label: `${id} ${percentOf(bps)}`, title: headWords[id] })),
    { id: "owners", label: `owners ${percentOf(owners)}`, title: headWords.owners },
    { id: "contributors", label: `contributors ${percentOf(split.data - owners)}` },
  ];
  const links: FlowLink[] = [
    ...parts.map(({ id, bps }) => ({
      source: "fee",
      target: id,
      value: bps,
      title: `${id}: ${percentOf(bps)}, ${headWords[id]}`,
    })),
    {
      source: "data",
      target: "owners",
      value: owners,
      title: `owners of Datanets: ${percentOf(owners)} of the fee`,
    },
    {
      source: "data",
      target: "contributors",
      value: split.data - owners,
      title: `contributors, by influence: ${percentOf(split.data - owners)} of the fee`,
    },
  ];
  return (
    <Flow
      name="A fee"
      label="How a fee is divided; the table beside says it in figures"
      nodes={nodes}
      links={links}
    />
  );
}
