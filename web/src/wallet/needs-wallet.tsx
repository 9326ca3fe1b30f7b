import { type ReactNode, useState } from "react";
import { Button } from "../components/ui/button.tsx";
import { SignIn } from "./sign-in.tsx";
import { useWallet } from "./wallet.ts";

/** What a signature is needed for; who has no wallet yet, or a locked one, is led there first. */
export function NeedsWallet({ why, children }: { why: string; children: ReactNode }) {
  const wallet = useWallet();
  const [open, setOpen] = useState(false);
  if (wallet.kind === "local" || wallet.kind === "browser") return <>{children}</>;
  return (
    <div className="flex flex-wrap items-center gap-3">
      <Button variant="primary" onClick={() => setOpen(true)}>
        {wallet.kind === "none" ? "Sign in" : "Unlock your key"}
      </Button>
      <p className="text-sm text-quiet">{why}</p>
      {open && <SignIn onClose={() => setOpen(false)} />}
    </div>
  );
}
