import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { api, ask } from "../../api/client.ts";
import type { Schema } from "../../api/types.ts";
import { Address, Hash, Transaction } from "../../components/hash.tsx";
import { Empty, Failure, Loading } from "../../components/states.tsx";
import { Badge } from "../../components/ui/badge.tsx";
import { Button } from "../../components/ui/button.tsx";
import { Card } from "../../components/ui/card.tsx";
import { SelectField } from "../../components/ui/field.tsx";
import { Table } from "../../components/ui/table.tsx";
import { VirtualTable } from "../../components/virtual-table.tsx";
import { When } from "../../components/when.tsx";
import { useFilters } from "../../lib/filters.ts";
import { count } from "../../lib/format.ts";
import { usePages } from "../../lib/pages.ts";
import { Side } from "./example.tsx";
import { passHeaders, usePass } from "./pass.ts";
import { Unpublished } from "./unpublished.tsx";

type Version = Schema<"DatanetVersion">;
type Diff = Schema<"VersionDiff">;

/** What has been published, and what changed from one version to another. */
export function Versions({
  datanet,
  versions,
  more,
}: {
  datanet: Schema<"Datanet">;
  versions: Version[];
  more: { hasNextPage: boolean; isFetchingNextPage: boolean; fetchNextPage: () => unknown };
}) {
  const { datanetId } = datanet;
  return (
    <div className="flex flex-col gap-5">
      <Card
        heading="Versions"
        note="Immutable: each one's root stands on chain, and every row proves that it is under it."
      >
        <Unpublished datanet={datanet} newest={versions[0]} />
        <Table
          caption="Versions"
          stack
          rows={versions}
          keyOf={({ version }) => String(version)}
          empty={
            <Empty title="No version has been published yet">
              A version holds all rows that are accepted when it is published. Models are trained on versions
              only.
            </Empty>
          }
          columns={[
            {
              heading: "Version",
              cell: ({ version }) => (
                <>
                  <span className="sm:hidden">Version </span>
                  {version}
                </>
              ),
            },
            { heading: "Train rows", numeric: true, cell: (one) => count(one.count) },
            { heading: "Held out", numeric: true, cell: (one) => count(one.heldoutCount) },
            { heading: "Licence", wide: true, cell: ({ license }) => license },
            { heading: "Root", wide: true, cell: ({ root }) => <Hash value={root} /> },
            {
              heading: "Published in",
              cell: ({ transactionHash }) =>
                transactionHash === null ? "imported" : <Transaction value={transactionHash} />,
            },
            { heading: "When", numeric: true, cell: ({ recordedAtMs }) => <When ms={recordedAtMs} /> },
            {
              heading: "Files",
              cell: ({ version }) => <Files datanetId={datanetId} version={version} />,
            },
          ]}
        />
        {more.hasNextPage && (
          <Button className="mt-3" disabled={more.isFetchingNextPage} onClick={() => more.fetchNextPage()}>
            Show more
          </Button>
        )}
      </Card>
      {versions.length > 0 && <Difference datanetId={datanetId} versions={versions} />}
    </div>
  );
}

const files = [
  ["rows.jsonl", "JSONL"],
  ["rows.parquet", "Parquet"],
  ["croissant.json", "Croissant"],
  ["README.md", "Card"],
] as const;

/** A version as files; who has a pass takes them with it. */
export function Files({ datanetId, version }: { datanetId: string; version: number }) {
  const pass = usePass(datanetId);
  const taking = useMutation({
    mutationFn: async ([url, name]: readonly [string, string]) => {
      const response = await fetch(url, { headers: passHeaders(pass) });
      if (!response.ok) throw new Error(`The node answered ${response.status}: the pass may have ended.`);
      const link = document.createElement("a");
      link.href = URL.createObjectURL(await response.blob());
      link.download = name;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    },
  });
  return (
    <span className="flex flex-wrap gap-x-3 gap-y-1">
      {files.map(([name, label]) => {
        const url = `/v1/datanets/${datanetId}/versions/${version}/files/${name}`;
        return (
          <a
            key={name}
            href={url}
            download={name}
            className="text-accent underline-offset-3 hover:underline"
            onClick={(event) => {
              if (pass === undefined) return;
              event.preventDefault();
              taking.mutate([url, name]);
            }}
          >
            {label}
          </a>
        );
      })}
      {taking.error && <Failure error={taking.error} />}
    </span>
  );
}

