/** Times as people read them: exact, in their own zone, and how far away. Seconds since the epoch, as contracts count. */

const two = (value: number) => String(value).padStart(2, "0");

/** @example showDate(1772370309) // "2026-03-01 14:05:09 +01:00" */
export function showDate(seconds: number | bigint): string {
  const date = new Date(Number(seconds) * 1_000);
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(":");
  const offset = -date.getTimezoneOffset();
  const minutes = Math.abs(offset);
  return `${day} ${time} ${offset < 0 ? "-" : "+"}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}

const units = [
  ["day", 86_400],
  ["h", 3_600],
  ["min", 60],
  ["s", 1],
] as const;

/** @example showDuration(5400) // "1 h 30 min" */
export function showDuration(seconds: number | bigint): string {
  let left = Number(seconds);
  const parts: string[] = [];
  for (const [unit, size] of units) {
    const count = Math.floor(left / size);
    if (count === 0) continue;
    left -= count * size;
    parts.push(`${count} ${unit}${unit === "day" && count > 1 ? "s" : ""}`);
    if (parts.length === 2) break;
  }
  return parts.join(" ") || "0 s";
}

/** @example showTime(1772370309) // "2026-03-01 14:05:09 +01:00 (in 3 min)" */
export function showTime(seconds: number | bigint, nowMs = Date.now()): string {
  const away = Number(seconds) - Math.floor(nowMs / 1_000);
  const far = away === 0 ? "now" : away > 0 ? `in ${showDuration(away)}` : `${showDuration(-away)} ago`;
  return `${showDate(seconds)} (${far})`;
}
