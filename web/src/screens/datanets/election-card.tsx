import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import type { Address as AddressText } from "viem";
import { api, ask } from "../../api/client.ts";
import type { Schema } from "../../api/types.ts";
import { Address, useCopy } from "../../components/hash.tsx";
import { Badge } from "../../components/ui/badge.tsx";
import { Button } from "../../components/ui/button.tsx";
import { Card } from "../../components/ui/card.tsx";
import { TextField } from "../../components/ui/field.tsx";
import { useToast } from "../../components/ui/toast.tsx";
import { When } from "../../components/when.tsx";
import { useFilters } from "../../lib/filters.ts";
import { count, percent, type Tone } from "../../lib/format.ts";
import { SignedButton, useAct } from "../../wallet/act.tsx";
import { useAddress } from "../../wallet/wallet.ts";
import { type Election, type ElectionState, majority, stateOf } from "./elections.ts";
import { passHeaders, usePass } from "./pass.ts";
import { vote } from "./vote.ts";

type Props = { election: Election; signing: Schema<"SigningDomain"> };
/** `curates`: see {@link stateOf}. */
type CardProps = Props & { curates: ((account: string) => boolean) | undefined };

const states: Record<ElectionState, { label: string; tone: Tone }> = {
  open: { label: "open", tone: "wait" },
  elected: { label: "elected", tone: "good" },
  ended: { label: "term ended", tone: "quiet" },
  revoked: { label: "ended by the owner", tone: "quiet" },
  undecided: { label: "closed undecided", tone: "quiet" },
};

/** One election: who stands, what they have, and voting while it is open. */
export function ElectionCard({ election, signing, curates }: CardProps) {
  const { electionId, version, votes, closesAt, termSeconds, elected, termEndsAt, candidates } = election;
  const state = stateOf(election, Date.now(), curates);
  const cast = candidates.reduce((sum, one) => sum + one.votes, 0);
  return (
    <Card
      heading={
        <span className="inline-flex items-center gap-2">
          Election {electionId} <Badge tone={states[state].tone}>{states[state].label}</Badge>
        </span>
      }
      note={`Among the contributors of version ${version}: ${count(cast)} of ${count(votes)} votes are cast, ${count(majority(votes))} elect. Whoever wins curates for ${count(Math.max(1, Math.round(termSeconds / 86_400)))} days.`}
    >
      <div className="flex flex-col gap-4">
        <p className="text-sm">
          {elected !== null ? (
            <>
              <Address value={elected} /> {state === "revoked" ? "was" : "is"} elected
              {state === "revoked" && "; the owner lets nobody curate by it any more"}
              {termEndsAt !== null && state !== "revoked" && (
                <>
                  ; the term {state === "ended" ? "ended" : "ends"} <When exact ms={termEndsAt * 1_000} />
                </>
              )}
              .
            </>
          ) : (
            <>
              Votes {state === "open" ? "count" : "counted"} until <When exact ms={closesAt * 1_000} />.
            </>
          )}
        </p>
        {candidates.length > 0 && (
          <ol className="flex flex-col gap-2" aria-label="Candidates">
            {candidates.map((one) => (
              <Candidate key={one.candidate} of={votes} {...one} />
            ))}
          </ol>
        )}
        {state === "open" && <Vote election={election} signing={signing} />}
      </div>
    </Card>
  );
}

function Candidate({ candidate, votes, of }: { candidate: string; votes: number; of: number }) {
  const share = votes / Math.max(1, of);
  return (
    <li className="flex flex-col gap-1 text-sm">
      <span className="flex flex-wrap justify-between gap-x-4">
        <Address value={candidate} />
        <span>
          {count(votes)} {votes === 1 ? "vote" : "votes"} ({percent(share)})
        </span>
      </span>
      <span aria-hidden className="relative h-2 overflow-hidden rounded-full bg-sunken">
        <span className="block h-full bg-accent" style={{ width: `${100 * share}%` }} />
        <span className="absolute inset-y-0 left-1/2 w-px bg-text" title="More than half elect" />
      </span>
    </li>
  );
}

function Vote({ election, signing }: Props) {
  const { datanetId, version } = election;
  const [filter] = useFilters();
  const me = useAddress();
  const pass = usePass(datanetId);
  const say = useToast();
  const copy = useCopy();
  const { act, busy, failure } = useAct();
  const [candidate, setCandidate] = useState(filter("candidate") ?? election.candidates[0]?.candidate ?? "");
  const mine = useQuery({
    queryKey: ["rows", datanetId, "votes of", version, me ?? "", pass ?? ""],
    queryFn: ({ signal }) =>
      ask(
        api.GET("/v1/datanets/{datanetId}/versions/{version}/rows", {
          params: { path: { datanetId, version }, query: { contributor: me as string, limit: 1 } },
          headers: passHeaders(pass),
          signal,
        }),
      ),
    enabled: me !== undefined,
    retry: false,
  });
  const valid = /^0x[0-9a-f]{40}$/i.test(candidate.trim());
  async function stand() {
    const link = new URL(location.href);
    link.search = new URLSearchParams({ tab: "curators", candidate: me as string }).toString();
    setCandidate(me as string);
    if (await copy(link.href))
      say("You are filled in as the candidate, and a link that others vote for you by is copied.");
  }
  const note = (): ReactNode => {
    if (me === undefined) return "Contributors vote with a signature; it costs nothing.";
    if (mine.data === undefined) return "All your examples in that version vote at once; it costs nothing.";
    const { total } = mine.data;
    return total === 0
      ? "You have no example in that version: contributors of it vote. You may stand."
      : `Your ${count(total)} ${total === 1 ? "example votes" : "examples vote"} at once; it costs nothing.`;
  };
  return (
    <div className="flex flex-col gap-3 border-t pt-4">
      <TextField
        label="Your candidate"
        value={candidate}
        placeholder="0x…"
        hint="Anybody may be voted for; who stands tells contributors an address."
        error={candidate === "" || valid ? undefined : "Expected an address of 0x and 40 hex digits."}
        onChange={({ target }) => setCandidate(target.value)}
      />
      <div className="flex flex-wrap items-center gap-3">
        <SignedButton
          variant="primary"
          disabled={busy || (me !== undefined && (!valid || mine.data?.total === 0))}
          onClick={() =>
            act(async () => {
              const wanted = candidate.trim().toLowerCase() as AddressText;
              const { added, election: now } = await vote(election, signing, me as AddressText, wanted);
              return `${count(added)} of your examples voted.${now.elected === null ? "" : ` ${now.elected} is elected.`}`;
            })
          }
        >
          {busy ? "Bringing your vote to the chain …" : "Sign the vote"}
        </SignedButton>
        {me !== undefined && <Button onClick={stand}>Stand yourself</Button>}
        <p className="text-sm text-quiet">{note()}</p>
      </div>
      {failure}
    </div>
  );
}
