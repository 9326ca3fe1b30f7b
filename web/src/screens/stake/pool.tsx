import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { Amount } from "../../components/amount.tsx";
import { Curve } from "../../components/curve.tsx";
import { Address, Hash } from "../../components/hash.tsx";
import { Facts, Page, Stat, Stats } from "../../components/page.tsx";
import { Loaded } from "../../components/states.tsx";
import { Card } from "../../components/ui/card.tsx";
import { Table } from "../../components/ui/table.tsx";
import { When } from "../../components/when.tsx";
import { count, date, percent, short } from "../../lib/format.ts";
import { DelegateForm, UnbondForm } from "../../stake/forms.tsx";
import { poolWords } from "../../stake/name.ts";
import { Answered, PoolState, Rewards, Slashes } from "../../stake/parts.tsx";
import type { Pool, Position } from "../../stake/pools.ts";
import {
  holdingsQuery,
  poolQuery,
  rewardsQuery,
  slashesQuery,
  stakeOverTimeQuery,
  stakingQuery,
} from "../../stake/queries.ts";
import { useAddress } from "../../wallet/wallet.ts";

/** One pool: its stake, who it is from, what it earned and lost, and putting in or taking out one's own. */
export function PoolPage() {
  const { pool: name } = useParams({ strict: false }) as { pool: string };
  const found = useQuery(poolQuery(name));
  const title = found.data
    ? `Pool of ${found.data.pool.name.startsWith("0x") ? `validator ${short(name)}` : poolWords(found.data.pool.poolId)}`
    : `Pool ${short(name)}`;
  return (
    <Page
      title={title}
      lead={found.data ? <PoolState pool={found.data.pool} /> : "\u00a0"}
      trail={[{ label: "Stake", to: "/stake" }]}
    >
      <Loaded query={found} rows={6}>
        {({ pool, delegators }) => <Body pool={pool} delegators={delegators} />}
      </Loaded>
    </Page>
  );
}

function Body({ pool, delegators }: { pool: Pool; delegators: readonly Position[] }) {
  const address = useAddress();
  const staking = useQuery(stakingQuery);
  const holdings = useQuery(holdingsQuery(address));
  const rewards = useQuery(rewardsQuery(pool.poolId));
  const slashes = useQuery(slashesQuery(pool.poolId));
  const own = holdings.data?.positions.find(({ poolId }) => poolId === pool.poolId);
  return (
    <>
      <Stats>
        <Stat
          label="Stake"
          note={
            <>
              of it earning: <Amount wei={pool.earningWei} />
            </>
          }
        >
          <Amount wei={pool.bondedWei} />
        </Stat>
        <Stat label="Operator's own">
          <Amount wei={pool.ownStakeWei} />
        </Stat>
        <Stat label="On its way out">
          <Amount wei={pool.unbondingWei} />
        </Stat>
        <Stat
          label="Commission"
          note={
            pool.nextCommissionAtMs === null
              ? undefined
              : `${pool.nextCommissionBps / 100} % from ${date(pool.nextCommissionAtMs)}`
          }
        >
          {pool.commissionBps / 100} %
        </Stat>
        <Stat label="Draws answered" note="audits and accusations">
          <Answered pool={pool} />
        </Stat>
      </Stats>
      <div className="grid gap-5 xl:grid-cols-2">
        <Card heading="Stake here">
          <Loaded query={staking} rows={5}>
            {({ epochEndsMs }) => (
              <DelegateForm pool={pool} balanceWei={holdings.data?.balanceWei} epochEndsMs={epochEndsMs} />
            )}
          </Loaded>
        </Card>
        {own !== undefined && own.bondedWei > 0n && staking.data ? (
          <Card heading="Take out">
            <UnbondForm pool={pool} position={own} unbondingMs={staking.data.unbondingMs} />
          </Card>
        ) : (
          <Card heading="The pool">
            <Facts
              facts={[
                ["Operator", <Address key="operator" value={pool.operator} />],
                ["Name", <Hash key="name" value={pool.name} />],
                [
                  "Seat in the lottery",
                  pool.seat === null ? "none" : <When key="seat" exact ms={pool.seat.sinceMs} />,
                ],
              ]}
            />
          </Card>
        )}
      </div>
      <OverTime pool={pool} />
      <Card
        heading="Delegators"
        note={
          delegators.length === 1
            ? "1 account."
            : `${count(delegators.length)} accounts, the largest part first.`
        }
      >
        <Table
          caption="Delegators"
          stack
          rows={delegators.slice(0, 200)}
          keyOf={({ account }) => account}
          columns={[
            {
              heading: "Account",
              cell: ({ account }) => (
                <span className="inline-flex flex-wrap items-center gap-x-2">
                  <Address value={account} />
                  {account === pool.operator && <span className="text-xs text-quiet">operator</span>}
                  {account === address && <span className="text-xs text-quiet">you</span>}
                </span>
              ),
            },
            { heading: "Stake", numeric: true, cell: ({ bondedWei }) => <Amount wei={bondedWei} /> },
            {
              heading: "Part",
              numeric: true,
              cell: ({ bondedWei }) =>
                pool.bondedWei === 0n
                  ? "–"
                  : percent(Number((bondedWei * 10_000n) / pool.bondedWei) / 10_000),
            },
            {
              heading: "Leaving",
              numeric: true,
              wide: true,
              cell: ({ unbondingWei }) => <Amount wei={unbondingWei} />,
            },
            {
              heading: "Earned, not collected",
              numeric: true,
              wide: true,
              cell: ({ rewardWei }) => <Amount wei={rewardWei} />,
            },
          ]}
        />
      </Card>
      <div className="grid gap-5 2xl:grid-cols-2">
        <Card heading="Rewards" note="For this pool, or for all active stake, since it was opened.">
          <Loaded query={rewards}>{(rewards) => <Rewards rewards={rewards} />}</Loaded>
        </Card>
        <Card heading="Slashes">
          <Loaded query={slashes}>{(slashes) => <Slashes slashes={slashes} />}</Loaded>
        </Card>
      </div>
    </>
  );
}

function OverTime({ pool }: { pool: Pool }) {
  const points = useQuery(stakeOverTimeQuery(pool.poolId));
  const now = points.dataUpdatedAt;
  return (
    <Card heading="Stake over time" note="OPEN, after each change.">
      <Loaded query={points} rows={5}>
        {(points) => (
          <Curve
            label={`The stake of this pool over time; now ${Number(pool.bondedWei) / 1e18} OPEN`}
            xLabel="Time"
            time
            // It is what it was after the last change.
            x={[...points.map(({ seconds }) => seconds), Math.floor(now / 1_000)]}
            series={[
              {
                label: "Stake, OPEN",
                values: [...points.map(({ stakeWei }) => stakeWei), pool.bondedWei].map(
                  (wei) => Number(wei) / 1e18,
                ),
              },
            ]}
          />
        )}
      </Loaded>
    </Card>
  );
}
