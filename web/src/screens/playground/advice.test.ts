import assert from "node:assert/strict";
import { test } from "node:test";
import { OpenLedgerError } from "../../../../client/src/index.ts";
import { adviceFor } from "./advice.ts";

test("who cannot pay is led to paying, who is one too many waits as long as the node says", () => {
  assert.equal(adviceFor(new OpenLedgerError(402, "no_payment", "")).step, "pay");
  assert.match(adviceFor(new OpenLedgerError(402, "overspent", "")).title, /used up/);
  assert.match(adviceFor(new OpenLedgerError(402, "unknown_key", "")).title, /does not know/);
  for (const code of ["revoked_key", "signer_changed"])
    assert.partialDeepStrictEqual(adviceFor(new OpenLedgerError(402, code, "")), {
      title: "This API key was revoked: it buys nothing more. Make another.",
      detail: false,
    });
  const busy = adviceFor(new OpenLedgerError(429, "busy", "", { retryAfterMs: 7_000 }));
  assert.deepEqual([busy.step, busy.waitMs], ["wait", 7_000]);
  assert.equal(adviceFor(new Error("broke off")).step, "again");
  assert.equal(adviceFor("anything").step, "again");
});
