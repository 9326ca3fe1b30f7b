import type { Command } from "commander";
import { describeCheckpoint } from "../engine/index.ts";
import { type BaseModel, openBaseModel } from "../modelfactory/index.ts";
import { defaultHome, readConfig } from "../node/index.ts";
import { CliError, exitCodes } from "./errors.ts";
import { wholeUpTo } from "./numbers.ts";

/** Adds `--base <folder>` and `--threads <number>`. */
export const withBase = (command: Command): Command =>
  command
    .option("--base <folder>", "the base model's folder; that of this machine's node unless given")
    .option("--threads <number>", "threads of the computation", wholeUpTo(64), 1);

/** The base model that a file is checked with, and its digests. @throws CliError where there is none */
export async function openBase(folder: string | undefined): Promise<BaseModel> {
  const chosen = folder ?? readConfig(defaultHome()).baseModel;
  try {
    describeCheckpoint(chosen);
    return await openBaseModel("base", chosen);
  } catch (cause) {
    throw new CliError(`There is no base model at ${chosen}: ${(cause as Error).message}`, {
      fix: ["--base <folder> names the folder of the base model that the manifest names"],
      exitCode: exitCodes.usage,
      cause,
    });
  }
}
