import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { givenQuery } from "../../api/models.ts";
import type { Schema } from "../../api/types.ts";
import { Flow } from "../../components/flow.tsx";
import { Address, Hash, ReleaseLink, Transaction } from "../../components/hash.tsx";
import { Facts } from "../../components/page.tsx";
import { Loaded } from "../../components/states.tsx";
import { Card } from "../../components/ui/card.tsx";
import { Table } from "../../components/ui/table.tsx";
import { When } from "../../components/when.tsx";
import { count, percent, settings } from "../../lib/format.ts";
import { Standing } from "../../receipt/standing.tsx";
import { lineageOf, rowsByContributor } from "./lineage.ts";

type Props = { release: Schema<"Release"> };
const contributorsShown = 12;

/** Where a release came from, as a picture and in figures. */
export function Overview({ release }: Props) {
  const { manifest, withdrawn } = release;
  const given = useQuery(givenQuery(release.id));
  return (
    <div className="flex flex-col gap-5">
      <Card
        heading="From people's rows to answers"
        note="A band is as wide as the examples in it. Whoever stands at the left is paid when the right answers from them."
      >
        <Loaded query={given} rows={7}>
          {({ contributors }) => (
            <Flow
              name="Lineage"
              least={832}
              label={`${release.model} is made from ${manifest.datanets.length} Datanet versions of ${contributors.length} contributors, through one adapter`}
              {...lineageOf(release, contributors)}
            />
          )}
        </Loaded>
        {withdrawn.length > 0 && (
          <p role="status" className="mt-3 rounded-md bg-wait-soft p-3 text-sm text-wait">
            {withdrawn
              .map(
                ({ rows, datanetId, version }) =>
                  `${count(rows)} of Datanet ${datanetId}, version ${version}`,
              )
              .join("; ")}{" "}
            have been taken back by their contributors since. Train again to leave them out.
          </p>
        )}
      </Card>
      <div className="grid items-start gap-5 xl:grid-cols-2">
        <div className="flex min-w-0 flex-col gap-5">
          <Card heading="Made from">
            <Table
              caption="Datanet versions"
              stack
              rows={manifest.datanets}
              keyOf={({ datanetId }) => datanetId}
              columns={[
                {
                  heading: "Datanet",
                  cell: ({ datanetId, version }) => (
                    <Link
                      to="/datanets/$id"
                      params={{ id: datanetId }}
                      search={{ version: String(version) } as never}
                      className="text-accent hover:underline"
                    >
                      Datanet {datanetId}, version {version}
                    </Link>
                  ),
                },
                {
                  heading: "Examples",
                  numeric: true,
                  cell: ({ acceptedExamples }) => count(acceptedExamples),
                },
                {
                  heading: "Licence",
                  cell: ({ license }) => <span className="whitespace-nowrap">{license}</span>,
                },
                { heading: "Root", wide: true, cell: ({ root }) => <Hash value={root} /> },
              ]}
            />
          </Card>
          <Card heading="What holds, and who says so">
            <Standing standing={release.standing} />
          </Card>
          <Card heading="The manifest">
            <Facts facts={factsOf(release)} />
          </Card>
        </div>
        <div className="flex min-w-0 flex-col gap-5">
          <Card
            heading="By whom"
            note="Examples that it was trained on. Rows of the pay index stand for them, and are what answers are scored by."
          >
            <Loaded query={given} rows={4}>
              {({ contributors }) => <ByWhom given={contributors} payees={release.contributors} />}
            </Loaded>
          </Card>
          <Card heading="The recipe">
            <Facts facts={settings(manifest.recipe)} />
          </Card>
        </div>
      </div>
    </div>
  );
}

type ByWhomProps = {
  given: Schema<"ReleaseContributors">["contributors"];
  /** Of each row of the pay index. */
  payees: readonly string[];
};

function ByWhom({ given, payees }: ByWhomProps) {
  const rows = rowsByContributor(payees);
  const total = given.reduce((sum, { examples }) => sum + examples, 0);
  return (
    <>
      <Table
        caption="Contributors"
        rows={given.slice(0, contributorsShown)}
        keyOf={({ contributor }) => contributor}
        columns={[
          { heading: "Contributor", cell: ({ contributor }) => <Address value={contributor} /> },
          { heading: "Examples", numeric: true, cell: ({ examples }) => count(examples) },
          { heading: "Part", numeric: true, cell: ({ examples }) => percent(examples / Math.max(1, total)) },
          {
            heading: "Index rows",
            numeric: true,
            wide: true,
            cell: ({ contributor }) => count(rows.get(contributor) ?? 0),
          },
        ]}
      />
      {given.length > contributorsShown && (
        <p className="mt-2 text-sm text-quiet">and {count(given.length - contributorsShown)} more</p>
      )}
    </>
  );
}

function factsOf({ id, manifest, signature, transactionHash }: Schema<"Release">): [string, ReactNode][] {
  const { base, adapter, index } = manifest;
  return [
    ["Release", <Hash key="id" value={id} />],
    ["Base", base.name],
    ["Its weights", <Hash key="weights" value={base.weightsDigest} />],
    ["Adapter", <Hash key="adapter" value={adapter.digest} />],
    ["Rank and alpha", `${adapter.rank}, ${adapter.alpha}`],
    ["Modules", adapter.modules.join(", ")],
    ["Seed, threads", `${manifest.seed}, ${manifest.threads}`],
    ["Engine", manifest.engineVersion],
    ["Loss curve", <Hash key="curve" value={manifest.lossCurveDigest} />],
    [
      "Pay index",
      <>
        {index.method}, {count(index.contributors)} rows that stand for contributors' examples, of {index.k}{" "}
        dimensions
        <span className="block text-quiet">
          and {count(index.nullRows)} null rows, made from held-out examples that nobody is paid for: a score
          no higher than theirs counts as chance
        </span>
      </>,
    ],
    ["Its root", <Hash key="root" value={index.root} />],
    ["Developer", <Address key="developer" value={manifest.developer} />],
    ["Signature", <Hash key="signature" value={signature} />],
    [
      "Made from",
      manifest.parentRelease === null ? (
        "the base, anew"
      ) : (
        <ReleaseLink key="parent" value={manifest.parentRelease} />
      ),
    ],
    [
      "On chain",
      transactionHash === null ? "not yet" : <Transaction key="transaction" value={transactionHash} />,
    ],
    ["Released", <When key="when" exact ms={manifest.createdAtMs} />],
  ];
}
