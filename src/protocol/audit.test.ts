/** An audit file of a real answer, altered anywhere: what was altered is named, or nothing that it says has changed. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { ZodError } from "zod";
import { type AuditJson, parseAudit, verifyAudit } from "./index.ts";

/** As a node wrote them (`src/inference/fixtures/write-audits.ts`): one that pays contributors, one whose payer opted out. */
const audits = JSON.parse(
  readFileSync(new URL("fixtures/audits.json", import.meta.url), "utf8"),
) as AuditJson[];
const files = audits.map((audit) => new TextEncoder().encode(JSON.stringify(audit)));

/** Which check must fail when this part of a file says something else; null: only a chain can tell. */
function culprit(path: readonly (string | number)[]): string | null {
  const [part, member] = path;
  if (part === "bundle") {
    if (member === "receipt" || member === "signature") return "signature";
    if (member === "query") return "query";
    if (member === "scores") return "scores-digest";
    if (member === "payments") return "split-digest";
    return path[2] === "payees" && path[3] === "operator" ? "signature" : null;
  }
  return {
    domain: "signature",
    manifest: "release",
    index: "index",
    request: "request",
    response: "response",
  }[String(part)] as string;
}

/** Where two values differ first. */
function difference(a: unknown, b: unknown, path: (string | number)[] = []): (string | number)[] {
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return path;
  for (const key of Object.keys(a)) {
    const [one, other] = [a, b].map((of) => (of as Record<string, unknown>)[key]);
    if (!isDeepStrictEqual(one, other)) return difference(one, other, [...path, key]);
  }
  return path;
}

/** −0 is 0 in every digest, and JSON writes it so. */
const said = (json: unknown) => JSON.parse(JSON.stringify(json)) as unknown;

async function assertNamed(honest: Uint8Array, altered: Uint8Array): Promise<string> {
  let json: unknown;
  try {
    json = parseAudit(altered);
  } catch (error) {
    assert.ok(error instanceof SyntaxError || error instanceof TypeError);
    return "not JSON";
  }
  const before = parseAudit(honest) as AuditJson;
  if (isDeepStrictEqual(said(json), before)) return "says the same";
  let checks: Awaited<ReturnType<typeof verifyAudit>>;
  try {
    checks = await verifyAudit(json);
  } catch (error) {
    assert.ok(error instanceof ZodError && error.issues[0] !== undefined, String(error));
    return "not an audit";
  }
  const path = difference(before, json);
  const expected = culprit(path);
  const failed = checks.filter(({ status }) => status === "failed").map(({ name }) => name);
  if (expected !== null) {
    assert.ok(
      failed.includes(expected as never),
      `${path.join(".")}: ${expected} must fail; failed: ${failed}`,
    );
    return expected;
  }
  // Terms: what a payment shows fails with the payments; the rest is said to be unchecked, before and after.
  const terms = checks.find(({ name }) => name === "terms");
  assert.ok(
    failed.includes("payments") || terms?.status === "unchecked",
    `${path.join(".")}: nobody notices`,
  );
  return failed.includes("payments") ? "payments" : "left to the chain";
}

test("the file as it is passes, and only what the payments do not show is left to the chain", async () => {
  for (const [at, file] of files.entries()) {
    const checks = await verifyAudit(parseAudit(file));
    const open = checks.filter(({ status }) => status !== "passed");
    assert.deepEqual(
      open.map(({ name, status, expected }) => [name, status, expected]),
      at === 0 ? [["terms", "unchecked", "the chain's word on the pool of Datanet 1"]] : [],
    );
  }
});

test("every byte of the receipt, its signature, the query, the scores and the payments is covered", async () => {
  for (const file of files) {
    const text = new TextDecoder().decode(file);
    const end = text.indexOf('"terms"');
    const outcomes = new Set<string>();
    for (let at = text.indexOf('"bundle"'); at < end; at += 4) {
      const altered = file.slice();
      // Another digit for a digit, another letter for a letter: most of these are still an audit.
      const byte = altered[at]!;
      altered[at] = byte === 0x39 ? 0x38 : byte === 0x66 ? 0x65 : byte + 1;
      outcomes.add(await assertNamed(file, altered));
    }
    for (const name of ["signature", "query"]) assert.ok(file !== files[0] || outcomes.has(name), name);
    assert.ok(!outcomes.has("says the same"));
  }
});

test("a byte replaced, taken out or put in anywhere is noticed, and what it belongs to is named", async () => {
  const outcomes = new Map<string, number>();
  const change = fc.record({
    file: fc.constantFrom(0, 1),
    place: fc.nat(1 << 30),
    kind: fc.constantFrom("replace", "replace", "replace", "remove", "insert"),
    byte: fc.oneof(
      fc.integer({ min: 0, max: 255 }),
      fc.constantFrom(...[...'0123456789abcdefABCDEF \t"-.eE'].map((c) => c.charCodeAt(0))),
    ),
  });
  await fc.assert(
    fc.asyncProperty(change, async ({ file: which, place, kind, byte }) => {
      const file = files[which]!;
      const at = place % file.length;
      if (kind === "replace" && file[at] === byte) return;
      const rest = file.subarray(kind === "insert" ? at : at + 1);
      const altered = new Uint8Array([
        ...file.subarray(0, at),
        ...(kind === "remove" ? [] : [byte]),
        ...rest,
      ]);
      const outcome = await assertNamed(file, altered);
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }),
    { numRuns: 1_000 },
  );
  for (const name of ["not JSON", "not an audit", "index", "release", "request"])
    assert.ok((outcomes.get(name) ?? 0) > 0, `${name} in ${JSON.stringify([...outcomes])}`);
});
