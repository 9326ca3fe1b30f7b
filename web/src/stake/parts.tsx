import { Link } from "@tanstack/react-router";
import { chainView, transact } from "../chain/view.ts";
import { Amount } from "../components/amount.tsx";
import { Address, Hash, Transaction } from "../components/hash.tsx";
import { Empty } from "../components/states.tsx";
import { Badge } from "../components/ui/badge.tsx";
import { Table } from "../components/ui/table.tsx";
import { When } from "../components/when.tsx";
import { date, percent, short } from "../lib/format.ts";
import { useNow } from "../lib/now.ts";
import { SignedButton, useAct } from "../wallet/act.tsx";
import type { Reward, Slash } from "./history.ts";
import { poolName } from "./name.ts";
import type { Pool } from "./pools.ts";

/** A pool, by the validator or the agent that it stands behind. */
export function PoolLink({ poolId }: { poolId: bigint }) {
  const name = poolName(poolId);
  return (
    <Link
      to="/stake/$pool"
      params={{ pool: name }}
      title={name}
      className="whitespace-nowrap text-accent hover:underline"
    >
      {name.startsWith("0x") ? (
        <span className="font-mono text-[0.8125rem]">{short(name)}</span>
      ) : (
        `Agent ${name.slice("agent:".length)}`
      )}
    </Link>
  );
}

/** Whether a pool earns, and if not, why. */
export function PoolState({ pool }: { pool: Pool }) {
  if (pool.appealEndsMs !== null)
    return <Badge tone="bad">{`frozen until ${date(pool.appealEndsMs)}: a slash is under appeal`}</Badge>;
  if (pool.state === "inactive") return <Badge tone="wait">inactive: too little of its own</Badge>;
  return <Badge tone={pool.state === "active" ? "good" : "quiet"}>{pool.state}</Badge>;
}

/** How reliably a validator answered the draws that it had a seat in. */
export function Answered({ pool }: { pool: Pool }) {
  if (pool.seat === null) return <span className="text-quiet">no seat</span>;
  const { assigned, answered } = pool.seat;
  if (assigned === 0) return <>none drawn yet</>;
  return (
    <span title={`${answered} of ${assigned} draws that it was to answer`}>
      {answered} of {assigned} ({percent(answered / assigned, 0)})
    </span>
  );
}

/** Rewards as they came in, and what paid them. */
export const Rewards = ({ rewards }: { rewards: readonly Reward[] }) => (
  <Table
    caption="Rewards"
    stack
    rows={rewards}
    keyOf={({ key }) => key}
    empty={
      <Empty title="No reward has come in yet">
        Stakers get their part of the fee of every paid answer, once its batch is final and somebody brought
        it here.
      </Empty>
    }
    columns={[
      { heading: "When", cell: ({ atMs }) => <When ms={atMs} /> },
      { heading: "Comes from", cell: ({ source, from }) => <span title={from}>{source}</span> },
      {
        heading: "For",
        cell: ({ poolId }) => (poolId === 0n ? "all active stake" : <PoolLink poolId={poolId} />),
      },
      { heading: "Amount", numeric: true, cell: ({ amountWei }) => <Amount wei={amountWei} /> },
      {
        heading: "Transaction",
        wide: true,
        cell: ({ transactionHash }) => <Transaction value={transactionHash} />,
      },
    ]}
  />
);

/** Slashes with their reasons, and what can still be done about each. */
export const Slashes = ({ slashes }: { slashes: readonly Slash[] }) => (
  <Table
    caption="Slashes"
    stack
    rows={slashes}
    keyOf={({ slashId }) => String(slashId)}
    empty={
      <Empty title="Nobody was slashed">
        Stake is taken for a missed deadline, work below its terms, a verdict against the quorum, or one that
        was withheld.
      </Empty>
    }
    columns={[
      { heading: "Slash", cell: ({ slashId }) => `${slashId}` },
      { heading: "Pool", cell: ({ poolId }) => <PoolLink poolId={poolId} /> },
      { heading: "Why", cell: ({ reason }) => reason },
      { heading: "Taken", numeric: true, cell: ({ amountWei }) => <Amount wei={amountWei} /> },
      {
        heading: "State",
        cell: ({ state }) => (
          <Badge tone={state === "under appeal" ? "wait" : state === "overturned" ? "quiet" : "bad"}>
            {state}
          </Badge>
        ),
      },
      { heading: "Next", cell: (slash) => <SlashNext slash={slash} /> },
      {
        heading: "Reported by",
        wide: true,
        cell: ({ reporter }) => (reporter === null ? "nobody" : <Address value={reporter} />),
      },
      { heading: "Evidence", wide: true, cell: ({ evidence }) => <Hash value={evidence} /> },
    ]}
  />
);

function SlashNext({ slash: { slashId, state, executableAtMs } }: { slash: Slash }) {
  const { act, busy, failure } = useAct();
  const now = useNow();
  if (state === "overturned") return <>governance gave it back</>;
  if (state !== "under appeal") return <>paid out</>;
  if (executableAtMs > now)
    return (
      <span>
        can be overturned until {date(executableAtMs)}:{" "}
        <Link
          to="/governance/new"
          search={{ kind: "overturn", slash: String(slashId) } as never}
          className="text-accent hover:underline"
        >
          propose it
        </Link>
      </span>
    );
  return (
    <div className="flex flex-col gap-2">
      <SignedButton
        size="small"
        disabled={busy}
        onClick={() =>
          act(async () => {
            await transact((await chainView()).at.OpenStaking, "executeSlash", [slashId]);
            return `Slash ${slashId} is paid out.`;
          })
        }
      >
        Pay it out
      </SignedButton>
      {failure}
    </div>
  );
}
