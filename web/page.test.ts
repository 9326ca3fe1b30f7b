import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { ago, count, money, prices, short, tone, words } from "./public/format.js";

const read = (name: string): string => readFileSync(new URL(`public/${name}`, import.meta.url), "utf8");

test("amounts of wei are written in OPEN, rounded down, with the exact amount beside", () => {
  assert.deepEqual(money("1000000000000000000000000000"), {
    amount: "1,000,000,000",
    unit: "OPEN",
    exact: "1,000,000,000,000,000,000,000,000,000 wei",
  });
  assert.equal(money("1999999999999999999").amount, "1.999999");
  assert.equal(money("1234567890123456").amount, "0.00123456");
  assert.equal(money("0").amount, "0");
  assert.deepEqual(money("999999"), { amount: "999,999", unit: "wei", exact: "999,999 wei" });
});

test("counts, hashes, ages and names are written for people", () => {
  assert.equal(count(1234567), "1,234,567");
  assert.equal(short("0x5fbdb2315678afecb367f032d93f642f64180aa3"), "0x5fbdb2…180aa3");
  assert.equal(short("7"), "7");
  assert.deepEqual([ago(300), ago(45_000), ago(300_000)], ["just now", "45 s ago", "5 min ago"]);
  assert.equal(words("completionTokens"), "completion tokens");
});

test("a price is one amount, several by name, or none", () => {
  assert.deepEqual(prices("25"), [{ wei: "25", label: "token" }]);
  assert.deepEqual(prices({ promptWei: "1", completionWei: 2, currency: "OPEN" }), [
    { wei: "1", label: "prompt" },
    { wei: "2", label: "completion" },
  ]);
  assert.deepEqual(prices(undefined), []);
});

test("a price's names lose their units", () => {
  assert.deepEqual(
    prices({ promptPerTokenWei: "1", completionWeiPerToken: "2" }).map(({ label }) => label),
    ["prompt", "completion"],
  );
});

test("a state is calm when final, loud when challenged", () => {
  assert.deepEqual(["final", "posted", "challenged", "reverted"].map(tone), ["", "wait", "bad", "bad"]);
});

test("the page needs nothing from elsewhere and nothing inline, so that a strict policy can hold", () => {
  const page = read("index.html");
  assert.doesNotMatch(page, /https?:\/\//);
  assert.doesNotMatch(page, /<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=/i);
  assert.doesNotMatch(
    `${read("style.css")}${read("status.js")}`,
    /https?:\/\/|@import|innerHTML\s*=|\beval\b/,
  );
});

test("every place that the script draws into is on the page", () => {
  const page = read("index.html");
  const script = read("status.js");
  const ids = [
    ...script.matchAll(/byId\("(\w+)"\)/g),
    ...script.matchAll(/^ {2}(\w+)(?:\(\{|\(status\)|: \(\{)/gm),
  ].map(([, id]) => id);
  assert.ok(ids.length >= 10);
  for (const id of ids) assert.match(page, new RegExp(`id="${id}"`), `no element has the id ${id}`);
});
