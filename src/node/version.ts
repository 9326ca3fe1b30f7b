import { readFileSync } from "node:fs";
import { join } from "node:path";
import { packageFolder } from "./config.ts";

/** The version in package.json. */
export const version = (
  JSON.parse(readFileSync(join(packageFolder, "package.json"), "utf8")) as { version: string }
).version;
