import { RadioGroup } from "radix-ui";
import { type FormEvent, useState } from "react";
import { chainView, transact } from "../../chain/view.ts";
import { Card } from "../../components/ui/card.tsx";
import { TextArea } from "../../components/ui/field.tsx";
import { type Found, proposalArgs, type Support, supports } from "../../governance/proposals.ts";
import { date, votes } from "../../lib/format.ts";
import { useNow } from "../../lib/now.ts";
import { SignedButton, useAct } from "../../wallet/act.tsx";
import { useAddress } from "../../wallet/wallet.ts";

/** What can be done with a proposal now: vote, queue, carry out, take back. */
export function Acting({ found }: { found: Found }) {
  const { proposal } = found;
  const address = useAddress();
  const now = useNow();
  switch (proposal.state) {
    case "active":
      return <Vote found={found} />;
    case "pending":
      return (
        <Card heading="The vote has not begun" note={`Votes count as of ${date(proposal.startsMs)}.`}>
          <OwnWeight found={found} />
          {address === proposal.proposer && <Step found={found} verb="cancel" label="Take it back" danger />}
        </Card>
      );
    case "succeeded":
      return (
        <Card heading="It passed" note="Queueing starts the timelock: time to leave for who does not agree.">
          <Step found={found} verb="queue" label="Queue it" />
        </Card>
      );
    case "queued": {
      const due = proposal.executableMs !== null && proposal.executableMs <= now;
      return (
        <Card
          heading={due ? "It can be carried out" : "It waits in the timelock"}
          note={
            due || proposal.executableMs === null ? "Anyone may." : `Until ${date(proposal.executableMs)}.`
          }
        >
          {due && <Step found={found} verb="execute" label="Carry it out" />}
        </Card>
      );
    }
    default:
      return null;
  }
}

function OwnWeight({ found: { own, proposal } }: { found: Found }) {
  if (own === undefined) return <p className="text-sm text-quiet">Sign in to see how many votes you have.</p>;
  if (own.weightWei > 0n) return <p className="text-sm">You have {votes(own.weightWei)} votes.</p>;
  return (
    <p className="text-sm text-quiet">
      You have no votes here: GOPEN had to be delegated to you, or your OPEN staked, at{" "}
      {date(proposal.startsMs)}. Lock and delegate for the next proposal.
    </p>
  );
}

const words: Readonly<Record<Support, string>> = { for: "For", against: "Against", abstain: "Abstain" };

function Vote({ found }: { found: Found }) {
  const { proposal, own } = found;
  const [support, setSupport] = useState<Support>();
  const [reason, setReason] = useState("");
  const { act, busy, failure } = useAct();
  if (own?.voted)
    return (
      <Card heading="You have voted" note={`The vote ends after ${date(proposal.endsMs)}.`}>
        <OwnWeight found={found} />
      </Card>
    );
  function submit(event: FormEvent) {
    event.preventDefault();
    if (support === undefined) return;
    void act(async () => {
      const { at } = await chainView();
      const args = [proposal.id, supports.indexOf(support), reason.trim()] as const;
      await transact(at.OpenGovernor, "castVoteWithReason", args);
      return `You voted ${support} with ${votes(own?.weightWei ?? 0n)} votes.`;
    });
  }
  return (
    <Card heading="Vote" note={`Until ${date(proposal.endsMs)}. A vote cannot be changed.`}>
      <form onSubmit={submit} className="flex flex-col gap-4">
        <RadioGroup.Root
          aria-label="Your vote"
          value={support ?? ""}
          onValueChange={(value) => setSupport(value as Support)}
          className="grid grid-cols-3 gap-2"
        >
          {(["for", "against", "abstain"] as const).map((side) => (
            <RadioGroup.Item
              key={side}
              value={side}
              className="h-9 rounded-md border bg-surface text-sm font-medium hover:bg-sunken data-[state=checked]:border-accent data-[state=checked]:bg-accent-soft"
            >
              {words[side]}
            </RadioGroup.Item>
          ))}
        </RadioGroup.Root>
        <TextArea
          label="Reason"
          hint="For everyone to read, on the chain for good. It may be left empty."
          rows={3}
          maxLength={2_000}
          value={reason}
          onChange={({ target }) => setReason(target.value)}
        />
        <OwnWeight found={found} />
        {failure}
        <div>
          <SignedButton
            variant="primary"
            type="submit"
            disabled={busy || support === undefined || own?.weightWei === 0n}
          >
            {busy ? "Voting …" : "Cast your vote"}
          </SignedButton>
        </div>
      </form>
    </Card>
  );
}

const done = { queue: "It is queued.", execute: "It is carried out.", cancel: "It is taken back." } as const;

function Step({
  found: { proposal, simulated },
  verb,
  label,
  danger = false,
}: {
  found: Found;
  verb: keyof typeof done;
  label: string;
  danger?: boolean;
}) {
  const { act, busy, failure } = useAct();
  const refused = verb !== "cancel" && simulated?.some(({ passes }) => !passes);
  return (
    <div className="flex flex-col items-start gap-3">
      {refused && (
        <p className="text-sm text-bad">
          As the chain is now, one of its calls would be refused: carrying it out would fail.
        </p>
      )}
      <SignedButton
        variant={danger ? "danger" : "primary"}
        disabled={busy}
        onClick={() =>
          act(async () => {
            const { at } = await chainView();
            await transact(at.OpenGovernor, verb, proposalArgs(proposal));
            return done[verb];
          })
        }
      >
        {busy ? "Sending …" : label}
      </SignedButton>
      {failure}
    </div>
  );
}
