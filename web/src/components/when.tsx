import { useEffect, useState } from "react";
import { ago, date, dateToSecond } from "../lib/format.ts";

/**
 * A moment: how long ago (or how soon), with the date and its zone as the tooltip. `exact` turns the two round; "second" for what a
 * block's time decides.
 */
export function When({ ms, exact = false }: { ms: number; exact?: boolean | "second" }) {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 10_000);
    return () => clearInterval(timer);
  }, []);
  const told = exact === "second" ? dateToSecond(ms) : date(ms);
  const [shown, beside] = exact ? [told, ago(now - ms)] : [ago(now - ms), told];
  return (
    <time dateTime={new Date(ms).toISOString()} title={beside} className="whitespace-nowrap">
      {shown}
    </time>
  );
}
