/** What the live stream tells about. Everything in it is public: no question, answer or row. */
export const topicMeanings = {
  blocks: "blocks of the chain, as many as came at once in one event",
  answers: "receipts of paid answers: scored, batched, final",
  datanets: "contributions, and what the chain says of Datanets and their versions",
  jobs: "states and steps of fine-tuning jobs",
  models: "models and releases on chain, and verdicts on releases",
  batches: "batches, demands and verdicts on chain",
  governance: "proposals, votes, elections, parameters",
  stake: "pools, delegations, rewards, slashes",
} as const;

export type Topic = keyof typeof topicMeanings;

export const topics = Object.keys(topicMeanings) as [Topic, ...Topic[]];

/** Something that happened. */
export type FeedEvent = {
  readonly topic: Topic;
  /** Which kind of the topic: `mined`, `scored`, or the name of a contract's event. */
  readonly kind: string;
  /** Epoch ms. */
  readonly atMs: number;
  /** JSON; amounts are decimal strings of wei. */
  readonly data: Readonly<Record<string, unknown>>;
};

/** An event with its place in the log: they count from 1 without a gap. */
export type LoggedEvent = FeedEvent & { readonly id: number };

/** JSON that says how far a source has been read. */
export type Cursor = number | string | { readonly [key: string]: unknown };

/**
 * Where events come from: something durable that can be read on from a cursor. The log takes the events and the cursor in one transaction, so
 * that each event is in it once, whatever stops in between.
 */
export type Source = {
  /** Names its cursor. */
  readonly name: string;
  /**
   * @param cursor that of the last call; null the first time: no events, and the cursor from now on
   * @returns `more` if it must be asked again at once
   */
  read(cursor: Cursor | null, limit: number): Promise<{ events: FeedEvent[]; cursor: Cursor; more: boolean }>;
};
