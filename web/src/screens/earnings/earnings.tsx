import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { ApiError, api, ask } from "../../api/client.ts";
import type { Schema } from "../../api/types.ts";
import { Amount } from "../../components/amount.tsx";
import { Curve } from "../../components/curve.tsx";
import { Address, ReceiptLink, ReleaseLink, Transaction } from "../../components/hash.tsx";
import { Page, Stat, Stats, StatsPlace } from "../../components/page.tsx";
import { Empty, Loaded, Loading } from "../../components/states.tsx";
import { Badge } from "../../components/ui/badge.tsx";
import { Button } from "../../components/ui/button.tsx";
import { Card } from "../../components/ui/card.tsx";
import { Table } from "../../components/ui/table.tsx";
import { Tabs } from "../../components/ui/tabs.tsx";
import { When } from "../../components/when.tsx";
import { overTime } from "../../earnings/over-time.ts";
import { answersQuery, balanceQuery } from "../../earnings/queries.ts";
import { useAddressParam } from "../../lib/address.ts";
import { cn } from "../../lib/cn.ts";
import { count, money, short } from "../../lib/format.ts";
import { useTourMark } from "../../tour/tour.ts";
import { SignedButton, useAct } from "../../wallet/act.tsx";
import { useAddress } from "../../wallet/wallet.ts";
import { ContributionsOf } from "../datanets/contributions.tsx";
import { Leaderboard } from "./leaderboard.tsx";

/** What one earned by attribution: over time, by answer, and getting it. */
export function Earnings() {
  const own = useAddress();
  const [given] = useAddressParam("address");
  const [tab, setTab] = useAddressParam("tab", "answers");
  const address = /^0x[0-9a-fA-F]{40}$/.test(given) ? given.toLowerCase() : own;
  const others = address !== undefined && address !== own;
  return (
    <Page
      title={others ? `Earnings of ${short(address)}` : "Earnings"}
      lead="What answers paid for the examples that shaped them: each one is a receipt that anyone can recompute."
    >
      {address === undefined ? (
        <>
          <Empty title="Whose earnings?" action={<SignedButton variant="primary">Sign in</SignedButton>}>
            Sign in to see what your examples earned, or open anyone's from the leaderboard.
          </Empty>
          <Leaderboard you={undefined} />
        </>
      ) : (
        <>
          <Balance address={address} />
          <Tabs
            label="Earnings"
            value={tab}
            onChange={setTab}
            tabs={[
              { id: "answers", label: "By answer", content: <Answers address={address} /> },
              { id: "claims", label: "Claims", content: <Claims address={address} /> },
              {
                id: "contributions",
                label: "Contributions",
                content: <ContributionsOf address={address} you={!others} />,
              },
              { id: "leaderboard", label: "Leaderboard", content: <Leaderboard you={address} /> },
            ]}
          />
        </>
      )}
    </Page>
  );
}

function Balance({ address }: { address: string }) {
  const balance = useQuery(balanceQuery(address));
  const answers = useQuery(answersQuery(address));
  const mark = useTourMark("earn");
  return (
    <Loaded
      query={balance}
      place={
        <>
          <StatsPlace count={5} />
          <Loading rows={8} />
        </>
      }
    >
      {(found) => (
        <>
          <div className={cn("rounded-lg", mark)}>
            <Stats>
              <Stat label="Claimable now" note="in final batches">
                <Amount wei={found.claimableWei} />
              </Stat>
              <Stat label="Claimed">
                <Amount wei={found.claimedWei} />
              </Stat>
              <Stat label="Settled, not final" note="may still be challenged">
                <Amount wei={found.settledWei} />
              </Stat>
              <Stat label="Waiting for a batch">
                <Amount wei={found.pendingWei} />
              </Stat>
              <Stat label="Answers" note={answers.data?.whole === false ? "at least" : "that paid"}>
                {answers.data ? count(answers.data.answers.length) : "–"}
              </Stat>
            </Stats>
          </div>
          <Claim balance={found} />
          <Card
            heading="Over time"
            note={
              answers.data?.whole === false
                ? "OPEN, in the newest thousand answers and all claims."
                : "OPEN, summed up."
            }
          >
            <Loaded query={answers} rows={5}>
              {({ answers }) =>
                answers.length === 0 ? (
                  <Empty
                    title="No answer has paid this account yet"
                    action={
                      <Button asChild>
                        <Link to="/datanets">Contribute knowledge</Link>
                      </Button>
                    }
                  >
                    Contribute examples to a Datanet: when a model trained on them answers, they earn.
                  </Empty>
                ) : (
                  <Picture answers={answers} claims={found.claims} />
                )
              }
            </Loaded>
          </Card>
        </>
      )}
    </Loaded>
  );
}

