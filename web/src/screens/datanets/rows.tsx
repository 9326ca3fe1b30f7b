import { useQuery } from "@tanstack/react-query";
import { SearchIcon } from "lucide-react";
import { type FormEvent, useState } from "react";
import { ApiError, api, ask } from "../../api/client.ts";
import type { Schema } from "../../api/types.ts";
import { Address } from "../../components/hash.tsx";
import { Empty, Failure, Loading } from "../../components/states.tsx";
import { Button } from "../../components/ui/button.tsx";
import { SelectField, TextField } from "../../components/ui/field.tsx";
import { VirtualTable } from "../../components/virtual-table.tsx";
import { useFilters } from "../../lib/filters.ts";
import { count } from "../../lib/format.ts";
import { usePages } from "../../lib/pages.ts";
import { AskToRead } from "./access.tsx";
import { Side } from "./example.tsx";
import { Histograms } from "./histograms.tsx";
import { passHeaders, usePass } from "./pass.ts";
import { versionQuery } from "./queries.ts";
import { filtersInWords, noFilters, readFilters } from "./row-filters.ts";
import { RowPanel } from "./row-panel.tsx";

export type VersionRow = Schema<"DatanetVersionRows">["rows"][number];
type Split = Schema<"Split">;

type Props = { datanetId: string; versions: Schema<"DatanetVersion">[] };

const NoVersion = () => (
  <Empty title="No version has been published yet">
    Accepted rows are seen here once the owner publishes them as a version.
  </Empty>
);

/** Every row of a version: searched, filtered, opened; only what is in sight is fetched. */
export const Rows = ({ versions, ...rest }: Props) =>
  versions.length === 0 ? <NoVersion /> : <Listed {...rest} versions={versions} />;

