/** A grammar thread's entry: {@link serveGrammars}. It leaves the engine out, which would take longer to load than all the rest. */
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { serveGrammars } from "./grammar-thread.ts";

await serveGrammars(parentPort as MessagePort, workerData);
