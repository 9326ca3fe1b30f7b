/**
 * Requests to a Hugging Face hub, or to a server that speaks as one. Whoever answers may lie: where it sends us, how often, and how long it
 * keeps silent is bounded here; how much it sends is bounded where it is read.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { HubError } from "./errors.ts";

export type Hub = {
  /** Its URL, without a slash at the end. */
  readonly endpoint: string;
  /** Sent to the endpoint's own origin only. */
  readonly token?: string;
  /** Wait before a second attempt; doubled for each further one. */
  readonly retryDelayMs: number;
  /** Longest silence in an answer. */
  readonly silenceMs: number;
};

const defaultEndpoint = "https://huggingface.co";

const redirectsMax = 5;
/** Attempts in a row that bring less than `progressBytes`. */
const attemptsMax = 5;
const progressBytes = 1 << 20;
const retryAfterMsMax = 60_000;

const isLoopback = ({ hostname }: URL) =>
  hostname === "localhost" || hostname === "[::1]" || /^127(\.\d{1,3}){3}$/.test(hostname);

/**
 * @param options.endpoint https, or http on this machine
 * @throws HubError `invalid-endpoint`, `token-refused`
 */
export function openHub({
  endpoint = defaultEndpoint,
  token,
  retryDelayMs = 500,
  silenceMs = 60_000,
}: Partial<Hub> = {}): Hub {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (
    url === undefined ||
    !(url.protocol === "https:" || (url.protocol === "http:" && isLoopback(url))) ||
    `${url.username}${url.password}${url.search}${url.hash}` !== ""
  )
    throw new HubError("invalid-endpoint", "The endpoint is not the URL of a hub.", {
      expected: "https://host, or http://127.0.0.1:port, without a user, a query or a fragment",
      // A password may stand in it.
      actual: url === undefined ? "not a URL" : `${url.protocol}//${url.host}`,
      fix: ["correct --endpoint or HF_ENDPOINT"],
    });
  if (token !== undefined && !/^[\x21-\x7e]{1,1024}$/.test(token))
    throw new HubError("token-refused", "The hub's token holds characters that no token has.", {
      expected: "printable ASCII without spaces",
      fix: ["set HF_TOKEN to the token alone"],
    });
  return {
    endpoint: url.href.replace(/\/+$/, ""),
    ...(token === undefined ? {} : { token }),
    retryDelayMs,
    silenceMs,
  };
}

/** @throws HubError `malformed` when an answer sends us where nothing may be fetched from */
function checkPlace(hub: Hub, url: URL): URL {
  const plain = url.protocol === "http:" && isLoopback(url) && hub.endpoint.startsWith("http:");
  if ((url.protocol === "https:" || plain) && url.username === "" && url.password === "") return url;
  throw new HubError("malformed", `${hub.endpoint} sends us to a place that nothing is fetched from.`, {
    expected: "https",
    actual: `${url.protocol}//${url.host}`,
    fix: ["use another endpoint"],
  });
}

/** Follows redirects by hand: once an answer has led to another origin, the token stays here. */
async function follow(
  hub: Hub,
  url: string,
  headers: Record<string, string>,
  signal: AbortSignal,
): Promise<Response> {
  let place = checkPlace(hub, new URL(url));
  let trusted = hub.token !== undefined;
  for (let hop = 0; hop <= redirectsMax; hop++) {
    trusted &&= place.origin === new URL(hub.endpoint).origin;
    const response = await fetch(place.href, {
      headers: { ...headers, ...(trusted ? { authorization: `Bearer ${hub.token}` } : {}) },
      redirect: "manual",
      signal,
    });
    if (![301, 302, 303, 307, 308].includes(response.status)) return response;
    await response.body?.cancel();
    const location = response.headers.get("location") ?? "";
    if (!URL.canParse(location, place.href))
      throw new HubError("malformed", `${place.host} redirects to nowhere.`, { fix: ["try again later"] });
    place = checkPlace(hub, new URL(location, place));
  }
  throw new HubError("malformed", `${hub.endpoint} redirects in circles.`, {
    expected: `at most ${redirectsMax} redirects`,
    fix: ["use another endpoint"],
  });
}

