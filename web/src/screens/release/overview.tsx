import type { ReactNode } from "react";
import type { Schema } from "../../api/types.ts";
import { Flow } from "../../components/flow.tsx";
import { Address, Hash, ReleaseLink, Transaction } from "../../components/hash.tsx";
import { Facts } from "../../components/page.tsx";
import { Card } from "../../components/ui/card.tsx";
import { Table } from "../../components/ui/table.tsx";
import { When } from "../../components/when.tsx";
import { count, percent, words } from "../../lib/format.ts";
import { Standing } from "../../receipt/standing.tsx";
import { lineageOf, rowsByContributor } from "./lineage.ts";

type Props = { release: Schema<"Release"> };
const contributorsShown = 12;

/** Where a release came from, as a picture and in figures. */
export function Overview({ release }: Props) {
  const { manifest, contributors, withdrawn } = release;
  const { nodes, links } = lineageOf(release);
  const all = rowsByContributor(contributors);
  return (
    <div className="flex flex-col gap-5">
      <Card
        heading="From people's rows to answers"
        note="A band is as wide as the examples in it. Whoever stands at the left is paid when the right answers from them."
      >
        <section
          // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable with the keyboard
          tabIndex={0}
          aria-label="Lineage"
          className="overflow-x-auto"
        >
          <div className="min-w-[52rem]">
            <Flow
              label={`${release.model} is made from ${manifest.datanets.length} Datanet versions of ${all.length} contributors, through one adapter`}
              nodes={nodes}
              links={links}
            />
          </div>
        </section>
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
        <Card heading="Made from">
          <Table
            caption="Datanet versions"
            rows={manifest.datanets}
            keyOf={({ datanetId }) => datanetId}
            columns={[
              {
                heading: "Datanet",
                cell: ({ datanetId, version }) => `${datanetId}, version ${version}`,
              },
              { heading: "Examples", numeric: true, cell: ({ acceptedExamples }) => count(acceptedExamples) },
              { heading: "Licence", cell: ({ license }) => license },
              { heading: "Root", wide: true, cell: ({ root }) => <Hash value={root} /> },
            ]}
          />
        </Card>
        <Card heading="By whom" note="Rows of the pay index stand for a contributor's examples.">
          <Table
            caption="Contributors"
            rows={all.slice(0, contributorsShown)}
            keyOf={({ contributor }) => contributor}
            columns={[
              { heading: "Contributor", cell: ({ contributor }) => <Address value={contributor} /> },
              { heading: "Rows", numeric: true, cell: ({ rows }) => count(rows) },
              {
                heading: "Part",
                numeric: true,
                cell: ({ rows }) => percent(rows / Math.max(1, contributors.length)),
              },
            ]}
          />
          {all.length > contributorsShown && (
            <p className="mt-2 text-sm text-quiet">and {count(all.length - contributorsShown)} more</p>
          )}
        </Card>
        <Card heading="The manifest">
          <Facts facts={factsOf(release)} />
        </Card>
        <div className="flex flex-col gap-5">
          <Card heading="The recipe">
            <Facts
              facts={Object.entries(manifest.recipe).map(([name, value]): [string, ReactNode] => [
                words(name),
                value !== null && typeof value === "object" ? (
                  <span key={name} className="font-mono text-xs">
                    {JSON.stringify(value)}
                  </span>
                ) : (
                  String(value)
                ),
              ])}
            />
          </Card>
          <Card heading="What holds, and who says so">
            <Standing standing={release.standing} />
          </Card>
        </div>
      </div>
    </div>
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
      `${index.method}, ${count(index.contributors)} rows and ${count(index.nullRows)} of chance, ${index.k} dimensions`,
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
