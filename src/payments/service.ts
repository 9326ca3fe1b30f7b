import {
  type ChainWriter,
  type EventFollower,
  followEvents,
  type Keystore,
  type ProtocolContracts,
} from "../chain/index.ts";
import { type Address, type Digest, type Domain, domain, toHex } from "../protocol/index.ts";
import type { Database, Jobs, Transaction } from "../store/index.ts";
import { type Channel, type ChannelEvent, findChannel } from "./channel.ts";
import { type CollectEnd, type CollectResult, collect, latestVoucher } from "./collect.ts";
import { PaymentError } from "./errors.ts";
import {
  activateKey,
  createKey,
  type Key,
  type KeyStatus,
  listKeys,
  type NewKey,
  readKey,
  revokeKey,
} from "./keys.ts";
import { authenticate, type Credentials, type Payer } from "./payer.ts";
import { type CollectPayload, collectJob, followedChannels, projectChannels } from "./projection.ts";
import {
  type Charge,
  charge,
  findReservation,
  openReservations,
  type Reservation,
  release,
  reserve,
  type Tokens,
  type Usage,
  usage,
} from "./request.ts";
import { migratePayments } from "./tables.ts";
import { keepVoucher, parseVoucher, type SignedVoucher, verifyVoucher } from "./voucher.ts";

export type PaymentsDependencies = {
  readonly database: Database;
  /** Collections that must not be forgotten are asked for here. */
  readonly jobs: Jobs;
  /** Where the keys' signers come from. */
  readonly keystore: Keystore;
  /** Its account is the operator: the payee of the channels. */
  readonly chain: ChainWriter;
  readonly contracts: Pick<ProtocolContracts, "PaymentChannels">;
  /** The block of the contracts' deployment. */
  readonly fromBlock?: bigint;
  /** Says when there may be a new block; without it the chain is asked. */
  readonly onBlock?: (listener: () => void) => () => void;
  /** Wall clock, epoch milliseconds. */
  readonly now?: () => number;
  readonly log?: (level: "info" | "warn", message: string) => void;
};

