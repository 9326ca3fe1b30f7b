import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import fc from "fast-check";
import { domain, hashConsent, signConsent } from "../protocol/index.ts";
import { DatanetError, type DatanetErrorCode } from "./errors.ts";
import {
  ada,
  bo,
  card,
  chunksOf,
  example,
  lines,
  openWorld,
  owner,
  signed,
  stranger,
  type World,
} from "./fixtures/world.ts";
import { createDatanets, type Datanets } from "./service.ts";

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

const refused = (code: DatanetErrorCode, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof DatanetError, String(error));
  assert.equal(error.code, code, error.message);
  assert.match(error.message, message);
  return true;
};

async function nothingStored(): Promise<void> {
  const rows = await world.database.query("select 1 from datanets.contributions where datanet_id = $1", [
    datanetId,
  ]);
  assert.deepEqual(rows, []);
}

describe("contributions", () => {
  test("keep where each row came from, and tell it", async () => {
    const source = { file: "mills.csv", line: 3, row: 2 };
    const text = lines({ example: { prompt: "The mill of", completion: " the source." }, source });
    const { contributionId } = await service.contribute(await signed(world.registry, datanetId, ada, text));
    assert.deepEqual((await service.getContribution(contributionId)).rows[0]?.source, source);
    // A row of the same upload is named by its place in its file.
    const twice = [4, 5].map((line) => ({ example: example(1), source: { file: "mills.csv", line } }));
    const { rows } = await give(ada, lines(...twice));
    assert.match(JSON.stringify(rows[1]?.reasons), /same example as mills\.csv:4 of this upload/);
  });

  test("are accepted without the contributor holding any OPEN", async () => {
    assert.equal(await world.balance(ada.address), 0n);
    const report = await give(ada, lines(example(1), example(2)));
    assert.deepEqual(
      report.rows.map(({ line, status }) => [line, status]),
      [
        [1, "accepted"],
        [2, "accepted"],
      ],
    );
    assert.deepEqual([report.accepted, report.duplicates, report.split], [2, 0, "train"]);
    assert.equal(report.contributor, ada.address.toLowerCase());
    assert.deepEqual(await service.getContribution(report.contributionId), report);
    const found = await service.get(datanetId);
    assert.deepEqual([found.trainRows, found.heldoutRows, found.contributors], [2, 0, 1]);
  });

  test("are reported a page at a time, whatever their length", async () => {
    const report = await give(ada, lines(...Array.from({ length: 101 }, (_, n) => example(n))));
    assert.deepEqual([report.exampleCount, report.accepted, report.rows.length], [101, 101, 100]);
    const { rows } = await service.getContribution(report.contributionId, { offset: 100, limit: 500 });
    assert.deepEqual(
      rows.map(({ line }) => line),
      [101],
    );
  });

  test("name every duplicate: within the upload, of the same contributor, of another, across splits and key order", async () => {
    const first = await give(ada, `${lines(example(1))}\n${lines(example(2), example(1))}`);
    const { reasons, ...repeated } = first.rows[2]!;
    assert.deepEqual(repeated, {
      line: 4,
      digest: first.rows[0]!.digest,
      status: "duplicate",
      duplicateOf: { contributionId: first.contributionId, contributor: ada.address.toLowerCase(), line: 1 },
    });
    assert.equal(
      reasons.find(({ check }) => check === "duplicate")?.message,
      "It is the same example as row 1 of this upload.",
    );
    const again = await give(ada, lines(example(2)));
    assert.deepEqual([again.accepted, again.duplicates], [0, 1]);
    const other = await give(
      bo,
      `{ "completion": " 2+1.", "prompt": "The number after 2 is" }\n${lines(example(3))}`,
      {
        split: "heldout",
      },
    );
    assert.deepEqual(
      other.rows.map((row) => ("duplicateOf" in row ? row.duplicateOf : row.status)),
      [{ contributionId: first.contributionId, contributor: ada.address.toLowerCase(), line: 3 }, "accepted"],
    );
    const third = await give(ada, lines(example(3)));
    assert.equal(third.duplicates, 1);
    assert.equal((await give(stranger, lines(example(3)))).duplicates, 1);
    const found = await service.get(datanetId);
    assert.deepEqual(
      [found.trainRows, found.heldoutRows, found.contributors],
      [2, 1, 2],
      "who gave nothing that counts is no contributor",
    );
  });

  test("are checked against their own Datanet only", async () => {
    await give(ada, lines(example(1)));
    datanetId = (await service.create(owner, { ...card, name: `Other ${count++}` })).datanetId;
    assert.equal((await give(ada, lines(example(1)))).accepted, 1);
  });

  test("of any rows are reported in full: one accepted row for each distinct example, whatever the uploads", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 1, maxLength: 6 }), {
          minLength: 1,
          maxLength: 4,
        }),
        async (uploads) => {
          datanetId = (await service.create(owner, { ...card, name: `Any ${count++}` })).datanetId;
          const seen = new Set<number>();
          for (const [at, numbers] of uploads.entries()) {
            const report = await give(at % 2 === 0 ? ada : bo, lines(...numbers.map(example)));
            assert.deepEqual(
              report.rows.map(({ status }) => status),
              numbers.map((n) => {
                const status = seen.has(n) ? "duplicate" : "accepted";
                seen.add(n);
                return status;
              }),
            );
          }
          assert.equal((await service.get(datanetId)).trainRows, seen.size);
        },
      ),
      { numRuns: 8 },
    );
  });

  test("sent at the same time are each complete, and one of two equal rows is accepted", async () => {
    const inputs = await Promise.all(
      [ada, bo].map((who) => signed(world.registry, datanetId, who, lines(example(1), example(2)))),
    );
    const reports = await Promise.all(inputs.map((input) => service.contribute(input)));
    assert.deepEqual(reports.map(({ accepted }) => accepted).sort(), [0, 2]);
  });

  test("that are malformed leave nothing, and the consent can be used for the mended text", async () => {
    const good = lines(example(1), example(2));
    const input = await signed(world.registry, datanetId, ada, good);
    const blobs = () => readdirSync(join(world.folder, "blobs"), { recursive: true }).length;
    const before = blobs();
    await assert.rejects(
      service.contribute({ ...input, chunks: chunksOf(`${lines(example(1))}{"prompt":}`) }),
      refused("malformed-upload", /^Line 2, column 11: expected a value, found "}"/),
    );
    await nothingStored();
    assert.equal(blobs(), before);
    assert.equal((await service.contribute({ ...input, chunks: chunksOf(good) })).accepted, 2);
  });

  test("that arrive slowly hold nobody up: another is taken meanwhile, and the owner sets who may read", async () => {
    let finish = () => {};
    const finished = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const slow = await signed(world.registry, datanetId, ada, lines(example("slow")));
    const taken = service.contribute({
      ...slow,
      chunks: (async function* () {
        await finished;
        yield* chunksOf(slow.text);
      })(),
    });
    try {
      const quick = service.contribute(await signed(world.registry, datanetId, bo, lines(example("quick"))));
      const late = new Promise<never>((_, reject) => {
        setTimeout(() => reject(new Error("it waits for who sends slowly")), 5_000).unref();
      });
      assert.equal((await Promise.race([quick, late])).accepted, 1);
      await Promise.race([service.access.setRule(datanetId, { kind: "public" }), late]);
    } finally {
      finish();
    }
    assert.equal((await taken).accepted, 1);
  });

  test("of the valley are all accepted: five contributors of 140 rows and 700 held-out rows", async () => {
    const file = (name: string) =>
      readFileSync(new URL(`../../examples/valley/${name}.jsonl`, import.meta.url), "utf8");
    for (let n = 1; n <= 5; n++) {
      const report = await give(n % 2 === 0 ? ada : bo, file(`contributor-${n}`));
      assert.deepEqual([report.accepted, report.duplicates], [140, 0]);
    }
    assert.equal((await give(ada, file("heldout"), { split: "heldout" })).accepted, 700);
    const found = await service.get(datanetId);
    assert.deepEqual([found.trainRows, found.heldoutRows], [700, 700]);
  });

  test("preview says the same and stores nothing", async () => {
    await give(ada, lines(example(1)));
    const text = lines(example(1), example(2), example(2));
    const seen = await service.preview(datanetId, chunksOf(text));
    assert.deepEqual(
      seen.rows.map(({ duplicate }) => duplicate),
      [true, false, true],
    );
    const input = await signed(world.registry, datanetId, bo, text);
    assert.deepEqual(
      [seen.examplesDigest, seen.exampleCount, seen.license],
      [input.consent.examplesDigest, 3, "CC0-1.0"],
    );
    assert.equal((await service.contribute(input)).accepted, 1);
  });
});

