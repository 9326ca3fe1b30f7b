import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { jobsQuery } from "../../api/factory.ts";
import { ReleaseLink } from "../../components/hash.tsx";
import { Page } from "../../components/page.tsx";
import { Empty, Loaded } from "../../components/states.tsx";
import { Badge } from "../../components/ui/badge.tsx";
import { Button } from "../../components/ui/button.tsx";
import { Card } from "../../components/ui/card.tsx";
import { CheckField } from "../../components/ui/field.tsx";
import { Table } from "../../components/ui/table.tsx";
import { When } from "../../components/when.tsx";
import { figure } from "../../lib/format.ts";
import { useTourMark } from "../../tour/tour.ts";
import { OperatorNote } from "../../wallet/operator-note.tsx";

/** Fine-tuning jobs: what runs, what has been made. */
export function Runs() {
  const jobs = useQuery(jobsQuery);
  const navigate = useNavigate();
  const mark = useTourMark("train");
  const [chosen, setChosen] = useState<readonly string[]>([]);
  return (
    <Page
      title="ModelFactory"
      lead="From Datanet versions to a released model: what each was made from stays written in it, and pays."
      action={
        <>
          <Button
            disabled={chosen.length < 2}
            onClick={() => navigate({ to: "/factory/compare", search: { runs: chosen.join(",") } as never })}
          >
            Compare {chosen.length > 1 ? chosen.length : ""} runs
          </Button>
          <Button asChild>
            <Link to="/factory/arena">Arena</Link>
          </Button>
          <Button asChild variant="primary" className={mark}>
            <Link to="/factory/new">New model</Link>
          </Button>
        </>
      }
    >
      <OperatorNote doing="start and stop jobs" others="Everybody may look." />
      <Card>
        <Loaded query={jobs}>
          {({ data }) => (
            <Table
              caption="Fine-tuning jobs"
              rows={data}
              keyOf={({ id }) => id}
              empty={
                <Empty title="Nothing has been trained here yet">
                  Choose Datanet versions and a recipe; the estimate says what it takes before it starts.
                </Empty>
              }
              columns={[
                {
                  heading: "Compare",
                  cell: ({ id }) => (
                    <CheckField
                      label={<span className="sr-only">Compare {id}</span>}
                      checked={chosen.includes(id)}
                      onCheckedChange={(checked) =>
                        setChosen(checked === true ? [...chosen, id] : chosen.filter((other) => other !== id))
                      }
                    />
                  ),
                },
                {
                  heading: "Model",
                  cell: ({ id, spec, state }) => (
                    <>
                      <Link
                        to="/factory/$job"
                        params={{ job: id }}
                        className="font-medium text-accent hover:underline [overflow-wrap:anywhere]"
                        title={id}
                      >
                        {spec.model}
                      </Link>
                      {/* Where it is narrow, the loss is what must be seen. */}
                      <span className="block md:hidden">
                        <Badge>{state}</Badge>
                      </span>
                    </>
                  ),
                },
                { heading: "State", wide: true, cell: ({ state }) => <Badge>{state}</Badge> },
                {
                  heading: "Data",
                  wide: true,
                  cell: ({ spec }) =>
                    spec.datanets.map(({ datanetId, version }) => `${datanetId}@${version}`).join(", "),
                },
                {
                  heading: "Mean loss of rows",
                  numeric: true,
                  cell: ({ heldOutLoss }) => (heldOutLoss === null ? "–" : figure(heldOutLoss.mean)),
                },
                {
                  heading: "Release",
                  wide: true,
                  cell: ({ releaseId }) => (releaseId ? <ReleaseLink value={releaseId} /> : "–"),
                },
                {
                  heading: "Asked for",
                  numeric: true,
                  wide: true,
                  cell: ({ createdAtMs }) => <When ms={createdAtMs} />,
                },
              ]}
            />
          )}
        </Loaded>
      </Card>
    </Page>
  );
}