/** Says what a status means for who asked, without words of the server. */
function statusError(hub: Hub, about: string, { status, headers }: Response): HubError {
  const actual = `status ${status}`;
  const code = headers.get("x-error-code");
  if (code === "GatedRepo" || status === 403) return gatedError(hub, about);
  if (status === 401 && hub.token !== undefined)
    return new HubError("token-refused", `${hub.endpoint} refuses the token for ${about}.`, {
      expected: "a token that may read it, and an id that exists",
      actual,
      fix: ["check HF_TOKEN, and the id"],
    });
  if (code === "RevisionNotFound")
    return new HubError("not-found", `${about} has no such revision.`, {
      expected: "a branch, a tag or a commit of it",
      actual,
      fix: ["correct --revision, or leave it out"],
    });
  if (status === 401 || status === 404)
    return new HubError("not-found", `${hub.endpoint} has no ${about}, or it is private.`, {
      expected: "a model that everybody may read, or a token",
      actual,
      fix: ["check the id", "if it is private: set HF_TOKEN to a token of an account that may read it"],
    });
  const passing = status >= 500 || status === 429 || status === 408;
  const seconds = Number(headers.get("retry-after"));
  return new HubError(passing ? "unavailable" : "malformed", `${hub.endpoint} does not give ${about}.`, {
    expected: "status 200 or 206",
    actual,
    fix: ["run the same again later: what is here already is kept"],
    ...(seconds > 0 ? { retryAfterMs: Math.min(seconds * 1000, retryAfterMsMax) } : {}),
  });
}

/** The model has terms to accept first. */
export const gatedError = (hub: Hub, id: string) =>
  new HubError("gated", `${id} is gated: its owner wants terms accepted before it is downloaded.`, {
    expected: "a token of an account that has accepted them",
    actual: hub.token === undefined ? "no token" : "a token that may not read it",
    fix: [
      `accept the terms at ${hub.endpoint}/${id.split(":")[0]}, signed in`,
      "make a token that may read it, under Settings, Access Tokens",
      "HF_TOKEN=… ./openledger model pull …",
    ],
  });

/** The hub does not answer, or not to the end; trying again may help. */
export const unavailable = (hub: Hub, about: string, actual: string, cause?: unknown) =>
  new HubError("unavailable", `${hub.endpoint} does not give ${about}.`, {
    expected: "an answer to its end",
    actual,
    fix: ["check the network", "run the same again: what is here already is kept"],
    cause,
  });

/**
 * One attempt at a GET.
 *
 * @param get.about what is asked for, in errors
 * @param get.read takes the answer in; calls `alive` whenever something came
 * @throws HubError; what `signal` was aborted with
 */
export async function get<T>(
  hub: Hub,
  url: string,
  {
    about,
    headers = {},
    signal,
    read,
  }: {
    about: string;
    headers?: Record<string, string>;
    signal?: AbortSignal | undefined;
    read: (response: Response, alive: () => void) => Promise<T>;
  },
): Promise<T> {
  const silence = new AbortController();
  const timer = setTimeout(() => silence.abort(), hub.silenceMs);
  const ends = signal === undefined ? silence.signal : AbortSignal.any([signal, silence.signal]);
  try {
    const response = await follow(hub, url, headers, ends);
    if (!response.ok) throw statusError(hub, about, response);
    return await read(response, () => timer.refresh());
  } catch (cause) {
    signal?.throwIfAborted();
    if (silence.signal.aborted) throw unavailable(hub, about, `silence for ${hub.silenceMs / 1000} s`, cause);
    // fetch tells every trouble of the network by a TypeError with a cause.
    if (cause instanceof TypeError && cause.cause !== undefined) {
      const { code, message } = cause.cause as NodeJS.ErrnoException;
      throw unavailable(hub, about, code ?? message, cause);
    }
    throw cause;
  } finally {
    clearTimeout(timer);
    silence.abort(); // lets go of an answer that was not read to its end
  }
}

/**
 * Tries again what failed for a passing reason, a bounded number of times, later each time.
 *
 * @param progress bytes so far: who gets on may go on
 */
export async function retrying<T>(
  hub: Hub,
  signal: AbortSignal | undefined,
  progress: () => number,
  attempt: () => Promise<T>,
): Promise<T> {
  for (let failures = 0; ; ) {
    const before = progress();
    try {
      return await attempt();
    } catch (cause) {
      if (!(cause instanceof HubError) || cause.code !== "unavailable") throw cause;
      // Nobody there, and there never was: waiting for a machine without a network helps nobody.
      if (progress() === 0 && ["ECONNREFUSED", "ENOTFOUND"].includes(cause.actual ?? "")) throw cause;
      failures = progress() - before >= progressBytes ? 1 : failures + 1;
      if (failures >= attemptsMax) throw cause;
      const wait = Math.max(hub.retryDelayMs * 2 ** (failures - 1), cause.retryAfterMs ?? 0);
      await sleep(wait, undefined, signal === undefined ? {} : { signal });
    }
  }
}
