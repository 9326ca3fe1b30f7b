import { CheckIcon, MinusIcon, ShieldCheckIcon, XIcon } from "lucide-react";
import { useState } from "react";
import type { ReceiptEvidence, VerifiedReceipt } from "../../../client/src/index.ts";
import type { Schema } from "../api/types.ts";
import { Failure } from "../components/states.tsx";
import { Button } from "../components/ui/button.tsx";
import { cn } from "../lib/cn.ts";
import { words } from "../lib/format.ts";

const marks = {
  passed: { Icon: CheckIcon, style: "text-good" },
  failed: { Icon: XIcon, style: "text-bad" },
  unchecked: { Icon: MinusIcon, style: "text-quiet" },
} as const;

type Props = {
  view: Pick<Schema<"Receipt">, "receiptId">;
  /** What only the asker knows; with it the texts' digests are checked, too. */
  evidence?: ReceiptEvidence;
};

/** Computes a receipt again in this browser: digests, scores, threshold, split and signature; the node is not believed. */
export function Checked({ view, evidence }: Props) {
  const [verified, setVerified] = useState<VerifiedReceipt>();
  const [error, setError] = useState<unknown>();
  const [busy, setBusy] = useState(false);

  async function check() {
    setBusy(true);
    setError(undefined);
    try {
      const { createClient } = await import("../../../client/src/index.ts");
      setVerified(
        await createClient({ baseUrl: location.origin }).verifyReceipt(
          view.receiptId as `0x${string}`,
          evidence,
        ),
      );
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  }

  return (
    <div className="mt-4 flex flex-col gap-3 border-t pt-4">
      <div>
        <Button onClick={check} disabled={busy}>
          <ShieldCheckIcon /> {busy ? "Computing it again" : "Compute it again in this browser"}
        </Button>
      </div>
      {error !== undefined && <Failure error={error} retry={check} />}
      {verified && (
        <div role="status">
          <p className={verified.holds ? "font-medium text-good" : "font-medium text-bad"}>
            {verified.holds ? "Everything that can be computed here holds." : "Something does not hold."}
          </p>
          <ul className="mt-2 grid gap-1 text-sm sm:grid-cols-2">
            {verified.checks.map(({ name, status, expected, actual }) => {
              const { Icon, style } = marks[status];
              return (
                <li key={name} className="flex items-start gap-2">
                  <Icon aria-label={status} className={cn("mt-0.5 size-4 shrink-0", style)} />
                  <span>
                    {words(name)}
                    {status === "failed" && (
                      <span className="block text-bad">
                        Expected {expected}, got {actual}.
                      </span>
                    )}
                    {status === "unchecked" && <span className="block text-quiet">{actual}</span>}
                  </span>
                </li>
              );
            })}
          </ul>
        </div>
      )}
    </div>
  );
}
