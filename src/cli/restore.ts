import { createReadStream } from "node:fs";
import { resolve } from "node:path";
import type { Command } from "commander";
import { checkBackup, defaultHome, restoreBackup } from "../node/index.ts";
import { isPassphraseSealed } from "../store/index.ts";
import { cannotRead } from "./files.ts";
import type { Io } from "./io.ts";
import { readPassword, withPassword } from "./password.ts";

type Options = { data: string; blobs?: string; check?: true; passwordFile?: string };

/** `openledger restore <file>`: a node back from its backup. */
export function define(command: Command, io: Io): void {
  withPassword(command)
    .argument("<file>", "the backup")
    .option("--data <folder>", "an empty folder, or one that is not there yet", defaultHome())
    .option("--blobs <address>", "s3://…: put the blobs there", process.env.OPENLEDGER_BLOBS)
    .option("--check", "read the backup and check every file; write nothing")
    .action((file: string, options: Options) => restore(io, resolve(file), options));
}

async function restore(io: Io, file: string, { data, blobs, check, passwordFile }: Options): Promise<void> {
  let beginning = new Uint8Array();
  try {
    for await (const piece of createReadStream(file, { end: 63 })) beginning = piece;
  } catch (cause) {
    throw cannotRead(file, cause);
  }
  const passphrase = isPassphraseSealed(beginning) ? await readPassword(passwordFile) : undefined;
  const given = {
    ...(passphrase === undefined ? {} : { passphrase }),
    ...(blobs === undefined ? {} : { blobs }),
  };
  const home = resolve(data);
  const restored = check
    ? await checkBackup(createReadStream(file), given)
    : await restoreBackup(createReadStream(file), home, given);
  const what = `${restored.files} files (${restored.blobs} blobs), made ${restored.madeAt} by version ${restored.version}, chain ${restored.chainId}`;
  io.result(
    { ...restored, home: check ? null : home },
    check
      ? `${file} is whole: ${what}.`
      : [
          `${home} has ${what}.`,
          restored.keys
            ? `Start it: ./openledger up --home ${home}`
            : `The keys were left out: put keys.json of the node (mode 600) into ${home} before it starts.`,
          "Never run it while the node it was made from runs: both would sign with the same keys.",
        ].join("\n"),
  );
}
