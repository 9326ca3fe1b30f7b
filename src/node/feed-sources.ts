/** What the live stream reads of each room: the public part, in the stream's words. */
import type { Datanets } from "../datanets/index.ts";
import type { Argument, EventSince, Explorer } from "../explorer/index.ts";
import type { Cursor, FeedEvent, Source, Topic } from "../feed/index.ts";
import type { ModelFactory } from "../modelfactory/index.ts";
import type { Settlement, SettlementChange, SettlementCursor } from "../settlement/index.ts";

type Services = {
  readonly explorer: Pick<Explorer, "blocksAfter" | "eventsAfter">;
  readonly settlement: Pick<Settlement, "changes">;
  readonly datanets: Pick<Datanets, "contributionsAfter">;
  readonly modelFactory: Pick<ModelFactory, "eventsOfAll">;
};

/** Which topic a contract's events belong to; those of others are not told. */
const topicOf: Readonly<Record<string, Topic>> = {
  DatanetRegistry: "datanets",
  CuratorElections: "governance",
  JobEscrow: "jobs",
  ModelRegistry: "models",
  ReleaseVerdicts: "models",
  AttributionLedger: "batches",
  Demands: "batches",
  Verdicts: "batches",
  OpenGovernor: "governance",
  ProtocolParameters: "governance",
  OpenStaking: "stake",
};

export function feedSources(services: Services): Source[] {
  const { explorer, settlement, datanets, modelFactory } = services;
  return [
    {
      name: "blocks",
      async read(cursor) {
        const found = await explorer.blocksAfter(cursor as number | null);
        if (found === undefined) return { events: [], cursor: cursor ?? -1, more: false };
        const { timestampSec, ...data } = found;
        const mined = { topic: "blocks", kind: "mined", atMs: timestampSec * 1_000, data } as const;
        return { events: cursor === null ? [] : [mined], cursor: found.to, more: false };
      },
    },
    {
      name: "chain",
      async read(cursor, limit) {
        const { events, ...rest } = await explorer.eventsAfter(cursor as number | null, limit);
        return { ...rest, events: events.flatMap(ofChain) };
      },
    },
    {
      name: "settlement",
      async read(cursor, limit) {
        const { changes, ...rest } = await settlement.changes(cursor as SettlementCursor | null, limit);
        return { events: changes.map(ofSettlement), ...rest, cursor: rest.cursor as Cursor };
      },
    },
    {
      name: "contributions",
      async read(cursor, limit) {
        const found = await datanets.contributionsAfter(cursor as number | null, limit);
        const events = found.contributions.map(({ atMs, datanetId, ...data }) => ({
          ...{ topic: "datanets" as const, kind: "contributed", atMs },
          data: { datanetId: datanetId.toString(), ...data },
        }));
        return { events, cursor: found.cursor, more: events.length === limit };
      },
    },
    {
      name: "jobs",
      async read(cursor, limit) {
        const found = await modelFactory.eventsOfAll(cursor as number | null, limit);
        return { events: ofJobs(found.events), cursor: found.cursor, more: found.events.length === limit };
      },
    },
  ];
}

function ofChain({ contract, event, timestampSec, arguments: values, ...place }: EventSince): FeedEvent[] {
  const topic = topicOf[contract];
  if (topic === undefined) return [];
  const data = { contract, ...place, arguments: named(values) };
  return [{ topic, kind: event, atMs: timestampSec * 1_000, data }];
}

/** Arguments by name, tuples within them too. */
const named = (values: readonly Argument[]): object =>
  Object.fromEntries(values.map(({ name, value }, at) => [name || String(at), simple(value)]));
const isArgument = (value: unknown): value is Argument =>
  value !== null && typeof value === "object" && "type" in value;
function simple(value: unknown): unknown {
  if (!Array.isArray(value)) return value;
  return value.length > 0 && value.every(isArgument) ? named(value) : value.map(simple);
}

function ofSettlement({ kind, atMs, ...change }: SettlementChange): FeedEvent {
  if (!("receiptId" in change)) return { topic: "answers", kind, atMs, data: change };
  const { receiptId, releaseId, feeWei, paidWei, payees } = change;
  const wei = { feeWei: feeWei.toString(), paidWei: paidWei.toString() };
  return { topic: "answers", kind, atMs, data: { receiptId, releaseId, ...wei, payees } };
}

type JobEvents = Awaited<ReturnType<ModelFactory["eventsOfAll"]>>["events"];

/** Of several steps that came at once the last is told. An error's words stay with the job. */
function ofJobs(events: JobEvents): FeedEvent[] {
  const lastStep = new Map(events.filter(({ kind }) => kind === "step").map(({ jobId, id }) => [jobId, id]));
  return events
    .filter(({ kind, jobId, id }) => kind !== "step" || lastStep.get(jobId) === id)
    .map(({ jobId, kind, atMs, data }) => {
      const { state, step, steps, loss } = data as Record<string, unknown>;
      const shown = kind === "step" ? { jobId, step, steps, loss } : { jobId, state };
      return { topic: "jobs", kind, atMs, data: shown };
    });
}
