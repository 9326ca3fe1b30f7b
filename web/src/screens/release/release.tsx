import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { ApiError, api, ask } from "../../api/client.ts";
import { releaseQuery } from "../../api/models.ts";
import type { Schema } from "../../api/types.ts";
import { Amount } from "../../components/amount.tsx";
import { Page, Stat, Stats } from "../../components/page.tsx";
import { Empty, Loaded } from "../../components/states.tsx";
import { Button } from "../../components/ui/button.tsx";
import { Card } from "../../components/ui/card.tsx";
import { Tabs } from "../../components/ui/tabs.tsx";
import { count, short } from "../../lib/format.ts";
import { CalibrationNote } from "../../receipt/calibration.tsx";
import { Evaluation } from "./evaluation.tsx";
import { Overview } from "./overview.tsx";
import { Usage } from "./usage.tsx";
import { UseIt } from "./use-it.tsx";
import { Versions } from "./versions.tsx";

/** A release: where it came from, what it can do, what it earns, and how to use it. */
export function ReleasePage() {
  const { release } = useParams({ strict: false }) as { release: string };
  const found = useQuery(releaseQuery(release));
  const title = found.data?.model ?? (release.startsWith("0x") ? short(release) : release);
  return (
    <Page
      title={title}
      trail={[{ label: "Models", to: "/models" }]}
      lead={found.data && <CalibrationNote calibration={found.data.calibration} />}
      action={
        found.data && (
          <Button asChild variant="primary">
            <Link to="/playground" search={{ model: found.data.model } as never}>
              Ask it
            </Link>
          </Button>
        )
      }
    >
      <Loaded query={found} rows={8}>
        {(data) => <Found release={data} />}
      </Loaded>
    </Page>
  );
}

function Found({ release }: { release: Schema<"Release"> }) {
  const { tab = "lineage" } = useSearch({ strict: false }) as { tab?: string };
  const navigate = useNavigate();
  const { manifest, contributors } = release;
  const examples = manifest.datanets.reduce((sum, { acceptedExamples }) => sum + acceptedExamples, 0);
  return (
    <>
      <Stats>
        <Stat label="A token answered">
          <Amount wei={manifest.price.completionWeiPerToken} />
        </Stat>
        <Stat label="A token asked">
          <Amount wei={manifest.price.promptWeiPerToken} />
        </Stat>
        <Stat label="Trained on">{count(examples)} examples</Stat>
        <Stat label="Of">{count(new Set(contributors).size)} contributors</Stat>
        <Stat label="Fine-tuned from">{manifest.base.name}</Stat>
      </Stats>
      <Tabs
        label="Release"
        value={tab}
        onChange={(next) => navigate({ to: ".", search: { tab: next } as never, replace: true })}
        tabs={[
          { id: "lineage", label: "Lineage", content: <Overview release={release} /> },
          { id: "evaluation", label: "Evaluation", content: <Evaluated release={release} /> },
          { id: "usage", label: "Usage and earnings", content: <Usage release={release} /> },
          { id: "versions", label: "Versions", content: <Versions release={release} /> },
          { id: "use", label: "Use it", content: <UseIt release={release} /> },
        ]}
      />
    </>
  );
}

function Evaluated({ release }: { release: Schema<"Release"> }) {
  const report = useQuery({
    queryKey: ["release evaluation", release.id],
    queryFn: ({ signal }) =>
      ask(
        api.GET("/v1/releases/{release}/evaluation", { params: { path: { release: release.id } }, signal }),
      ),
    staleTime: Number.POSITIVE_INFINITY,
  });
  if (report.error instanceof ApiError && report.error.status === 404)
    return <Empty title="No evaluation is named">{report.error.message}</Empty>;
  return (
    <Card
      heading="Base against tuned"
      note="The adapter that was evaluated is the adapter that is released. Under each figure stands its 95 % interval."
    >
      <Loaded query={report} rows={5}>
        {(data) => <Evaluation report={data} />}
      </Loaded>
    </Card>
  );
}
