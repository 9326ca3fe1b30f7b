import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Address, Transaction } from "../../components/hash.tsx";
import { Page } from "../../components/page.tsx";
import { Empty, Loaded } from "../../components/states.tsx";
import { Button } from "../../components/ui/button.tsx";
import { Card } from "../../components/ui/card.tsx";
import { TextField } from "../../components/ui/field.tsx";
import { Table } from "../../components/ui/table.tsx";
import { When } from "../../components/when.tsx";
import { feeHeads, headWords, percentOf, showParameter } from "../../governance/parameter.ts";
import { aboutParameter, type Parameter, type Parameters } from "../../governance/parameters.ts";
import { parametersQuery } from "../../governance/queries.ts";
import { useAddressParam } from "../../lib/address.ts";

/** Every number that governance sets: its value, what it may be, and what it was. */
export function ParametersPage() {
  const found = useQuery(parametersQuery);
  const [search, setSearch] = useAddressParam("search");
  const wanted = search.trim().toLowerCase();
  return (
    <Page
      title="Parameters"
      lead="Every number that governance sets, with the bounds that no vote can cross, and every value it ever had."
      trail={[{ label: "Governance", to: "/governance" }]}
      action={
        <Button asChild variant="primary">
          <Link to="/governance/new">Propose a change</Link>
        </Button>
      }
    >
      <Loaded query={found} rows={12}>
        {(all) => {
          const shown = all.parameters.filter(({ name }) =>
            `${name} ${aboutParameter[name] ?? ""}`.toLowerCase().includes(wanted),
          );
          return (
            <>
              <Card heading="How a fee is divided" note="The first five sum to 100 %.">
                <FeeSplit all={all} />
              </Card>
              <Card
                heading="Numbers and addresses"
                action={
                  <TextField
                    label={<span className="sr-only">Search</span>}
                    type="search"
                    placeholder="Search"
                    value={search}
                    onChange={({ target }) => setSearch(target.value)}
                  />
                }
              >
                <Table
                  caption="Parameters"
                  stack
                  rows={shown}
                  keyOf={({ name }) => name}
                  empty={
                    <Empty title="No parameter is called so">
                      Search by a part of its name or of what it does.
                    </Empty>
                  }
                  columns={[
                    { heading: "Parameter", cell: (one) => <Name parameter={one} /> },
                    {
                      heading: "Value",
                      numeric: true,
                      cell: (one) => <Value parameter={one} value={one.value} />,
                    },
                    {
                      heading: "Lowest",
                      numeric: true,
                      wide: true,
                      cell: (one) => <Bound parameter={one} value={one.lowest} />,
                    },
                    {
                      heading: "Highest",
                      numeric: true,
                      wide: true,
                      cell: (one) => <Bound parameter={one} value={one.highest} />,
                    },
                    {
                      heading: "Unit",
                      wide: true,
                      cell: ({ unit }) => <span className="text-quiet">{unit}</span>,
                    },
                  ]}
                />
              </Card>
            </>
          );
        }}
      </Loaded>
    </Page>
  );
}

const changes = (values: number) =>
  values === 1 ? "As at the start" : values === 2 ? "1 change" : `${values - 1} changes`;

function Name({ parameter }: { parameter: Parameter }) {
  const { name, history } = parameter;
  return (
    <div className="min-w-44">
      <Link
        to="/governance/new"
        search={{ kind: "set", parameter: name } as never}
        title={`Propose another ${name}`}
        className="font-mono text-[0.8125rem] text-accent hover:underline"
      >
        {name}
      </Link>
      <p className="text-quiet">{aboutParameter[name]}</p>
      <details className="mt-1 text-quiet">
        <summary>{changes(history.length)}</summary>
        <ol className="mt-1 flex flex-col gap-1">
          {history.map(({ value, fromMs, transactionHash }) => (
            <li key={transactionHash + value} className="flex flex-wrap items-center gap-x-3">
              <span className="text-text">{showParameter(name, value)}</span>
              <span>
                from <When ms={fromMs} exact />
              </span>
              <Transaction value={transactionHash} />
            </li>
          ))}
        </ol>
      </details>
    </div>
  );
}

const Value = ({ parameter: { name, unit }, value }: { parameter: Parameter; value: bigint }) =>
  unit === "address" ? (
    <Address value={showParameter(name, value)} />
  ) : (
    <span className="font-medium" title={`${value} ${unit}`}>
      {showParameter(name, value)}
    </span>
  );

const Bound = ({ parameter: { name, unit }, value }: { parameter: Parameter; value: bigint }) =>
  unit === "address" ? (
    <span className="text-quiet">any</span>
  ) : (
    <span title={`${value} ${unit}`}>{showParameter(name, value)}</span>
  );

function FeeSplit({ all: { split, splitBounds, splitHistory } }: { all: Parameters }) {
  return (
    <div className="flex flex-col gap-3">
      <Table
        caption="Fee split"
        rows={feeHeads}
        keyOf={(head) => head}
        columns={[
          { heading: "Part", cell: (head) => head },
          { heading: "Is for", cell: (head) => <span className="text-quiet">{headWords[head]}</span> },
          {
            heading: "Value",
            numeric: true,
            cell: (head) => <b className="font-medium">{percentOf(split[head])}</b>,
          },
          { heading: "Lowest", numeric: true, wide: true, cell: (head) => percentOf(splitBounds[head][0]) },
          { heading: "Highest", numeric: true, wide: true, cell: (head) => percentOf(splitBounds[head][1]) },
        ]}
      />
      <details className="text-sm text-quiet">
        <summary>{changes(splitHistory.length)}</summary>
        <ol className="mt-2 flex flex-col gap-1.5">
          {splitHistory.map(({ split, fromMs, transactionHash }) => (
            <li key={transactionHash} className="flex flex-wrap items-center gap-x-3">
              <span className="text-text">
                {feeHeads.map((head) => `${head} ${percentOf(split[head])}`).join(", ")}
              </span>
              <span>
                from <When ms={fromMs} exact />
              </span>
              <Transaction value={transactionHash} />
            </li>
          ))}
        </ol>
      </details>
      <p>
        <Link
          to="/governance/new"
          search={{ kind: "split" } as never}
          className="text-sm text-accent hover:underline"
        >
          Propose another division
        </Link>
      </p>
    </div>
  );
}
