import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { StandardMerkleTree } from "@openzeppelin/merkle-tree";
import fc from "fast-check";
import { datanetRegistryAbi } from "../chain/contracts/index.ts";
import { canonicalJson, jsonDigest, textDigest, verifyVersionLeaf } from "../protocol/index.ts";
import type { DatanetError } from "./errors.ts";
import {
  ada,
  bo,
  card,
  example,
  lines,
  openWorld,
  owner,
  registrationFeeWei,
  signed,
  stranger,
  treasuryAddress,
  type World,
} from "./fixtures/world.ts";
import { licenses } from "./licenses.ts";
import { createDatanets, type Datanets, type DatanetsDependencies } from "./service.ts";

let world: World;
let service: Datanets;
let datanetId: bigint;
let count = 0;

before(async () => {
  world = await openWorld();
  service = await createDatanets(world);
});
after(() => world.close());
beforeEach(async () => {
  datanetId = (await service.create(owner, { ...card, name: `Valley ${count++}` })).datanetId;
});

const give = async (...args: Parameters<typeof signed> extends [unknown, unknown, ...infer R] ? R : never) =>
  service.contribute(await signed(world.registry, datanetId, ...args));

const versionsOnChain = async (id = datanetId) => (await world.registry.datanet(id))!.versions;

describe("creating", () => {
  test("puts the card's digest and the licence on chain and pays the registration fee", async () => {
    const before = await world.balance(treasuryAddress);
    const made = await service.create(owner, { ...card, name: "Fresh" });
    assert.equal(made.created, true);
    const onChain = await world.registry.datanet(made.datanetId);
    const cardDigest = jsonDigest({ schema: "openledger/datanet-card/1", ...card, name: "Fresh" });
    assert.equal(onChain?.cardDigest, cardDigest);
    assert.equal(onChain?.licenseDigest, textDigest("CC0-1.0"));
    assert.equal(onChain?.owner, owner.address.toLowerCase());
    assert.equal((await world.balance(treasuryAddress)) - before, registrationFeeWei);
    assert.deepEqual([made.owner, made.name, made.pool], [onChain?.owner, "Fresh", onChain?.pool]);
    assert.equal((await world.blobs.get(cardDigest)).length > 0, true);
  });

  test("of any licence, the chain reads the same permission to sell from its name", async () => {
    const contract = { address: world.registry.domain.verifyingContract, abi: datanetRegistryAbi };
    for (const { id, commercialUse } of licenses) {
      const permits = await world.reader.readContract({
        ...contract,
        functionName: "permissionsOf",
        args: [id],
      });
      assert.deepEqual(permits, { derivatives: true, commercial: commercialUse }, id);
    }
  });

  test("twice with one card, also at once, makes one Datanet", async () => {
    const made = await Promise.all([1, 2, 3].map(() => service.create(owner, { ...card, name: "Once" })));
    assert.equal(new Set(made.map((found) => found.datanetId)).size, 1);
    assert.deepEqual(made.map(({ created }) => created).sort(), [false, false, true]);
  });

  test("with a licence that is not known, or no name, is refused before anything is paid", async () => {
    const before = await world.balance(owner.address);
    await assert.rejects(service.create(owner, { ...card, license: "CC0" }), (error) => {
      assert.match((error as Error).message, /"CC0" is not a licence .* CC0-1\.0, CC-BY-4\.0/);
      return (error as DatanetError).code === "unknown-license";
    });
    await assert.rejects(service.create(owner, { ...card, name: " " }));
    assert.equal(await world.balance(owner.address), before);
  });
});