function Difference({ datanetId, versions }: { datanetId: string; versions: Version[] }) {
  const [filter, change] = useFilters();
  const pass = usePass(datanetId);
  const to = Number(filter("to") ?? versions[0]?.version);
  const from = Number(filter("from") ?? to - 1);
  const [asked, setAsked] = useState(filter("to") !== undefined);
  return (
    <Card heading="What changed" note="Rows that one version has and the other has not.">
      <div className="mb-3 flex flex-wrap items-end gap-3">
        <SelectField label="From" value={from} onChange={({ target }) => change({ from: target.value })}>
          <option value={0}>nothing</option>
          {versions.map(({ version }) => (
            <option key={version} value={version}>
              Version {version}
            </option>
          ))}
        </SelectField>
        <SelectField label="To" value={to} onChange={({ target }) => change({ to: target.value })}>
          {versions.map(({ version }) => (
            <option key={version} value={version}>
              Version {version}
            </option>
          ))}
        </SelectField>
        {!asked && (
          <Button
            onClick={() => {
              setAsked(true);
              change({ from, to });
            }}
          >
            Compare
          </Button>
        )}
      </div>
      {asked && (
        <Changes
          key={`${from} ${to}`}
          datanetId={datanetId}
          from={from}
          to={to}
          headers={passHeaders(pass)}
        />
      )}
    </Card>
  );
}

function Changes({
  datanetId,
  from,
  to,
  headers,
}: {
  datanetId: string;
  from: number;
  to: number;
  headers: Record<string, string>;
}) {
  const list = usePages<Diff["rows"][number], Diff>({
    key: ["rows", datanetId, "diff", from, to, headers],
    load: ({ signal, ...page }) =>
      ask(
        api.GET("/v1/datanets/{datanetId}/versions/{version}/diff", {
          params: { path: { datanetId, version: to }, query: { from, ...page } },
          headers,
          signal,
        }),
      ),
  });
  if (list.error) return <Failure error={list.error} />;
  if (!list.page) return <Loading rows={6} />;
  const { added, removed, kept } = list.page;
  return (
    <>
      <p className="mb-3 flex flex-wrap gap-2 text-sm">
        <Badge tone="good">{count(added)} added</Badge>
        <Badge tone="bad">{count(removed)} removed</Badge>
        <Badge tone="quiet">{count(kept)} kept</Badge>
      </p>
      {added + removed > 0 && (
        <VirtualTable<Diff["rows"][number]>
          caption={`Rows that differ between version ${from} and version ${to}`}
          total={added + removed}
          rowAt={list.rowAt}
          onRange={list.onRange}
          height="min(50dvh, 32rem)"
          columns={[
            {
              heading: "Change",
              width: "6.5rem",
              cell: ({ change }) => <Badge tone={change === "added" ? "good" : "bad"}>{change}</Badge>,
            },
            {
              heading: "Split",
              width: "6rem",
              cell: ({ split }) => (split === "train" ? "train" : "held out"),
            },
            {
              heading: "Asks",
              width: "minmax(14rem, 3fr)",
              cell: ({ example }) => <Side example={example} side="asked" />,
            },
            {
              heading: "Learned",
              width: "minmax(12rem, 2fr)",
              cell: ({ example }) => <Side example={example} side="answered" />,
            },
            {
              heading: "Contributor",
              width: "11rem",
              cell: ({ contributor }) => <Address value={contributor} />,
            },
          ]}
        />
      )}
    </>
  );
}
