/** One run: everybody is given what they need, balances are read, the liars lie, everything that follows happens, balances are read again. */
import type { Address } from "viem";
import { genesisValues } from "../../src/chain/index.ts";
import { type Digest, toHex } from "../../src/protocol/index.ts";
import { everyReceipt, readSeats } from "../../src/validators/index.ts";
import { note, sleep } from "../common/measure.ts";
import { type Holdings, type Snapshot, type Spent, spentBetween, sumOf, takeSnapshot } from "./balances.ts";
import { type Expected, nextStep, view } from "./course.ts";
import { type BadValidator, badValidators, type IndexLieName, indexLies, plants } from "./plants.ts";
import { openWorld, until, type World } from "./world.ts";

export type Plan = {
  /** Names of {@link plants}, `honest` aside. */
  readonly lies: readonly string[];
  readonly validators: readonly BadValidator[];
  /** Of developers; null: on a network that settles what nobody has attested. */
  readonly indexLies: readonly IndexLieName[] | null;
  /** Validators that run `openledger validator`. */
  readonly honestValidators: number;
};

export type Row = {
  readonly name: string;
  /** What it does, in words. */
  readonly says: string;
  readonly honest: boolean;
  readonly before: Holdings;
  readonly after: Holdings;
  readonly spent: Spent;
  /** Answers that it paid for and that stand, wei. */
  readonly bought: bigint;
  /** What it has more, its gas and the answers it bought aside, wei. */
  readonly net: bigint;
  /** A liar has less, an honest party does not. */
  readonly asItShould: boolean;
};

export type Result = {
  readonly rows: readonly Row[];
  readonly held: { readonly before: Snapshot["held"]; readonly after: Snapshot["held"] };
  /** What was judged, and how it came out. */
  readonly judged: readonly { readonly about: string; readonly outcome: string }[];
  /** Processes of parties. */
  readonly processes: number;
};

const open = 10n ** 18n;
const day = 86_400;
/** What every attester bonds: the minimum, and as much as its batch may settle. */
const bondWei = genesisValues.minimumBondWei + 2n * open;
const channelWei = 2n * open;
const { releaseBondWei } = genesisValues;
/** Honest validators hold more than two thirds of the stake; everyone holds more than a sixteenth, slashed too, and is drawn. */
const honestStake = 4n * genesisValues.minimumStakeWei;
const badStake = genesisValues.minimumStakeWei + 8_000n * open;
const purse = 100n * open;

type Party = {
  readonly name: string;
  readonly says: string;
  readonly honest: boolean;
  readonly address: Address;
};

export async function run(plan: Plan): Promise<Result> {
  const world = await openWorld(plan.indexLies !== null);
  try {
    return await runIn(world, plan);
  } finally {
    await world.close();
  }
}