describe("a version", () => {
  test("reads back with texts and provenance, and every proof holds on chain", async () => {
    const first = await give(ada, lines(example(1), example(2)));
    await give(bo, lines(example(9)), { split: "heldout" });
    const messages = [
      { role: "user", content: "What follows 3?" },
      { role: "assistant", content: "4." },
    ];
    const second = await give(bo, lines(example(2), { messages }));
    const published = await service.publishVersion(datanetId, owner);
    assert.deepEqual(
      [published.version, published.created, published.count, published.heldoutCount],
      [1, true, 3, 1],
    );
    const read = await service.getVersion(datanetId, 1);
    assert.deepEqual(
      read.rows.map((row) => [row.index, row.example, row.contributor, row.consentDigest]),
      [
        [0, example(1), ada.address.toLowerCase(), first.consentDigest],
        [1, example(2), ada.address.toLowerCase(), first.consentDigest],
        [2, { messages }, bo.address.toLowerCase(), second.consentDigest],
      ],
    );
    assert.deepEqual(
      read.heldout.map((row) => [row.example, row.contributor]),
      [[example(9), bo.address.toLowerCase()]],
    );
    const contract = { address: world.registryAddress, abi: datanetRegistryAbi } as const;
    for (const row of read.rows) {
      const { example: _, ...leaf } = row;
      assert.ok(verifyVersionLeaf(read.root, leaf, read.proof(row.index)));
      const struct = { ...leaf, index: BigInt(leaf.index) };
      const args = [datanetId, 1n, struct, read.proof(row.index)] as const;
      assert.equal(
        await world.reader.readContract({ ...contract, functionName: "verifyExample", args }),
        true,
      );
    }
    const onChain = await world.registry.version(datanetId, 1);
    assert.deepEqual(onChain, {
      version: 1,
      root: read.root,
      count: 3,
      licenseDigest: textDigest("CC0-1.0"),
      manifestDigest: jsonDigest(read.manifest),
    });
    assert.equal(
      new TextDecoder().decode(await world.blobs.get(published.manifestDigest)),
      canonicalJson(read.manifest),
    );
  });

  test("has the root that OpenZeppelin's library gives for the rows in the order accepted, whatever they are", async () => {
    const uploads = fc.array(
      fc.uniqueArray(fc.integer({ min: 0, max: 30 }), { minLength: 1, maxLength: 5 }),
      {
        minLength: 1,
        maxLength: 3,
      },
    );
    await fc.assert(
      fc.asyncProperty(uploads, async (numbers) => {
        datanetId = (await service.create(owner, { ...card, name: `Any ${count++}` })).datanetId;
        const leaves: [number, string, string, string, string][] = [];
        for (const [at, list] of numbers.entries()) {
          const who = at % 2 === 0 ? ada : bo;
          const report = await give(who, lines(...list.map(example)));
          for (const { digest, status } of report.rows) {
            if (status !== "accepted") continue;
            leaves.push([leaves.length, digest, who.address, textDigest("CC0-1.0"), report.consentDigest]);
          }
        }
        const { root } = await service.publishVersion(datanetId, owner);
        const tree = StandardMerkleTree.of(leaves, ["uint256", "bytes32", "address", "bytes32", "bytes32"]);
        assert.equal(root, tree.root);
      }),
      { numRuns: 6 },
    );
  });

  test("has another root when the same rows come in another order", async () => {
    await give(ada, lines(example(1), example(2)));
    const { root } = await service.publishVersion(datanetId, owner);
    datanetId = (await service.create(owner, { ...card, name: `Turned ${count++}` })).datanetId;
    await give(ada, lines(example(2), example(1)));
    assert.notEqual((await service.publishVersion(datanetId, owner)).root, root);
  });

  test("is not published again without new content, also at once; new content makes the next one, the old one stays", async () => {
    await give(ada, lines(example(1)));
    const first = await Promise.all([1, 2, 3].map(() => service.publishVersion(datanetId, owner)));
    assert.deepEqual(first.map(({ created }) => created).sort(), [false, false, true]);
    assert.equal(await versionsOnChain(), 1);
    const before = await service.getVersion(datanetId, 1);

    await give(bo, lines(example(1)));
    assert.equal((await service.publishVersion(datanetId, owner)).version, 1, "only duplicates came in");
    await give(bo, lines(example(2)));
    const second = await service.publishVersion(datanetId, owner);
    assert.deepEqual([second.version, second.count], [2, 2]);
    await give(bo, lines(example(3)), { split: "heldout" });
    const third = await service.publishVersion(datanetId, owner);
    assert.deepEqual([third.version, third.root, third.heldoutCount], [3, second.root, 1]);
    assert.deepEqual((await service.getVersion(datanetId, 1)).rows, before.rows);
    assert.deepEqual(
      (await service.listVersions(datanetId)).map(({ version }) => version),
      [3, 2, 1],
    );
  });

  test("needs a training row, and the owner or a curator", async () => {
    await give(ada, lines(example(1)), { split: "heldout" });
    await assert.rejects(
      service.publishVersion(datanetId, owner),
      (error) => (error as DatanetError).code === "nothing-to-publish",
    );
    await give(ada, lines(example(2)));
    await assert.rejects(service.publishVersion(datanetId, stranger), (error) => {
      assert.match((error as Error).message, /neither the owner nor a curator/);
      return (error as DatanetError).code === "not-owner";
    });
    assert.equal(await versionsOnChain(), 0);
    await assert.rejects(
      service.getVersion(datanetId, 1),
      (error) => (error as DatanetError).code === "unknown-version",
    );
  });

  test("whose blobs were tampered with is not served", async () => {
    await give(ada, lines(example(1)));
    const { manifestDigest, manifest } = await publishedContent();
    const lying = { ...manifest, rows: [{ ...manifest.rows[0]!, digest: `0x${"22".repeat(32)}` as const }] };
    const digest = await world.blobs.put(Buffer.from(canonicalJson(lying)));
    await world.database.query(
      "update datanets.versions set manifest_digest = $1 where manifest_digest = $2",
      [digest, manifestDigest],
    );
    await assert.rejects(service.getVersion(datanetId, 1), /manifest .* is wrong/);
  });

  async function publishedContent() {
    await service.publishVersion(datanetId, owner);
    return service.getVersion(datanetId, 1);
  }
});

