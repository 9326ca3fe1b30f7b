import type { ChainWriter, ProtocolContracts } from "../chain/index.ts";
import {
  type Address,
  type CommitmentRequest,
  domain,
  type Hex,
  ProtocolError,
  recoverCommitmentRequest,
  sameHex,
  toHex,
} from "../protocol/index.ts";
import type { Database } from "../store/index.ts";
import type { ClaimResult } from "./claim.ts";
import { SettlementError } from "./errors.ts";
import { migrateSettlement } from "./tables.ts";

/** How much of others' first steps this node's operator pays for, transactions a day (UTC). */
export type RelayLimits = {
  readonly perIdentity: number;
  readonly overall: number;
};

export const relayLimits: RelayLimits = { perIdentity: 20, overall: 2_000 };

/** What was sent; null where the chain has it already and nothing was. */
export type Relayed = { readonly transactionHash: Hex | null };

/** The daily allowance is used up. */
export class RelayLimitError extends Error {
  override readonly name = "RelayLimitError";
  /** Epoch milliseconds: when there is an allowance again. */
  readonly freeAtMs: number;

  constructor(message: string, freeAtMs: number) {
    super(message);
    this.freeAtMs = freeAtMs;
  }
}

export type Relays = {
  readonly limits: RelayLimits;
  /** Takes one transaction from the day's allowances, for whoever sends something signed by this identity. @throws RelayLimitError */
  allow(identity: Address): Promise<void>;
  /** Commits a contribution in its contributor's name. @throws SettlementError `unsigned-request`, RelayLimitError */
  commit(request: CommitmentRequest, signature: Hex): Promise<Relayed>;
  /** Sends a payee's claim. @throws RelayLimitError */
  claim(payee: Address): Promise<ClaimResult>;
};

export type RelayDependencies = {
  readonly database: Database;
  /** Its account pays. */
  readonly chain: ChainWriter;
  readonly contracts: Pick<ProtocolContracts, "DatanetRegistry">;
  readonly settlement: {
    claimable(payee: Address): Promise<bigint>;
    claim(payee: Address): Promise<ClaimResult>;
  };
  readonly limits?: Partial<RelayLimits>;
  /** Wall clock, epoch milliseconds. */
  readonly now?: () => number;
};

const dayMs = 86_400_000;
/** How old a signed request may be, or ahead of this node's clock, seconds. */
const freshSec = 3_600n;
/** What everybody together uses is counted under this name; it is no address. */
const everybody = "*";

/**
 * First steps for those who have no OPEN yet: what they signed is sent for them, and the operator pays the gas, so much a day for
 * each identity and for all together. An identity is the address that signed, or that is paid.
 */
export async function openRelays(dependencies: RelayDependencies): Promise<Relays> {
  const { database, chain, contracts, settlement, now = Date.now } = dependencies;
  await migrateSettlement(database);
  const limits = { ...relayLimits, ...dependencies.limits };
  const { DatanetRegistry } = contracts;
  const registry = domain(chain.chain.id, DatanetRegistry.address);

  /** Takes one from both allowances, or from neither: each check is the write it allows, and both are one transaction. */
  const take = (identity: Address) =>
    database.transaction(async (tx) => {
      const day = Math.floor(now() / dayMs);
      for (const [who, most] of [
        [toHex(identity), limits.perIdentity],
        [everybody, limits.overall],
      ] as const) {
        const taken = await tx.query(
          `insert into settlement.relays (identity, day, used) select $1, $2, 1 where $3 > 0
           on conflict (identity, day) do update set used = relays.used + 1 where relays.used < $3 returning used`,
          [who, day, most],
        );
        if (taken.length === 1) continue;
        const freeAtMs = (day + 1) * dayMs;
        const whose = who === everybody ? "This node pays" : `For ${who} this node pays`;
        throw new RelayLimitError(
          `${whose} ${most} transactions a day, and they are used up. Send it yourself, or ask again at ${new Date(freeAtMs).toISOString()}.`,
          freeAtMs,
        );
      }
    });
  const unsigned = (what: string) => new SettlementError("unsigned-request", what);
  const signerOf = async (recover: () => Promise<Address>) => {
    try {
      return await recover();
    } catch (error) {
      if (error instanceof ProtocolError) throw unsigned(error.message);
      throw error;
    }
  };

  return {
    limits,
    allow: take,
    commit: async (request, signature) => {
      const { datanetId, commitment, contributor, signedAt } = request;
      const signer = await signerOf(() => recoverCommitmentRequest(registry, request, signature));
      if (!sameHex(signer, contributor))
        throw unsigned(`The request must be signed by the contributor ${contributor}; got ${signer}.`);
      const age = BigInt(Math.floor(now() / 1_000)) - signedAt;
      if (age > freshSec || -age > freshSec)
        throw unsigned(`The request must be signed within ${freshSec} s of now; it is ${age} s old.`);
      const args = [datanetId, commitment] as const;
      const at = await chain.public.readContract({ ...DatanetRegistry, functionName: "committedAt", args });
      if (at !== 0n) return { transactionHash: null };
      await take(contributor);
      const sent = await chain.write({ ...DatanetRegistry, functionName: "commitContribution", args });
      return { transactionHash: sent.transactionHash };
    },
    claim: async (payee) => {
      if ((await settlement.claimable(payee)) > 0n) await take(payee);
      return settlement.claim(payee);
    },
  };
}
