import type { ReactNode } from "react";
import { cn } from "../../lib/cn.ts";
import { type Tone, tone as toneOf } from "../../lib/format.ts";

const tones: Record<Tone, string> = {
  good: "bg-good-soft text-good",
  wait: "bg-wait-soft text-wait",
  bad: "bg-bad-soft text-bad",
  quiet: "bg-sunken text-quiet",
};

/** A state in one or two words, coloured by what it means; the words say it without the colour. */
export function Badge({
  tone,
  className,
  children,
}: {
  tone?: Tone;
  className?: string;
  children: ReactNode;
}) {
  const chosen = tone ?? (typeof children === "string" ? toneOf(children) : "quiet");
  return (
    <span
      className={cn(
        "inline-flex items-center gap-1 rounded px-1.5 py-0.5 text-xs font-medium",
        tones[chosen],
        className,
      )}
    >
      {children}
    </span>
  );
}
