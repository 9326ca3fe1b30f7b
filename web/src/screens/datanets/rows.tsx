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
import { passHeaders, usePass } from "./pass.ts";
import { RowPanel } from "./row-panel.tsx";

export type VersionRow = Schema<"DatanetVersionRows">["rows"][number];
type Split = Schema<"Split">;

/** Every row of a version: searched, filtered, opened; only what is in sight is fetched. */
export function Rows({ datanetId, versions }: { datanetId: string; versions: Schema<"DatanetVersion">[] }) {
  const [filter, change] = useFilters();
  const pass = usePass(datanetId);
  const version = Number(filter("version") ?? versions[0]?.version ?? 0);
  const split: Split = filter("split") === "heldout" ? "heldout" : "train";
  const search = filter("q");
  const contributor = filter("contributor");
  const opened = filter("row");
  const [place, setPlace] = useState<number>();
  const path = { datanetId, version };
  const list = usePages<VersionRow, Schema<"DatanetVersionRows">>({
    key: ["rows", datanetId, version, split, search ?? "", contributor ?? "", pass ?? ""],
    load: ({ signal, ...page }) =>
      ask(
        api.GET("/v1/datanets/{datanetId}/versions/{version}/rows", {
          params: {
            path,
            query: { split, ...page, ...(search && { search }), ...(contributor && { contributor }) },
          },
          headers: passHeaders(pass),
          signal,
        }),
      ),
  });
  const chosen = versions.find((one) => one.version === version);
  if (!chosen)
    return (
      <Empty title="No version has been published yet">
        Accepted rows are seen here once the owner publishes them as a version.
      </Empty>
    );

  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    change({ q: String(new FormData(event.currentTarget).get("q")).trim() || undefined });
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
  const filtered = search !== undefined || contributor !== undefined;
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
      <p role="status" className="flex flex-wrap items-center gap-x-3 gap-y-1 text-sm text-quiet">
        {list.page === undefined
          ? "Reading …"
          : `${count(total)} ${total === 1 ? "row" : "rows"}${filtered ? " found" : ""}`}
        {contributor && (
          <>
            of <Address value={contributor} />
          </>
        )}
        {filtered && (
          <Button
            variant="link"
            size="small"
            onClick={() => change({ q: undefined, contributor: undefined })}
          >
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
            ? "The search looks for the words as they stand, in any case. Fewer words find more."
            : "Held-out rows measure a model and are never trained on."}
        </Empty>
      ) : (
        <VirtualTable<VersionRow>
          key={`${version} ${split} ${search} ${contributor}`}
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
