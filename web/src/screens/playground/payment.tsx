import { useQuery } from "@tanstack/react-query";
import { CheckIcon, LoaderIcon } from "lucide-react";
import { type FormEvent, useState } from "react";
import { accountBalanceQuery } from "../../chain/balance.ts";
import { Amount } from "../../components/amount.tsx";
import { Failure } from "../../components/states.tsx";
import { Button } from "../../components/ui/button.tsx";
import { Dialog } from "../../components/ui/dialog.tsx";
import { CheckField, TextField } from "../../components/ui/field.tsx";
import { parseOpen } from "../../lib/format.ts";
import {
  bringPayingKey,
  keepsPayingKey,
  type MakingStep,
  makePayingKey,
  openPayingKey,
} from "../../wallet/paying-key.ts";
import { SignIn } from "../../wallet/sign-in.tsx";
import { TooLittle } from "../../wallet/too-little.tsx";
import { useWallet } from "../../wallet/wallet.ts";

const steps: readonly (readonly [MakingStep, string])[] = [
  ["making", "The node makes the key"],
  ["keeping", "You sign once, so that this device can keep it sealed"],
  ["depositing", "You deposit OPEN into a channel of your own"],
  ["activating", "The node binds the key to the channel"],
];

/** Where one becomes able to pay: a key with a deposit behind it, the one this device keeps, or one made elsewhere. */
export function PaymentDialog({ onClose }: { onClose: () => void }) {
  const wallet = useWallet();
  const [signingIn, setSigningIn] = useState(false);
  const [elsewhere, setElsewhere] = useState(false);
  const [error, setError] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const address = wallet.kind === "local" || wallet.kind === "browser" ? wallet.address : undefined;

  async function act(work: () => Promise<void>) {
    setError(undefined);
    setBusy(true);
    try {
      await work();
      onClose();
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  }
  if (signingIn && address === undefined) return <SignIn onClose={() => setSigningIn(false)} />;
  return (
    <Dialog
      open
      onOpenChange={() => busy || onClose()}
      title="Pay for answers"
      description="An API key pays from a channel of your own. What is not spent stays yours: close the channel and it comes back."
    >
      {elsewhere ? (
        <form
          className="flex flex-col gap-3"
          onSubmit={(event) => {
            event.preventDefault();
            bringPayingKey(String(new FormData(event.currentTarget).get("secret")).trim());
            onClose();
          }}
        >
          <TextField
            label="API key"
            name="secret"
            type="password"
            required
            autoComplete="off"
            placeholder="sk-ol-…"
            hint="In this page's memory only, until you leave it."
          />
          <div className="flex flex-wrap gap-2">
            <Button variant="primary" type="submit">
              Use this key
            </Button>
            <Button onClick={() => setElsewhere(false)}>Back</Button>
          </div>
        </form>
      ) : (
        <>
          {address === undefined ? (
            <div>
              <Button variant="primary" onClick={() => setSigningIn(true)}>
                {wallet.kind === "locked" ? "Unlock your key" : "Connect a wallet"}
              </Button>
            </div>
          ) : (
            <>
              {keepsPayingKey(address) && (
                <div className="flex flex-col gap-2 rounded-md border p-3 text-sm">
                  <p>This device keeps a key of yours. Your signature opens it; it costs nothing.</p>
                  <div>
                    <Button
                      variant="primary"
                      disabled={busy}
                      onClick={() => act(() => openPayingKey(address))}
                    >
                      Open the key
                    </Button>
                  </div>
                </div>
              )}
              <Deposit address={address} busy={busy} act={act} />
            </>
          )}
          {error !== undefined && <Failure error={error} />}
          <div>
            <Button variant="link" size="small" disabled={busy} onClick={() => setElsewhere(true)}>
              I have an API key already
            </Button>
          </div>
        </>
      )}
    </Dialog>
  );
}

type DepositProps = {
  address: `0x${string}`;
  busy: boolean;
  act: (work: () => Promise<void>) => Promise<void>;
};

function Deposit({ address, busy, act }: DepositProps) {
  const [keep, setKeep] = useState(true);
  const [step, setStep] = useState<MakingStep>();
  const [wrong, setWrong] = useState<string>();
  const balance = useQuery(accountBalanceQuery(address));

  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    let depositWei: bigint;
    try {
      depositWei = parseOpen(String(new FormData(event.currentTarget).get("deposit")));
      if (depositWei === 0n) throw new Error("Expected more than nothing.");
      if (balance.data !== undefined && depositWei >= balance.data)
        throw new Error("The account does not hold as much and the gas beside it.");
    } catch (failure) {
      return setWrong((failure as Error).message);
    }
    setWrong(undefined);
    void act(() => makePayingKey(address, { depositWei, keep, onStep: setStep }));
  }

  const shown = steps.filter(([name]) => keep || name !== "keeping");
  const at = shown.findIndex(([name]) => name === step);
  if (balance.data === 0n)
    return (
      <TooLittle address={address} title="Your account holds no OPEN yet." onLook={() => balance.refetch()} />
    );
  return (
    <form onSubmit={submit} className="flex flex-col gap-3">
      <TextField
        label="Deposit, OPEN"
        name="deposit"
        inputMode="decimal"
        defaultValue="0.01"
        required
        disabled={busy}
        error={wrong}
        hint={
          balance.data === undefined ? (
            "Reading what your account holds"
          ) : (
            <>
              Your account holds <Amount wei={balance.data} />. The key can spend the deposit and no more.
            </>
          )
        }
      />
      <CheckField
        label="Keep the key on this device"
        hint="Sealed: it opens with your wallet's signature only. Otherwise it is gone when you leave the page."
        checked={keep}
        disabled={busy}
        onCheckedChange={(checked) => setKeep(checked === true)}
      />
      {busy && step !== undefined && (
        <ol className="flex flex-col gap-1 text-sm" aria-live="polite">
          {shown.map(([name, said], place) => (
            <li
              key={name}
              className="flex items-center gap-2"
              aria-current={place === at ? "step" : undefined}
            >
              {place < at ? (
                <CheckIcon aria-hidden className="size-4 text-good" />
              ) : (
                <LoaderIcon
                  aria-hidden
                  className={place === at ? "size-4 animate-spin text-accent" : "size-4 opacity-0"}
                />
              )}
              <span className={place > at ? "text-quiet" : ""}>{said}</span>
            </li>
          ))}
        </ol>
      )}
      <div>
        <Button variant="primary" type="submit" disabled={busy}>
          {busy ? "Making the key" : "Make the key and deposit"}
        </Button>
      </div>
    </form>
  );
}
