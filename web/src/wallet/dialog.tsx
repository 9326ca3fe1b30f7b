import type { EIP6963ProviderDetail } from "mipd";
import { type FormEvent, useEffect, useState } from "react";
import type { Address } from "viem";
import { Failure } from "../components/states.tsx";
import { Button } from "../components/ui/button.tsx";
import { Dialog } from "../components/ui/dialog.tsx";
import { TextField } from "../components/ui/field.tsx";
import { Progress } from "../components/ui/progress.tsx";
import { useToast } from "../components/ui/toast.tsx";
import { short } from "../lib/format.ts";
import { signIn } from "./session.ts";
import {
  browserWallets,
  connect,
  createLocalKey,
  forgetLocalKey,
  importLocalKey,
  unlock,
  useWallet,
} from "./wallet.ts";

/** Fewer characters are guessed too soon by whoever has the file. */
const passwordMin = 8;

/** Where one says who one is: a wallet of this browser, or a key of this device. */
export default function WalletDialog({ onClose }: { onClose: () => void }) {
  const wallet = useWallet();
  const say = useToast();
  const [wallets, setWallets] = useState<readonly EIP6963ProviderDetail[]>();
  const [file, setFile] = useState<string>();
  const [share, setShare] = useState<number>();
  const [error, setError] = useState<unknown>();
  useEffect(() => void browserWallets().then(setWallets), []);

  async function act(work: () => Promise<Address>) {
    setError(undefined);
    try {
      await signIn(await work());
      onClose();
    } catch (failure) {
      setError(failure);
    } finally {
      setShare(undefined);
    }
  }
  const locked = wallet.kind === "locked" && file === undefined;

  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const data = new FormData(event.currentTarget);
    const password = String(data.get("password"));
    if (locked) return act(() => unlock(password, setShare));
    if (file !== undefined) return act(() => importLocalKey(file, password, setShare));
    if (password !== data.get("again")) return setError(new Error("The two passwords are not the same."));
    return act(async () => {
      const address = await createLocalKey(password, setShare);
      say("Your key is on this device alone. Save its file: Account, “Key of this device”.");
      return address;
    });
  }

  return (
    <Dialog
      open
      onOpenChange={onClose}
      title={locked ? "Unlock your key" : "Sign in"}
      description={
        locked
          ? `The key of ${short(wallet.address)} is kept on this device under your password.`
          : "Nothing is sent anywhere: a signature says who you are, and you need no OPEN to contribute."
      }
    >
      {!locked && wallets !== undefined && wallets.length > 0 && (
        <section className="flex flex-col gap-2" aria-label="Wallets of this browser">
          <h3 className="text-sm font-medium">A wallet of this browser</h3>
          {wallets.map((detail) => (
            <Button
              key={detail.info.uuid}
              onClick={() => act(() => connect(detail))}
              className="justify-start"
            >
              {/^data:image\//.test(detail.info.icon) && (
                <img src={detail.info.icon} alt="" width={20} height={20} />
              )}
              {detail.info.name}
            </Button>
          ))}
        </section>
      )}
      <form onSubmit={submit} className="flex flex-col gap-3">
        {!locked && (
          <h3 className="text-sm font-medium">
            {file === undefined ? "A new key on this device" : "A key file of yours"}
          </h3>
        )}
        <TextField
          label="Password"
          name="password"
          type="password"
          required
          minLength={locked || file !== undefined ? 1 : passwordMin}
          autoComplete={locked || file !== undefined ? "current-password" : "new-password"}
          hint={locked || file !== undefined ? undefined : "At least 8 characters. Nobody can reset it."}
        />
        {!locked && file === undefined && (
          <TextField
            label="Password again"
            name="again"
            type="password"
            required
            autoComplete="new-password"
          />
        )}
        {share !== undefined && <Progress label="Strengthening the password" done={share} total={1} />}
        {error !== undefined && <Failure error={error} />}
        <div className="flex flex-wrap items-center gap-2">
          <Button variant="primary" type="submit" disabled={share !== undefined}>
            {locked ? "Unlock" : file === undefined ? "Create the key" : "Import the key"}
          </Button>
          {!locked && (
            <label className="cursor-pointer text-sm text-accent underline-offset-3 focus-within:underline hover:underline">
              Use a key file
              <input
                type="file"
                accept="application/json,.json"
                className="sr-only"
                onChange={async (event) => setFile(await event.target.files?.[0]?.slice(0, 65_536).text())}
              />
            </label>
          )}
          {locked && (
            <Button
              variant="danger"
              onClick={() => {
                if (confirm("Forget this key? Without its file elsewhere, what it owns is lost."))
                  forgetLocalKey();
              }}
            >
              Forget this key
            </Button>
          )}
        </div>
      </form>
    </Dialog>
  );
}
