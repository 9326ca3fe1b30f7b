import type { Address } from "../protocol/index.ts";
import type { Database } from "../store/index.ts";
import { OperatorError } from "./errors.ts";

/** Somebody whose sessions act in the operator's name. */
export type Person = {
  readonly address: Address;
  /** `configuration`, or who admitted the address: `root`, `session:<address>`. */
  readonly admittedBy: string;
  /** Epoch ms; null for those whom the configuration names. */
  readonly admittedAtMs: number | null;
};

export type People = {
  has(address: Address): boolean;
  /** Those of the configuration first, then in the order of admission. */
  list(): readonly Person[];
  /** Safe to call again. @throws OperatorError `too-many-people` */
  admit(address: Address, by: string): Promise<void>;
  /** From now on its sessions act for itself only. Safe to call again. @throws OperatorError `configured` */
  dismiss(address: Address): Promise<void>;
};

const peopleMax = 100;

type Row = { address: Address; admittedBy: string; admittedAtMs: number };

/** @param configured addresses, lower-case, which only the configuration can take back */
export async function openPeople(
  database: Database,
  configured: readonly Address[],
  now: () => number,
): Promise<People> {
  const rows = await database.query<Row>(
    `select address, admitted_by as "admittedBy", admitted_at_ms as "admittedAtMs" from operators.people order by admitted_at_ms, address`,
  );
  const admitted = new Map(rows.map((row) => [row.address, row]));
  return {
    has: (address) => configured.includes(address) || admitted.has(address),
    list: () => [
      ...configured.map((address) => ({ address, admittedBy: "configuration", admittedAtMs: null })),
      ...[...admitted.values()].filter(({ address }) => !configured.includes(address)),
    ],
    async admit(address, by) {
      if (configured.includes(address) || admitted.has(address)) return;
      if (admitted.size >= peopleMax)
        throw new OperatorError(
          "too-many-people",
          `${admitted.size} people act as the operator, at most ${peopleMax} may. Dismiss somebody first.`,
        );
      const row: Row = { address, admittedBy: by, admittedAtMs: now() };
      await database.query(
        "insert into operators.people (address, admitted_by, admitted_at_ms) values ($1, $2, $3) on conflict do nothing",
        [address, by, row.admittedAtMs],
      );
      admitted.set(address, row);
    },
    async dismiss(address) {
      if (configured.includes(address))
        throw new OperatorError(
          "configured",
          `${address} is the operator's own account, or stands in "operators" of the node's config.json: take it out there.`,
        );
      await database.query("delete from operators.people where address = $1", [address]);
      admitted.delete(address);
    },
  };
}
