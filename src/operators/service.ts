import { createGuard, type Guard } from "./guard.ts";
import { createKey, type KeyWish, listKeys, type OperatorKey, revokeKey } from "./keys.ts";
import { type LogEntry, listEntries } from "./log.ts";
import type { Principal } from "./scopes.ts";
import { createSessions, type SessionParts, type Sessions } from "./sessions.ts";
import { migrateOperators } from "./tables.ts";

/** Who may act in the operator's name, and who did. */
export type Operators = {
  readonly guard: Guard;
  readonly sessions: Sessions;
  /** @throws OperatorError */
  createKey(creator: Principal, wish: KeyWish): Promise<{ key: OperatorKey; secret: string }>;
  listKeys(page: Parameters<typeof listKeys>[1]): Promise<OperatorKey[]>;
  /** @throws OperatorError */
  revokeKey(by: Principal, id: string): Promise<OperatorKey[]>;
  listLog(page: Parameters<typeof listEntries>[1]): Promise<LogEntry[]>;
  /** Wall clock, epoch ms. */
  now(): number;
};

export type OperatorsOptions = Omit<SessionParts, "now"> & {
  /** May do everything; at least 32 random bytes of text. */
  readonly rootToken: string;
  readonly now?: () => number;
};

export async function openOperators({ now = Date.now, ...options }: OperatorsOptions): Promise<Operators> {
  const { database } = options;
  await migrateOperators(database);
  const parts = { ...options, now };
  const sessions = createSessions(parts);
  return {
    now,
    sessions,
    guard: createGuard({ ...parts, sessions }),
    createKey: (creator, wish) => createKey(parts, creator, wish),
    listKeys: (page) => listKeys(parts, page),
    revokeKey: (by, id) => revokeKey(parts, by, id),
    listLog: (page) => listEntries(database, page),
  };
}
