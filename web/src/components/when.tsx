import { useEffect, useState } from "react";
import { ago, date } from "../lib/format.ts";

/** A moment: how long ago (or how soon), with the date and its zone as the tooltip. `exact` turns the two round. */
export function When({ ms, exact = false }: { ms: number; exact?: boolean }) {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 10_000);
    return () => clearInterval(timer);
  }, []);
  const [shown, beside] = exact ? [date(ms), ago(now - ms)] : [ago(now - ms), date(ms)];
  return (
    <time dateTime={new Date(ms).toISOString()} title={beside} className="whitespace-nowrap">
      {shown}
    </time>
  );
}
