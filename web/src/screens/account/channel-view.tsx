import { useState } from "react";
import type { Address as Account } from "viem";
import { Amount } from "../../components/amount.tsx";
import { Address, Hash } from "../../components/hash.tsx";
import { Facts } from "../../components/page.tsx";
import { Badge } from "../../components/ui/badge.tsx";
import { Button } from "../../components/ui/button.tsx";
import { Progress } from "../../components/ui/progress.tsx";
import { When } from "../../components/when.tsx";
import { date } from "../../lib/format.ts";
import { useNow } from "../../lib/now.ts";
import { SignedButton, useAct } from "../../wallet/act.tsx";
import { type Channel, leftOf, leftToKey } from "./channel.ts";
import { Closing, KeyLimit, TopUp } from "./channel-dialogs.tsx";
import { close, startRefund, takeRefund } from "./channels.ts";

type Props = {
  channel: Channel;
  payer: Account;
  closingSeconds: number;
  /** Whether the key in use on this page spends from it. */
  inUse: boolean;
};

/** One channel: how much is in it, who may spend it, until when, and what its payer can do. */
export function ChannelView({ channel, payer, closingSeconds, inUse }: Props) {
  const { channelId, payee, here, deposit, spent, reserved, closesAt, closed } = channel;
  const now = useNow();
  const [asked, setAsked] = useState<"top up" | "limit" | "close">();
  const done = () => setAsked(undefined);
  const closable = closesAt !== 0 && now >= closesAt * 1_000;
  const open = closesAt === 0 && !closed;
  return (
    <article aria-label={`Channel ${channelId}`} className="flex flex-col gap-3 rounded-md border p-4">
      <header className="flex flex-wrap items-center justify-between gap-2">
        <span className="inline-flex flex-wrap items-center gap-2">
          <Hash value={channelId} />
          <Badge tone={closed ? "quiet" : open ? "good" : "wait"}>
            {closed ? "closed" : open ? "open" : closable ? "can be closed" : "closing"}
          </Badge>
          {inUse && <Badge tone="quiet">in use here</Badge>}
        </span>
        <span className="text-sm">{here ? "pays this node" : <Address value={payee} />}</span>
      </header>
      {!closed && (
        <Progress
          label="Spent of the deposit"
          done={Number(spent / 10n ** 6n)}
          total={Number(deposit / 10n ** 6n)}
        />
      )}
      <Facts
        facts={[
          ["Deposit", <Amount key="deposit" wei={deposit} />],
          ["Spent", <Spent key="spent" spent={spent} reserved={reserved} />],
          ...(closed
            ? []
            : ([
                ["Left", <Amount key="left" wei={leftOf(channel)} />],
                ["Its key", open ? <KeyOf key="key" channel={channel} /> : "buys nothing more"],
                ["Ends", <Ends key="ends" channel={channel} />],
              ] as const)),
        ]}
      />
      {!closed && (
        <div className="flex flex-wrap gap-2">
          {open && (
            <>
              <Button size="small" onClick={() => setAsked("top up")}>
                Top up
              </Button>
              {channel.signer !== null && (
                <Button size="small" onClick={() => setAsked("limit")}>
                  Spending limit
                </Button>
              )}
              <Button size="small" variant="danger" onClick={() => setAsked("close")}>
                Close
              </Button>
            </>
          )}
          {closesAt !== 0 && <CloseNow channel={channel} closable={closable} />}
        </div>
      )}
      <Unsettled channel={channel} payer={payer} now={now} />
      {asked === "top up" && <TopUp channel={channel} payer={payer} onDone={done} />}
      {asked === "limit" && <KeyLimit channel={channel} closingSeconds={closingSeconds} onDone={done} />}
      {asked === "close" && <Closing channel={channel} closingSeconds={closingSeconds} onDone={done} />}
    </article>
  );
}

const Spent = ({ spent, reserved }: Pick<Channel, "spent" | "reserved">) => (
  <>
    <Amount wei={spent} />
    {reserved > 0n && (
      <span className="text-quiet">
        {" "}
        and at most <Amount wei={reserved} /> for answers under way
      </span>
    )}
  </>
);

function KeyOf({ channel }: { channel: Channel }) {
  const { signer, signerLimit, previousUntil } = channel;
  if (signer === null) return <>none: your wallet alone can spend from it</>;
  return (
    <>
      <Amount wei={leftToKey(channel)} /> left of a limit of <Amount wei={signerLimit} />
      {previousUntil * 1_000 > Date.now() && (
        <span className="text-quiet">
          {" "}
          ; what it signed before counts until {date(previousUntil * 1_000)}
        </span>
      )}
    </>
  );
}

const Ends = ({ channel: { closesAt } }: { channel: Channel }) =>
  closesAt === 0 ? (
    <>when you close it</>
  ) : (
    <>
      it can be closed from <When exact ms={closesAt * 1_000} />; until then its payee may collect
    </>
  );

function CloseNow({ channel, closable }: { channel: Channel; closable: boolean }) {
  const { act, busy, failure } = useAct();
  return (
    <>
      <SignedButton
        size="small"
        variant="primary"
        disabled={busy || !closable}
        onClick={() => act(() => close(channel.channelId).then(() => "Closed: what was left came back."))}
      >
        {closable ? (
          <>
            Close, and get <Amount wei={channel.deposit - channel.collected} /> back
          </>
        ) : (
          "Waiting until it can be closed"
        )}
      </SignedButton>
      {failure && <div className="basis-full">{failure}</div>}
    </>
  );
}

/** What was collected and never settled is its payer's again, after a wait. */
function Unsettled({ channel, payer, now }: { channel: Channel; payer: Account; now: number }) {
  const { channelId, unsettled, refundAt } = channel;
  const { act, busy, failure } = useAct();
  if (unsettled === 0n) return null;
  const amount = <Amount wei={unsettled} />;
  const can = refundAt !== 0 && now >= refundAt * 1_000;
  return (
    <details className="text-sm">
      <summary>
        {amount} {unsettled === 1n ? "is" : "are"} collected and not settled yet
      </summary>
      <div className="mt-2 flex flex-col items-start gap-2">
        <p className="text-quiet">
          {refundAt === 0
            ? "Usually the next batch settles it. If the operator never does, ask for it back: the wait ends early if it is settled after all."
            : `It comes back from ${date(refundAt * 1_000)}, unless it is settled first.`}
        </p>
        {(refundAt === 0 || can) && (
          <SignedButton
            size="small"
            disabled={busy}
            onClick={() =>
              act(() =>
                can
                  ? takeRefund(channelId, payer).then(() => "It came back.")
                  : startRefund(channelId).then(() => "Asked for; the date stands beside it."),
              )
            }
          >
            {can ? <>Take {amount} back</> : "Ask for it back"}
          </SignedButton>
        )}
        {failure}
      </div>
    </details>
  );
}
