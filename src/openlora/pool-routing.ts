/** Which server answers: the same one for the same adapter, as far as its load allows. */
import { createHash } from "node:crypto";

/**
 * Names in the order of preference for a key: rendezvous hashing (Thaler and Ravishankar, 1998). Every key has an order of its own, and
 * taking a name away moves only the keys that had it first.
 */
export function preferenceOf(key: string, names: readonly string[]): string[] {
  const weights = new Map(
    names.map((name) => [name, createHash("sha256").update(`${key}\n${name}`).digest().readUIntBE(0, 6)]),
  );
  const weight = (name: string) => weights.get(name) as number;
  return [...names].sort((a, b) => weight(b) - weight(a));
}

export type Candidate = {
  readonly name: string;
  /** Answers under way. */
  readonly running: number;
  /** It has a row left, and room for the adapter. */
  readonly free: boolean;
};

/**
 * The server for a request: its adapter's own, unless that has no room or is `spillRows` answers ahead of the least busy one, which gets
 * it then. Without an adapter it is the least busy.
 *
 * @returns nothing when no server has room
 */
export function chooseServer<C extends Candidate>(
  servers: readonly C[],
  adapter: string | undefined,
  spillRows: number,
): C | undefined {
  const free = servers.filter((server) => server.free);
  const names = servers.map(({ name }) => name);
  const order = new Map(preferenceOf(adapter ?? "", names).map((name, place) => [name, place]));
  const place = ({ name }: C) => order.get(name) as number;
  const leastBusy = free.toSorted((a, b) => a.running - b.running || place(a) - place(b))[0];
  if (adapter === undefined || leastBusy === undefined) return leastBusy;
  const own = servers.find((server) => place(server) === 0) as C;
  return own.free && own.running - leastBusy.running < spillRows ? own : leastBusy;
}
