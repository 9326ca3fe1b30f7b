import { CheckIcon, CircleDotIcon, CircleIcon } from "lucide-react";
import type { Schema } from "../api/types.ts";
import { When } from "../components/when.tsx";
import { cn } from "../lib/cn.ts";

const steps = [
  { state: "scored", label: "Scored", said: "The fee is divided and signed for." },
  { state: "batched", label: "Batched", said: "It is on chain, and can be disputed." },
  { state: "final", label: "Final", said: "Everyone can claim." },
] as const;

/** How far a receipt's settlement is: scored → batched → final. */
export function Settlement({ view }: { view: Pick<Schema<"Receipt">, "state" | "acceptedAtMs" | "proof"> }) {
  const reached = steps.findIndex(({ state }) => state === view.state);
  if (reached === -1)
    return (
      <p role="alert" className="rounded-lg border border-bad/40 bg-bad-soft/50 p-4 text-sm">
        The batch that held this receipt was undone by a proof, and the receipt with it: what was paid for it
        is given back.
      </p>
    );
  return (
    <ol className="grid gap-2 sm:grid-cols-3" aria-label="Settlement">
      {steps.map(({ state, label, said }, at) => {
        const Icon =
          at < reached || view.state === "final" ? CheckIcon : at === reached ? CircleDotIcon : CircleIcon;
        return (
          <li
            key={state}
            aria-current={at === reached ? "step" : undefined}
            className={cn("flex gap-2.5 rounded-lg border bg-surface p-3", at > reached && "text-quiet")}
          >
            <Icon aria-hidden className={cn("mt-0.5 size-4 shrink-0", at <= reached && "text-good")} />
            <div className="text-sm">
              <span className="font-medium">{label}</span>
              <p className="text-quiet">{said}</p>
              {at === 0 && <When ms={view.acceptedAtMs} />}
              {at === 2 && view.proof && <When ms={view.proof.finalAtSec * 1000} />}
            </div>
          </li>
        );
      })}
    </ol>
  );
}
