import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Amount } from "../../components/amount.tsx";
import { Page, Stat, Stats } from "../../components/page.tsx";
import { Empty, Loaded } from "../../components/states.tsx";
import { Button } from "../../components/ui/button.tsx";
import { Card } from "../../components/ui/card.tsx";
import { Table } from "../../components/ui/table.tsx";
import { Tabs } from "../../components/ui/tabs.tsx";
import { ProposalBadge, VoteBars } from "../../governance/parts.tsx";
import type { Proposal } from "../../governance/proposals.ts";
import { powerQuery, proposalsQuery, treasuryQuery } from "../../governance/queries.ts";
import { nextStep } from "../../governance/which.ts";
import { useAddressParam } from "../../lib/address.ts";
import { count, votes } from "../../lib/format.ts";
import { useAddress } from "../../wallet/wallet.ts";
import { TreasuryView } from "./treasury.tsx";
import { Voters } from "./voters.tsx";
import { YourVotes } from "./votes.tsx";

/** What is proposed and decided, who votes, and where the treasury's money goes. */
export function Governance() {
  const [tab, setTab] = useAddressParam("tab", "proposals");
  const address = useAddress();
  const proposals = useQuery(proposalsQuery);
  const power = useQuery(powerQuery(address));
  const treasury = useQuery(treasuryQuery);
  const open = proposals.data?.filter(({ state }) =>
    ["pending", "active", "succeeded", "queued"].includes(state),
  );
  return (
    <Page
      title="Governance"
      lead="Who holds OPEN decides: the protocol's numbers within fixed bounds, its contracts, and what the treasury pays."
      action={
        <>
          <Button asChild variant="primary">
            <Link to="/governance/new">New proposal</Link>
          </Button>
          <Button asChild>
            <Link to="/governance/parameters">Parameters</Link>
          </Button>
        </>
      }
    >
      <Stats>
        <Stat label="Proposals" note={open === undefined ? " " : `${count(open.length)} under way`}>
          {proposals.data ? count(proposals.data.length) : "–"}
        </Stat>
        <Stat label="Your votes" note={address === undefined ? "sign in to see them" : "as of now"}>
          {power.data ? votes(power.data.votesWei) : "–"}
        </Stat>
        <Stat label="OPEN that can vote" note="without the treasury's">
          {treasury.data ? votes(treasury.data.votableWei) : "–"}
        </Stat>
        <Stat label="Treasury holds" note="beside what is not released yet">
          {treasury.data ? <Amount wei={treasury.data.heldWei} /> : "–"}
        </Stat>
      </Stats>
      <Tabs
        label="Governance"
        value={tab}
        onChange={setTab}
        tabs={[
          {
            id: "proposals",
            label: "Proposals",
            content: <Loaded query={proposals}>{(proposals) => <Proposals proposals={proposals} />}</Loaded>,
          },
          { id: "votes", label: "Your votes", content: <YourVotes account={address} /> },
          {
            id: "voters",
            label: "Voters",
            content: <Voters proposals={proposals.data?.length} votableWei={treasury.data?.votableWei} />,
          },
          { id: "treasury", label: "Treasury and fees", content: <TreasuryView /> },
        ]}
      />
    </Page>
  );
}

const Proposals = ({ proposals }: { proposals: readonly Proposal[] }) => (
  <Card>
    <Table
      caption="Proposals"
      stack
      rows={proposals}
      keyOf={({ number }) => String(number)}
      empty={
        <Empty
          title="Nothing was proposed yet"
          action={
            <Button asChild>
              <Link to="/governance/new">Make the first proposal</Link>
            </Button>
          }
        >
          A proposal changes a parameter, divides fees otherwise, pays from the treasury, or gives back a
          slash.
        </Empty>
      }
      columns={[
        {
          heading: "No.",
          cell: ({ number }) => (
            <>
              <span className="sm:hidden">Proposal </span>
              {number}
            </>
          ),
        },
        {
          heading: "What",
          cell: ({ number, title, told }) => (
            <div className="min-w-40">
              <Link
                to="/governance/$proposal"
                params={{ proposal: String(number) }}
                className="font-medium text-accent hover:underline"
              >
                {title}
              </Link>
              {told.map(({ text }) => (
                <p key={text} className="line-clamp-2 text-quiet">
                  {text}
                </p>
              ))}
            </div>
          ),
        },
        { heading: "State", cell: ({ state }) => <ProposalBadge state={state} /> },
        { heading: "Votes", wide: true, cell: (proposal) => <VoteBars proposal={proposal} slim /> },
        { heading: "For", numeric: true, wide: true, cell: (proposal) => votes(proposal.votes.for) },
        { heading: "Against", numeric: true, wide: true, cell: (proposal) => votes(proposal.votes.against) },
        {
          heading: "Next",
          cell: (proposal) => <span className="sm:inline-block sm:min-w-40">{nextStep(proposal)}</span>,
        },
      ]}
    />
  </Card>
);
