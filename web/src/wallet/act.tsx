import { useQueryClient } from "@tanstack/react-query";
import { type ComponentProps, type ReactNode, useState } from "react";
import { Failure } from "../components/states.tsx";
import { Button } from "../components/ui/button.tsx";
import { useToast } from "../components/ui/toast.tsx";
import { SignIn } from "./sign-in.tsx";
import { useWallet } from "./wallet.ts";

type Act = {
  /** Does it, says `done` (or what `work` returns) and reads everything anew. Whether it succeeded. */
  act: (work: () => Promise<string | undefined>) => Promise<boolean>;
  busy: boolean;
  /** What went wrong, in the words of who refused. */
  failure: ReactNode;
};

/** Something a person does that takes a moment: that it is under way, how it ended, and what went wrong. */
export function useAct(): Act {
  const say = useToast();
  const queries = useQueryClient();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  return {
    busy,
    failure: error === undefined ? null : <Failure error={error} />,
    async act(work) {
      setBusy(true);
      setError(undefined);
      try {
        const done = await work();
        if (done !== undefined) say(done);
        await queries.invalidateQueries();
        return true;
      } catch (failure) {
        setError(failure);
        return false;
      } finally {
        setBusy(false);
      }
    },
  };
}

/** What a {@link SignedButton} says: its own words once somebody is there to sign. */
export function useSignedLabel<T extends ReactNode>(label: T): T | string {
  const { kind } = useWallet();
  return kind === "none" ? "Sign in" : kind === "locked" ? "Unlock your key" : label;
}

/** A button for what needs a signature: while nobody is there to sign, it signs in first. */
export function SignedButton({ children, onClick, type, ...rest }: ComponentProps<typeof Button>) {
  const wallet = useWallet();
  const [open, setOpen] = useState(false);
  const label = useSignedLabel(children);
  const ready = wallet.kind === "local" || wallet.kind === "browser";
  return (
    <>
      <Button
        {...rest}
        {...(ready ? { type: type ?? "button", onClick } : { type: "button", onClick: () => setOpen(true) })}
      >
        {label}
      </Button>
      {open && <SignIn onClose={() => setOpen(false)} />}
    </>
  );
}
