import { useQuery } from "@tanstack/react-query";
import { api, ask } from "../../api/client.ts";
import { Amount } from "../../components/amount.tsx";
import { Page, Stat, Stats, StatsPlace } from "../../components/page.tsx";
import { Empty, Loaded } from "../../components/states.tsx";
import { Button } from "../../components/ui/button.tsx";
import { Card } from "../../components/ui/card.tsx";
import { Table } from "../../components/ui/table.tsx";
import { Tabs } from "../../components/ui/tabs.tsx";
import { When } from "../../components/when.tsx";
import { balanceQuery } from "../../earnings/queries.ts";
import { useAddressParam } from "../../lib/address.ts";
import { count, duration, money, percent } from "../../lib/format.ts";
import { Answered, PoolLink, PoolState, Rewards, Slashes } from "../../stake/parts.tsx";
import type { Pool } from "../../stake/pools.ts";
import { holdingsQuery, rewardsQuery, slashesQuery, stakingQuery } from "../../stake/queries.ts";
import { useAct, useSignedLabel } from "../../wallet/act.tsx";
import { useAddress } from "../../wallet/wallet.ts";
import { OpenPool, openPoolLabel } from "./open-pool.tsx";
import { YourStake } from "./yours.tsx";

/** Shorter epochs are over before a page has counted them down, milliseconds. */
const countedMs = 60_000;

/** Who stands behind validators and agents with stake, and one's own part in it. */
export function Stake() {
  const [tab, setTab] = useAddressParam("tab", "pools");
  const address = useAddress();
  const staking = useQuery(stakingQuery);
  const holdings = useQuery(holdingsQuery(address));
  const yours = holdings.data?.positions.reduce((sum, { bondedWei }) => sum + bondedWei, 0n);
  return (
    <Page
      title="Stake"
      lead="Validators check what operators settle, agents answer for their work. Stake makes their word worth something, and earns a part of every fee."
      action={staking.data && <OpenPool minimumWei={staking.data.minimumStakeWei} />}
    >
      <Loaded query={staking} place={<StatsPlace count={5} />}>
        {({ stakedWei, activeWei, pools, epochEndsMs, epochMs, unbondingMs }) => (
          <Stats>
            <Stat label="Staked" note={pools.length === 1 ? "in 1 pool" : `in ${count(pools.length)} pools`}>
              <Amount wei={stakedWei} />
            </Stat>
            <Stat label="Earning now" note="active stake of active pools">
              <Amount wei={activeWei} />
            </Stat>
            <Stat label="Yours" note={address === undefined ? "sign in to see it" : "bonded in all pools"}>
              {yours === undefined ? "–" : <Amount wei={yours} />}
            </Stat>
            <Stat label="New stake earns" note={`from the next epoch on; each lasts ${duration(epochMs)}`}>
              {epochMs < countedMs ? `within ${duration(epochMs)}` : <When ms={epochEndsMs} />}
            </Stat>
            <Stat label="Taking out takes" note="from asking until claiming">
              {duration(unbondingMs)}
            </Stat>
          </Stats>
        )}
      </Loaded>
      <Tabs
        label="Stake"
        value={tab}
        onChange={setTab}
        tabs={[
          {
            id: "pools",
            label: "Pools",
            content: (
              <Loaded query={staking}>
                {({ pools, activeWei }) => <Pools pools={pools} activeWei={activeWei} />}
              </Loaded>
            ),
          },
          { id: "yours", label: "Your stake", content: <YourStake account={address} /> },
          { id: "rewards", label: "Rewards", content: <AllRewards /> },
          { id: "slashes", label: "Slashes", content: <AllSlashes /> },
        ]}
      />
    </Page>
  );
}

function Pools({ pools, activeWei }: { pools: readonly Pool[]; activeWei: bigint }) {
  const button = useSignedLabel(openPoolLabel);
  return (
    <Card
      heading="Validators and agents"
      note="The largest stake first. Open one to see its delegators, rewards and slashes."
    >
      <Table
        caption="Pools"
        stack
        rows={pools}
        keyOf={({ name }) => name}
        empty={
          <Empty title="There is no pool yet">
            Open one of your own: “{button}”, at the top. Then run <code>openledger validator</code> beside
            it.
          </Empty>
        }
        columns={[
          { heading: "Pool", cell: ({ poolId }) => <PoolLink poolId={poolId} /> },
          { heading: "State", cell: (pool) => <PoolState pool={pool} /> },
          { heading: "Stake", numeric: true, cell: ({ bondedWei }) => <Amount wei={bondedWei} /> },
          {
            heading: "Of all earning",
            numeric: true,
            wide: true,
            cell: ({ state, earningWei }) =>
              state === "active" && activeWei > 0n
                ? percent(Number((earningWei * 10_000n) / activeWei) / 10_000)
                : "–",
          },
          {
            heading: "Its own",
            numeric: true,
            wide: true,
            cell: ({ ownStakeWei }) => <Amount wei={ownStakeWei} />,
          },
          { heading: "Commission", numeric: true, cell: ({ commissionBps }) => `${commissionBps / 100} %` },
          { heading: "Draws answered", numeric: true, wide: true, cell: (pool) => <Answered pool={pool} /> },
        ]}
      />
    </Card>
  );
}

function AllRewards() {
  const rewards = useQuery(rewardsQuery());
  return (
    <div className="flex flex-col gap-5">
      <Waiting />
      <Card heading="Rewards" note="What came in for stakers, and what paid it. The newest hundred.">
        <Loaded query={rewards}>{(rewards) => <Rewards rewards={rewards} />}</Loaded>
      </Card>
    </div>
  );
}

/** Fees that are the stakers' and lie in the ledger until somebody brings them; the node pays the gas. */
function Waiting() {
  const staking = useQuery(stakingQuery);
  const address = staking.data?.staking;
  const balance = useQuery({ ...balanceQuery(address ?? ""), enabled: address !== undefined });
  const { act, busy, failure } = useAct();
  const wei = BigInt(balance.data?.claimableWei ?? 0);
  if (wei === 0n || address === undefined) return null;
  return (
    <Card
      heading="Waiting in the ledger"
      note="The stakers' part of final batches. Anyone may bring it here to be divided; the node pays the gas."
      action={
        <Button
          variant="primary"
          disabled={busy}
          onClick={() =>
            act(async () => {
              const { claimedWei } = await ask(api.POST("/v1/claims", { body: { payee: address } }));
              return `${money(claimedWei).amount} OPEN are divided among all active stake.`;
            })
          }
        >
          Bring it here
        </Button>
      }
    >
      <p className="text-lg font-semibold">
        <Amount wei={wei} />
      </p>
      {failure}
    </Card>
  );
}

function AllSlashes() {
  const slashes = useQuery(slashesQuery());
  return (
    <Card heading="Slashes" note="Who lost stake, why, and what can still be done about it. Newest first.">
      <Loaded query={slashes}>{(slashes) => <Slashes slashes={slashes} />}</Loaded>
    </Card>
  );
}
