import { CheckIcon } from "lucide-react";
import { cn } from "../lib/cn.ts";

/** Where one is on a way of a few steps. */
export function Steps({ steps, at }: { steps: readonly string[]; at: number }) {
  return (
    <ol className="flex flex-wrap gap-x-6 gap-y-2 text-sm">
      {steps.map((step, number) => (
        <li
          key={step}
          aria-current={number === at ? "step" : undefined}
          className={cn("flex items-center gap-2 text-quiet", number === at && "font-medium text-text")}
        >
          <span
            className={cn(
              "flex size-6 items-center justify-center rounded-full border text-xs",
              number < at && "border-accent bg-accent-soft text-accent",
              number === at && "border-accent bg-accent text-on-accent",
            )}
          >
            {number < at ? <CheckIcon aria-label="done" className="size-3.5" /> : number + 1}
          </span>
          {step}
        </li>
      ))}
    </ol>
  );
}
