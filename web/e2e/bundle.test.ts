import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { firstLoad, firstLoadKiB } from "./bundle.ts";

const kiBMax = 250_000 / 1024;

test("the first load is under 250 kB of compressed scripts", (t) => {
  for (const { file, gzip } of firstLoad().slice(0, 6))
    t.diagnostic(`${(gzip / 1024).toFixed(1).padStart(6)} KiB  ${file}`);
  t.diagnostic(`${firstLoadKiB().toFixed(1)} KiB of ${kiBMax.toFixed(1)}`);
  assert.ok(firstLoadKiB() < kiBMax);
});

test("what is built names no place elsewhere that a browser would fetch from", () => {
  const cwd = new URL("../dist/", import.meta.url);
  const page = readFileSync(new URL("index.html", cwd), "utf8");
  assert.doesNotMatch(page, /https?:\/\//);
  assert.doesNotMatch(page, /<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=/i);
  for (const name of globSync("**/*.css", { cwd }))
    assert.doesNotMatch(readFileSync(new URL(name, cwd), "utf8"), /@import|url\(\s*["']?https?:/);
});
