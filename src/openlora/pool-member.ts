/** A server as a member of a pool: whether it is well, what it is doing, which adapters it has. */
import type { Digest } from "../protocol/index.ts";
import { ServerError } from "./pool-http.ts";
import type { PoolLimits } from "./pool-options.ts";
import type { Residents } from "./pool-residents.ts";
import type { CompletionServer, ServerFacts } from "./pool-server.ts";

export type MemberMetrics = {
  url: string;
  up: boolean;
  running: number;
  adapters: number;
  answersTotal: number;
  failuresTotal: number;
  /** Times that it had no room. */
  busyTotal: number;
  /** Times that it was put out. */
  outagesTotal: number;
};

export type Member = {
  readonly name: string;
  readonly server: CompletionServer;
  readonly residents: Residents;
  /** It is well and says that it has room. */
  readonly ready: boolean;
  readonly up: boolean;
  running: number;
  /** Looks at it for the first time. @throws ServerError when it answers but cannot be used */
  open(): Promise<ServerFacts | undefined>;
  /** Begins the checks. `contextTokens`: what it must have to come in again. */
  watch(contextTokens: number): void;
  /** It has answered. */
  passed(): void;
  failed(error: Error): void;
  /** It may be unwell: the next check asks it for a token. */
  suspect(error: Error): void;
  /** Asks nothing of it for a while. */
  pause(ms: number): void;
  metrics(): MemberMetrics;
  close(): Promise<void>;
};

export function createMember(
  server: CompletionServer,
  residents: Residents,
  options: Pick<PoolLimits, "healthIntervalMs" | "downAfter" | "upAfter"> & {
    pathOf(digest: Digest): string;
    /** Hears that it came in, went out, or has room again. */
    onChange(): void;
    log(message: string): void;
  },
): Member {
  let up = false;
  let contextTokens = 0;
  let failures = 0;
  let passes = 0;
  let suspected = false;
  let pausedUntilMs = 0;
  let said = "";
  let closed = false;
  let checking: Promise<void> = Promise.resolve();
  let nextCheck: NodeJS.Timeout | undefined;
  let pauseEnd: NodeJS.Timeout | undefined;
  const totals = { answersTotal: 0, failuresTotal: 0, busyTotal: 0, outagesTotal: 0 };

  async function verify(): Promise<ServerFacts> {
    const facts = await server.verify();
    if (facts.contextTokens < contextTokens)
      throw new ServerError(
        "failed",
        `The server ${server.name} takes ${facts.contextTokens} tokens; the pool was opened for ${contextTokens}.`,
      );
    for (const [name, folder] of facts.adapters)
      if (folder === options.pathOf(name as Digest)) residents.adopt([name as Digest]);
    return facts;
  }

  async function check(): Promise<void> {
    try {
      await server.health();
      if (!up && ++passes < options.upAfter) return;
      if (!up || suspected) await verify();
      suspected = false;
      failures = 0;
      if (!up) comeIn();
    } catch (error) {
      passes = 0;
      failed(error as Error);
    }
  }

  function comeIn(): void {
    up = true;
    failures = 0;
    said = "";
    options.log(`The server ${server.name} is in.`);
    options.onChange();
  }

  function failed(error: Error): void {
    if (closed) return;
    failures++;
    if (up && failures >= options.downAfter) {
      up = false;
      passes = 0;
      totals.outagesTotal++;
      residents.clear();
      options.onChange();
    }
    note(error);
  }

  function note({ message }: Error): void {
    totals.failuresTotal++;
    const now = `${up ? "" : "Out: "}${message}`;
    if (now !== said) options.log(now);
    said = now;
  }

  /** Not all members of many pools at the same moment. */
  function schedule(): void {
    if (closed) return;
    nextCheck = setTimeout(
      () => {
        checking = check();
        void checking.then(schedule);
      },
      options.healthIntervalMs * (0.8 + 0.4 * Math.random()),
    );
  }

  return {
    name: server.name,
    server,
    residents,
    running: 0,
    get up() {
      return up;
    },
    get ready() {
      return up && Date.now() >= pausedUntilMs;
    },
    async open() {
      try {
        await server.health();
      } catch (error) {
        failed(error as Error);
        return undefined;
      }
      const facts = await verify();
      comeIn();
      return facts;
    },
    watch(tokens) {
      contextTokens = tokens;
      schedule();
    },
    passed() {
      failures = 0;
      totals.answersTotal++;
    },
    failed,
    suspect(error) {
      suspected = true;
      note(error);
    },
    pause(ms) {
      totals.busyTotal++;
      pausedUntilMs = Date.now() + ms;
      clearTimeout(pauseEnd);
      pauseEnd = setTimeout(options.onChange, ms + 1);
    },
    metrics() {
      return { url: server.name, up, running: this.running, adapters: residents.size, ...totals };
    },
    async close() {
      closed = true;
      clearTimeout(nextCheck);
      clearTimeout(pauseEnd);
      await checking;
    },
  };
}
