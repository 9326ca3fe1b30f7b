/** How the page writes amounts, names and states. No document is needed here. */

const weiPerOpen = 10n ** 18n;

/**
 * An amount for people: grouped whole OPEN and up to six significant decimals, rounded down. A positive amount too small to
 * show so is written in wei.
 *
 * @param {string | number | bigint} wei - integer number of wei
 * @returns {{ amount: string, unit: "OPEN" | "wei", exact: string }} `exact` is the whole amount, in wei
 */
export function money(wei) {
  const value = BigInt(wei);
  const exact = `${value.toLocaleString("en-US")} wei`;
  const whole = (value / weiPerOpen).toLocaleString("en-US");
  const fraction = (value % weiPerOpen).toString().padStart(18, "0");
  if (value > 0n && value < 10n ** 6n) return { amount: value.toLocaleString("en-US"), unit: "wei", exact };
  const zeros = value < weiPerOpen ? /^0*/.exec(fraction)[0].length : 0;
  const decimals = fraction.slice(0, zeros + 6).replace(/0+$/, "");
  return { amount: decimals ? `${whole}.${decimals}` : whole, unit: "OPEN", exact };
}

/**
 * @param {number | string | bigint} value - a count
 * @returns {string} grouped by thousands
 */
export function count(value) {
  return BigInt(value).toLocaleString("en-US");
}

/**
 * The first and last digits of a long hex string.
 *
 * @param {string} hex - address, digest or transaction hash
 * @returns {string}
 */
export function short(hex) {
  return hex.length > 16 ? `${hex.slice(0, 8)}…${hex.slice(-6)}` : hex;
}

/**
 * What a batch's state means to the eye.
 *
 * @param {string} state - as the node names it
 * @returns {"wait" | "bad" | ""} a style
 */
export function tone(state) {
  if (/final|settled|claimed/i.test(state)) return "";
  return /revert|slash|challeng|fail/i.test(state) ? "bad" : "wait";
}

/**
 * A model's price as lines: every amount of wei in it, with what it is for.
 *
 * @param {unknown} price - wei for one token, or an object of such amounts by name, such as `{ promptWei, completionWei }`
 * @returns {{ wei: string, label: string }[]}
 */
export function prices(price) {
  if (price === undefined || price === null || price === "") return [];
  if (typeof price !== "object") return [{ wei: String(price), label: "token" }];
  return Object.entries(price)
    .filter(([, wei]) => /^\d+$/.test(String(wei)))
    .map(([name, wei]) => ({
      wei: String(wei),
      label: words(name.replace(/(Wei|WeiPerToken|PerTokenWei)$/, "")),
    }));
}

/**
 * @param {string} name - in camel case
 * @returns {string} as lower-case words
 */
export function words(name) {
  return name.replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();
}

/**
 * @param {number} ms - milliseconds passed
 * @returns {string}
 */
export function ago(ms) {
  const seconds = Math.round(ms / 1000);
  if (seconds < 2) return "just now";
  return seconds < 120 ? `${seconds} s ago` : `${Math.round(seconds / 60)} min ago`;
}
