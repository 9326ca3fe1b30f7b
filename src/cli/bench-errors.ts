/** Loaded before a benchmark: what is wrong with its options is told in a line, as every command tells it, with exit code 2. */
import { isMainThread } from "node:worker_threads";

if (isMainThread)
  process.on("uncaughtException", (error: NodeJS.ErrnoException) => {
    const isUsage = error.code?.startsWith("ERR_PARSE_ARGS_") === true;
    process.stderr.write(isUsage ? `${error.message}\n` : `${error.stack ?? error}\n`);
    process.exit(isUsage ? 2 : 1);
  });
