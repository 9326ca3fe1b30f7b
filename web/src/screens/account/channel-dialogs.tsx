/** What a payer changes about a channel: more in it, another limit for its key, or its end. */
import { useQuery } from "@tanstack/react-query";
import { type FormEvent, type ReactNode, useState } from "react";
import type { Address } from "viem";
import { accountBalanceQuery } from "../../chain/balance.ts";
import { Amount } from "../../components/amount.tsx";
import { Facts } from "../../components/page.tsx";
import { Button } from "../../components/ui/button.tsx";
import { Dialog } from "../../components/ui/dialog.tsx";
import { CheckField, TextField } from "../../components/ui/field.tsx";
import { date, duration, money, parseOpen } from "../../lib/format.ts";
import { SignedButton, useAct } from "../../wallet/act.tsx";
import { type Channel, leftOf } from "./channel.ts";
import { askToClose, setLimit, topUp } from "./channels.ts";

type AmountFormProps = {
  label: string;
  hint: ReactNode;
  first?: string;
  submit: string;
  busy: boolean;
  failure: ReactNode;
  /** Why an amount is not right; nothing when it is. */
  wrongOf: (wei: bigint) => string | undefined;
  onAmount: (wei: bigint) => void;
  children?: ReactNode;
};

/** An amount of OPEN, and what is done with it. */
export function AmountForm({ label, hint, first, submit, wrongOf, onAmount, ...rest }: AmountFormProps) {
  const { busy, failure, children } = rest;
  const [wrong, setWrong] = useState<string>();
  function read(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    try {
      const wei = parseOpen(String(new FormData(event.currentTarget).get("amount")));
      const fault = wrongOf(wei);
      setWrong(fault);
      if (fault === undefined) onAmount(wei);
    } catch (error) {
      setWrong((error as Error).message);
    }
  }
  return (
    <form onSubmit={read} className="flex flex-col gap-3">
      <TextField
        label={label}
        name="amount"
        inputMode="decimal"
        autoComplete="off"
        required
        defaultValue={first}
        disabled={busy}
        error={wrong}
        hint={hint}
      />
      {children}
      {failure}
      <div>
        <SignedButton type="submit" variant="primary" disabled={busy}>
          {busy ? "Waiting for the transaction" : submit}
        </SignedButton>
      </div>
    </form>
  );
}

type Props = { channel: Channel; onDone: () => void };
const plain = (wei: bigint) => money(wei).amount.replaceAll(",", "");
const most = 2n ** 96n - 1n;

/** More into the deposit; its key may spend it too, if that is wanted. */
export function TopUp({ channel, payer, onDone }: Props & { payer: Address }) {
  const { act, busy, failure } = useAct();
  const balance = useQuery(accountBalanceQuery(payer));
  const [raise, setRaise] = useState(channel.signer !== null && channel.signerLimit >= channel.deposit);
  return (
    <Dialog
      open
      onOpenChange={() => busy || onDone()}
      title="Top up the channel"
      description="What is not spent comes back when you close it."
    >
      <AmountForm
        label="To put in, OPEN"
        hint={balance.data === undefined ? "Reading what your account holds" : <Holds wei={balance.data} />}
        submit="Top up"
        busy={busy}
        failure={failure}
        wrongOf={(wei) =>
          wei === 0n
            ? "Expected more than nothing."
            : balance.data !== undefined && wei >= balance.data
              ? "The account does not hold as much and the gas beside it."
              : undefined
        }
        onAmount={(wei) =>
          act(async () => {
            await topUp(channel.channelId, wei);
            if (raise && channel.signer !== null)
              await setLimit(channel.channelId, channel.signer, channel.deposit + wei);
            return "The channel holds more.";
          }).then((done) => done && onDone())
        }
      >
        {channel.signer !== null && (
          <CheckField
            label="Its key may spend the whole deposit"
            hint="A second transaction raises its limit."
            checked={raise}
            onCheckedChange={(checked) => setRaise(checked === true)}
          />
        )}
      </AmountForm>
    </Dialog>
  );
}

const Holds = ({ wei }: { wei: bigint }) => (
  <>
    Your account holds <Amount wei={wei} />.
  </>
);

/** How much the key may spend, or that it may spend no more. */
export function KeyLimit({ channel, closingSeconds, onDone }: Props & { closingSeconds: number }) {
  const { channelId, signer, signerLimit, spent, deposit } = channel;
  const { act, busy, failure } = useAct();
  return (
    <Dialog
      open
      onOpenChange={() => busy || onDone()}
      title="What its key may spend"
      description={`Raising it holds at once. Lowering it, too, but what the key could have signed before can be collected for another ${duration(1_000 * closingSeconds)}.`}
    >
      <Facts
        facts={[
          ["Spent so far", <Amount key="spent" wei={spent} />],
          ["Limit now", <Amount key="limit" wei={signerLimit} />],
          ["Deposit", <Amount key="deposit" wei={deposit} />],
        ]}
      />
      <AmountForm
        label="Limit in all, OPEN"
        hint="Counted from the channel's opening: what is spent already is part of it."
        first={plain(signerLimit)}
        submit="Set the limit"
        busy={busy}
        failure={failure}
        wrongOf={(wei) =>
          wei > most ? "No channel holds as much." : wei < spent ? "As much is spent already." : undefined
        }
        onAmount={(wei) =>
          act(() => setLimit(channelId, signer, wei).then(() => "The limit is set.")).then(
            (done) => done && onDone(),
          )
        }
      />
      <div className="border-t pt-3">
        <p className="mb-2 text-sm text-quiet">
          Lost the key, or somebody else has it? Without a signature of its own it buys nothing more.
        </p>
        <SignedButton
          variant="danger"
          disabled={busy}
          onClick={() =>
            act(() => setLimit(channelId, null, 0n).then(() => "The key can spend nothing more.")).then(
              (done) => done && onDone(),
            )
          }
        >
          Revoke the key
        </SignedButton>
      </div>
    </Dialog>
  );
}

/** The end of a channel, which takes as long as its payee may need to collect. */
export function Closing({ channel, closingSeconds, onDone }: Props & { closingSeconds: number }) {
  const { act, busy, failure } = useAct();
  return (
    <Dialog
      open
      onOpenChange={() => busy || onDone()}
      title="Close the channel?"
      description="Its key buys nothing more from now on."
    >
      <Facts
        facts={[
          ["Comes back", <Amount key="back" wei={leftOf(channel)} />],
          [
            "From",
            `${date(Date.now() + 1_000 * closingSeconds)}, ${duration(1_000 * closingSeconds)} from now`,
          ],
          ["Until then", "the payee may collect what was signed for it"],
        ]}
      />
      <p className="text-sm text-quiet">
        A second transaction then closes it: come back to this page, or let anyone else send it.
      </p>
      {failure}
      <div className="flex flex-wrap gap-2">
        <SignedButton
          variant="danger"
          disabled={busy}
          onClick={() =>
            act(() => askToClose(channel.channelId).then(() => "Asked for; the date stands beside it.")).then(
              (done) => done && onDone(),
            )
          }
        >
          {busy ? "Waiting for the transaction" : "Ask to close it"}
        </SignedButton>
        <Button disabled={busy} onClick={onDone}>
          Keep it
        </Button>
      </div>
    </Dialog>
  );
}
