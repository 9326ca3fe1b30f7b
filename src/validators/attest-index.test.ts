import assert from "node:assert/strict";
import { before, test } from "node:test";
import { type Basis, decodeBasis, encodeBasis, explainHeaderBytes } from "../attribution/index.ts";
import { decodeRow } from "../protocol/index.ts";
import { createAttester, type IndexAttestation } from "./attest-index.ts";
import { type ExplainBlob, explainBlob } from "./explain-blob.ts";
import { type IndexRelease, makeIndexRelease, withIndex } from "./fixtures/index-release.ts";
import type { IndexMaterial } from "./index-claims.ts";
import { isProjectionOf } from "./projection.ts";

const seed = `0x${"5e".repeat(32)}` as const;
let release: IndexRelease;
let honest: IndexAttestation;
let attest: (material: IndexMaterial, by?: typeof seed) => Promise<IndexAttestation>;
let rows: Int16Array[];
let basis: Basis;

before(async () => {
  release = await makeIndexRelease();
  const attester = createAttester(release.base);
  attest = (material, by = seed) => attester(material, { seed: by });
  honest = await attest(release.material);
  rows = release.material.index.map(({ bytes }) => Int16Array.from(decodeRow(bytes)));
  basis = decodeBasis(release.material.files.basis);
});

/** What fails, and what is said of it. */
const failed = ({ checks }: IndexAttestation) =>
  checks.filter(({ status }) => status === "failed").map(({ name, found }) => ({ name, found: found ?? [] }));
const faults = async (material: IndexMaterial) => failed(await attest(material));
const scaled = (row: Int16Array | undefined, by: number) =>
  (row as Int16Array).map((x) => Math.round(x * by));
/** Rows of half the numbers, each worth twice as much: room for a liar. */
const halved = () => rows.map((row) => scaled(row, 0.5));
const doubled = { scale: () => String(2 * Number(release.material.manifest.index.scale)) };
const lied = (change: (rows: Int16Array[]) => void): IndexMaterial => {
  const changed = halved();
  change(changed);
  return withIndex(release.material, { rows: changed, told: { scale: doubled.scale() } });
};
const name = (row: number) => `row ${row} of contributor ${release.payees[row]}`;

test("an honest index is made again bit for bit; each checker draws its own examples and shows its own witness", async () => {
  assert.deepEqual(failed(honest), []);
  assert.ok(honest.checks.every(({ status }) => status === "passed"));
  assert.equal(honest.identical, true);
  assert.equal(honest.examples.length, 29, "all but the near duplicate, where there are fewer than 64");
  const again = await attest(release.material);
  assert.deepEqual(again.witness, honest.witness);
  const other = await attest(release.material, `0x${"5f".repeat(32)}`);
  assert.deepEqual(failed(other), []);
  const { bytesDigest, toHex } = await import("../protocol/index.ts");
  const shown = toHex(honest.witness);
  assert.ok(isProjectionOf(shown, bytesDigest(honest.witness), again.witness));
  assert.ok(!isProjectionOf(shown, bytesDigest(honest.witness), other.witness));
});

/** Lengths to two places: recomputed rows are compared in a frame that holds them within rounding only. */
const toTwoPlaces = (found: readonly string[]) =>
  found.map((what) => what.replace(/\d+\.\d{3}(?= times)/, (length) => Number(length).toFixed(2)));

test("rounding to half the steps is no lie", async () => {
  const found = await attest(lied(() => {}));
  assert.deepEqual(failed(found), []);
  assert.equal(found.identical, false);
});

test("an inflated row, and one that is another's, are named", async () => {
  const [longer = assert.fail(), ...none] = await faults(
    lied((all) => {
      all[1] = scaled(all[1], 2);
    }),
  );
  assert.deepEqual(none, []);
  assert.equal(longer.name, "rows");
  assert.deepEqual(toTwoPlaces(longer.found), [`${name(1)} is 2.00 times as long as recomputed`]);
  const [{ name: check, found } = assert.fail()] = await faults(
    lied((all) => {
      all.splice(0, 2, all[1] as Int16Array, all[0] as Int16Array);
    }),
  );
  assert.equal(check, "rows");
  assert.deepEqual([...found].sort(), [
    `${name(0)} is what ${name(1)} must be`,
    `${name(1)} is what ${name(0)} must be`,
  ]);
  const [small = assert.fail()] = await faults(
    lied((all) => {
      all[2] = scaled(all[2], 1.02);
    }),
  );
  assert.equal(small.name, "rows");
  assert.match(small.found.join(), new RegExp(`^${name(2)} is 1\\.0(19|2\\d) times as long as recomputed$`));
});

