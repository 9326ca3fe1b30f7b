import type { Address } from "../protocol/index.ts";

/** What somebody may do in the operator's name, and what that is. Read by people: keep it a table. */
export const scopeMeanings = {
  read: "everything the operator may see: prompts, answers, gated rows, jobs, metrics, keys, this log",
  datanets: "create, publish and import Datanets; their rules, readers and curators",
  modelfactory: "fine-tuning jobs, their files, which release a model's name serves",
  models: "load, unload and pin adapters",
  settlement:
    "settle now; check, demand, prove and take over batches; give a job's payment back; give payments for jobs back",
  faucet: "give away OPEN of the liquidity account",
  blobs: "remove blobs that nothing names, rotate the master key",
  backup: "copy the whole node, its secrets with it: as strong as the operator token",
  metrics: "read /metrics, and nothing else",
  keys: "create and revoke operator keys of no more scopes than its own",
} as const;

export type Scope = keyof typeof scopeMeanings;

export const scopes = Object.keys(scopeMeanings) as [Scope, ...Scope[]];

/** Who acts in the operator's name. */
export type Principal = {
  /** `root` for the token in the node's home, `key:<id>` or `session:<address>`. */
  readonly who: "root" | `key:${string}` | `session:${Address}`;
  /** A key's name; empty for others. */
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** When it ends, epoch ms; null: never. */
  readonly expiresAtMs: number | null;
  readonly requestsPerMinute: number;
};

/** The scopes of `wanted` that the principal does not have itself. */
export const lacking = (principal: Pick<Principal, "scopes">, wanted: readonly Scope[]): Scope[] =>
  wanted.filter((scope) => !principal.scopes.includes(scope));

/** Whether a guard for `scope` lets it do this: `read` opens everything that only reads. */
export const maySee = (principal: Pick<Principal, "scopes">, scope: Scope, reads: boolean): boolean =>
  principal.scopes.includes(scope) || (reads && principal.scopes.includes("read"));
