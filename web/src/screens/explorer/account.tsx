import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { api, ask } from "../../api/client.ts";
import type { Schema } from "../../api/types.ts";
import { Amount } from "../../components/amount.tsx";
import { Address, Hash, Transaction } from "../../components/hash.tsx";
import { Facts, Page, Stat, Stats, StatsPlace } from "../../components/page.tsx";
import { Loaded } from "../../components/states.tsx";
import { Card } from "../../components/ui/card.tsx";
import { balanceQuery } from "../../earnings/queries.ts";
import { bytes, count, short } from "../../lib/format.ts";
import { Events } from "./events.tsx";
import { explorerTrail } from "./trail.ts";
import { Transactions } from "./transactions.tsx";

const earnedOf = ({ pendingWei, settledWei, claimableWei, claimedWei }: Schema<"PayeeBalance">): bigint =>
  [pendingWei, settledWei, claimableWei, claimedWei].reduce((sum, wei) => sum + BigInt(wei), 0n);

/** An account or a contract: what it has, earned and did. */
export function Account() {
  const { address } = useParams({ strict: false }) as { address: string };
  const path = { address };
  const found = useQuery({
    queryKey: ["account", address],
    queryFn: ({ signal }) => ask(api.GET("/v1/explorer/accounts/{address}", { params: { path }, signal })),
  });
  const earned = useQuery(balanceQuery(address));
  const transactions = useQuery({
    queryKey: ["account transactions", address],
    queryFn: ({ signal }) =>
      ask(
        api.GET("/v1/explorer/accounts/{address}/transactions", {
          params: { path, query: { limit: 25 } },
          signal,
        }),
      ),
  });
  const events = useQuery({
    queryKey: ["account events", address],
    queryFn: ({ signal }) =>
      ask(
        api.GET("/v1/explorer/accounts/{address}/events", { params: { path, query: { limit: 25 } }, signal }),
      ),
  });
  const contract = found.data?.contract;
  return (
    <Page
      title={contract ? (contract.name ?? `Contract ${short(address)}`) : `Account ${short(address)}`}
      lead={<Hash value={address} />}
      trail={explorerTrail}
    >
      <Loaded query={found} place={<StatsPlace count={4} />}>
        {(data) => (
          <Stats>
            <Stat label="Balance">
              <Amount wei={data.balanceWei} />
            </Stat>
            <Stat label="Earned by attribution" note="claimed, settled or waiting">
              {earned.data ? <Amount wei={earnedOf(earned.data)} /> : "…"}
            </Stat>
            <Stat label="Transactions" note={`nonce ${count(data.nonce)}`}>
              {count(data.transactions)}
            </Stat>
            <Stat label="Events">{count(data.events)}</Stat>
          </Stats>
        )}
      </Loaded>
      {contract && (
        <Card heading="Contract">
          <Facts
            facts={[
              ["Code", `${bytes(contract.codeBytes)}${contract.name ? `, known as ${contract.name}` : ""}`],
              ["Made by", contract.creator ? <Address key="by" value={contract.creator} /> : "genesis"],
              [
                "In",
                contract.creationTransaction ? (
                  <Transaction key="in" value={contract.creationTransaction} />
                ) : (
                  "block 0"
                ),
              ],
            ]}
          />
        </Card>
      )}
      <Card heading="Transactions">
        <Loaded query={transactions}>
          {({ activity }) => <Transactions transactions={activity.map(({ transaction }) => transaction)} />}
        </Loaded>
      </Card>
      <Card heading="Events that it emitted or that name it">
        <Loaded query={events}>{({ events }) => <Events events={events} linked />}</Loaded>
      </Card>
    </Page>
  );
}
