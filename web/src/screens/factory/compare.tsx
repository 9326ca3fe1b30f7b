import { useQueries } from "@tanstack/react-query";
import { Link, useSearch } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { isOver, jobQuery, reportQuery } from "../../api/factory.ts";
import type { Schema } from "../../api/types.ts";
import { Curve } from "../../components/curve.tsx";
import { Page } from "../../components/page.tsx";
import { Empty, Failure, Loading } from "../../components/states.tsx";
import { Badge } from "../../components/ui/badge.tsx";
import { Card } from "../../components/ui/card.tsx";
import { Table } from "../../components/ui/table.tsx";
import { duration, figure, percent, settings } from "../../lib/format.ts";
import type { Curves } from "./curves.ts";
import { sideBySide } from "./side-by-side.ts";
import { useCurves } from "./use-curves.ts";

/** More lines in one picture are not told apart. */
const runsMax = 4;

/** Runs side by side: their losses in one picture, what they were told differently, and what came of it. */
export function Compare() {
  const { runs = "" } = useSearch({ strict: false }) as { runs?: string };
  const ids = String(runs).split(",").filter(Boolean).slice(0, runsMax);
  const jobs = useQueries({ queries: ids.map((id) => jobQuery(id)) });
  const found = jobs.flatMap(({ data }) => (data ? [data] : []));
  const failed = jobs.find(({ error }) => error);
  return (
    <Page
      title="Compare runs"
      lead="At most four at once. A lower mean loss of the held-out rows is better; intervals that overlap tell no difference."
      trail={[{ label: "ModelFactory", to: "/factory" }]}
    >
      {ids.length < 2 ? (
        <Empty title="Nothing to compare yet">
          <Link to="/factory" className="text-accent hover:underline">
            Choose two runs or more in the list.
          </Link>
        </Empty>
      ) : failed ? (
        <Failure error={failed.error} />
      ) : found.length < ids.length ? (
        <Loading rows={6} />
      ) : (
        <Side jobs={found} />
      )}
    </Page>
  );
}

function Side({ jobs }: { jobs: readonly Schema<"FineTune">[] }) {
  const [curves, setCurves] = useState<Readonly<Record<string, Curves>>>({});
  const reports = useQueries({
    queries: jobs.map(({ id, evaluated }) => ({ ...reportQuery(id), enabled: evaluated !== null })),
  });
  const names = jobs.map(({ spec, id }) => `${spec.model} ${id.slice(-4)}`);
  const { x, lines } = sideBySide(jobs.map(({ id }) => curves[id]));
  const told = jobs.map(
    ({ spec }) =>
      new Map(
        settings({
          ...spec.recipe,
          data: spec.datanets.map(({ datanetId, version }) => `${datanetId}@${version}`),
        }),
      ),
  );
  const differing = [...new Set(told.flatMap((one) => [...one.keys()]))].filter(
    (name) => new Set(told.map((one) => one.get(name))).size > 1,
  );
  return (
    <>
      {jobs.map(({ id, state }) => (
        <Follow
          key={id}
          id={id}
          live={!isOver(state)}
          onCurves={(made) => setCurves((all) => (all[id] === made ? all : { ...all, [id]: made }))}
        />
      ))}
      <Card heading="Training loss" note="Nats per token by step.">
        <Curve
          label="Training loss of each run by step"
          xLabel="Step"
          height={300}
          x={x}
          series={names.map((label, at) => ({ label, values: lines[at] ?? [] }))}
        />
      </Card>
      <Card heading="What came of them">
        <Table
          caption="Results"
          stack
          rows={jobs.map((job, at) => ({ job, name: names[at] as string, report: reports[at]?.data }))}
          keyOf={({ job }) => job.id}
          columns={[
            {
              heading: "Run",
              cell: ({ job, name }) => (
                <Link to="/factory/$job" params={{ job: job.id }} className="text-accent hover:underline">
                  {name}
                </Link>
              ),
            },
            { heading: "State", cell: ({ job }) => <Badge>{job.state}</Badge> },
            {
              heading: "Mean loss of rows, 95 % interval",
              numeric: true,
              cell: ({ job: { heldOutLoss: of } }) =>
                of === null ? "–" : `${figure(of.mean)} (${figure(of.lo)} to ${figure(of.hi)})`,
            },
            {
              heading: "Exact rows",
              numeric: true,
              cell: ({ report }) => (report ? percent(report.heldOut.exact.tuned.mean / 1e6) : "–"),
            },
            {
              heading: "Trained for",
              numeric: true,
              cell: ({ job }) => (job.trained ? duration(1000 * job.trained.seconds) : "–"),
            },
          ]}
        />
      </Card>
      <Card heading="What they were told differently">
        <Table
          caption="Differences of the recipes"
          stack
          rows={differing}
          keyOf={(name) => name}
          empty={<Empty title="They were told the same" />}
          columns={[
            { heading: "Field", cell: (name) => name },
            ...names.map((heading, at) => ({
              heading,
              cell: (name: string) => told[at]?.get(name) ?? "–",
            })),
          ]}
        />
      </Card>
    </>
  );
}

type FollowProps = { id: string; live: boolean; onCurves: (curves: Curves) => void };

/** Hears one run's events; draws nothing. */
function Follow({ id, live, onCurves }: FollowProps) {
  const { curves } = useCurves(id, live);
  // biome-ignore lint/correctness/useExhaustiveDependencies: told when the curves change, whoever listens
  useEffect(() => onCurves(curves), [curves]);
  return null;
}
