import { useNavigate } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { chainView, transact } from "../../chain/view.ts";
import { Dialog } from "../../components/ui/dialog.tsx";
import { TextField } from "../../components/ui/field.tsx";
import { money } from "../../lib/format.ts";
import { amountOf } from "../../stake/forms.tsx";
import { SignedButton, useAct } from "../../wallet/act.tsx";
import { useAddress } from "../../wallet/wallet.ts";

/** What its button says. */
export const openPoolLabel = "Open a pool of your own";

/** Opens a validator's pool behind one's own address. */
export function OpenPool({ minimumWei }: { minimumWei: bigint }) {
  const address = useAddress();
  const navigate = useNavigate();
  const [open, setOpen] = useState(false);
  const [stake, setStake] = useState(money(minimumWei).amount);
  const [commission, setCommission] = useState("10");
  const { act, busy, failure } = useAct();
  const asked = amountOf(stake);
  const short = "wei" in asked && asked.wei < minimumWei;
  const bps = /^\d{1,2}(\.\d{1,2})?$/.test(commission) ? Math.round(Number(commission) * 100) : undefined;
  const bpsWrong = bps === undefined || bps > 5_000;
  async function submit(event: FormEvent) {
    event.preventDefault();
    if ("error" in asked || short || bpsWrong || address === undefined) return;
    const done = await act(async () => {
      await transact((await chainView()).at.OpenStaking, "open", [BigInt(address), bps], asked.wei);
      return "Your pool is open. It earns from the next epoch on.";
    });
    if (!done) return;
    setOpen(false);
    void navigate({ to: "/stake/$pool", params: { pool: address } });
  }
  return (
    <>
      <SignedButton onClick={() => setOpen(true)}>{openPoolLabel}</SignedButton>
      <Dialog
        open={open}
        onOpenChange={setOpen}
        title={openPoolLabel}
        description="For who runs a validator: openledger validator takes a seat and answers the draws. Silence is slashed."
      >
        <form onSubmit={submit} className="flex flex-col gap-3">
          <TextField
            label="Your own stake, OPEN"
            inputMode="decimal"
            value={stake}
            onChange={({ target }) => setStake(target.value)}
            hint={`At least ${money(minimumWei).amount} OPEN: below it a pool earns nothing.`}
            error={
              "error" in asked
                ? asked.error
                : short
                  ? `At least ${money(minimumWei).amount} OPEN.`
                  : undefined
            }
          />
          <TextField
            label="Commission, per cent"
            inputMode="decimal"
            value={commission}
            onChange={({ target }) => setCommission(target.value)}
            hint="Your part of what others' stake earns, 50 at most. A change starts an epoch after it is announced."
            error={bpsWrong ? "Expected 0 to 50, with at most two decimals." : undefined}
          />
          {failure}
          <div>
            <SignedButton variant="primary" type="submit" disabled={busy}>
              {busy ? "Opening …" : "Open the pool"}
            </SignedButton>
          </div>
        </form>
      </Dialog>
    </>
  );
}
