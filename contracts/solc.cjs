#!/usr/bin/env node
// Lets forge use npm's solc (WebAssembly, the same on every machine) as if it were the native compiler: forge asks for
// --version once and then sends standard JSON on the standard input.
const { readFileSync, writeSync } = require("node:fs");
const solc = require("solc");

const flags = process.argv.slice(2);
if (flags.includes("--version")) {
  // forge parses the platform from this line and refuses the name of the WebAssembly build.
  const version = solc.version().replace(".Emscripten.clang", ".Linux.g++");
  process.stdout.write(`solc, the solidity compiler commandline interface\nVersion: ${version}\n`);
} else if (flags.includes("--standard-json")) {
  const output = Buffer.from(solc.compile(readFileSync(0, "utf8")));
  for (let at = 0; at < output.length; ) at += writeSync(1, output, at);
} else {
  process.stderr.write(`solc.cjs answers --version and --standard-json; got ${flags.join(" ")}\n`);
  process.exitCode = 1;
}
