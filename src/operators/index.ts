/**
 * # operators: who acts in the operator's name
 *
 * {@link openOperators} gives the {@link Guard} that every room's protected routes stand behind: the operator token of the node's
 * home may do everything, operator keys (`olk_…`) what their {@link scopes} say. Keys are found by a public id and compared in
 * constant time; of a secret only the SHA-256 is kept. Whatever changes something is written to a bounded log before it is done.
 *
 * Everybody but the token and those of the configuration was admitted, and every key made, by somebody: what came of whoever is dismissed,
 * or revoked, ends with them (`standing`).
 *
 * People sign in with a wallet (EIP-4361, `siwe`) and get a session in a cookie; that of an operator's address passes the guard too. A
 * cookie counts for requests of the node's own pages only (`origin`).
 */
export { OperatorError, type OperatorErrorCode } from "./errors.ts";
export type { Guard } from "./guard.ts";
export type { KeyWish, OperatorKey } from "./keys.ts";
export type { LogEntry } from "./log.ts";
export type { People, Person } from "./people.ts";
export { peopleRoutes } from "./people-routes.ts";
export { operatorRoutes } from "./routes.ts";
export { type Principal, type Scope, scopeMeanings, scopes } from "./scopes.ts";
export { type Operators, type OperatorsOptions, openOperators } from "./service.ts";
export { sessionRoutes } from "./session-routes.ts";
export type { Session, Sessions } from "./sessions.ts";