function Picture({
  answers,
  claims,
}: {
  answers: readonly Schema<"ListedReceipt">[];
  claims: Schema<"PayeeBalance">["claims"];
}) {
  const { seconds, earned, claimed } = overTime(
    answers
      .filter(({ state }) => state !== "lost")
      .map(({ acceptedAtMs, paidWei }) => ({ ms: acceptedAtMs, wei: BigInt(paidWei ?? 0) })),
    claims.map(({ claimedAtSec, amountWei }) => ({ ms: claimedAtSec * 1_000, wei: BigInt(amountWei) })),
  );
  return (
    <Curve
      label={`Earned over time: ${earned.at(-1) ?? 0} OPEN in all, of it ${claimed.at(-1) ?? 0} claimed`}
      xLabel="Time"
      time
      x={seconds}
      series={[
        { label: "Earned, OPEN", values: earned },
        { label: "Claimed, OPEN", values: claimed, dashed: true },
      ]}
    />
  );
}

/** Getting what is claimable: the node pays the gas, or one's own transaction once its allowance is used up. */
function Claim({ balance }: { balance: Schema<"PayeeBalance"> }) {
  const { act, busy, failure } = useAct();
  const { payee, claimableWei, claim } = balance;
  if (BigInt(claimableWei) === 0n) return null;
  const done = `${money(claimableWei).amount} OPEN were paid to ${short(payee)}.`;
  async function sendOneself(): Promise<void> {
    if (claim === null) throw new Error("There is nothing to claim now.");
    const { chainView, transact } = await import("../../chain/view.ts");
    const { at } = await chainView();
    await transact(at.AttributionLedger, "claim", [
      claim.attester as `0x${string}`,
      BigInt(claim.number),
      BigInt(claim.index),
      payee as `0x${string}`,
      BigInt(claim.creditWei),
      BigInt(claim.cumulativeWei),
      claim.proof as `0x${string}`[],
    ]);
  }
  return (
    <Card
      heading={
        <>
          <Amount wei={claimableWei} /> can be claimed
        </>
      }
      note="The money goes to the account itself, whoever asks. The node pays the gas."
      action={
        <Button
          variant="primary"
          disabled={busy}
          onClick={() =>
            act(async () => {
              try {
                await ask(api.POST("/v1/claims", { body: { payee } }));
              } catch (error) {
                // The day's allowance for sponsored transactions is used up: then it is one's own.
                if (!(error instanceof ApiError && error.status === 429)) throw error;
                await sendOneself();
              }
              return done;
            })
          }
        >
          {busy ? "Claiming …" : "Claim"}
        </Button>
      }
    >
      {failure ?? (
        <p className="text-sm text-quiet">
          It is proven against batch {claim?.number ?? 0}: anyone can check that the balance is a leaf of what
          was settled.
        </p>
      )}
    </Card>
  );
}

function Answers({ address }: { address: string }) {
  const answers = useQuery(answersQuery(address));
  return (
    <Card heading="By answer" note="The newest hundred.">
      <Loaded query={answers} rows={6}>
        {({ answers }) => (
          <Table
            caption="Answers that paid"
            stack
            rows={answers.slice(0, 100)}
            keyOf={({ receiptId }) => receiptId}
            empty={<Empty title="No answer yet">Each answer that pays this account is listed here.</Empty>}
            columns={[
              { heading: "Receipt", cell: ({ receiptId }) => <ReceiptLink value={receiptId} /> },
              { heading: "Release", wide: true, cell: ({ releaseId }) => <ReleaseLink value={releaseId} /> },
              { heading: "Paid here", numeric: true, cell: ({ paidWei }) => <Amount wei={paidWei ?? "0"} /> },
              {
                heading: "Of a fee of",
                numeric: true,
                wide: true,
                cell: ({ feeWei }) => <Amount wei={feeWei} />,
              },
              { heading: "State", cell: ({ state }) => <Badge>{state}</Badge> },
              { heading: "When", numeric: true, cell: ({ acceptedAtMs }) => <When ms={acceptedAtMs} /> },
            ]}
          />
        )}
      </Loaded>
    </Card>
  );
}

function Claims({ address }: { address: string }) {
  const balance = useQuery(balanceQuery(address));
  return (
    <Card heading="Claims">
      <Loaded query={balance}>
        {({ claims }) => (
          <Table
            caption="Claims"
            stack
            rows={claims}
            keyOf={({ transactionHash, amountWei }) => transactionHash + amountWei}
            empty={
              <Empty title="Nothing was claimed yet">
                What final batches owe can be claimed at any time.
              </Empty>
            }
            columns={[
              { heading: "When", cell: ({ claimedAtSec }) => <When ms={claimedAtSec * 1_000} exact /> },
              { heading: "Up to batch", numeric: true, cell: ({ number }) => number },
              { heading: "Amount", numeric: true, cell: ({ amountWei }) => <Amount wei={amountWei} /> },
              {
                heading: "Transaction",
                cell: ({ transactionHash }) => <Transaction value={transactionHash} />,
              },
            ]}
          />
        )}
      </Loaded>
      <p className="mt-3 text-sm text-quiet">
        Account <Address value={address} />
      </p>
    </Card>
  );
}
