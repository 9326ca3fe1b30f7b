#!/usr/bin/env node
/** The program `openledger`. It stays tiny so that it can refuse an old Node in words, and load the rest from Node's compile cache. */
import nodeModule from "node:module";

const major = Number.parseInt(process.versions.node, 10);
if (major < 24) {
  process.stderr.write(
    `openledger: this Node.js is too old.\n  expected: 24 or newer\n  actual:   ${process.versions.node} (${process.execPath})\n` +
      "  what to do: install Node.js 24 from https://nodejs.org/en/download, or use ./openledger of a clone, which fetches its own.\n",
  );
  process.exit(3);
}
// The reader of a pipe may have read enough, as in `openledger … | head`.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});
// ONNX Runtime would otherwise write a device id into the user's cache folder and report to its maker. It must be set
// here, before the runtime is loaded and before a worker thread starts (a worker's environment is a copy).
process.env.ORT_DISABLE_TELEMETRY = "1";
nodeModule.enableCompileCache?.();
const { main } = await import("./program.ts");
process.exitCode = await main(process.argv.slice(2));
