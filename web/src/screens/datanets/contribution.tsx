import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { useState } from "react";
import type { Hex } from "viem";
import { api, ask } from "../../api/client.ts";
import type { Schema } from "../../api/types.ts";
import { Address, Hash } from "../../components/hash.tsx";
import { Facts, Page, Stat, Stats } from "../../components/page.tsx";
import { Failure, Loaded } from "../../components/states.tsx";
import { Button } from "../../components/ui/button.tsx";
import { Card } from "../../components/ui/card.tsx";
import { Dialog } from "../../components/ui/dialog.tsx";
import { VirtualTable } from "../../components/virtual-table.tsx";
import { useFilters } from "../../lib/filters.ts";
import { count } from "../../lib/format.ts";
import { usePages } from "../../lib/pages.ts";
import { SignedButton, useAct } from "../../wallet/act.tsx";
import { useAddress } from "../../wallet/wallet.ts";
import { place, type Source } from "./contribute/convert.ts";
import { ExampleText } from "./example.tsx";
import { askForOwn, passHeaders, useReportPass } from "./pass.ts";
import { ProposedEdits } from "./proposed-edits.tsx";
import { accessQuery, datanetQuery } from "./queries.ts";
import { datanetTrail } from "./trail.ts";
import {
  mainReason,
  Reasons,
  type Status,
  StatusFilter,
  statuses,
  Verdict,
  verdictMeaning,
} from "./verdict.tsx";
import { Withdraw } from "./withdraw.tsx";

type Report = Schema<"ContributionReport">;
type Row = Report["rows"][number];

type Wanted = { status?: Status; offset?: number; limit: number };

const reportPage = (contributionId: number, query: Wanted, signal?: AbortSignal, pass?: string) =>
  ask(
    api.GET("/v1/contributions/{contributionId}", {
      params: { path: { contributionId }, query },
      headers: passHeaders(pass),
      ...(signal && { signal }),
    }),
  );

const standing = ({ status, withdrawnAtMs }: Row): Status =>
  withdrawnAtMs === undefined ? status : "withdrawn";
const isLive = (row: Row) => standing(row) === "accepted" || standing(row) === "pending";
const rowsAtOnce = 500;

/** Digests of all rows that count or wait: where texts are gated, with a pass. */
async function liveDigests(
  { contributionId, exampleCount }: Report,
  pass: string | undefined,
): Promise<Hex[]> {
  const digests: Hex[] = [];
  for (let offset = 0; offset < exampleCount; offset += rowsAtOnce) {
    const { rows } = await reportPage(contributionId, { offset, limit: rowsAtOnce }, undefined, pass);
    digests.push(...rows.filter(isLive).map(({ digest }) => digest as Hex));
  }
  return digests;
}

/** How many rows stand in each way. */
const countsOf = (report: Report): ReadonlyMap<string, number> =>
  new Map<Status, number>([
    ["accepted", report.accepted],
    ["pending", report.pending],
    ["duplicate", report.duplicates],
    ["near-duplicate", report.nearDuplicates],
    ["refused", report.refused - report.nearDuplicates],
    ["rejected", report.rejected],
    ["withdrawn", report.withdrawn],
  ]);

