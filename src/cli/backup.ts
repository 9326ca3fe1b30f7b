import { createReadStream, createWriteStream, existsSync } from "node:fs";
import { rename, rm, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Command } from "commander";
import {
  type BackupOptions,
  checkBackup,
  defaultHome,
  readConfig,
  version,
  writeBackup,
} from "../node/index.ts";
import { folderHolder, lockFolder, openBlobs } from "../store/index.ts";
import { CliError, exitCodes } from "./errors.ts";
import { cannotWrite } from "./files.ts";
import { connect } from "./http.ts";
import type { Io } from "./io.ts";
import { readPassword, withPassword } from "./password.ts";

type Options = { data: string; withoutKeys?: true; passwordFile?: string };

/** `openledger backup <file>`: everything a node owns. */
export function define(command: Command, io: Io): void {
  withPassword(command)
    .argument("<file>", "where to; a file that exists is left alone")
    .option("--data <folder>", "the node's home", defaultHome())
    .option("--without-keys", "leave out what is secret; the file is sealed only if --password-file is given")
    .addHelpText(
      "after",
      "\nA running node is asked for it over HTTP and goes on serving; of a stopped one the folder is read. The file is checked after it is written.\n" +
        "Whoever has the file and the password has the node's money: keep them apart. Without the password the file is worth nothing.",
    )
    .action((file: string, options: Options) => backup(io, resolve(file), options));
}

async function backup(io: Io, file: string, options: Options): Promise<void> {
  const { data, withoutKeys = false, passwordFile } = options;
  if (existsSync(file))
    throw new CliError(`${file} exists, and a backup replaces nothing.`, {
      fix: ["Name another file."],
      exitCode: exitCodes.usage,
    });
  const passphrase =
    withoutKeys && passwordFile === undefined ? undefined : await readPassword(passwordFile, true);
  const given: BackupOptions = { ...(passphrase === undefined ? {} : { passphrase }), withoutKeys };
  const partial = `${file}.partial`;
  const home = resolve(data);
  const running = process.env.OPENLEDGER_URL !== undefined || folderHolder(join(home, "db")) !== undefined;
  const started = performance.now();
  try {
    const pieces = running ? await fromNode(given) : await fromFolder(home, given);
    await pipeline(pieces, createWriteStream(partial, { mode: 0o600, flags: "wx", flush: true }));
    io.note("Checking what was written …");
    const { files, blobs } = await checkBackup(createReadStream(partial), given);
    await rename(partial, file);
    const { size } = await stat(file);
    const seconds = (performance.now() - started) / 1000;
    const sealed = passphrase !== undefined;
    io.result(
      {
        file,
        bytes: size,
        files,
        blobs,
        keys: !withoutKeys,
        sealed,
        from: running ? "node" : "folder",
        seconds,
      },
      [
        `${file}: ${(size / 2 ** 20).toFixed(1)} MiB, ${files} files, ${blobs} of them blobs; written and checked in ${seconds.toFixed(1)} s.`,
        withoutKeys
          ? "The keys are not in it: without keys.json from elsewhere the restored node does not start."
          : "The keys are in it, sealed with the password.",
        `Put it back: ./openledger restore ${file} --data <empty folder>`,
      ].join("\n"),
    );
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") await rm(partial, { force: true });
    throw (error as NodeJS.ErrnoException).path === partial ? cannotWrite(partial, error) : error;
  }
}

async function fromNode(options: BackupOptions): Promise<AsyncIterable<Uint8Array>> {
  const response = await connect().send("POST", "/v1/backup", { operator: true, body: options });
  return response.body ?? Readable.from([]);
}

/** The folder of a node that is not running, held so that none starts meanwhile. */
async function fromFolder(home: string, options: BackupOptions): Promise<AsyncIterable<Uint8Array>> {
  if (!existsSync(join(home, "db", "data")))
    throw new CliError(`There is no node in ${home}.`, {
      expected: "a node's home, with db/ and chain/ in it",
      fix: ["Name it with --data, or set OPENLEDGER_HOME."],
      exitCode: exitCodes.usage,
    });
  const config = readConfig(home);
  const locks = [lockFolder(join(home, "db")), lockFolder(join(home, "chain"))];
  const blobs = await openBlobs(home, config.blobs);
  const pieces = writeBackup(
    { home, databaseFolder: join(home, "db"), blobs, version, chainId: config.chainId },
    options,
  );
  return (async function* () {
    try {
      yield* pieces;
    } finally {
      for (const lock of locks) lock.release();
    }
  })();
}
