/**
 * The port for the database: PostgreSQL's SQL, one schema per room.
 *
 * Types on the way out: `numeric` → bigint (wei; a fraction is an error), `bigint` → number (beyond 2⁵³ is an error: use `numeric`),
 * `jsonb` → value, `bytea` → Uint8Array. On the way in a bigint, number, string, boolean, null, Uint8Array or JSON value is
 * accepted for a parameter of the fitting type; hand strings and arrays for `jsonb` over as `JSON.stringify(value)`.
 */

export type Queries = {
  /** Runs one statement with parameters `$1`, `$2`, …; returns its rows. */
  query<T = Record<string, unknown>>(sql: string, params?: readonly unknown[]): Promise<T[]>;
};

export type Transaction = Queries & {
  /** Runs several statements without parameters, for migrations. */
  script(sql: string): Promise<void>;
  /** Runs `action` once the transaction has been committed, never if it is rolled back. It must not throw. */
  onCommit(action: () => void): void;
};

export type Database = Queries & {
  /**
   * Runs `body` in a serializable transaction: committed durably when it returns, rolled back when it throws. An adapter may run
   * `body` again after a conflict, so it must act through `tx` and `tx.onCommit` only.
   * @throws StoreError `transaction-misuse` when `body` queries the database itself instead of `tx`.
   */
  transaction<T>(body: (tx: Transaction) => Promise<T>): Promise<T>;
  /**
   * Brings a room's schema (named as the room) up to date: runs each migration not yet recorded, all in one transaction. A migration is a
   * text of one or more statements and must never change once it has been released.
   * @throws StoreError `migration-changed`, `database-newer`.
   */
  migrate(room: string, migrations: readonly string[]): Promise<void>;
  /**
   * Copies the database as it is at one moment into a folder that opens as a database. `meanwhile` runs in that moment: nothing is committed from before the copy
   * until it has ended.
   * @param folder is made; what is left in it after a failure is no database
   */
  snapshot<T>(folder: string, meanwhile: () => Promise<T>): Promise<T>;
  /** Finishes what runs, then closes. Further calls throw `database-closed`. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

/** Column type for amounts in wei: any uint256 fits. */
export const weiColumn = "numeric(78,0)";