async function runIn(world: World, plan: Plan): Promise<Result> {
  const { network, payer, chain, contracts } = world;
  const { AttributionLedger, OpenStaking, ProtocolParameters, DatanetRegistry } = contracts;
  const read = chain.public;
  const parties: Party[] = [];
  const give = async (party: Party, wei: bigint) => {
    parties.push(party);
    if (wei > 0n) await network.call("give", { to: party.address, wei });
    return party;
  };

  note("The network, developers and a payer start; a release is trained, and published with its index.");
  const developers = await Promise.all(
    (["honest", ...(plan.indexLies ?? [])] as const).map(async (lie) => {
      const child = world.developer(lie);
      return { lie, child, address: await child.call("address", undefined), honest: lie === "honest" };
    }),
  );
  for (const { lie, address, honest } of developers) {
    const says = lie === "honest" ? "owns model and Datanet" : indexLies[lie];
    await give({ name: honest ? "developer" : lie, says, honest, address }, releaseBondWei + purse);
  }
  const { child: developer, address: developerAt } = developers[0]!;
  const payerAt = await payer.call("address", undefined);
  await give({ name: "payer", says: "pays for answers", honest: true, address: payerAt }, 20n * purse);
  const { made, datanets } = await developer.call("publishData", undefined);
  for (const [i, address] of made.contributors.entries())
    await give({ name: `contributor ${i + 1}`, says: "gave examples", honest: true, address }, 0n);
  const releases: { releaseId: Digest; developer: Address }[] = [];
  const nodes = [world.url];
  for (const { child, address } of developers) {
    releases.push({ releaseId: await child.call("publish", undefined), developer: address });
    if (plan.indexLies === null) continue;
    await child.call("back", releaseBondWei);
    nodes.push(await child.call("serve", undefined));
  }
  const releaseIds = releases.map(({ releaseId }) => releaseId);

  note("Attesters start, each with its bond.");
  const names = ["honest", ...plan.lies];
  const attesters = await Promise.all(
    names.map(async (lie) => {
      const child = world.attester(lie);
      const address = await child.call("address", undefined);
      const { says, decided } = plants(address)[lie]!;
      return { lie, says, decided, child, address, honest: lie === "honest" };
    }),
  );
  for (const { lie, says, honest, address } of attesters)
    await give({ name: honest ? "attester" : lie, says, honest, address }, bondWei + purse);
  nodes.push(...(await Promise.all(attesters.map(({ child }) => child.call("start", { made, bondWei })))));

  note("Validators start, each with its stake.");
  const honestValidators: Address[] = [];
  const programs = [];
  for (let n = 1; n <= plan.honestValidators; n++) {
    const name = `validator-${n}`;
    const address = world.accountIn(name);
    honestValidators.push(address);
    const says = n === 1 ? "openledger validator --open-audits" : "openledger validator";
    await give({ name: `validator ${n}`, says, honest: true, address }, honestStake + purse);
    const stakeOpen = honestStake / open;
    programs.push(world.validator(name, { stakeOpen, nodes, audits: n === 1 }));
  }
  const bad = await Promise.all(
    plan.validators.map(async (kind) => {
      const child = world.badValidator(kind);
      return { kind, child, address: await child.call("address", undefined) };
    }),
  );
  for (const { kind, child, address } of bad) {
    await give({ name: kind, says: badValidators[kind], honest: false, address }, badStake + purse);
    await child.call("join", badStake);
  }
  const [treasury, pool] = await Promise.all([
    read.readContract({ ...ProtocolParameters, functionName: "treasury" }),
    read.readContract({ ...DatanetRegistry, functionName: "poolOf", args: [1n] }),
  ]);
  await give(
    {
      name: "treasury",
      says: "gets what is left of slashes, and gas",
      honest: true,
      address: toHex(treasury),
    },
    0n,
  );
  await give({ name: "common pool", says: "of the Datanet", honest: true, address: toHex(pool) }, 0n);
  const seats = plan.honestValidators + bad.length;
  const isOpen = (address: Address) =>
    read
      .readContract({ ...OpenStaking, functionName: "stakeOf", args: [BigInt(address)] })
      .then((stake) => stake > 0n);
  await until(
    () => "the validators' pools",
    async () => ((await Promise.all(honestValidators.map(isOpen))).every(Boolean) ? true : undefined),
  );
  await network.call("pass", day + 60);
  await until(
    () => `${seats} seats`,
    async () => ((await readSeats(chain, contracts)).length === seats ? true : undefined),
  );
  await network.call("pass", 60);

  const channels: { channelId: `0x${string}`; payer: Address }[] = [];
  const accounts = [...parties.map(({ address }) => address), world.faucet, world.deployer];
  const snapshot = () =>
    takeSnapshot(chain, contracts, {
      ...{ accounts, channels, releases },
      attesters: attesters.map(({ address }) => address),
    });
  const before = await snapshot();

  const mute = new Set<Address>();
  /** Turns the clock whenever nothing more can be done, until everything is decided and carried out. */
  const drive = async (expected: Pick<Expected, "audited" | "accused">) => {
    for (let told = ""; ; ) {
      for (const { kind, child, address } of bad)
        if (kind === "copying" && (await child.call("refused", undefined)).reveals > 0) mute.add(address);
      const honest = new Set(honestValidators);
      const step = nextStep(await view(chain, contracts, releaseIds), { honest, mute, ...expected });
      if ("over" in step) return;
      if ("pass" in step) await network.call("pass", step.pass);
      else if (step.wait !== told) {
        told = step.wait;
        note(`  ${parties.reduce((text, { name, address }) => text.replace(address, name), told)}`);
      }
      await sleep(300);
    }
  };

  if (plan.indexLies !== null) {
    note("Developers have their releases judged.");
    for (const { child } of bad) await child.call("watch", { all: releaseIds, honest: releaseIds[0]! });
    for (const { child } of developers) await child.call("openRound", undefined);
    await drive({ audited: [], accused: [] });
  }

  note("Everybody answers, and settles.");
  const settled = [];
  for (const attester of attesters) {
    const channel = await payer.call("pay", { payee: attester.address, wei: channelWei });
    channels.push({ channelId: channel.channelId, payer: payerAt });
    settled.push({
      ...attester,
      channel,
      ...(await attester.child.call("settle", { channel, datanets, developer: developerAt })),
    });
  }
  const colluding = bad.filter(({ kind }) => kind.startsWith("colluding"));
  for (const [i, { child }] of colluding.entries())
    await child.call("accuse", { attester: settled[0]!.address, opens: i === 0 });

  note("Validators check, prove, audit, judge.");
  const standsOf = async (address: Address) =>
    (await read.readContract({ ...AttributionLedger, functionName: "attesterOf", args: [address] }))[2] > 0n;
  const proven = settled.filter(({ decided }) => decided === "proof");
  await until(
    () => "the proofs",
    async () =>
      (await Promise.all(proven.map(({ address }) => standsOf(address)))).some(Boolean) ? undefined : true,
  );
  await drive({
    audited: settled.filter(({ decided }) => decided !== "proof").map(({ address }) => address),
    accused: colluding.length > 0 ? [settled[0]!.address] : [],
  });
  const { judged } = await view(chain, contracts, releaseIds);
  await Promise.all(bad.map(({ child }) => child.call("stop", undefined)));

  note(
    "Appeals and windows end: slashes are executed, receipts reported, balances claimed, escrow refunded.",
  );
  // Those that others reported are executed a day later.
  await network.call("pass", Number(genesisValues.appealSeconds) + day + 60);
  await until(
    () => "the slashes to be executed",
    async () =>
      (await read.readContract({ ...OpenStaking, functionName: "escrowed" })) === 0n ? true : undefined,
  );
  await Promise.all(programs.map((program) => program.stop()));
  await developer.call("settleVerdicts", releaseIds);
  for (const { held } of settled)
    for (const { receipt, signature } of held) await payer.call("reportLate", { receipt, signature });
  let bought = 0n;
  for (const { address, child, intervals, paidWei } of settled) {
    if (await standsOf(address)) {
      bought += paidWei;
      await child.call("claimAll", undefined);
    } else await payer.call("restore", { attester: address, intervals });
  }
  for (const { channel } of settled) await payer.call("startRefund", channel.channelId);
  await network.call("pass", Number(genesisValues.refundDelaySeconds) + 60);
  for (const { channel } of settled) await payer.call("refund", channel.channelId);

  const after = await snapshot();
  const spent = await spentBetween(chain, contracts, before.blockNumber, after.blockNumber);
  return {
    rows: parties.map(({ name, says, honest, address }) => {
      const [was, is] = [before.of.get(address)!, after.of.get(address)!];
      const own = spent.get(address) ?? { gas: 0n, draws: 0n };
      const paid = address === payerAt ? bought : 0n;
      const net = sumOf(is) - sumOf(was) + own.gas + paid;
      return {
        ...{ name, says, honest, before: was, after: is, spent: own, bought: paid, net },
        asItShould: honest ? net >= 0n : net < 0n,
      };
    }),
    held: { before: before.held, after: after.held },
    judged: judged.map(({ attester, subject, receipt, outcome }) => {
      if (attester === null) {
        const { lie } = developers[releaseIds.indexOf(subject as Digest)]!;
        return { about: `the release of ${lie === "honest" ? "developer" : lie}`, outcome };
      }
      const { lie } = attesters.find(({ address }) => address === attester)!;
      const what = receipt === everyReceipt ? "audit" : "accusation";
      return { about: `${what} of ${lie === "honest" ? "attester" : lie}`, outcome };
    }),
    processes: 2 + developers.length + attesters.length + seats,
  };
}
