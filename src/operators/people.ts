import type { Address } from "../protocol/index.ts";
import type { Database, Transaction } from "../store/index.ts";
import { OperatorError } from "./errors.ts";
import type { Principal } from "./scopes.ts";
import { checkStanding, type Ended, endOrphans } from "./standing.ts";

/** Somebody whose sessions act in the operator's name. */
export type Person = {
  readonly address: Address;
  /** `configuration`, or who admitted the address: `root`, `session:<address>`. */
  readonly admittedBy: string;
  /** Epoch ms; null for those whom the configuration names. */
  readonly admittedAtMs: number | null;
};

/** Who may admit people: no key does, for those it admitted would not end when it ends. */
export type Admitter = Exclude<Principal["who"], `key:${string}`>;

export type People = {
  has(address: Address): boolean;
  /** Those of the configuration first, then in the order of admission. */
  list(): readonly Person[];
  /**
   * Safe to call again. Whom the operator admits after somebody else did stays when that one goes.
   *
   * @throws OperatorError `too-many-people`, or `not-operator` when whoever asks was dismissed meanwhile
   */
  admit(address: Address, by: Admitter): Promise<void>;
  /**
   * From now on its sessions act for itself only. Whom it admitted is dismissed with it, and the keys that they made end. Safe to call again.
   *
   * @returns all who were dismissed, and the keys that ended
   * @throws OperatorError `configured`
   */
  dismiss(address: Address): Promise<Ended>;
};

const peopleMax = 100;

type Row = { address: Address; admittedBy: string; admittedAtMs: number };

/**
 * Ends what came of addresses that the configuration does not name any more.
 *
 * @param configured addresses, lower-case, which only the configuration can take back
 * @param warn is told what ended
 */
export async function openPeople(
  database: Database,
  configured: readonly Address[],
  now: () => number,
  warn: (message: string) => void,
): Promise<People> {
  let admitted: ReadonlyMap<Address, Row> = new Map();
  const read = async (tx: Transaction) => {
    const rows = await tx.query<Row>(
      `select address, admitted_by as "admittedBy", admitted_at_ms as "admittedAtMs" from operators.people order by admitted_at_ms, address`,
    );
    return new Map(rows.map((row) => [row.address, row]));
  };
  const change = <T>(body: (tx: Transaction) => Promise<T>): Promise<T> =>
    database.transaction(async (tx) => {
      const result = await body(tx);
      const after = await read(tx);
      tx.onCommit(() => {
        admitted = after;
      });
      return result;
    });
  const { people, keys } = await change((tx) => endOrphans(tx, configured, now()));
  const ended = [...people, ...keys.map(({ id, name }) => `operator key ${id} (${name})`)];
  if (ended.length > 0)
    warn(`Ended, because whoever admitted or made them is no operator any more: ${ended.join(", ")}.`);
  /** How near to the operator: a nearer one's word replaces another's. */
  const rank = (by: string) =>
    by === "root" ? 2 : configured.some((address) => by === `session:${address}`) ? 1 : 0;
  return {
    has: (address) => configured.includes(address) || admitted.has(address),
    list: () => [
      ...configured.map((address) => ({ address, admittedBy: "configuration", admittedAtMs: null })),
      ...[...admitted.values()].filter(({ address }) => !configured.includes(address)),
    ],
    admit: (address, by) =>
      change(async (tx) => {
        await checkStanding(tx, configured, by);
        const there = await read(tx);
        const before = there.get(address);
        if (configured.includes(address) || (before !== undefined && rank(by) <= rank(before.admittedBy)))
          return;
        if (before === undefined && there.size >= peopleMax)
          throw new OperatorError(
            "too-many-people",
            `${there.size} people act as the operator, at most ${peopleMax} may. Dismiss somebody first.`,
          );
        await tx.query(
          `insert into operators.people (address, admitted_by, admitted_at_ms) values ($1, $2, $3)
           on conflict (address) do update set admitted_by = excluded.admitted_by`,
          [address, by, now()],
        );
      }),
    async dismiss(address) {
      if (configured.includes(address))
        throw new OperatorError(
          "configured",
          `${address} is the operator's own account, or stands in "operators" of the node's config.json: take it out there.`,
        );
      return change(async (tx) => {
        const gone = await tx.query<{ address: Address }>(
          "delete from operators.people where address = $1 returning address",
          [address],
        );
        const { people, keys } = await endOrphans(tx, configured, now());
        return { people: [...gone.map((one) => one.address), ...people], keys };
      });
    },
  };
}