/** What became of each row of a contribution; it stays at this address. */
export function ContributionPage() {
  const { id, contribution } = useParams({ strict: false }) as { id: string; contribution: string };
  const datanet = useQuery(datanetQuery(id));
  const found = useQuery({
    queryKey: ["contribution", contribution],
    queryFn: ({ signal }) => reportPage(Number(contribution), { limit: 1 }, signal),
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

/** Where texts are gated, most of a report is for who gave its rows: a signature tells that one does. */
function OwnRows({ report, me }: { report: Report; me: Hex | undefined }) {
  const { act, busy, failure } = useAct();
  const { datanetId } = report;
  return (
    <Card
      heading="Where rows came from, and what was found"
      note="The texts of this Datanet are not open to all: that is told to who gave these rows, and to who may read it."
    >
      <SignedButton
        disabled={busy}
        onClick={() =>
          act(() => askForOwn(datanetId, me as Hex).then(() => "Your rows are open for an hour."))
        }
      >
        Open the rows that I gave
      </SignedButton>
      {failure}
    </Card>
  );
}

function ReportOf({ report }: { report: Report }) {
  const [filter, change] = useFilters();
  const [opened, setOpened] = useState<Row>();
  const me = useAddress();
  const status = statuses.find((one) => one === filter("status"));
  const counts = countsOf(report);
  const live = report.accepted + report.pending;
  // Texts are shown with a pass where they are gated.
  const pass = useReportPass(report.datanetId);
  const access = useQuery(accessQuery(report.datanetId));
  const isShut = access.data !== undefined && access.data.rule.kind !== "public" && pass === undefined;
  const list = usePages<Row, Report>({
    // What curators decide meanwhile changes the counts, and with them the rows.
    key: [
      "contribution",
      report.contributionId,
      "rows",
      status ?? "",
      [...counts.values()].join(),
      pass ?? "",
    ],
    load: ({ signal, ...page }) =>
      reportPage(report.contributionId, { ...page, ...(status && { status }) }, signal, pass),
  });
  return (
    <>
      <Stats>
        <Stat label="Rows">{count(report.exampleCount)}</Stat>
        <Stat label="Count" note={report.split === "train" ? "to train on" : "held out, to measure with"}>
          {count(report.accepted)}
        </Stat>
        <Stat label="Wait for review">{count(report.pending)}</Stat>
        <Stat label="Duplicates">{count(report.duplicates)}</Stat>
        <Stat label="Refused or turned down">{count(report.refused + report.rejected)}</Stat>
      </Stats>
      {isShut && <OwnRows report={report} me={me} />}
      <ProposedEdits key={report.contributionId} report={report} me={me} />
      <Card heading="Rows">
        <div className="flex flex-col gap-3">
          <StatusFilter counts={counts} chosen={status} onChoose={(status) => change({ status })} />
          {list.error && <Failure error={list.error} />}
          <VirtualTable<Row>
            key={status ?? ""}
            caption="Rows of the contribution"
            total={status === undefined ? report.exampleCount : (counts.get(status) ?? 0)}
            rowAt={list.rowAt}
            onRange={list.onRange}
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
              { heading: "Verdict", width: "10rem", cell: (row) => <Verdict status={standing(row)} /> },
              ...(isShut
                ? []
                : [
                    {
                      heading: "From",
                      width: "minmax(10rem, 2fr)",
                      cell: ({ source }: Row) => (source ? place(source as Source) : ""),
                    },
                  ]),
              {
                heading: "Why",
                width: "minmax(16rem, 4fr)",
                cell: ({ reviews, reasons }) =>
                  reviews?.find(({ reason }) => reason !== "")?.reason ?? mainReason(reasons),
              },
              ...(isShut
                ? []
                : [
                    {
                      heading: "Digest",
                      width: "11rem",
                      cell: ({ digest }: Row) => (digest ? <Hash value={digest} /> : ""),
                    },
                  ]),
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
        {me === report.contributor && live > 0 && !isShut && (
          <Withdraw
            datanetId={report.datanetId}
            contributor={me}
            digestsOf={() => liveDigests(report, pass)}
            what={
              live === 1
                ? "the row of this contribution that counts or waits"
                : `all ${count(live)} rows of this contribution that count or wait`
            }
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
            <Verdict status={standing(opened)} /> {verdictMeaning(standing(opened))}
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
              ...(opened.digest ? ([["Digest", <Hash key="digest" value={opened.digest} />]] as const) : []),
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
            {standing(opened) === "accepted" && opened.digest && (
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
            {me === report.contributor && isLive(opened) && opened.digest && (
              <Withdraw
                datanetId={report.datanetId}
                contributor={me}
                digestsOf={async () => [opened.digest as Hex]}
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