export type Payments = {
  readonly operator: Address;
  /** Where vouchers are signed for. */
  readonly domain: Domain;
  createKey(input: { label: string }): Promise<NewKey>;
  activateKey(secret: string, channelId: Digest): Promise<KeyStatus>;
  readKey(secret: string): Promise<KeyStatus>;
  revokeKey(secret: string): Promise<KeyStatus>;
  listKeys(page?: { limit?: number }): Promise<Key[]>;
  /** Undefined for a channel that does not pay this operator. */
  channel(channelId: Digest): Promise<Channel | undefined>;
  /** Finds who pays; @throws PaymentRequiredError. The events up to the chain's head are in the database when it answers. */
  authenticate(credentials: Credentials): Promise<Payer>;
  reserve(
    tx: Transaction,
    input: { readonly requestId: string; readonly payer: Payer; readonly maxWei: bigint },
  ): Promise<Reservation>;
  charge(tx: Transaction, requestId: string, feeWei: bigint, tokens?: Tokens): Promise<Charge>;
  release(tx: Transaction, requestId: string): Promise<"released" | "charged" | "unknown">;
  reservation(requestId: string): Promise<Reservation | undefined>;
  openReservations(page: { beforeMs: number; limit?: number }): Promise<Reservation[]>;
  usage(of: ({ keyId: string } | { channelId: Digest }) & { sinceMs: number }): Promise<Usage>;
  /** Keeps a payer's voucher (`channelId:cumulative:signature`): one that ends where the charges do is collected instead of a larger one. */
  handIn(voucher: string): Promise<SignedVoucher>;
  latestVoucher(channelId: Digest, atLeast?: bigint): Promise<SignedVoucher | undefined>;
  collect(ends: readonly CollectEnd[]): Promise<CollectResult>;
  /** Resolves when the events up to the chain's head are in the database. */
  sync(): Promise<void>;
  /** Stops following the chain. Close the jobs first. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

const syncMsMax = 10_000;

/** Opens the room's service: brings its tables up to date, follows the chain, works on collections. */
export async function openPayments(dependencies: PaymentsDependencies): Promise<Payments> {
  const { database, jobs, keystore, chain, contracts, now = Date.now, log = () => {} } = dependencies;
  await migratePayments(database);
  const operator = toHex(chain.account.address);
  const voucherDomain = domain(chain.chain.id, toHex(contracts.PaymentChannels.address));
  const parts = { database, jobs, keystore, chain, contracts, operator, domain: voucherDomain, now };
  const follower = await followEvents({
    name: "payments",
    database,
    client: chain.public,
    contracts: followedChannels(contracts),
    fromBlock: dependencies.fromBlock ?? 0n,
    handle: (events, tx) => projectChannels(parts, events as readonly ChannelEvent[], tx),
    ...(dependencies.onBlock === undefined ? {} : { onBlock: dependencies.onBlock }),
    onError: (error) =>
      log("warn", `Payment channels could not be followed: ${(error as Error).message}. It is tried again.`),
  });
  const sync = () => caughtUp(chain, follower);
  const collectInTurn = oneAtATime((ends: readonly CollectEnd[]) => collect(parts, ends));

  jobs.work<CollectPayload>(collectJob, async ({ payload: { channelId } }) => {
    await sync();
    const channel = await findChannel(database, channelId);
    if (channel === undefined || channel.charged <= channel.collected) return;
    const { failures } = await collectInTurn([{ channelId, atLeast: channel.charged }]);
    for (const { reason, lost } of failures) {
      const message = `Channel ${channelId} could not be collected up to ${channel.charged} wei: ${reason}.`;
      if (!lost) throw new Error(message);
      log("warn", message);
    }
  });

  const close = async () => follower.stop();
  return {
    operator,
    domain: voucherDomain,
    createKey: (input) => createKey(parts, input),
    activateKey: async (secret, channelId) => {
      await sync();
      const status = await activateKey(parts, secret, channelId);
      log("info", `API key ${status.keyId} spends from channel ${status.channelId}.`);
      return status;
    },
    readKey: async (secret) => {
      await sync();
      return readKey(database, secret);
    },
    revokeKey: (secret) => revokeKey(parts, secret),
    listKeys: (page) => listKeys(database, page),
    channel: async (channelId) => {
      await sync();
      return findChannel(database, channelId);
    },
    authenticate: async (credentials) => {
      await sync();
      return authenticate(parts, credentials);
    },
    reserve: (tx, input) => reserve(parts, tx, input),
    charge: (tx, requestId, feeWei, tokens) => charge(parts, tx, requestId, feeWei, tokens),
    release: (tx, requestId) => release(parts, tx, requestId),
    reservation: (requestId) => findReservation(database, requestId),
    openReservations: (page) => openReservations(database, page),
    usage: (of) => usage(database, of),
    handIn: async (text) => {
      await sync();
      const voucher = await verifyVoucher(database, voucherDomain, parseVoucher(text));
      await database.transaction((tx) => keepVoucher(tx, voucher, now()));
      const { channelId, cumulative, signature } = voucher;
      return { channelId, cumulative, signature };
    },
    latestVoucher: (channelId, atLeast) => latestVoucher(parts, channelId, atLeast),
    collect: collectInTurn,
    sync,
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** A channel that closes must be known to close before it is sold from. */
async function caughtUp(chain: ChainWriter, follower: EventFollower): Promise<void> {
  const head = await chain.public.getBlockNumber({ cacheTime: 0 });
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () =>
        reject(
          new PaymentError(
            "chain-behind",
            `The channels' events up to block ${head} have not come through within ${syncMsMax / 1000} s (block ${follower.cursor() ?? "none"} has). ` +
              "Nothing is sold until they do: look for warnings about following the chain, then try again.",
          ),
        ),
      syncMsMax,
    );
  });
  try {
    await Promise.race([follower.reached(head), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Two collections at once would send the same voucher twice, and the second be refused. */
function oneAtATime<A extends unknown[], R>(action: (...args: A) => Promise<R>): (...args: A) => Promise<R> {
  let last: Promise<unknown> = Promise.resolve();
  return (...args) => {
    const result = last.then(() => action(...args));
    last = result.catch(() => {});
    return result;
  };
}