test("false null rows are named: longer, shorter, another's, too few", async () => {
  const at = (n: number) => release.payees.length + n;
  const [only = assert.fail(), ...more] = await faults(
    lied((all) => {
      all[at(7)] = scaled(all[at(7)], 1.5);
      all[at(8)] = scaled(all[at(8)], 0.25);
      all[at(9)] = all[at(10)] as Int16Array;
      all[at(11)] = all[0] as Int16Array;
    }),
  );
  assert.deepEqual(more, []);
  assert.equal(only.name, "null rows");
  assert.deepEqual(toTwoPlaces(only.found).sort(), [
    `null row 11 is what ${name(0)} must be`,
    "null row 7 is 1.50 times as long as recomputed",
    "null row 8 is 0.25 times as long as recomputed",
    "null row 9 is what null row 10 must be",
  ]);
  const few = { ...release.material, index: release.material.index.slice(0, at(100)) };
  const [method] = await faults(withIndex(few, { told: { nullRows: 100 } }));
  assert.deepEqual(method, { name: "method", found: ["there are 100 null rows, 199 are needed"] });
});

test("a row of the data that counts for another contributor is named, by both", async () => {
  const { material } = await makeIndexRelease({
    contributorOf: (whose) => whose.map((contributor, row) => (row === 3 ? 2 : contributor)),
  });
  const [only = assert.fail(), nulls = assert.fail()] = await faults(material);
  // Null rows have as many examples as the contributors they stand for: those of a false count follow the lie.
  assert.deepEqual([only.name, nulls.name], ["rows", "null rows"]);
  const [from, to] = [0, 2].map((c) => `of contributor ${release.contributors[c]}`) as [string, string];
  for (const whose of [from, to])
    assert.ok(
      only.found.some((what) => what.includes(whose)),
      only.found.join("\n"),
    );
});

test("merged clusters and split ones are named, where everything else follows from them", async () => {
  const merged = await makeIndexRelease({
    representatives: ({ representatives }) => representatives.map((at, i) => (i === 12 ? 0 : at)),
  });
  assert.deepEqual(await faults(merged.material), [
    {
      name: "clusters",
      found: [
        `row 12 of ${release.contributors[1]} is left out as a copy of row 0 of ${release.contributors[0]}; recomputed, it repeats nothing`,
      ],
    },
  ]);
  const split = await makeIndexRelease({
    representatives: ({ representatives }) => representatives.map((_, i) => i),
  });
  assert.deepEqual(await faults(split.material), [
    {
      name: "clusters",
      found: [
        `row 29 of ${release.contributors[2]} stands for itself; recomputed, it repeats row 9 of ${release.contributors[0]}`,
      ],
    },
  ]);
  const list = { files: { clusters: new TextEncoder().encode('{"clusters":[[1,1]]}') } };
  const [unreadable] = await faults(withIndex(release.material, list));
  assert.match(unreadable?.found[0] ?? "", /names row 1 twice/);
});

test("another c is named, and other rates of false discovery", async () => {
  const { thresholdMillionths } = release.material.manifest.index;
  const told = { thresholdMillionths: Math.round(thresholdMillionths * 0.9) };
  assert.deepEqual(
    (await attest(withIndex(release.material, { told }))).checks.filter(({ status }) => status === "failed"),
    [
      {
        name: "threshold",
        status: "failed",
        expected: `c = ${(thresholdMillionths / 1e6).toFixed(6)}`,
        actual: `c = ${(told.thresholdMillionths / 1e6).toFixed(6)}`,
      },
    ],
  );
});

