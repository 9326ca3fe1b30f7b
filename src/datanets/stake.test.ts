import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Address, zeroAddress } from "viem";
import { datanetRegistryAbi, openStakingAbi, openStakingBytecode } from "../chain/index.ts";
import { rulesSchema } from "./checks/index.ts";
import { DatanetError } from "./errors.ts";
import {
  ada,
  bo,
  card,
  deployAlso,
  example,
  lines,
  linkOf,
  openWorld,
  owner,
  signed,
  stranger,
  type World,
  writeAs,
} from "./fixtures/world.ts";
import type { Registry } from "./registry.ts";
import { contractRegistry } from "./registry-contract.ts";
import { datanetRoutes } from "./routes.ts";
import { createDatanets, type Datanets } from "./service.ts";

const open = 10n ** 18n;
let world: World;
let registry: Registry;
let service: Datanets;
let staking: Address;
const pool = BigInt(owner.address);

before(async () => {
  world = await openWorld();
  const parameters = await world.reader.readContract({
    ...{ address: world.registryAddress, abi: datanetRegistryAbi, functionName: "parameters" },
  });
  staking = await deployAlso(world, { abi: openStakingAbi, bytecode: openStakingBytecode }, [
    parameters,
    zeroAddress,
    zeroAddress,
    zeroAddress,
  ]);
  await write(owner, "open", [pool, 0], 3n * open);
  registry = contractRegistry({ ...linkOf(world), address: world.registryAddress, staking });
  service = await createDatanets({ ...world, registry });
});
after(() => world.close());

const write = (by: typeof owner, functionName: string, args: readonly unknown[], value = 0n) =>
  writeAs(world, by, { address: staking, abi: openStakingAbi, functionName, args, value });

test("a Datanet that asks for stake takes rows of who has it bonded, in any pool, and of nobody else", async () => {
  const { datanetId } = await service.create(owner, card);
  await service.setRules(owner, datanetId, {
    ...(await service.getRules(datanetId)),
    stakeWei: (2n * open).toString(),
  });
  const give = async (by: typeof owner, n: number) =>
    service.contribute(await signed(registry, datanetId, by, lines(example(n))));
  const refused = (bonded: bigint) => (error: unknown) => {
    assert.ok(error instanceof DatanetError, String(error));
    assert.deepEqual(
      [error.code, error.details],
      ["stake-needed", { neededWei: (2n * open).toString(), bondedWei: bonded.toString() }],
    );
    assert.match(error.message, /at least 2 OPEN staked.*openledger stake delegate/);
    return true;
  };
  await assert.rejects(give(ada, 1), refused(0n));
  await write(stranger, "delegate", [pool], open);
  await assert.rejects(give(stranger, 1), refused(open));
  await write(stranger, "delegate", [pool], open);
  assert.equal((await give(stranger, 1)).accepted, 1);
  // What is being taken out answers for nothing new.
  await write(stranger, "unbond", [pool, open]);
  await assert.rejects(give(stranger, 2), refused(open));

  const app = datanetRoutes(service);
  const asked = await app.request(`/v1/datanets/${datanetId}/contributors/${owner.address}/stake`);
  assert.deepEqual(await asked.json(), {
    contributor: owner.address.toLowerCase(),
    neededWei: (2n * open).toString(),
    bondedWei: (3n * open).toString(),
    mayContribute: true,
  });
  assert.equal((await give(owner, 3)).accepted, 1);
});

test("a Datanet that asks for none takes rows of anybody; nonsense is no amount", async () => {
  const { datanetId } = await service.create(owner, { ...card, name: "Open" });
  assert.equal(
    (await service.contribute(await signed(registry, datanetId, ada, lines(example(1))))).accepted,
    1,
  );
  const app = datanetRoutes(service, {
    operator: { account: owner, guard: async (_, next) => next() },
  });
  for (const stakeWei of ["0", "-1", "1.5", "1e18", ""]) {
    const response = await app.request(`/v1/datanets/${datanetId}/rules`, {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ stakeWei }),
    });
    assert.equal(response.status, 400, stakeWei);
  }
});

test("a Datanet that names whose rows it takes, takes no others', from its creation on", async () => {
  const contributors = [ada.address.toLowerCase() as Address];
  const { datanetId } = await service.create(
    owner,
    { ...card, name: "Among us" },
    { rules: rulesSchema.parse({ contributors }) },
  );
  const give = async (by: typeof owner, n: number) =>
    service.contribute(await signed(registry, datanetId, by, lines(example(n))));
  await assert.rejects(give(stranger, 1), (error) => {
    assert.ok(error instanceof DatanetError, String(error));
    assert.equal(error.code, "not-invited");
    assert.match(error.message, /takes rows of one account alone/);
    return true;
  });
  assert.equal((await give(ada, 1)).accepted, 1);
  const rules = await service.getRules(datanetId);
  assert.deepEqual(rules.contributors, contributors);
  await service.setRules(owner, datanetId, { ...rules, contributors: undefined });
  assert.equal((await give(stranger, 2)).accepted, 1);
  // Made again, it keeps what its owner asked since.
  await service.create(owner, { ...card, name: "Among us" }, { rules: rulesSchema.parse({ contributors }) });
  assert.equal((await service.getRules(datanetId)).contributors, undefined);
});

test("an upload begun before a Datanet was closed, or asked for stake, is judged by the rules at its end", async () => {
  const { datanetId } = await service.create(owner, { ...card, name: "Closing" });
  const given = async () => (await service.contributions(datanetId, { limit: 10 })).length;
  const open = rulesSchema.parse({});
  const contributors = [ada.address.toLowerCase() as Address];
  for (const [n, code, rules] of [
    [1, "not-invited", { contributors }],
    [2, "stake-needed", { stakeWei: "1" }],
  ] as const) {
    await service.setRules(owner, datanetId, open);
    const input = await signed(registry, datanetId, bo, lines(example(n)));
    const begun = Promise.withResolvers<void>();
    const closed = Promise.withResolvers<void>();
    const bytes = new TextEncoder().encode(input.text);
    const upload = service.contribute({
      ...input,
      chunks: (async function* () {
        begun.resolve();
        yield bytes.subarray(0, 5);
        await closed.promise;
        yield bytes.subarray(5);
      })(),
    });
    await begun.promise;
    await service.setRules(owner, datanetId, rulesSchema.parse(rules));
    closed.resolve();
    await assert.rejects(upload, (error) => {
      assert.ok(error instanceof DatanetError, String(error));
      assert.equal(error.code, code);
      return true;
    });
    assert.equal(await given(), 0);
  }
});

test("once rules are set, nothing more enters by those before, not even what was being looked at", async () => {
  const { datanetId } = await service.create(owner, { ...card, name: "Closing meanwhile" });
  const given = async () => (await service.contributions(datanetId, { limit: 10 })).length;
  const rules = rulesSchema.parse({ contributors: [ada.address.toLowerCase() as Address] });
  let set: Promise<number> | undefined;
  const [first, second] = [1, 2].map(async (n) =>
    service.contribute({
      ...(await signed(registry, datanetId, bo, lines(example(n)))),
      onProgress: () => {
        set ??= service.setRules(owner, datanetId, rules).then(given);
      },
    }),
  );
  const ends = await Promise.allSettled([first, second]);
  assert.deepEqual(ends.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
  assert.deepEqual([await set, await given()], [1, 1]);
});
