import { constants } from "node:fs";
import { access, readdir, stat, statfs } from "node:fs/promises";
import { createServer } from "node:net";
import { dirname, join, resolve } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import { CliError, describeError, exitCodes } from "./errors.ts";
import type { Io } from "./io.ts";
import { settingsFromEnvironment } from "./settings.ts";

const mebibyte = 2 ** 20;

/** What is needed before a node starts, and what makes it comfortable. */
const limits = {
  nodeMajorMin: 24,
  diskBytesMin: 500 * mebibyte,
  diskBytesComfortable: 2_000 * mebibyte,
  memoryBytesMin: 700 * mebibyte,
  memoryBytesComfortable: 2_000 * mebibyte,
};

/** What one check found. */
export type Finding = {
  name: string;
  verdict: "good" | "poor" | "bad";
  /** What is there. */
  actual: string;
  /** What is needed, when it is not there. */
  expected?: string;
  /** What to do, when something is not as it should be. */
  fix?: string;
};

const amount = (bytes: number): string => `${Math.round(bytes / mebibyte).toLocaleString("en-US")} MiB`;

export function checkNode(found = process.versions.node): Finding {
  const good = Number.parseInt(found, 10) >= limits.nodeMajorMin;
  const finding = { name: "Node.js", actual: `${found} on ${process.platform} ${process.arch}` };
  if (good) return { ...finding, verdict: "good" };
  return {
    ...finding,
    verdict: "bad",
    expected: `${limits.nodeMajorMin} or newer`,
    fix: "Install a newer Node.js, or start ./openledger of a clone, which fetches its own.",
  };
}

/**
 * Loads a native package and makes it do a little work.
 *
 * @param name - what the package is for, and its name
 * @param work - proves that it works; returns what to show
 */
export async function checkPackage(name: string, work: () => Promise<string>): Promise<Finding> {
  try {
    return { name, verdict: "good", actual: await work() };
  } catch (error) {
    return {
      name,
      verdict: "bad",
      expected: "loads and works",
      actual: describeError(error).message.split("\n")[0] ?? "failed",
      fix: "Delete node_modules and start ./openledger again. Prebuilt files exist for Linux (glibc), macOS and Windows, x64 and arm64.",
    };
  }
}

/** An ONNX model of one operator, y = x + x for two floats. */
const doubling = Buffer.from(
  "CAkSCm9wZW5sZWRnZXI6YAoWCgF4CgF4EgJ2MBoFQWRkXzEiA0FkZAodCgJ2MBIBeRoKSWRlbnRpdHlfMiIISWRlbnRpdHkSBWdyYXBo" +
    "Wg8KAXgSCgoICAESBAoCCAJiDwoBeRIKCggIARIECgIIAkIECgAQEkIRCg1jb20ubWljcm9zb2Z0EAE=",
  "base64",
);

async function tryEngine(): Promise<string> {
  const { InferenceSession, Tensor } = await import("onnxruntime-node");
  const session = await InferenceSession.create(doubling, { intraOpNumThreads: 1 });
  const { y } = await session.run({ x: new Tensor("float32", [1.5, -2], [2]) });
  await session.release();
  const doubled = [...((y?.data ?? []) as Float32Array)];
  if (doubled.join() !== "3,-4")
    throw new Error(`1.5 and -2 doubled are ${doubled.join(" and ") || "nothing"}`);
  return "computes on the CPU";
}

/** Graphics are wanted for `--device webgpu` alone: a machine without is as fit as another. */
async function checkGraphics(): Promise<Finding> {
  const { webGpuState } = await import("../engine/index.ts");
  const name = "Graphics (WebGPU)";
  const state = await webGpuState();
  return state.available
    ? { name, verdict: "good", actual: "computes; ./openledger up --device webgpu serves on it" }
    : {
        name,
        verdict: "poor",
        actual: state.found,
        expected: "a graphics driver, only for --device webgpu",
        fix: state.fix,
      };
}

async function tryChain(): Promise<string> {
  const { EdrContext } = await import("@nomicfoundation/edr");
  new EdrContext();
  return "loads";
}

async function tryDatabase(): Promise<string> {
  const { PGlite } = await import("@electric-sql/pglite");
  const database = new PGlite();
  try {
    const { rows } = await database.query<{ server_version: string }>("show server_version");
    return `PostgreSQL ${rows[0]?.server_version}`;
  } finally {
    await database.close();
  }
}

/** A number that may be fine, tight or too small. */
export function checkAmount(
  name: string,
  bytes: number,
  min: number,
  comfortable: number,
  fix: string,
): Finding {
  const finding = { name, actual: `${amount(bytes)} available` };
  if (bytes >= comfortable) return { ...finding, verdict: "good" };
  const expected = bytes < min ? `at least ${amount(min)}` : `${amount(comfortable)} or more for comfort`;
  return { ...finding, verdict: bytes < min ? "bad" : "poor", expected, fix };
}

/** The nearest folder above (or at) a path that exists. */
async function existingFolder(path: string): Promise<string> {
  try {
    await access(path);
    return path;
  } catch {
    return dirname(path) === path ? path : existingFolder(dirname(path));
  }
}

async function checkDisk(dataFolder: string): Promise<Finding> {
  const { bavail, bsize } = await statfs(await existingFolder(dataFolder));
  return checkAmount(
    "Disk",
    bavail * bsize,
    limits.diskBytesMin,
    limits.diskBytesComfortable,
    `Make room on the disk of ${dataFolder}, or choose another folder with OPENLEDGER_HOME.`,
  );
}

function checkMemory(): Finding {
  return checkAmount(
    "Memory",
    process.availableMemory(),
    limits.memoryBytesMin,
    limits.memoryBytesComfortable,
    "Stop other programs, or raise the container's memory limit.",
  );
}

