/** Files that commands read and write: what is said when one cannot be. */
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { CliError, exitCodes } from "./errors.ts";

type Told = { readonly expected: string; readonly actual: string; readonly fix: string };

function reading(file: string): Readonly<Record<string, Told>> {
  return {
    ENOENT: {
      expected: "a file that is there",
      actual: `there is nothing at ${resolve(file)}`,
      fix: "Correct the name; it is looked for from the folder that the command is run in.",
    },
    EISDIR: { expected: "a file", actual: "it is a folder", fix: "Name a file in it." },
    ...denied("read it"),
  };
}

function writing(file: string): Readonly<Record<string, Told>> {
  const folder = dirname(resolve(file));
  return {
    ENOENT: {
      expected: `a folder ${folder}`,
      actual: "there is none",
      fix: `mkdir -p ${folder}, or name a file in a folder that is there.`,
    },
    EEXIST: {
      expected: "a name that is free",
      actual: "it is there already, and nothing is written over",
      fix: "Name another file, or remove that one.",
    },
    EISDIR: { expected: "a file", actual: "it is a folder", fix: `Name a file in it: ${file}/<name>` },
    ENOSPC: {
      expected: "room on the disk",
      actual: "it is full",
      fix: "Free some, or name a file on another.",
    },
    EROFS: {
      expected: "a disk that can be written to",
      actual: "it is read-only",
      fix: "Name another file.",
    },
    ...denied("write there"),
  };
}

function denied(what: string): Readonly<Record<string, Told>> {
  const told = {
    expected: `your account may ${what}`,
    actual: "it may not",
    fix: "Change the permissions, or name another file.",
  };
  return {
    EACCES: told,
    EPERM: told,
    ENOTDIR: {
      expected: "folders up to the file",
      actual: "a part of its path is a file",
      fix: "Correct the name.",
    },
  };
}

const failure = (what: string, file: string, told: Readonly<Record<string, Told>>, cause: unknown) => {
  const { code = "", message } = cause as NodeJS.ErrnoException;
  const { fix, ...known } = told[code] ?? { actual: message, fix: undefined };
  return new CliError(`Cannot ${what} ${file}.`, {
    ...known,
    ...(fix === undefined ? {} : { fix: [fix] }),
    exitCode: exitCodes.usage,
    cause,
  });
};

/** What is thrown when a file could not be read. */
export const cannotRead = (file: string, cause: unknown): CliError =>
  failure("read", file, reading(file), cause);

/** What is thrown when a file could not be written. */
export const cannotWrite = (file: string, cause: unknown): CliError =>
  failure("write", file, writing(file), cause);

/** A file's text; `-` is standard input. @throws CliError */
export function readText(file: string): string {
  try {
    return readFileSync(file === "-" ? 0 : file, "utf8");
  } catch (cause) {
    throw cannotRead(file, cause);
  }
}

/** Writes a file, over one that is there. @throws CliError */
export function writeText(file: string, text: string): void {
  try {
    writeFileSync(file, text);
  } catch (cause) {
    throw cannotWrite(file, cause);
  }
}
