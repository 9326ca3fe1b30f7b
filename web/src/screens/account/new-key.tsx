import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import type { Address } from "viem";
import { accountBalanceQuery } from "../../chain/balance.ts";
import { Amount } from "../../components/amount.tsx";
import { Hash } from "../../components/hash.tsx";
import { Facts } from "../../components/page.tsx";
import { Snippet } from "../../components/snippet.tsx";
import { Button } from "../../components/ui/button.tsx";
import { Dialog } from "../../components/ui/dialog.tsx";
import { TextField } from "../../components/ui/field.tsx";
import { parseOpen } from "../../lib/format.ts";
import { useAct } from "../../wallet/act.tsx";
import { makeKey, type PayingKey } from "../../wallet/paying-key.ts";
import { TooLittle } from "../../wallet/too-little.tsx";

/** As the API has it. */
const labelMax = 120;

/** Where a key is made for a program: what it is for, what stands behind it, and its secret, shown once. */
export function NewKey({ address, onClose }: { address: Address; onClose: () => void }) {
  const { act, busy, failure } = useAct();
  const balance = useQuery(accountBalanceQuery(address));
  const [made, setMade] = useState<PayingKey>();
  const [wrong, setWrong] = useState<{ deposit?: string; limit?: string }>({});

  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const text = (name: string) => String(form.get(name) ?? "").trim();
    const amount = (name: "deposit" | "limit") => {
      try {
        const wei = parseOpen(text(name));
        if (wei === 0n) throw new Error("Expected more than nothing.");
        return wei;
      } catch (error) {
        setWrong({ [name]: (error as Error).message });
        return undefined;
      }
    };
    setWrong({});
    const depositWei = amount("deposit");
    if (depositWei === undefined) return;
    if (balance.data !== undefined && depositWei >= balance.data)
      return setWrong({ deposit: "The account does not hold as much and the gas beside it." });
    const limitWei = text("limit") === "" ? depositWei : amount("limit");
    if (limitWei === undefined) return;
    if (limitWei > depositWei) return setWrong({ limit: "A key can spend no more than the deposit." });
    void act(async () => {
      await makeKey(address, { depositWei, limitWei, label: text("label"), onDeposited: setMade });
      return "The key is made.";
    });
  }
  return (
    <Dialog
      open
      onOpenChange={() => busy || onClose()}
      title={made ? "The key's secret" : "New key"}
      description={
        made
          ? "Shown this once: the node keeps only its digest. Who has it can spend up to the limit."
          : "For a program, or for somebody whose answers you pay. The node's operator is trusted up to the limit, and no further."
      }
    >
      {made ? (
        <>
          <Snippet label="Secret" text={made.secret} />
          <p className="text-sm text-quiet">
            Give it to any client of OpenAI's API as its key, with <code>{location.origin}/v1</code> as the
            base address; or to <code>./openledger</code> as OPENLEDGER_API_KEY.
          </p>
          <Facts facts={[["Channel", <Hash key="channel" value={made.channelId ?? ""} />]]} />
          {failure}
          <div>
            <Button variant="primary" disabled={busy} onClick={onClose}>
              {busy ? "Binding it to the channel" : "I have kept it"}
            </Button>
          </div>
        </>
      ) : balance.data === 0n ? (
        <TooLittle
          address={address}
          title="Your account holds no OPEN yet."
          onLook={() => balance.refetch()}
        />
      ) : (
        <form onSubmit={submit} className="flex flex-col gap-3">
          <TextField
            label="What it is for"
            name="label"
            maxLength={labelMax}
            placeholder="my program"
            disabled={busy}
            hint="The node keeps it beside the key."
          />
          <div className="grid gap-3 sm:grid-cols-2">
            <TextField
              label="Deposit, OPEN"
              name="deposit"
              inputMode="decimal"
              required
              defaultValue="0.1"
              disabled={busy}
              error={wrong.deposit}
              hint={
                balance.data === undefined ? (
                  "Reading what your account holds"
                ) : (
                  <>
                    Your account holds <Amount wei={balance.data} />.
                  </>
                )
              }
            />
            <TextField
              label="Spending limit, OPEN"
              name="limit"
              inputMode="decimal"
              disabled={busy}
              error={wrong.limit}
              hint="The deposit, unless given. It can be changed later."
            />
          </div>
          {failure}
          <div>
            <Button variant="primary" type="submit" disabled={busy}>
              {busy ? "Making the key" : "Make the key and deposit"}
            </Button>
          </div>
        </form>
      )}
    </Dialog>
  );
}