/** Whether a node could listen on a port. */
export async function checkPort(host: string, port: number): Promise<Finding> {
  const name = "Port";
  const server = createServer();
  const { promise, resolve: settle } = Promise.withResolvers<NodeJS.ErrnoException | undefined>();
  server.once("error", settle);
  server.listen({ host, port, exclusive: true }, () => settle(undefined));
  const error = await promise;
  if (error === undefined) {
    await new Promise((done) => server.close(done));
    return { name, verdict: "good", actual: `${host}:${port} is free` };
  }
  const taken = error.code === "EADDRINUSE";
  return {
    name,
    verdict: taken ? "poor" : "bad",
    actual: taken
      ? `${host}:${port} is taken, perhaps by a running node`
      : `${host}:${port}: ${error.message}`,
    expected: "free",
    fix: "Stop what listens there, or choose another port with OPENLEDGER_PORT.",
  };
}

/** Who holds the data folder or a part of it. */
async function lockHolders(dataFolder: string): Promise<string[]> {
  // Loaded only here: whether its packages are installed is a finding of its own.
  const store = await import("../store/index.ts").catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ERR_MODULE_NOT_FOUND") throw error;
  });
  const folders = (await readdir(dataFolder, { withFileTypes: true })).filter((entry) => entry.isDirectory());
  return [".", ...folders.map(({ name }) => name)].flatMap(
    (name) => store?.folderHolder(join(dataFolder, name)) ?? [],
  );
}

export async function checkDataFolder(dataFolder: string): Promise<Finding> {
  const name = "Data folder";
  const existing = await existingFolder(dataFolder);
  const isFolder = (await stat(existing)).isDirectory();
  const writable = await access(existing, constants.W_OK | constants.X_OK).then(
    () => isFolder,
    () => false,
  );
  if (!writable) {
    return {
      name,
      verdict: "bad",
      actual: isFolder ? `${existing} cannot be written by this user` : `${existing} is a file`,
      expected: `${dataFolder} writable`,
      fix: "Change its owner, or choose another folder with OPENLEDGER_HOME.",
    };
  }
  if (existing !== dataFolder) return { name, verdict: "good", actual: `${dataFolder} (can be made)` };
  const holders = await lockHolders(dataFolder);
  if (holders.length === 0) return { name, verdict: "good", actual: dataFolder };
  return {
    name,
    verdict: "poor",
    actual: `${dataFolder} is in use by ${holders.join(", ")}`,
    expected: "not in use, unless a node runs",
    fix: "Talk to the running node, or stop it before another is started on this folder.",
  };
}

/** Whether the bucket of blobs can be reached, written and read. */
export async function checkBlobs(address: string): Promise<Finding> {
  const name = "Blobs";
  const { parseS3Address, probeS3Blobs } = await import("../store/index.ts");
  try {
    const { bucket, endpoint } = parseS3Address(address);
    await probeS3Blobs(address, { attempts: 2, timeoutMs: 10_000 });
    return {
      name,
      verdict: "good",
      actual: `bucket ${bucket} at ${endpoint.origin} can be written and read`,
    };
  } catch (error) {
    return {
      name,
      verdict: "bad",
      actual: describeError(error).message,
      expected: "a bucket that this node can write to and read",
      fix: "Correct the address (OPENLEDGER_BLOBS, or blobs in config.json), the keys in the environment, or what they may do.",
    };
  }
}

/** Everything that is checked, in the order shown. @param blobs the address of a bucket, where blobs lie in one */
export async function examine(
  host: string,
  port: number,
  dataFolder: string,
  blobs?: string,
): Promise<Finding[]> {
  return [
    checkNode(),
    await checkPackage("Engine (onnxruntime-node)", tryEngine),
    await checkGraphics(),
    await checkPackage("Chain (@nomicfoundation/edr)", tryChain),
    await checkPackage("Database (@electric-sql/pglite)", tryDatabase),
    await checkDisk(dataFolder),
    checkMemory(),
    await checkPort(host, port),
    await checkDataFolder(dataFolder),
    ...(blobs === undefined ? [] : [await checkBlobs(blobs)]),
  ];
}

function show(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ name }) => name.length));
  const marks = { good: "ok  ", poor: "note", bad: "BAD " };
  return findings
    .flatMap(({ name, verdict, actual, expected, fix }) => [
      `${marks[verdict]}  ${name.padEnd(width)}  ${actual}`,
      ...(expected === undefined ? [] : [`${" ".repeat(width + 8)}expected: ${expected}`]),
      ...(fix === undefined ? [] : [`${" ".repeat(width + 8)}→ ${fix}`]),
    ])
    .join("\n");
}

function portNumber(value: string): number {
  const port = Number(value);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new InvalidArgumentError("A port is an integer from 0 to 65535.");
  return port;
}

/** `openledger doctor`: whether this machine can run a node; exit code 3 when it cannot. */
export function define(command: Command, io: Io): void {
  const settings = settingsFromEnvironment();
  command
    .option("--host <address>", "address a node would listen on", settings.host)
    .option("--port <number>", "port a node would listen on", portNumber, settings.port)
    .option("--data <folder>", "data folder", settings.dataFolder)
    .action(async (options: { host: string; port: number; data: string }) => {
      const findings = await examine(options.host, options.port, resolve(options.data), settings.blobs);
      const bad = findings.filter(({ verdict }) => verdict === "bad");
      io.result({ fit: bad.length === 0, findings }, show(findings));
      if (bad.length > 0) {
        throw new CliError(`This machine cannot run a node yet: ${bad.map(({ name }) => name).join(", ")}.`, {
          fix: bad.flatMap(({ fix }) => fix ?? []),
          exitCode: exitCodes.unfit,
        });
      }
    });
}