function Listed({ datanetId, versions: newest }: Props) {
  const [filter, change] = useFilters();
  const pass = usePass(datanetId);
  const version = Number(filter("version") ?? newest[0]?.version ?? 0);
  // An old one, of which a link tells, is beside the newest.
  const isListed = newest.some((one) => one.version === version);
  const older = useQuery({ ...versionQuery(datanetId, version), enabled: !isListed && newest.length > 0 });
  const versions = older.data && !isListed ? [...newest, older.data] : newest;
  const split: Split = filter("split") === "heldout" ? "heldout" : "train";
  const filters = readFilters(filter);
  const { search, contributor } = filters;
  const wanted = JSON.stringify(filters);
  const opened = filter("row");
  const [place, setPlace] = useState<number>();
  const path = { datanetId, version };
  const list = usePages<VersionRow, Schema<"DatanetVersionRows">>({
    key: ["rows", datanetId, version, split, wanted, pass ?? ""],
    load: ({ signal, ...page }) =>
      ask(
        api.GET("/v1/datanets/{datanetId}/versions/{version}/rows", {
          params: {
            path,
            query: { split, ...page, ...filters },
          },
          headers: passHeaders(pass),
          signal,
        }),
      ),
  });
  const chosen = versions.find((one) => one.version === version);
  if (!chosen && older.error) return <Failure error={older.error} />;
  if (!chosen && older.isFetching) return <Loading rows={12} />;
  if (!chosen) return <NoVersion />;

  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    change({
      q: String(new FormData(event.currentTarget).get("q")).trim() || undefined,
      row: undefined,
    });
  }
  const open = (row: VersionRow, at?: number) => {
    setPlace(at);
    change({ row: row.index });
  };
  const step = (by: number) => {
    const next = place === undefined ? undefined : list.rowAt(place + by);
    return next && (() => open(next, (place as number) + by));
  };
  const total = list.page?.total ?? 0;
  const said = filtersInWords(filters);
  const filtered = said.length > 0 || contributor !== undefined;
  return (
    <div className="flex flex-col gap-3">
      <div className="flex flex-wrap items-end gap-3">
        <form onSubmit={submit} className="flex min-w-56 flex-1 items-end gap-2">
          <TextField
            key={search ?? ""}
            label="Search the texts"
            name="q"
            type="search"
            defaultValue={search}
            maxLength={200}
            placeholder="Words, or a row's digest"
            className="flex-1"
          />
          <Button type="submit" aria-label="Search" size="icon">
            <SearchIcon />
          </Button>
        </form>
        <SelectField
          label="Split"
          value={split}
          onChange={({ target }) =>
            change({ split: target.value === "train" ? undefined : target.value, row: undefined })
          }
        >
          <option value="train">Train ({count(chosen.count)})</option>
          <option value="heldout">Held out ({count(chosen.heldoutCount)})</option>
        </SelectField>
        <SelectField
          label="Version"
          value={version}
          onChange={({ target }) => change({ version: target.value, row: undefined })}
        >
          {versions.map((one) => (
            <option key={one.version} value={one.version}>
              Version {one.version}
            </option>
          ))}
        </SelectField>
      </div>
      <Histograms datanetId={datanetId} version={version} split={split} pass={pass} />
      <p role="status" className="flex flex-wrap items-center gap-x-3 gap-y-1 text-sm text-quiet">
        {list.page === undefined
          ? !list.error && "Reading …"
          : [`${count(total)} ${total === 1 ? "row" : "rows"}${filtered ? " found" : ""}`, ...said].join(
              ", ",
            )}
        {contributor && (
          <span>
            of <Address value={contributor} />
          </span>
        )}
        {filtered && (
          <Button variant="link" size="small" onClick={() => change(noFilters)}>
            Show all
          </Button>
        )}
      </p>
      {list.error instanceof ApiError && list.error.code === "access-needed" ? (
        <AskToRead datanetId={datanetId} />
      ) : list.error ? (
        <Failure error={list.error} />
      ) : list.page === undefined ? (
        <Loading rows={12} />
      ) : total === 0 ? (
        <Empty title={filtered ? "No row is like this" : "This split has no row"}>
          {filtered
            ? "The search looks for the words as they stand, in any case. Fewer words, or fewer bars, find more."
            : "Held-out rows measure a model and are never trained on."}
        </Empty>
      ) : (
        <VirtualTable<VersionRow>
          key={`${version} ${split} ${wanted}`}
          caption={`Rows of version ${version}`}
          total={total}
          rowAt={list.rowAt}
          onRange={list.onRange}
          height="min(60dvh, 46rem)"
          columns={[
            {
              heading: "Row",
              width: "4.75rem",
              cell: (row) => (
                <Button
                  variant="link"
                  size="small"
                  aria-label={`Open row ${row.index}`}
                  onClick={() => open(row, placeOf(list.rowAt, total, row))}
                >
                  {count(row.index)}
                </Button>
              ),
            },
            {
              heading: "Asks",
              width: "minmax(14rem, 3fr)",
              cell: ({ example }) => <Side example={example} side="asked" search={search} />,
            },
            {
              heading: "Learned",
              width: "minmax(12rem, 2fr)",
              cell: ({ example }) => <Side example={example} side="answered" search={search} />,
            },
            {
              heading: "Contributor",
              width: "11rem",
              cell: ({ contributor }) => <Address value={contributor} />,
            },
          ]}
        />
      )}
      {opened !== undefined && (
        <RowPanel
          datanetId={datanetId}
          version={version}
          split={split}
          index={Number(opened)}
          search={search}
          onClose={() => change({ row: undefined })}
          onStep={{ back: step(-1), on: step(1) }}
        />
      )}
    </div>
  );
}

/** Where in the list a row stands; it was clicked, so it is one of those loaded. */
function placeOf(rowAt: (at: number) => VersionRow | undefined, total: number, row: VersionRow) {
  // A list of all rows has each at its index; a found one stands before it.
  for (let at = Math.min(row.index, total - 1); at >= 0; at--) if (rowAt(at)?.index === row.index) return at;
  return undefined;
}
