import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import type { Schema } from "../../api/types.ts";
import { accountBalanceQuery } from "../../chain/balance.ts";
import { Amount } from "../../components/amount.tsx";
import { Address, Hash, ReleaseLink } from "../../components/hash.tsx";
import { Facts } from "../../components/page.tsx";
import { Steps } from "../../components/steps.tsx";
import { Button } from "../../components/ui/button.tsx";
import { Card } from "../../components/ui/card.tsx";
import { Dialog } from "../../components/ui/dialog.tsx";
import { When } from "../../components/when.tsx";
import { count, money } from "../../lib/format.ts";
import { useNow } from "../../lib/now.ts";
import { SignedButton, useAct } from "../../wallet/act.tsx";
import { TooLittle } from "../../wallet/too-little.tsx";
import { useWallet } from "../../wallet/wallet.ts";
import { ifCancelled, isRefundable } from "./cancelling.ts";
import { cancel, pay, refund } from "./escrow.ts";

type Job = Schema<"FineTune">;
type Paid = NonNullable<Job["payment"]>;

/** What becomes of money in escrow, told before it is paid. */
export const EscrowTerms = ({ publish }: { publish: boolean }) => (
  <ul className="flex list-disc flex-col gap-1 pl-5 text-sm text-quiet">
    <li>A contract holds it, and nobody else.</li>
    <li>All of it goes to the operator once the {publish ? "release is on chain" : "evaluation is done"}.</li>
    <li>All of it comes back if the run fails, or nothing has come by the deadline.</li>
    <li>If you cancel, the part of the steps that was done is paid, and the rest comes back.</li>
  </ul>
);

/** What a run costs, where the money is, and what can be done about it. */
export function Payment({ job, payment, step }: { job: Job; payment: Paid; step: number }) {
  const { plan, state } = payment;
  const at = state === "unpaid" ? 0 : state === "open" || state === "cancelled" ? 1 : 3;
  return (
    <Card heading="Payment" note={noteOf(payment)}>
      <div className="flex flex-col gap-4">
        {state !== "expired" && <Steps steps={["Pay", "Held in escrow", "Settled"]} at={at} />}
        {state === "unpaid" ? <Unpaid job={job} payment={payment} /> : <Facts facts={factsOf(payment)} />}
        {(state === "open" || state === "cancelled") && payment.escrowId !== null && (
          <Held job={job} payment={payment} escrowId={payment.escrowId} step={step} publish={plan.publish} />
        )}
      </div>
    </Card>
  );
}

function noteOf({ state, plan, amountWei, operatorWei, payerWei, doneSteps }: Paid): ReactNode {
  const whole = <Amount wei={amountWei ?? plan.amountWei} />;
  const notes: Record<Paid["state"], ReactNode> = {
    unpaid: <>It costs {whole}, and begins when that is in escrow.</>,
    expired: <>It was not paid for in time; {whole} were asked. Nothing was paid.</>,
    open: <>{whole} are in escrow while it runs.</>,
    cancelled: <>It is cancelled. The operator has to say how many steps were done.</>,
    succeeded: <>It was delivered: {whole} went to the operator.</>,
    failed: <>It was not delivered: {whole} came back to the payer.</>,
    stopped: (
      <>
        {count(doneSteps ?? 0)} of {count(plan.steps)} steps were done: <Amount wei={operatorWei ?? 0} /> went
        to the operator, <Amount wei={payerWei ?? 0} /> came back.
      </>
    ),
    refunded: <>Nothing came by the deadline: {whole} came back to the payer.</>,
  };
  return notes[state];
}

function factsOf({ state, plan, payer, escrowId, amountWei, operatorWei, payerWei, evidence }: Paid) {
  const facts: (readonly [string, ReactNode])[] = [
    [state === "expired" ? "Asked" : "Paid", <Amount key="amount" wei={amountWei ?? plan.amountWei} />],
  ];
  if (payer !== null) facts.push(["By", <Address key="payer" value={payer} />]);
  if (operatorWei !== null) facts.push(["To the operator", <Amount key="operator" wei={operatorWei} />]);
  if (payerWei !== null) facts.push(["Back to the payer", <Amount key="back" wei={payerWei} />]);
  if (operatorWei === null && escrowId !== null)
    facts.push(["Deadline", <When key="deadline" exact ms={plan.deadline * 1_000} />]);
  if (escrowId !== null) facts.push(["Escrow", <Hash key="escrow" value={escrowId} />]);
  if (evidence !== null)
    facts.push(
      state === "succeeded" && plan.publish
        ? ["Delivered", <ReleaseLink key="evidence" value={evidence} />]
        : ["Evidence", <Hash key="evidence" value={evidence} />],
    );
  return facts;
}

