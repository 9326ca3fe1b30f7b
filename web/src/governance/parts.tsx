import { Amount } from "../components/amount.tsx";
import { Badge } from "../components/ui/badge.tsx";
import { Table } from "../components/ui/table.tsx";
import { percent, type Tone, votes as votesOf } from "../lib/format.ts";
import type { Call, Told } from "./calls.ts";
import { type FeeSplit, feeHeads, headWords, percentOf, showParameter } from "./parameter.ts";
import type { Parameters } from "./parameters.ts";
import type { Proposal } from "./proposals.ts";
import { reached } from "./which.ts";

const stateTones: Readonly<Record<Proposal["state"], Tone>> = {
  pending: "wait",
  active: "wait",
  canceled: "quiet",
  defeated: "bad",
  succeeded: "good",
  queued: "good",
  expired: "bad",
  executed: "good",
};

/** How far a proposal is. */
export const ProposalBadge = ({ state }: { state: Proposal["state"] }) => (
  <Badge tone={stateTones[state]}>{state === "canceled" ? "taken back" : state}</Badge>
);

const share = (wei: bigint, whole: bigint) => (whole === 0n ? 0 : Number((wei * 100_000n) / whole) / 100_000);

const sides = [
  { side: "for", label: "For", colour: "bg-good" },
  { side: "against", label: "Against", colour: "bg-bad" },
  { side: "abstain", label: "Abstain", colour: "bg-quiet" },
] as const;

/** For, against and abstain, and how near for and abstain are to the quorum. */
export function VoteBars({ proposal, slim = false }: { proposal: Proposal; slim?: boolean }) {
  const { votes, quorumWei } = proposal;
  const cast = votes.for + votes.against + votes.abstain;
  const words = sides.map(({ side, label }) => `${label} ${votesOf(votes[side])}`).join(", ");
  const bar = (
    <div
      role="img"
      aria-label={words}
      title={words}
      className="flex h-2 overflow-hidden rounded-full bg-sunken"
    >
      {sides.map(({ side, colour }) => (
        <div key={side} className={colour} style={{ width: `${100 * share(votes[side], cast)}%` }} />
      ))}
    </div>
  );
  if (slim) return <div className="min-w-28 pt-1.5">{bar}</div>;
  const counted = votes.for + votes.abstain;
  return (
    <div className="flex flex-col gap-4">
      {bar}
      <dl className="grid gap-2 text-sm sm:grid-cols-3">
        {sides.map(({ side, label, colour }) => (
          <div key={side}>
            <dt className="flex items-center gap-1.5 text-quiet">
              <span aria-hidden className={`size-2.5 rounded-full ${colour}`} />
              {label}
            </dt>
            <dd className="font-medium">
              {votesOf(votes[side])}
              {cast > 0n && <span className="text-quiet"> · {percent(share(votes[side], cast))}</span>}
            </dd>
          </div>
        ))}
      </dl>
      <div className="flex flex-col gap-1 text-sm">
        <div className="flex flex-wrap justify-between gap-x-4">
          <span>
            Quorum{" "}
            {reached(proposal) ? <Badge tone="good">reached</Badge> : <Badge tone="wait">not reached</Badge>}
          </span>
          <span className="text-quiet">
            {votesOf(counted)} of {votesOf(quorumWei)} votes for or abstaining
          </span>
        </div>
        <div
          role="img"
          aria-label={`${percent(Math.min(1, share(counted, quorumWei)))} of the quorum`}
          className="h-1.5 overflow-hidden rounded-full bg-sunken"
        >
          <div
            className="h-full bg-accent"
            style={{ width: `${100 * Math.min(1, share(counted, quorumWei))}%` }}
          />
        </div>
      </div>
    </div>
  );
}

type Simulated = { passes: true } | { passes: false; why: string };

/** One call in words, what it changes, and whether it would go through now. */
export function CallView({
  call,
  told,
  simulated,
  current,
}: {
  call: Call;
  told: Told;
  simulated: Simulated | undefined;
  /** What is in force, to set it beside what would be. */
  current: Parameters | undefined;
}) {
  const sets = told.sets;
  const before = current?.parameters.find(({ name }) => name === sets?.name);
  return (
    <div className="flex flex-col gap-2">
      <p className="font-medium break-words">{told.text}</p>
      {sets && before && (
        <p className="text-sm text-quiet">
          In force now: {showParameter(sets.name, before.value)}
          {before.unit !== "address" &&
            `; a vote can set it from ${showParameter(sets.name, before.lowest)} to ${showParameter(sets.name, before.highest)}`}
          .
        </p>
      )}
      {told.divides && <SplitTable split={told.divides} before={current?.split} />}
      {simulated &&
        (simulated.passes ? (
          <p className="flex flex-wrap items-center gap-2 text-sm">
            <Badge tone="good">goes through</Badge> Simulated as governance on the chain of now.
          </p>
        ) : (
          <p className="flex flex-wrap items-center gap-2 text-sm">
            <Badge tone="bad">would be refused</Badge> {simulated.why}
          </p>
        ))}
      <details className="text-sm text-quiet">
        <summary>The call as it is made</summary>
        <dl className="mt-2 grid grid-cols-[4rem_minmax(0,1fr)] gap-x-3 gap-y-1">
          <dt>Target</dt>
          <dd className="font-mono text-[0.8125rem] break-all">{call.target}</dd>
          <dt>Sends</dt>
          <dd>
            <Amount wei={call.valueWei} />
          </dd>
          <dt>Data</dt>
          <dd className="font-mono text-[0.8125rem] break-all">{call.data}</dd>
        </dl>
      </details>
    </div>
  );
}

/** A fee's parts, beside those in force where both are known. */
export const SplitTable = ({ split, before }: { split: FeeSplit; before?: FeeSplit | undefined }) => (
  <Table
    caption="How a fee would be divided"
    rows={feeHeads}
    keyOf={(head) => head}
    columns={[
      { heading: "Part", cell: (head) => head },
      {
        heading: "Is for",
        wide: true,
        cell: (head) => <span className="text-quiet">{headWords[head]}</span>,
      },
      ...(before
        ? [{ heading: "Now", numeric: true, cell: (head: keyof FeeSplit) => percentOf(before[head]) }]
        : []),
      {
        heading: before ? "Then" : "Part of the fee",
        numeric: true,
        cell: (head) =>
          before && before[head] !== split[head] ? <b>{percentOf(split[head])}</b> : percentOf(split[head]),
      },
    ]}
  />
);
