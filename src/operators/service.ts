import { type Address, toHex } from "../protocol/index.ts";
import { createGuard, type Guard } from "./guard.ts";
import { createKey, type KeyWish, listKeys, type OperatorKey, revokeKey } from "./keys.ts";
import { type LogEntry, listEntries } from "./log.ts";
import { openPeople, type People } from "./people.ts";
import type { Principal } from "./scopes.ts";
import { createSessions, type SessionParts, type Sessions } from "./sessions.ts";
import { migrateOperators } from "./tables.ts";

/** Who may act in the operator's name, and who did. */
export type Operators = {
  readonly guard: Guard;
  readonly sessions: Sessions;
  /** Whose sessions act in the operator's name. */
  readonly people: People;
  /** @throws OperatorError */
  createKey(creator: Principal, wish: KeyWish): Promise<{ key: OperatorKey; secret: string }>;
  listKeys(page: Parameters<typeof listKeys>[1]): Promise<OperatorKey[]>;
  /** @throws OperatorError */
  revokeKey(by: Principal, id: string): Promise<OperatorKey[]>;
  listLog(page: Parameters<typeof listEntries>[1]): Promise<LogEntry[]>;
  /** Wall clock, epoch ms. */
  now(): number;
};

export type OperatorsOptions = Omit<SessionParts, "now" | "people"> & {
  /** Addresses that the configuration names; others are admitted while the node runs. */
  readonly operators: readonly Address[];
  /** May do everything; at least 32 random bytes of text. */
  readonly rootToken: string;
  /** Is told at the start of people and keys that end because those who admitted or made them are no operators any more. */
  readonly warn: (message: string) => void;
  readonly now?: () => number;
};

export async function openOperators({ now = Date.now, ...options }: OperatorsOptions): Promise<Operators> {
  const { database } = options;
  await migrateOperators(database);
  const configured = options.operators.map((address) => toHex(address));
  const people = await openPeople(database, configured, now, options.warn);
  const parts = { ...options, now, configured, people };
  const sessions = createSessions(parts);
  return {
    now,
    sessions,
    people,
    guard: createGuard({ ...parts, sessions }),
    createKey: (creator, wish) => createKey(parts, creator, wish),
    listKeys: (page) => listKeys(parts, page),
    revokeKey: (by, id) => revokeKey(parts, by, id),
    listLog: (page) => listEntries(database, page),
  };
}
