/** An attester's process: it takes a payer's vouchers, answers, settles, publishes and serves, all of it truly but for the lie it is started with. */
import type { Address } from "viem";
import { loadCheckpoint } from "../../src/engine/index.ts";
import type { TestRelease } from "../../src/inference/fixtures/release.ts";
import {
  type BatchContent,
  balancePayload,
  type CommittedBatch,
  type DatanetPayee,
  type Digest,
  domain,
  hashReceipt,
  positionalProof,
  positionalTree,
  signReceipt,
  toHex,
} from "../../src/protocol/index.ts";
import { openScratchDatabase } from "../../src/store/index.ts";
import {
  makeAnswers,
  publishedLines,
  type Served,
  serveAttester,
  settleContent,
} from "../../src/validators/fixtures/attester.ts";
import { openStatements, type Statements } from "../../src/validators/index.ts";
import { serveChild } from "../common/child.ts";
import { openParty } from "./party.ts";
import { type Plant, plants } from "./plants.ts";
import type { MadeRelease } from "./releases.ts";

const { chain, contracts } = openParty(process.argv.slice(2), "attester");
const [lie, baseFolder] = process.argv.slice(5) as [string, string];
const { AttributionLedger, PaymentChannels, ProtocolParameters, OpenStaking } = contracts;
const self = toHex(chain.account.address);
const plant = plants(self)[lie] as Plant;

let statements: Promise<Statements> | undefined;
const opened = () =>
  (statements ??= openScratchDatabase().then((database) => openStatements({ database, chain, contracts })));
let content: BatchContent | undefined;
let committed: CommittedBatch | undefined;

/** Where the payer's channel stands, and what of it was collected. */
export type PaidChannel = {
  readonly channelId: Digest;
  readonly wei: bigint;
  readonly signature: `0x${string}`;
};

const methods = {
  address: () => self,
  /** Listens before it has settled anything. @returns its URL, and how to publish */
  async start({ made, bondWei }: { made: MadeRelease; bondWei: bigint }) {
    await chain.write({ ...AttributionLedger, functionName: "depositBond", value: bondWei });
    served = {
      lines: [],
      evidence: new Map(),
      release: made.release,
      data: made.data,
      statements: {
        publish: async (signed) => (await opened()).publish(signed),
        list: async (filter) => (await opened()).list(filter),
      },
    };
    return (await serveAttester(chain, contracts, served)).url;
  },
  /** Collects, answers three times in the channel, and settles. @returns the receipts it signed but did not settle */
  async settle({
    channel,
    datanets,
    developer,
  }: {
    channel: PaidChannel;
    datanets: DatanetPayee[];
    developer: Address;
  }) {
    const { channelId, wei, signature } = channel;
    await chain.write({ ...PaymentChannels, functionName: "collect", args: [channelId, wei, signature] });
    const release = served!.release as TestRelease;
    const { timestamp } = await chain.public.getBlock();
    const treasury = await chain.public.readContract({ ...ProtocolParameters, functionName: "treasury" });
    const { receipts, evidence } = await makeAnswers(
      loadCheckpoint(baseFolder),
      release,
      {
        payees: {
          operator: self,
          treasury: toHex(treasury),
          developer: toHex(developer),
          stakers: toHex(OpenStaking.address),
        },
        datanets,
        channels: [channelId],
        perChannel: 3,
        issuedAt: timestamp,
      },
      plant.twist,
    );
    const settled = receipts.slice(0, plant.settles);
    content = plant.content(settled);
    committed = plant.committed(content);
    await settleContent(chain, contracts, content, committed);
    served!.lines = await publishedLines(chain, contracts, content);
    served!.evidence = evidence;
    const held = plant.decided === "holder" ? receipts.slice(plant.settles) : [];
    const ledger = domain(chain.chain.id, AttributionLedger.address);
    return {
      intervals: committed.intervals.map((interval) => ({ ...interval })),
      paidWei: settled.reduce((sum, { receipt }) => sum + receipt.to - receipt.from, 0n),
      held: await Promise.all(
        held.map(async ({ receipt }) => ({
          receipt,
          signature: await signReceipt(ledger, receipt, chain.account as never),
          id: hashReceipt(receipt),
        })),
      ),
    };
  },
  /** Pays everyone whose balance is in the batch, once it is final. */
  async claimAll() {
    const { balances } = content as BatchContent;
    const tree = positionalTree(balances.map(balancePayload));
    for (const [i, { payee, credit, cumulative }] of balances.entries()) {
      const args = [self, 0n, BigInt(i), payee, credit, cumulative, positionalProof(tree, i)] as const;
      await chain.write({ ...AttributionLedger, functionName: "claim", args: args as never });
    }
  },
};
let served: Served | undefined;
export type AttesterMethods = typeof methods;
serveChild(methods);
