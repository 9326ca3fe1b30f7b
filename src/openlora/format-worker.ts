/** A thread that makes grammars of formats, behind calls: one that takes its time keeps nobody else waiting. */
import { serveWorker } from "../engine/index.ts";
import { settle } from "./errors.ts";
import { grammarSource } from "./format.ts";
import type { Format } from "./request.ts";

/** The thread's methods, as its other side calls them. */
export type FormatThread = ReturnType<typeof setUp>;

const setUp = () => ({ source: (format: Format) => settle(() => grammarSource(format)) });

await serveWorker(setUp);
