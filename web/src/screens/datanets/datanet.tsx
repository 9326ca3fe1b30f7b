import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link, lazyRouteComponent, useParams } from "@tanstack/react-router";
import { PlusIcon } from "lucide-react";
import { Page, Stat, Stats } from "../../components/page.tsx";
import { Failure, Loaded, Loading } from "../../components/states.tsx";
import { Button } from "../../components/ui/button.tsx";
import { Tabs } from "../../components/ui/tabs.tsx";
import { useFilters } from "../../lib/filters.ts";
import { count } from "../../lib/format.ts";
import { useTourMark } from "../../tour/tour.ts";
import { About } from "./about.tsx";
import { AskToRead } from "./access.tsx";
import { Contributors } from "./contributors.tsx";
import { Curators } from "./curators.tsx";
import { datanetQuery, standingQuery, usesQuery, versionPages } from "./queries.ts";
import { Rows } from "./rows.tsx";
import { useSeesSettings } from "./settings/sees.ts";
import { datanetsTrail } from "./trail.ts";
import { Uses } from "./uses.tsx";
import { Versions } from "./versions.tsx";

/** What only the owner sees is loaded by who is one. */
const Settings = lazyRouteComponent(() => import("./settings/settings.tsx"), "Settings");

/** One Datanet: its rows, versions, people, uses and terms. */
export function DatanetPage() {
  const { id } = useParams({ strict: false }) as { id: string };
  const [filter, change] = useFilters();
  const found = useQuery(datanetQuery(id));
  const versions = useInfiniteQuery(versionPages(id));
  const uses = useQuery(usesQuery(id));
  const standing = useQuery(standingQuery(id));
  const mark = useTourMark("rows");
  const seesSettings = useSeesSettings(found.data?.owner);
  if (found.error)
    return (
      <Page title={`Datanet ${id}`} trail={datanetsTrail}>
        <Failure error={found.error} retry={found.refetch} />
      </Page>
    );
  const datanet = found.data;
  return (
    <Page
      title={datanet?.name ?? `Datanet ${id}`}
      lead={datanet?.description || undefined}
      trail={datanetsTrail}
      action={
        <>
          {standing.data?.overlap !== null && standing.data !== undefined && (
            <Button asChild>
              <Link to="/datanets/$id/review" params={{ id }}>
                Review{standing.data.pending > 0 && ` (${count(standing.data.pending)} wait)`}
              </Link>
            </Button>
          )}
          <Button variant="primary" asChild className={mark}>
            <Link to="/datanets/$id/contribute" params={{ id }}>
              <PlusIcon /> Contribute
            </Link>
          </Button>
        </>
      }
    >
      {datanet ? (
        <>
          <Stats>
            <Stat label="Rows to train on">{count(datanet.trainRows)}</Stat>
            <Stat label="Held-out rows" note="to measure with">
              {count(datanet.heldoutRows)}
            </Stat>
            <Stat label="Contributors" note="of rows that count">
              {count(datanet.contributors)}
            </Stat>
            <Stat label="Licence" note={datanet.domain}>
              {datanet.license}
            </Stat>
            <Stat label="Releases">{uses.data ? count(uses.data.releases.length) : "…"}</Stat>
          </Stats>
          <Tabs
            label="Parts of the Datanet"
            value={filter("tab") ?? "rows"}
            onChange={(tab) => change({ tab: tab === "rows" ? undefined : tab })}
            tabs={[
              {
                id: "rows",
                label: "Rows",
                content: (
                  <Loaded query={versions} rows={12}>
                    {({ pages }) => (
                      <Rows datanetId={id} versions={pages.flatMap(({ versions }) => versions)} />
                    )}
                  </Loaded>
                ),
              },
              {
                id: "versions",
                label: "Versions",
                content: (
                  <Loaded query={versions}>
                    {({ pages }) => (
                      <Versions
                        datanet={datanet}
                        versions={pages.flatMap(({ versions }) => versions)}
                        more={versions}
                      />
                    )}
                  </Loaded>
                ),
              },
              { id: "contributors", label: "Contributors", content: <Contributors datanet={datanet} /> },
              { id: "curators", label: "Curators", content: <Curators datanet={datanet} /> },
              { id: "uses", label: "Used by", content: <Uses datanetId={id} /> },
              { id: "access", label: "Access", content: <AskToRead datanetId={id} /> },
              { id: "about", label: "About", content: <About datanet={datanet} /> },
              ...(seesSettings || filter("tab") === "settings"
                ? [{ id: "settings", label: "Settings", content: <Settings datanet={datanet} /> }]
                : []),
            ]}
          />
        </>
      ) : (
        <Loading rows={8} />
      )}
    </Page>
  );
}
