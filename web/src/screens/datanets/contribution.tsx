import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { api, ask } from "../../api/client.ts";
import type { Schema } from "../../api/types.ts";
import { Address, Hash } from "../../components/hash.tsx";
import { Facts, Page, Stat, Stats } from "../../components/page.tsx";
import { Loaded } from "../../components/states.tsx";
import { Button } from "../../components/ui/button.tsx";
import { Card } from "../../components/ui/card.tsx";
import { Dialog } from "../../components/ui/dialog.tsx";
import { VirtualTable } from "../../components/virtual-table.tsx";
import { useFilters } from "../../lib/filters.ts";
import { count } from "../../lib/format.ts";
import { useAddress } from "../../wallet/wallet.ts";
import { place, type Source } from "./contribute/convert.ts";
import { ExampleText } from "./example.tsx";
import { datanetQuery } from "./queries.ts";
import { datanetTrail } from "./trail.ts";
import { countStatuses, mainReason, Reasons, StatusFilter, Verdict, verdictMeaning } from "./verdict.tsx";
import { Withdraw } from "./withdraw.tsx";

type Report = Schema<"ContributionReport">;
type Row = Report["rows"][number];

/** What became of each row of a contribution; it stays at this address. */
export function ContributionPage() {
  const { id, contribution } = useParams({ strict: false }) as { id: string; contribution: string };
  const datanet = useQuery(datanetQuery(id));
  const found = useQuery({
    queryKey: ["contribution", contribution],
    queryFn: ({ signal }) =>
      ask(
        api.GET("/v1/contributions/{contributionId}", {
          params: { path: { contributionId: Number(contribution) } },
          signal,
        }),
      ),
    refetchInterval: ({ state }) => (state.data && state.data.pending > 0 ? 15_000 : false),
  });
  return (
    <Page
      title={`Contribution ${contribution}`}
      lead="What became of each row, and why. Keep the address: it goes on telling."
      trail={datanetTrail(id, datanet.data?.name)}
    >
      <Loaded query={found} rows={10}>
        {(report) => <ReportOf report={report} />}
      </Loaded>
    </Page>
  );
}

function ReportOf({ report }: { report: Report }) {
  const [filter, change] = useFilters();
  const [opened, setOpened] = useState<Row>();
  const me = useAddress();
  const status = filter("status");
  const rows = status === undefined ? report.rows : report.rows.filter((row) => row.status === status);
  const live = report.rows.filter((row) => row.status === "accepted" || row.status === "pending");
  return (
    <>
      <Stats>
        <Stat label="Rows">{count(report.rows.length)}</Stat>
        <Stat label="Count" note={report.split === "train" ? "to train on" : "held out, to measure with"}>
          {count(report.accepted)}
        </Stat>
        <Stat label="Wait for review">{count(report.pending)}</Stat>
        <Stat label="Duplicates">{count(report.duplicates)}</Stat>
        <Stat label="Refused or turned down">{count(report.refused + report.rejected)}</Stat>
      </Stats>
      <Card heading="Rows">
        <div className="flex flex-col gap-3">
          <StatusFilter
            counts={countStatuses(report.rows)}
            chosen={status}
            onChoose={(status) => change({ status })}
          />
          <VirtualTable<Row>
            key={status ?? ""}
            caption="Rows of the contribution"
            total={rows.length}
            rowAt={(at) => rows[at]}
            height="min(55dvh, 36rem)"
            columns={[
              {
                heading: "Row",
                width: "4.75rem",
                cell: (row) => (
                  <Button
                    variant="link"
                    size="small"
                    aria-label={`Open row ${row.line}`}
                    onClick={() => setOpened(row)}
                  >
                    {row.line}
                  </Button>
                ),
              },
              { heading: "Verdict", width: "10rem", cell: ({ status }) => <Verdict status={status} /> },
              {
                heading: "From",
                width: "minmax(10rem, 2fr)",
                cell: ({ source }) => (source ? place(source as Source) : ""),
              },
              {
                heading: "Why",
                width: "minmax(16rem, 4fr)",
                cell: ({ reviews, reasons }) =>
                  reviews?.find(({ reason }) => reason !== "")?.reason ?? mainReason(reasons),
              },
              { heading: "Digest", width: "11rem", cell: ({ digest }) => <Hash value={digest} /> },
            ]}
          />
        </div>
      </Card>
      <Card heading="Consent">
        <Facts
          facts={[
            ["Contributor", <Address key="by" value={report.contributor} />],
            ["Licence", report.license],
            ...(report.sourceLicense ? ([["Texts came under", report.sourceLicense]] as const) : []),
            ["Consent", <Hash key="consent" value={report.consentDigest} />],
          ]}
        />
        {me === report.contributor && live.length > 0 && (
          <Withdraw
            datanetId={report.datanetId}
            contributor={me}
            digests={live.map(({ digest }) => digest as `0x${string}`)}
            what={`all ${count(live.length)} rows of this contribution that count or wait`}
          />
        )}
      </Card>
      {opened && (
        <Dialog
          open
          onOpenChange={() => setOpened(undefined)}
          title={`Row ${opened.line}`}
          description={opened.source ? place(opened.source as Source) : "Sent without a source"}
        >
          <div className="flex flex-wrap items-center gap-2 text-sm">
            <Verdict status={opened.status} /> {verdictMeaning(opened.status)}
          </div>
          <Reasons reasons={opened.reasons} />
          {opened.reviews?.map(({ decision, reason, proposal }, at) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: what curators said never moves
            <div key={at} className="flex flex-col gap-2 text-sm">
              <p>
                A curator would {decision} it{reason && `: ${reason}`}
              </p>
              {proposal && (
                <>
                  <p className="text-quiet">As they would have it:</p>
                  <ExampleText example={proposal} />
                </>
              )}
            </div>
          ))}
          <Facts
            facts={[
              ["Digest", <Hash key="digest" value={opened.digest} />],
              ...(opened.duplicateOf
                ? ([
                    ["The same as", <Earlier key="of" id={report.datanetId} row={opened.duplicateOf} />],
                  ] as const)
                : []),
              ...(opened.nearOf
                ? ([
                    ["All but the same as", <Earlier key="near" id={report.datanetId} row={opened.nearOf} />],
                  ] as const)
                : []),
            ]}
          />
          <div className="flex flex-wrap gap-2">
            {opened.status === "accepted" && (
              <Button size="small" asChild>
                <Link
                  to="/datanets/$id"
                  params={{ id: report.datanetId }}
                  search={
                    {
                      q: opened.digest,
                      ...(report.split === "heldout" && { split: "heldout" }),
                    } as never
                  }
                >
                  Find it in the newest version
                </Link>
              </Button>
            )}
            {me === report.contributor && (opened.status === "accepted" || opened.status === "pending") && (
              <Withdraw
                datanetId={report.datanetId}
                contributor={me}
                digests={[opened.digest as `0x${string}`]}
                what="this row"
              />
            )}
          </div>
        </Dialog>
      )}
    </>
  );
}

/** An earlier row, in the report of its contribution. */
const Earlier = ({ id, row }: { id: string; row: NonNullable<Row["duplicateOf"]> }) => (
  <Link
    to="/datanets/$id/contributions/$contribution"
    params={{ id, contribution: String(row.contributionId) }}
    className="text-accent hover:underline"
  >
    row {row.line} of contribution {row.contributionId}
  </Link>
);
