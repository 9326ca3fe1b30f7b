import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { Address, Hash, Transaction } from "../../components/hash.tsx";
import { Page } from "../../components/page.tsx";
import { Empty, Loaded } from "../../components/states.tsx";
import { Badge } from "../../components/ui/badge.tsx";
import { Card } from "../../components/ui/card.tsx";
import { Table } from "../../components/ui/table.tsx";
import { When } from "../../components/when.tsx";
import { CallView, ProposalBadge, VoteBars } from "../../governance/parts.tsx";
import type { Found } from "../../governance/proposals.ts";
import { parametersQuery, proposalQuery } from "../../governance/queries.ts";
import { nextStep } from "../../governance/which.ts";
import { cn } from "../../lib/cn.ts";
import { count, votes } from "../../lib/format.ts";
import { useNow } from "../../lib/now.ts";
import { useAddress } from "../../wallet/wallet.ts";
import { Acting } from "./acting.tsx";

/** One proposal: what it does, how the vote stands, what comes next, and voting on it. */
export function ProposalPage() {
  const { proposal: which } = useParams({ strict: false }) as { proposal: string };
  const address = useAddress();
  const now = useNow();
  const found = useQuery(proposalQuery(which, address));
  const proposal = found.data?.proposal;
  return (
    <Page
      title={proposal?.title ?? `Proposal ${which.slice(0, 12)}`}
      lead={
        proposal && (
          <span className="flex flex-wrap items-center gap-x-3 gap-y-1 text-sm">
            <ProposalBadge state={proposal.state} />
            <span>Proposal {proposal.number}</span>
            <span className="inline-flex items-center gap-1.5">
              by <Address value={proposal.proposer} />
            </span>
            <span>{nextStep(proposal, now)}</span>
          </span>
        )
      }
      trail={[{ label: "Governance", to: "/governance" }]}
    >
      <Loaded query={found} rows={8}>
        {(found) => <Body found={found} />}
      </Loaded>
    </Page>
  );
}

function Body({ found }: { found: Found }) {
  const parameters = useQuery(parametersQuery);
  const { proposal, ballots, simulated } = found;
  const done = proposal.state === "executed" || proposal.state === "canceled";
  return (
    <div className="grid items-start gap-5 xl:grid-cols-[minmax(0,3fr)_minmax(0,2fr)]">
      <div className="flex min-w-0 flex-col gap-5">
        <Card heading="What it does">
          <div className="flex flex-col gap-4 divide-y">
            {proposal.calls.map((call, at) => {
              const told = proposal.told[at];
              return (
                told && (
                  <div key={call.data + call.target} className="not-first:pt-4">
                    <CallView
                      call={call}
                      told={told}
                      simulated={simulated?.[at]}
                      current={done ? undefined : parameters.data}
                    />
                  </div>
                )
              );
            })}
          </div>
        </Card>
        {proposal.text !== "" && (
          <Card heading="Why">
            <p className="max-w-prose whitespace-pre-wrap break-words">{proposal.text}</p>
          </Card>
        )}
        <Card
          heading="Votes cast"
          note={ballots.length === 0 ? undefined : `${count(ballots.length)}, the heaviest first.`}
        >
          <Table
            caption="Votes cast"
            stack
            rows={ballots}
            keyOf={({ voter }) => voter}
            empty={<Empty title="Nobody has voted yet">Votes and their reasons appear here.</Empty>}
            columns={[
              { heading: "Voter", cell: ({ voter }) => <Address value={voter} /> },
              {
                heading: "Vote",
                cell: ({ support }) => (
                  <Badge tone={support === "for" ? "good" : support === "against" ? "bad" : "quiet"}>
                    {support}
                  </Badge>
                ),
              },
              { heading: "Votes", numeric: true, cell: ({ weightWei }) => votes(weightWei) },
              {
                heading: "Reason",
                cell: ({ reason }) =>
                  reason === "" ? (
                    <span className="text-quiet">none given</span>
                  ) : (
                    <span className="whitespace-pre-wrap break-words">{reason}</span>
                  ),
              },
              { heading: "When", wide: true, cell: ({ atMs }) => <When ms={atMs} /> },
            ]}
          />
        </Card>
      </div>
      <div className="flex min-w-0 flex-col gap-5">
        <Card heading="How the vote stands">
          <VoteBars proposal={proposal} />
        </Card>
        <Acting found={found} />
        <Card heading="From the idea to its effect">
          <Timeline found={found} />
        </Card>
      </div>
    </div>
  );
}

/** The transaction that did it, and its block, whose time is the one told. */
const Made = ({ transaction, block }: { transaction: string; block: bigint }) => (
  <span className="flex flex-wrap items-center gap-x-3">
    <Transaction value={transaction} />
    <Link
      to="/explorer/blocks/$block"
      params={{ block: String(block) }}
      className="text-accent hover:underline"
    >
      Block {count(block)}
    </Link>
  </span>
);

function Timeline({ found: { proposal, milestones } }: { found: Found }) {
  const { state } = proposal;
  const now = useNow();
  const steps: { label: string; ms: number | undefined; sure: boolean; beside?: ReactNode }[] = [
    {
      label: "Proposed",
      ms: proposal.createdMs,
      sure: true,
      beside: <Made transaction={proposal.createdIn} block={proposal.createdBlock} />,
    },
    ...(milestones.canceled
      ? [
          {
            label: "Taken back",
            ms: milestones.canceled.atMs,
            sure: true,
            beside: (
              <Made transaction={milestones.canceled.transactionHash} block={milestones.canceled.block} />
            ),
          },
        ]
      : [
          { label: "Vote begins", ms: proposal.startsMs, sure: true },
          { label: "Vote ends", ms: proposal.endsMs, sure: state !== "active" && state !== "pending" },
        ]),
    ...(milestones.queued
      ? [
          {
            label: "Queued",
            ms: milestones.queued.atMs,
            sure: true,
            beside: <Made transaction={milestones.queued.transactionHash} block={milestones.queued.block} />,
          },
          { label: "Can be carried out", ms: proposal.executableMs ?? undefined, sure: true },
        ]
      : []),
    ...(milestones.executed
      ? [
          {
            label: "Carried out",
            ms: milestones.executed.atMs,
            sure: true,
            beside: (
              <Made transaction={milestones.executed.transactionHash} block={milestones.executed.block} />
            ),
          },
        ]
      : []),
  ];
  return (
    <ol className="flex flex-col gap-3 text-sm">
      {steps.map(({ label, ms, beside }) => {
        const past = ms !== undefined && ms <= now;
        return (
          <li key={label} className="grid grid-cols-[0.75rem_minmax(0,1fr)] items-baseline gap-x-3">
            <span
              aria-hidden
              className={cn("size-2.5 rounded-full border", past ? "border-accent bg-accent" : "bg-surface")}
            />
            <span className="flex flex-wrap justify-between gap-x-4 gap-y-0.5">
              <span className={past ? "" : "text-quiet"}>{label}</span>
              <span className="text-quiet">{ms !== undefined && <When ms={ms} exact="second" />}</span>
              {beside && <span className="w-full">{beside}</span>}
            </span>
          </li>
        );
      })}
      <li className="grid grid-cols-[0.75rem_minmax(0,1fr)] gap-x-3 border-t pt-3 text-quiet">
        <span />
        <span className="flex flex-wrap items-center gap-1.5">
          Its id: <Hash value={String(proposal.id)} />
        </span>
      </li>
    </ol>
  );
}
