/** The serving thread's entry: {@link setUpServing}, behind calls. */
import { serveWorker } from "../engine/index.ts";
import { setUpServing } from "./serving.ts";

await serveWorker(setUpServing);