describe("consent", () => {
  const text = lines(example(1), example(2));
  const forged = /was signed by 0x[0-9a-f]{40}.*Sign exactly these fields/;

  test("by somebody else is refused", async () => {
    await assert.rejects(give(ada, text, { signer: bo }), refused("consent-forged", forged));
    await nothingStored();
  });

  const changed: [string, (input: Awaited<ReturnType<typeof signed>>) => Partial<typeof input.consent>][] = [
    ["another contributor", () => ({ contributor: bo.address })],
    ["a later time", ({ consent }) => ({ signedAt: consent.signedAt + 1n })],
    ["fewer examples", () => ({ exampleCount: 1 })],
    ["other examples", () => ({ examplesDigest: `0x${"11".repeat(32)}` })],
  ];
  for (const [name, change] of changed) {
    test(`changed after signing is refused: ${name}`, async () => {
      const input = await signed(world.registry, datanetId, ada, text);
      await assert.rejects(
        service.contribute({ ...input, consent: { ...input.consent, ...change(input) } }),
        refused("consent-forged", forged),
      );
      await nothingStored();
    });
  }

  test("signed for another chain, another contract or another Datanet is refused", async () => {
    const input = await signed(world.registry, datanetId, ada, text);
    for (const elsewhere of [
      domain(1, world.registry.domain.verifyingContract),
      domain(world.registry.domain.chainId, stranger.address),
    ]) {
      const signature = await signConsent(elsewhere, input.consent, ada);
      await assert.rejects(service.contribute({ ...input, signature }), refused("consent-forged", forged));
    }
    const other = (await service.create(owner, { ...card, name: `Next ${count++}` })).datanetId;
    await assert.rejects(
      service.contribute({ ...input, consent: { ...input.consent, datanetId: other } }),
      refused("consent-forged", forged),
    );
  });

  test("that is no signature, or the other one of its pair, is refused", async () => {
    const input = await signed(world.registry, datanetId, ada, text);
    const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
    const s = order - BigInt(`0x${input.signature.slice(66, 130)}`);
    const twin = `${input.signature.slice(0, 66)}${s.toString(16).padStart(64, "0")}${input.signature.endsWith("1b") ? "1c" : "1b"}`;
    for (const signature of [
      "0x",
      `0x${"00".repeat(64)}1b`,
      twin,
      `${input.signature}00`,
    ] as `0x${string}`[]) {
      await assert.rejects(
        service.contribute({ ...input, signature }),
        refused("consent-forged", /signature/),
      );
    }
    await nothingStored();
  });

  test("that is valid but does not fit the upload is refused", async () => {
    const input = await signed(world.registry, datanetId, ada, text);
    for (const sent of [
      lines(example(1)),
      lines(example(2), example(1)),
      lines(example(1), example(2), example(3)),
    ]) {
      await assert.rejects(
        service.contribute({ ...input, chunks: chunksOf(sent) }),
        refused("consent-mismatch", /covers 2 examples.*the upload holds/),
      );
    }
    const miscounted = await signed(world.registry, datanetId, ada, text, { changes: { exampleCount: 3 } });
    await assert.rejects(service.contribute(miscounted), refused("consent-mismatch", /covers 3 examples/));
    await nothingStored();
  });

  test("to another licence than the Datanet's is refused", async () => {
    const input = await signed(world.registry, datanetId, ada, text, { changes: { license: "CC-BY-4.0" } });
    await assert.rejects(
      service.contribute(input),
      refused("consent-mismatch", /for licence "CC-BY-4.0".*carries "CC0-1.0"/),
    );
  });

  test("from the future is refused", async () => {
    const changes = { signedAt: BigInt(Math.floor(Date.now() / 1000)) + 3_600n };
    const input = await signed(world.registry, datanetId, ada, text, { changes });
    await assert.rejects(service.contribute(input), refused("consent-mismatch", /Set the clock/));
  });

  test("is used once: a replay names the first contribution", async () => {
    const input = await signed(world.registry, datanetId, ada, text);
    const report = await service.contribute(input);
    await assert.rejects(service.contribute({ ...input, chunks: chunksOf(text) }), (error) => {
      assert.ok(refused("consent-replayed", /has been used/)(error));
      assert.deepEqual((error as DatanetError).details, { contributionId: report.contributionId });
      return true;
    });
    const parallel = await signed(world.registry, datanetId, bo, lines(example(7)));
    const results = await Promise.allSettled(
      [1, 2, 3].map(() => service.contribute({ ...parallel, chunks: chunksOf(parallel.text) })),
    );
    assert.equal(results.filter(({ status }) => status === "fulfilled").length, 1);
  });

  test("the digest recorded is the one the contract computes, and the contract accepts the signature", async () => {
    const input = await signed(world.registry, datanetId, ada, text);
    const report = await service.contribute(input);
    assert.equal(report.consentDigest, hashConsent(input.consent));
    const { datanetRegistryAbi } = await import("../chain/contracts/index.ts");
    const contract = { address: world.registryAddress, abi: datanetRegistryAbi } as const;
    const { consent, signature } = input;
    assert.equal(
      await world.reader.readContract({ ...contract, functionName: "hashConsent", args: [consent] }),
      report.consentDigest,
    );
    assert.equal(
      await world.reader.readContract({
        ...contract,
        functionName: "verifyConsent",
        args: [consent, signature],
      }),
      true,
    );
  });

  test("to a Datanet that is not here is refused", async () => {
    const input = await signed(world.registry, 999_999n, ada, text);
    await assert.rejects(service.contribute(input), refused("unknown-datanet", /no Datanet 999999/));
  });
});