test("a basis that leaves out a direction, or points elsewhere, is named", async () => {
  const without = (k: number) => ({
    ...basis,
    values: basis.values.map((x, i) => (i < k * basis.metric.length ? 0 : x)),
  });
  const [only = assert.fail(), ...more] = await faults(
    withIndex(release.material, { files: { basis: encodeBasis(without(1)) } }),
  );
  assert.deepEqual([only.name, more], ["directions", []]);
  assert.match(only.found[0] ?? "", /^the basis cannot say [0-9.]+ % of the length of /);
  // One direction becomes one that no row has any part in, and the first row claims a part.
  const width = basis.metric.length;
  const last = basis.k - 1;
  const turned = basis.values.map((x, i) =>
    i < last * width ? x : (((i * 2_654_435_761) >>> 0) % 255) - 127,
  );
  const scales = basis.scales.map((x, i) => (i === last ? 1 / (73 * Math.sqrt(width)) : x));
  const changed = rows.map((row, i) => (i === 0 ? row.with(last, 20_000) : row));
  const elsewhere = await faults(
    withIndex(release.material, {
      rows: changed,
      files: { basis: encodeBasis({ ...basis, scales, values: turned }) },
    }),
  );
  assert.ok(
    elsewhere.some(
      ({ name: check, found }) =>
        check === "directions" && found.some((what) => what.startsWith(`${name(0)} reaches`)),
    ),
    JSON.stringify(elsewhere),
  );
});

test("a metric that no optimizer leaves, and rows of the explain index that are not as recomputed, are named", async () => {
  const metric = basis.metric.map((x, i) => (i === 5 ? 10 * x : x));
  const names = (
    await faults(withIndex(release.material, { files: { basis: encodeBasis({ ...basis, metric }) } }))
  ).map(({ name: check }) => check);
  assert.ok(names.includes("metric"), names.join());
  const published = release.material.files.explain as ExplainBlob;
  const explain = published.read(0, published.length);
  const view = new DataView(explain.buffer);
  const rowBytes = view.getUint32(24, true);
  const scaleAt = (row: number) => explainHeaderBytes + row * rowBytes;
  view.setFloat32(scaleAt(4), 3 * view.getFloat32(scaleAt(4), true), true);
  explain.copyWithin(scaleAt(6), scaleAt(7), scaleAt(8));
  const [only = assert.fail(), ...more] = await faults(
    withIndex(release.material, { files: { explain: explainBlob(explain) } }),
  );
  assert.deepEqual([only.name, more], ["examples", []]);
  assert.equal(only.found[0], "the explain index's row 4 is 3.000 times as long as recomputed");
  assert.match(
    only.found[1] ?? "",
    /^the explain index's row 6 points elsewhere: its cosine with the recomputed one is /,
  );
});

test("what no index can be made from is said, not thrown", async () => {
  const metric = basis.metric.map((x, i) => (i === 5 ? Number.NaN : x));
  const found = await attest(
    withIndex(release.material, { files: { basis: encodeBasis({ ...basis, metric }) } }),
  );
  assert.deepEqual([found.identical, found.witness.length], [null, 0]);
  assert.ok(
    failed(found).some(({ name: check }) => check === "rows"),
    JSON.stringify(failed(found)),
  );
});

test("without the right data, files or rows nothing is computed, and what is missing is said", async () => {
  const other = await makeIndexRelease({}, 6);
  const { material } = release;
  for (const [what, change, check] of [
    ["data", { versions: other.material.versions }, "data"],
    ["no data", { versions: [new Error("It is not in the file.")] }, "data"],
    ["adapter", { files: { ...material.files, adapter: other.material.files.adapter } }, "files"],
    ["basis", { files: { ...material.files, basis: new Uint8Array(40) } }, "files"],
    ["rows", { index: other.material.index }, "root"],
    ["fewer rows", { index: material.index.slice(1) }, "root"],
    ["version on chain", { registered: other.material.registered }, "held-out"],
    [
      "release on chain",
      { registered: { expected: "c 1", actual: "c 2", versions: [], attested: false } },
      "registry",
    ],
  ] as const) {
    const found = await attest({ ...material, ...change });
    assert.ok(
      found.checks.some(({ name: of, status }) => of === check && status === "failed"),
      what,
    );
    if (check !== "held-out" && check !== "registry")
      assert.deepEqual([found.identical, found.witness.length], [null, 0], what);
  }
});
