/** Every parameter with its bounds and history, and the fee split. */
import type { Hex } from "viem";
import { chainView, everyEvent, now } from "../chain/view.ts";
import { parameterName } from "./calls.ts";
import { type FeeHead, type FeeSplit, feeHeads, unitOf, unpackSplit } from "./parameter.ts";

/** What each parameter does. */
export const aboutParameter: Readonly<Record<string, string>> = {
  settlementWindowSeconds: "How long a batch may be challenged before it is final",
  closeTimeoutSeconds: "How long a channel's payee may still collect after its payer asked to close it",
  minimumBondWei: "The least an operator must have at stake to settle",
  registrationFeeWei: "What registering a Datanet or a model costs; it goes to the treasury",
  proverRewardBps: "The part of a slash that goes to who proved it",
  minimumThresholdMillionths: "The lowest threshold factor a release may carry",
  demandFeeWei: "What opening an audit, an accusation or a demand costs",
  refundDelaySeconds: "After how long without settlement a payer takes back what was collected",
  receiptDeadlineSeconds: "How long after its issue a signed receipt must be in a batch",
  lateReceiptSlashWei: "The least that a receipt beyond its deadline costs the operator",
  epochSeconds: "Stake earns from the epoch after the one it came in",
  unbondingSeconds: "How long stake takes to leave a pool",
  verdictSeconds: "How long validators have to commit to a verdict, and again to reveal it",
  appealSeconds: "How long governance may overturn a slash",
  minimumStakeWei: "The least of its own that an operator needs in its pool",
  quorumSlashBps: "What a verdict against the quorum, or a withheld one, costs",
  drawnValidators: "How many validators an audit draws, in expectation",
  votingDelaySeconds: "From a proposal to its vote",
  votingPeriodSeconds: "How long a vote lasts",
  timelockDelaySeconds: "From queueing to carrying out",
  proposalThresholdWei: "Votes that it takes to propose",
  quorumTotalBps: "The quorum's floor, as a part of all OPEN",
  quorumCirculatingBps: "The quorum, as a part of all OPEN that can vote",
  minimumTipWei: "The least tip per gas while the chain is empty",
  releaseBondWei: "The least that stands behind a release when validators judge its index",
  attestationRequired: "1 where only answers of releases that validators attested may be settled, else 0",
  treasury: "Who receives the treasury's part",
  stakersPool: "Who divides the stakers' part",
};

async function readParameter(name: string, id: Hex) {
  const { at, public: reader } = await chainView();
  const args = [id] as const;
  const [value, [lowest, highest]] = await Promise.all([
    reader.readContract({ ...at.ProtocolParameters, functionName: "value", args, ...now }),
    reader.readContract({ ...at.ProtocolParameters, functionName: "bounds", args }),
  ]);
  return { name, unit: unitOf(name), value, lowest, highest };
}

/** All of them, in the order they were first set, each with every value it ever had. */
export async function readParameters() {
  const chain = await chainView();
  const { ProtocolParameters } = chain.at;
  const [events, split, [lowest, highest]] = await Promise.all([
    everyEvent(chain, (range) =>
      chain.public.getContractEvents({
        ...ProtocolParameters,
        eventName: "ParameterChanged",
        strict: true,
        ...range,
      }),
    ),
    chain.public.readContract({ ...ProtocolParameters, functionName: "feeSplit", ...now }),
    chain.public.readContract({ ...ProtocolParameters, functionName: "feeBounds" }),
  ]);
  const changes = events.map(({ args, transactionHash }) => ({
    name: parameterName(args.id),
    id: args.id,
    value: args.value,
    fromMs: Number(args.effectiveAt) * 1_000,
    transactionHash: transactionHash as Hex,
  }));
  const ids = new Map(changes.map(({ name, id }) => [name, id]));
  ids.delete("feeSplit");
  const values = await Promise.all([...ids].map(([name, id]) => readParameter(name, id)));
  const historyOf = (name: string) => changes.filter((change) => change.name === name).reverse();
  return {
    parameters: values.map((one) => ({ ...one, history: historyOf(one.name) })),
    split: Object.fromEntries(feeHeads.map((head) => [head, split[head]])) as FeeSplit,
    splitBounds: Object.fromEntries(
      feeHeads.map((head, at) => [head, [lowest[at] as number, highest[at] as number]]),
    ) as Record<FeeHead, [number, number]>,
    splitHistory: historyOf("feeSplit").map((change) => ({ ...change, split: unpackSplit(change.value) })),
  };
}

export type Parameters = Awaited<ReturnType<typeof readParameters>>;
export type Parameter = Parameters["parameters"][number];
