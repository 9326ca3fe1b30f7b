import { useEffect, useState } from "react";

/** The time, milliseconds, told anew every second: for what becomes possible at a date. */
export function useNow(): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, []);
  return now;
}