describe("a crash after any step, then a second run", () => {
  /** Real parts, one of which throws right after (or before) it has done its work, once. */
  function failing(
    part: string,
    when: "before" | "after",
  ): { parts: DatanetsDependencies; failed: () => boolean } {
    let failed = false;
    const around = <A extends unknown[], R>(name: string, call: (...args: A) => Promise<R>) => {
      return async (...args: A): Promise<R> => {
        if (name !== part || failed) return call(...args);
        if (when === "after") await call(...args);
        failed = true;
        throw new Error("power cut");
      };
    };
    const { database, blobs, registry } = world;
    return {
      parts: {
        database: {
          ...database,
          query: around("record", (sql: string, params?: readonly unknown[]) =>
            database.query(sql, params),
          ) as typeof database.query,
          transaction: around(
            "transaction",
            database.transaction.bind(database),
          ) as typeof database.transaction,
        },
        blobs: { ...blobs, put: around("blob", blobs.put) },
        registry: {
          ...registry,
          create: around("create", registry.create),
          publish: around("publish", registry.publish),
        },
      },
      failed: () => failed,
    };
  }

  for (const when of ["before", "after"] as const) {
    for (const step of ["blob", "create"]) {
      test(`creating, ${when} ${step}`, async () => {
        const { parts, failed } = failing(step, when);
        const broken = await createDatanets(parts);
        const name = `Crash ${when} ${step}`;
        const before = await world.balance(treasuryAddress);
        await assert.rejects(broken.create(owner, { ...card, name }), /power cut/);
        assert.ok(failed());
        const made = await (await createDatanets(world)).create(owner, { ...card, name });
        assert.equal(made.name, name);
        assert.equal((await world.balance(treasuryAddress)) - before, registrationFeeWei, "paid once");
        const again = await broken.create(owner, { ...card, name });
        assert.deepEqual([again.datanetId, again.created], [made.datanetId, false]);
      });
    }

    for (const step of ["blob", "transaction"]) {
      test(`contributing, ${when} ${step}`, async () => {
        const { parts, failed } = failing(step, when);
        const broken = await createDatanets({ ...parts, database: world.database });
        const armed = step === "transaction" ? await createDatanets(world).then(() => parts) : undefined;
        const target = armed ? await armedService(armed) : broken;
        const text = lines(example(1), example(2));
        const input = await signed(world.registry, datanetId, ada, text);
        await assert.rejects(target.contribute(input), /power cut/);
        assert.ok(failed());
        const second = service.contribute({
          ...input,
          chunks: (await signed(world.registry, datanetId, ada, text)).chunks,
        });
        if (step === "transaction" && when === "after") {
          await assert.rejects(second, (error) => (error as DatanetError).code === "consent-replayed");
        } else await second;
        assert.equal((await service.get(datanetId)).trainRows, 2);
      });
    }

    for (const step of ["blob", "publish", "record"]) {
      test(`publishing, ${when} ${step}`, async () => {
        await give(ada, lines(example(1), example(2)));
        const { parts, failed } = failing(step, when);
        const broken = step === "record" ? await recordingService(parts) : await createDatanets(parts);
        await assert.rejects(broken.publishVersion(datanetId, owner), /power cut/);
        assert.ok(failed());
        const published = await (await createDatanets(world)).publishVersion(datanetId, owner);
        assert.deepEqual([published.version, published.count], [1, 2]);
        assert.equal(await versionsOnChain(), 1, "one version on chain");
        assert.equal((await service.getVersion(datanetId, 1)).rows.length, 2);
        assert.equal((await service.publishVersion(datanetId, owner)).created, false);
      });
    }
  }

  /** The service with a transaction that fails in the contribution, not while migrating. */
  async function armedService(parts: DatanetsDependencies): Promise<Datanets> {
    const database = { ...parts.database, migrate: world.database.migrate };
    return createDatanets({ ...parts, database });
  }

  /** Fails at the statement that records a version, and at no query before it. */
  async function recordingService(parts: DatanetsDependencies): Promise<Datanets> {
    const query = ((sql: string, params?: readonly unknown[]) =>
      (sql.includes("insert into datanets.versions") ? parts.database : world.database).query(
        sql,
        params,
      )) as typeof world.database.query;
    return createDatanets({ ...parts, database: { ...world.database, query } });
  }
});
