import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { chooseServer, preferenceOf } from "./pool-routing.ts";

const names = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 12 }), { minLength: 2, maxLength: 12 });

test("a server that goes takes no adapter from another", () => {
  fc.assert(
    fc.property(fc.string(), names, fc.nat(11), (key, servers, at) => {
      const gone = servers[at % servers.length] as string;
      const before = preferenceOf(key, servers);
      assert.deepEqual(new Set(before), new Set(servers));
      assert.deepEqual(
        preferenceOf(
          key,
          servers.toReversed().filter((name) => name !== gone),
        ),
        before.filter((name) => name !== gone),
      );
    }),
  );
});

test("adapters are spread evenly", () => {
  const servers = ["http://a", "http://b", "http://c", "http://d"];
  const counts = new Map(servers.map((name) => [name, 0]));
  for (let adapter = 0; adapter < 4_000; adapter++) {
    const own = preferenceOf(`0x${adapter.toString(16).padStart(64, "0")}`, servers)[0] as string;
    counts.set(own, (counts.get(own) as number) + 1);
  }
  for (const count of counts.values()) assert.ok(Math.abs(count - 1_000) < 120, `${[...counts.values()]}`);
});

test("nobody is chosen without room, and nobody far busier than another", () => {
  const server = fc.record({ running: fc.nat(20), free: fc.boolean() });
  fc.assert(
    fc.property(
      fc.array(server, { minLength: 1, maxLength: 8 }),
      fc.option(fc.string(), { nil: undefined }),
      fc.integer({ min: 1, max: 8 }),
      (states, adapter, spill) => {
        const servers = states.map((state, i) => ({ name: `s${i}`, ...state }));
        const chosen = chooseServer(servers, adapter, spill);
        const free = servers.filter((s) => s.free);
        assert.equal(chosen === undefined, free.length === 0);
        if (chosen === undefined) return;
        assert.ok(chosen.free);
        const least = Math.min(...free.map(({ running }) => running));
        if (adapter === undefined) assert.equal(chosen.running, least);
        assert.ok(chosen.running - least < spill);
        const own = preferenceOf(
          adapter ?? "",
          servers.map(({ name }) => name),
        )[0];
        const mine = servers.find(({ name }) => name === own);
        if (adapter !== undefined && mine?.free && mine.running - least < spill) assert.equal(chosen, mine);
      },
    ),
  );
});