function Unpaid({ job, payment: { plan, payByMs, forPayer } }: { job: Job; payment: Paid }) {
  const wallet = useWallet();
  const { act, busy, failure } = useAct();
  const address = wallet.kind === "none" ? undefined : wallet.address;
  const balance = useQuery({ ...accountBalanceQuery(address ?? "0x"), enabled: address !== undefined });
  const amountWei = BigInt(plan.amountWei);
  const another = forPayer !== null && address !== undefined && address.toLowerCase() !== forPayer;
  const lacks = balance.data !== undefined && balance.data <= amountWei;
  return (
    <>
      <Facts
        facts={[
          ["Price", <Amount key="price" wei={amountWei} />],
          [
            "For",
            `at most ${count(plan.steps)} steps${plan.publish ? " and a release" : " and an evaluation"}`,
          ],
          ...(forPayer === null
            ? []
            : [["To be paid by", <Address key="payer" value={forPayer} />] as const]),
          ["To be paid until", <When key="until" exact ms={payByMs} />],
          ["Back if not delivered by", <When key="deadline" exact ms={plan.deadline * 1_000} />],
        ]}
      />
      <EscrowTerms publish={plan.publish} />
      {address !== undefined && lacks && (
        <TooLittle
          address={address}
          title={`Your account holds ${money(balance.data ?? 0n).amount} OPEN: too little for the price and the gas.`}
          onLook={() => balance.refetch()}
        />
      )}
      {another && (
        <p className="text-sm text-wait">
          It waits for the account that it was ordered for. Another's payment would come back at once.
        </p>
      )}
      {failure}
      <div>
        <SignedButton
          variant="primary"
          disabled={busy || lacks || another}
          onClick={() => act(() => pay(job, amountWei).then(() => "It is paid for, and begins."))}
        >
          {busy ? "Paying" : `Pay ${money(amountWei).amount} OPEN and start`}
        </SignedButton>
      </div>
    </>
  );
}

type HeldProps = { job: Job; payment: Paid; escrowId: string; step: number; publish: boolean };

/** What can be done while a contract holds the money: its payer may cancel, and after the deadline anyone may send it back. */
function Held({ job, payment, escrowId, step, publish }: HeldProps) {
  const now = useNow();
  const wallet = useWallet();
  const { act, busy, failure } = useAct();
  const [asking, setAsking] = useState(false);
  const division = ifCancelled(job, step);
  const mine = wallet.kind !== "none" && wallet.address === payment.payer;
  const whole = <Amount wei={payment.amountWei ?? payment.plan.amountWei} />;
  if (isRefundable(job, now))
    return (
      <>
        <p className="text-sm">The deadline is over. The operator can be paid nothing any more.</p>
        {failure}
        <div>
          <SignedButton
            variant="primary"
            disabled={busy}
            onClick={() => act(() => refund(escrowId).then(() => "Everything came back to the payer."))}
          >
            Send {whole} back to {mine ? "you" : "the payer"}
          </SignedButton>
        </div>
      </>
    );
  if (payment.state === "cancelled")
    return (
      <p className="text-sm text-quiet">
        Usually that takes moments. If nothing is said by the deadline, everything can be taken back here.
      </p>
    );
  if (!mine) return <EscrowTerms publish={publish} />;
  return (
    <>
      <div className="flex flex-wrap items-center gap-3">
        <Button variant="danger" onClick={() => setAsking(true)}>
          Cancel the run
        </Button>
        {division && (
          <p className="text-sm text-quiet">
            Cancelled now it would cost about <Amount wei={division.operator} />.
          </p>
        )}
      </div>
      <Dialog
        open={asking}
        onOpenChange={setAsking}
        title="Cancel this run for good?"
        description="What was released before still counts as delivered."
      >
        {division && (
          <Facts
            facts={[
              ["Steps so far", `${count(division.done)} of ${count(division.steps)}`],
              ["To the operator, about", <Amount key="operator" wei={division.operator} />],
              ["Back to you, about", <Amount key="back" wei={division.payer} />],
            ]}
          />
        )}
        <p className="text-sm text-quiet">
          How many steps there is a checkpoint of is the operator's word, with its digest. Who does not
          believe it waits for the deadline (<When exact ms={payment.plan.deadline * 1_000} />) instead of
          cancelling.
        </p>
        {failure}
        <div className="flex flex-wrap gap-2">
          <SignedButton
            variant="danger"
            disabled={busy}
            onClick={() =>
              act(() => cancel(escrowId).then(() => "Cancelled: it is divided now.")).then(
                (done) => done && setAsking(false),
              )
            }
          >
            {busy ? "Cancelling" : "Cancel it"}
          </SignedButton>
          <Button onClick={() => setAsking(false)}>Let it run</Button>
        </div>
      </Dialog>
    </>
  );
}
