import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { DatanetError } from "./errors.ts";
import { mixLicenses, sourceConflicts } from "./license-mix.ts";
import { licenses, termsOf } from "./licenses.ts";

const kinds = (source: string, datanet: string) => sourceConflicts(source, datanet).map(({ kind }) => kind);

test("what a source asks is kept by the Datanet's licence, or named", () => {
  assert.deepEqual(kinds("CC0-1.0", "CC-BY-NC-SA-4.0"), []);
  assert.deepEqual(kinds("CC-BY-4.0", "CC-BY-4.0"), []);
  assert.deepEqual(kinds("CC-BY-4.0", "CC0-1.0"), ["attribution"]);
  assert.deepEqual(kinds("CC-BY-SA-4.0", "CC-BY-4.0"), ["share-alike"]);
  assert.deepEqual(kinds("CC-BY-SA-3.0", "CC-BY-SA-4.0"), []);
  assert.deepEqual(kinds("CC-BY-SA-4.0", "CC-BY-SA-3.0"), ["share-alike"]);
  assert.deepEqual(kinds("CC-BY-NC-4.0", "CC0-1.0"), ["non-commercial", "attribution"]);
  assert.deepEqual(kinds("CC-BY-NC-SA-4.0", "CC-BY-SA-4.0"), ["share-alike", "non-commercial"]);
  assert.deepEqual(kinds("CC-BY-ND-4.0", "CC-BY-4.0"), ["no-derivatives"]);
  assert.deepEqual(kinds("CC-BY-NC-ND-2.5", "CC-BY-NC-4.0"), ["no-derivatives"]);
  assert.deepEqual(kinds("GPL-3.0", "AGPL-3.0-only"), []);
  assert.deepEqual(kinds("GPL-3.0+", "GPL-3.0-only"), []);
});

test("of alternatives what fits is taken, of parts each must", () => {
  assert.deepEqual(kinds("CC-BY-ND-4.0 OR CC0-1.0", "CC0-1.0"), []);
  assert.deepEqual(kinds("MIT AND CC-BY-SA-4.0", "MIT"), ["share-alike"]);
  assert.deepEqual(kinds("(MIT OR GPL-3.0-only WITH GCC-exception-3.1) AND CC0-1.0", "MIT"), []);
});

test("a licence nobody knows is refused by name, one whose terms are not known here is said to be", () => {
  for (const text of ["My own licence", "CC-BY", "", "MIT AND", "x".repeat(1_000)])
    assert.throws(
      () => sourceConflicts(text, "MIT"),
      (error) =>
        error instanceof DatanetError && error.code === "unknown-license" && /SPDX/.test(error.message),
    );
  assert.deepEqual(kinds("LicenseRef-ours", "MIT"), ["unknown-terms"]);
  assert.deepEqual(kinds("Glulxe", "MIT"), ["unknown-terms"]);
  assert.throws(() => mixLicenses(["MIT", "CC-BY-ND-4.0"]), /CC-BY-ND-4.0/);
});

test("a mix says what a release may do, and why not", () => {
  assert.deepEqual(mixLicenses(["CC0-1.0", "CC0-1.0"]), {
    licenses: ["CC0-1.0"],
    allowed: true,
    commercialUse: true,
    attribution: [],
    carry: null,
    conflicts: [],
  });
  const legal = mixLicenses(["CC-BY-4.0", "MIT", "CC-BY-SA-4.0"]);
  assert.deepEqual(
    [legal.allowed, legal.commercialUse, legal.attribution, legal.carry],
    [true, true, ["CC-BY-4.0", "MIT", "CC-BY-SA-4.0"], ["CC-BY-SA-4.0", "GPL-3.0-only"]],
  );
  assert.deepEqual(mixLicenses(["CC-BY-SA-3.0", "CC-BY-SA-4.0"]).carry, ["CC-BY-SA-4.0"]);
  const noncommercial = mixLicenses(["CC-BY-NC-4.0", "CC-BY-4.0"]);
  assert.deepEqual([noncommercial.allowed, noncommercial.commercialUse], [true, false]);
  assert.deepEqual(mixLicenses(["CC-BY-NC-SA-4.0", "CC-BY-NC-4.0"]).carry, ["CC-BY-NC-SA-4.0"]);
  const torn = mixLicenses(["CC-BY-SA-4.0", "ODbL-1.0"]);
  assert.equal(torn.allowed, false);
  assert.match(torn.conflicts[0]?.message ?? "", /CC-BY-SA-4.0 and ODbL-1.0 each ask/);
  assert.deepEqual(
    mixLicenses(["CC-BY-SA-4.0", "CC-BY-NC-4.0"]).conflicts.map(({ kind }) => kind),
    ["non-commercial"],
  );
});

test("the order of a mix changes nothing, and adding a licence never permits more", () => {
  const some = fc.subarray(
    licenses.map(({ id }) => id),
    { minLength: 1, maxLength: 5 },
  );
  fc.assert(
    fc.property(some, fc.constantFrom(...licenses.map(({ id }) => id)), (ids, more) => {
      const mix = mixLicenses(ids);
      const turned = mixLicenses([...ids].reverse());
      assert.deepEqual([mix.allowed, mix.commercialUse], [turned.allowed, turned.commercialUse]);
      assert.deepEqual(new Set(mix.carry), new Set(turned.carry));
      const larger = mixLicenses([...ids, more]);
      assert.ok(mix.allowed || !larger.allowed);
      assert.ok(mix.commercialUse || !larger.commercialUse);
      // A release may carry only what each of its share-alike licences would let a source go on under.
      for (const carried of mix.carry ?? [])
        if (licenses.some(({ id }) => id === carried))
          for (const id of ids)
            if (termsOf(id)?.shareAlike) assert.ok(!kinds(id, carried).includes("share-alike"));
    }),
  );
});
