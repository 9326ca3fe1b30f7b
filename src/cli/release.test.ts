import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { textDigest, zeroDigest } from "../protocol/index.ts";
import { openRunning } from "./fixtures/running.ts";

const open = 10n ** 18n;
const running = await openRunning({}, true);
const { run, refused, call } = running;
after(() => running.close());

const releaseId = textDigest("released");

/** The node's developer publishes a release. */
before(async () => {
  const { network } = running.node;
  const { DatanetRegistry, ModelRegistry } = network.contracts;
  const owner = network.writer(network.accounts.developer);

  const args = [textDigest("card"), "CC0-1.0"] as const;
  await owner.write({ ...DatanetRegistry, functionName: "create", args, value: open });
  const version = [1n, textDigest("root"), 3, textDigest("CC0-1.0"), textDigest("consents")] as const;
  await owner.write({ ...DatanetRegistry, functionName: "publishVersion", args: version });
  await owner.write({ ...ModelRegistry, functionName: "register", args: ["judged"], value: open });
  const release = {
    releaseId,
    baseDigest: textDigest("base"),
    adapterDigest: textDigest("adapter"),
    indexRoot: textDigest("index"),
    indexRows: 10,
    contributorRows: 4,
    k: 16,
    thresholdMillionths: 1_000_000,
    parentRelease: zeroDigest,
    promptWeiPerToken: 1n,
    completionWeiPerToken: 2n,
    versions: [{ datanetId: 1n, version: 1n }],
  };
  await owner.write({ ...ModelRegistry, functionName: "publishRelease", args: [1n, release] });
});

test("a release's bond: shown, put up by its owner, kept while it may be chosen, and back after it is deprecated", async (t) => {
  await t.test("nothing stands behind a new release", async () => {
    const shown = await run("release", "show", releaseId);
    assert.deepEqual(
      [shown.outcome, shown.attested, shown.required, shown.bondWei, shown.round, shown.withdrawableAt],
      ["none", false, false, "0", null, null],
    );
    const { out } = await call(["release", "show", releaseId]);
    assert.match(out, /state +never judged/);
    assert.equal(shown.calibration, null);
    assert.match(out, /How right its scores are is not known here/);
    assert.match(out, /receipts +settled: this network does not ask for attestation/);
    assert.match(out, /→ \.\/openledger release bond 0x/);
  });

  await t.test("only its owner backs it, by default with what is missing", async () => {
    await run("wallet", "faucet", "100");
    const foreign = await refused(["release", "bond", releaseId], 1);
    assert.equal(foreign.code, "not-owner");
    const unbacked = await refused(["release", "judge", releaseId, "--developer"], 1);
    assert.equal(unbacked.code, "no-bond");
    const backed = await run("release", "bond", releaseId, "--developer");
    assert.deepEqual([backed.depositedWei, backed.bondWei], [open.toString(), open.toString()]);
    const enough = await refused(["release", "bond", releaseId, "--developer"], 1);
    assert.equal(enough.code, "has-bond");
    const more = await run("release", "bond", releaseId, "2", "--developer");
    assert.equal(more.bondWei, (3n * open).toString());
  });

  await t.test("without three validators nobody judges, and there is nothing to count", async () => {
    const few = await refused(["release", "judge", releaseId], 1);
    assert.deepEqual([few.code, few.expected, few.actual], ["too-few-judges", "3 at least", "0"]);
    assert.equal((await refused(["release", "count", releaseId], 1)).code, "wrong-outcome");
  });

  await t.test("the bond stays until long after the release is deprecated", async () => {
    const kept = await refused(["release", "withdraw", releaseId, "--developer"], 1);
    assert.equal(kept.code, "not-deprecated");
    const marked = await run("release", "deprecate", releaseId, "--developer");
    assert.equal(marked.deprecated, true);
    assert.ok(marked.withdrawableAt > marked.timestamp);
    const early = await refused(["release", "withdraw", releaseId, "--developer"], 1);
    assert.equal(early.code, "too-early");
    const undone = await run("release", "deprecate", releaseId, "--undo", "--developer");
    assert.equal(undone.withdrawableAt, null);
  });

  await t.test("bad input is refused in words", async () => {
    assert.equal((await refused(["release", "show", textDigest("nothing")], 1)).code, "unknown-release");
    assert.equal((await refused(["release", "show", "nobody"], 1)).code, "unknown-release");
    assert.equal((await call(["release", "show", "0x12"])).code, 2);
    assert.equal((await call(["release", "bond", releaseId, "0"])).code, 2);
  });
});
