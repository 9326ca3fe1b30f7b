import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { api, ask } from "../../api/client.ts";
import type { Schema } from "../../api/types.ts";
import { ReleaseLink } from "../../components/hash.tsx";
import { Empty, Loaded } from "../../components/states.tsx";
import { Badge } from "../../components/ui/badge.tsx";
import { Button } from "../../components/ui/button.tsx";
import { Card } from "../../components/ui/card.tsx";
import { Table } from "../../components/ui/table.tsx";
import { When } from "../../components/when.tsx";

/** A model's releases, and what another of them says differently. */
export function Versions({ release }: { release: Schema<"Release"> }) {
  const { against } = useSearch({ strict: false }) as { against?: string };
  const navigate = useNavigate();
  const versions = useQuery({
    queryKey: ["release versions", release.model],
    queryFn: ({ signal }) =>
      ask(
        api.GET("/v1/releases/{release}/versions", { params: { path: { release: release.model } }, signal }),
      ),
  });
  return (
    <div className="flex flex-col gap-5">
      <Card
        heading={`Releases of ${release.model}`}
        note="Nothing is overwritten: each stays as it was signed."
      >
        <Loaded query={versions}>
          {({ data }) => (
            <Table
              caption={`Releases of ${release.model}`}
              stack
              rows={data}
              keyOf={({ id }) => id}
              columns={[
                { heading: "Release", cell: ({ id }) => <ReleaseLink value={id} /> },
                {
                  heading: "State",
                  cell: ({ id, served }) => (
                    <span className="flex flex-wrap gap-1">
                      {served && <Badge tone="good">served by name</Badge>}
                      {id === release.id && <Badge tone="quiet">this one</Badge>}
                    </span>
                  ),
                },
                {
                  heading: "Made from",
                  wide: true,
                  cell: ({ parentRelease }) =>
                    parentRelease === null ? "the base" : <ReleaseLink value={parentRelease} />,
                },
                { heading: "Released", numeric: true, cell: ({ createdAtMs }) => <When ms={createdAtMs} /> },
                {
                  heading: "Compare",
                  cell: ({ id }) =>
                    id !== release.id && (
                      <Button
                        size="small"
                        aria-pressed={against === id}
                        onClick={() =>
                          navigate({
                            to: ".",
                            search: (before: object) => ({ ...before, against: id }) as never,
                            replace: true,
                          })
                        }
                      >
                        Differences
                      </Button>
                    ),
                },
              ]}
            />
          )}
        </Loaded>
      </Card>
      {against !== undefined && <Differences before={against} after={release.id} />}
    </div>
  );
}

const shown = (value: unknown) =>
  value === null || value === undefined ? "–" : typeof value === "string" ? value : JSON.stringify(value);

function Differences({ before, after }: { before: string; after: string }) {
  const diff = useQuery({
    queryKey: ["release diff", before, after],
    queryFn: ({ signal }) =>
      ask(
        api.GET("/v1/releases/{release}/diff/{other}", {
          params: { path: { release: before, other: after } },
          signal,
        }),
      ),
  });
  return (
    <Card heading="What this release says differently">
      <Loaded query={diff}>
        {({ differences }) => (
          <Table
            caption="Differences of the manifests"
            stack
            rows={differences}
            keyOf={({ path }) => path}
            empty={<Empty title="The two manifests say the same" />}
            columns={[
              { heading: "Place", cell: ({ path }) => <code className="font-mono text-xs">{path}</code> },
              {
                heading: "There",
                cell: ({ before }) => <span className="text-quiet break-all">{shown(before)}</span>,
              },
              { heading: "Here", cell: ({ after }) => <span className="break-all">{shown(after)}</span> },
            ]}
          />
        )}
      </Loaded>
    </Card>
  );
}
