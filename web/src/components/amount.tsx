import { money } from "../lib/format.ts";

/** An amount of wei as OPEN; the exact wei is the tooltip. */
export function Amount({ wei }: { wei: string | number | bigint }) {
  const { amount, unit, exact } = money(wei);
  return (
    <span title={exact}>
      {amount} <span className="text-[0.85em] text-quiet">{unit}</span>
    </span>
  );
}
