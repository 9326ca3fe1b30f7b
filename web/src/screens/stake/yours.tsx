import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { Address } from "viem";
import { chainView, transact } from "../../chain/view.ts";
import { Amount } from "../../components/amount.tsx";
import { Stat, Stats } from "../../components/page.tsx";
import { Empty, Loaded } from "../../components/states.tsx";
import { Badge } from "../../components/ui/badge.tsx";
import { Button } from "../../components/ui/button.tsx";
import { Card } from "../../components/ui/card.tsx";
import { Table } from "../../components/ui/table.tsx";
import { When } from "../../components/when.tsx";
import { money } from "../../lib/format.ts";
import { useNow } from "../../lib/now.ts";
import { PoolLink } from "../../stake/parts.tsx";
import type { Holdings } from "../../stake/pools.ts";
import { holdingsQuery } from "../../stake/queries.ts";
import { SignedButton, useAct } from "../../wallet/act.tsx";

/** What one has in pools, what it earned, and what is on its way back. */
export function YourStake({ account }: { account: Address | undefined }) {
  const holdings = useQuery(holdingsQuery(account));
  if (account === undefined)
    return (
      <Empty title="Whose stake?" action={<SignedButton variant="primary">Sign in</SignedButton>}>
        Sign in with a browser wallet or a key of this device to see what is yours.
      </Empty>
    );
  return (
    <Loaded query={holdings}>
      {(held) =>
        held.positions.length === 0 && held.creditWei === 0n ? (
          <Empty
            title="You have no stake"
            action={
              <Button asChild>
                <Link to="/stake">See the pools</Link>
              </Button>
            }
          >
            Choose a pool and stake any amount; it can be taken out again at any time, with a waiting period.
          </Empty>
        ) : (
          <Held account={account} held={held} />
        )
      }
    </Loaded>
  );
}

function Held({ account, held }: { account: Address; held: Holdings }) {
  const rewardWei = held.positions.reduce((sum, one) => sum + one.rewardWei, held.creditWei);
  const leavingWei = held.leaving.reduce((sum, { amountWei }) => sum + amountWei, 0n);
  return (
    <div className="flex flex-col gap-5">
      <Stats>
        <Stat label="Staked">
          <Amount wei={held.positions.reduce((sum, one) => sum + one.bondedWei, 0n)} />
        </Stat>
        <Stat label="Earned, to be collected" note="rewards, commissions, parts of slashes">
          <Amount wei={rewardWei} />
        </Stat>
        <Stat label="On its way back">
          <Amount wei={leavingWei} />
        </Stat>
        <Stat label="In your account">
          <Amount wei={held.balanceWei} />
        </Stat>
      </Stats>
      <Card heading="In pools" action={<Collect account={account} held={held} />}>
        <Table
          caption="Your stake in pools"
          stack
          rows={held.positions}
          keyOf={({ poolId }) => String(poolId)}
          columns={[
            { heading: "Pool", cell: ({ poolId }) => <PoolLink poolId={poolId} /> },
            { heading: "Stake", numeric: true, cell: ({ bondedWei }) => <Amount wei={bondedWei} /> },
            {
              heading: "Earning now",
              numeric: true,
              wide: true,
              cell: ({ earningWei }) => <Amount wei={earningWei} />,
            },
            { heading: "Earned", numeric: true, cell: ({ rewardWei }) => <Amount wei={rewardWei} /> },
          ]}
        />
      </Card>
      {held.leaving.length > 0 && <Leaving account={account} held={held} />}
    </div>
  );
}

function Collect({ account, held }: { account: Address; held: Holdings }) {
  const { act, busy, failure } = useAct();
  const owing = held.positions.filter(({ rewardWei }) => rewardWei > 0n);
  if (owing.length === 0 && held.creditWei === 0n) return null;
  return (
    <div className="flex flex-col items-end gap-2">
      <SignedButton
        size="small"
        variant="primary"
        disabled={busy}
        onClick={() =>
          act(async () => {
            const { at, public: reader } = await chainView();
            for (const { poolId } of owing) await transact(at.OpenStaking, "claimReward", [poolId, account]);
            // What a commission credits shows once its pool was touched: read again.
            const credit = await reader.readContract({
              ...at.OpenStaking,
              functionName: "creditOf",
              args: [account],
            });
            if (credit > 0n) await transact(at.OpenStaking, "withdrawCredit", [account]);
            return "What your stake earned is in your account.";
          })
        }
      >
        Collect what it earned
      </SignedButton>
      {failure}
    </div>
  );
}

function Leaving({ account, held }: { account: Address; held: Holdings }) {
  const now = useNow();
  const { act, busy, failure } = useAct();
  return (
    <Card heading="On its way back" note="It can still be slashed until it is claimed.">
      <Table
        caption="Stake on its way back"
        stack
        rows={held.leaving}
        keyOf={({ index }) => String(index)}
        columns={[
          { heading: "Pool", cell: ({ poolId }) => <PoolLink poolId={poolId} /> },
          { heading: "Amount", numeric: true, cell: ({ amountWei }) => <Amount wei={amountWei} /> },
          { heading: "Can be claimed from", cell: ({ claimAtMs }) => <When ms={claimAtMs} exact /> },
          {
            heading: "State",
            cell: ({ index, amountWei, claimAtMs }) =>
              claimAtMs > now ? (
                <Badge tone="wait">waiting</Badge>
              ) : (
                <SignedButton
                  size="small"
                  disabled={busy}
                  onClick={() =>
                    act(async () => {
                      await transact((await chainView()).at.OpenStaking, "withdraw", [account, index]);
                      return `${money(amountWei).amount} OPEN came back.`;
                    })
                  }
                >
                  Withdraw
                </SignedButton>
              ),
          },
        ]}
      />
      {failure}
    </Card>
  );
}
