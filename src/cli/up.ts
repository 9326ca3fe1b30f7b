import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Command, InvalidArgumentError, Option } from "commander";
import { type Device, devices, type Precision, precisions, webGpuState } from "../engine/index.ts";
import { hubIdSchema } from "../modelfactory/index.ts";
import {
  defaultHome,
  type NodeConfig,
  type NodeConfigInput,
  openNode,
  readConfig,
  runningNode,
} from "../node/index.ts";
import { folderHolder } from "../store/index.ts";
import { CliError, exitCodes } from "./errors.ts";
import type { Io } from "./io.ts";

/** `openledger up`: the whole platform in this process, until it is told to stop. */
export function define(command: Command, io: Io): void {
  command
    .option("--home <folder>", "data folder", defaultHome())
    .option("--port <number>", "TCP port, 0 for any free one", (text) => {
      const port = Number(text);
      if (!Number.isInteger(port) || port < 0 || port > 65_535)
        throw new InvalidArgumentError("A port is a number from 0 to 65535.");
      return port;
    })
    .option("--host <address>", "address to listen on")
    .option("--base-model <folder>", "Hugging Face folder of the base model, or the id of a pulled one")
    .addOption(
      new Option("--precision <name>", "what serving holds the base's weights in").choices(precisions),
    )
    .addOption(new Option("--device <name>", "where serving computes").choices(devices))
    .option("--deterministic", "the same answer to the last bit whatever runs beside it; slower")
    .action(
      async ({
        home,
        port,
        host,
        baseModel,
        precision,
        device,
        deterministic,
      }: {
        home: string;
        port?: number;
        host?: string;
        baseModel?: string;
        precision?: Precision;
        device?: Device;
        deterministic?: true;
      }) => {
        const overrides: Partial<NodeConfigInput> = {
          ...(port === undefined ? {} : { port }),
          ...(host === undefined ? {} : { host }),
          ...(baseModel === undefined ? {} : { baseModel }),
          ...(precision === undefined ? {} : { precision }),
          ...(device === undefined ? {} : { device }),
          ...(deterministic === undefined ? {} : { deterministic }),
        };
        process.umask(0o077); // what the node writes is its owner's alone
        const config = readConfig(home, overrides);
        requireFreeHome(config.home);
        if (baseModel !== undefined) requireBase(baseModel, config);
        if (config.device === "webgpu") await requireGraphics();
        await buildPages();
        const started = performance.now();
        const node = await openNode(config, {
          onStep: (step) => io.note(`Opening ${step} …`),
          log: (level, message) => (level === "warn" ? io.warn(message) : io.note(message)),
        }).catch((cause: NodeJS.ErrnoException) => {
          if (cause.code === "EADDRINUSE")
            throw new CliError(`Port ${config.port} on ${config.host} is taken.`, {
              expected: "a free port",
              actual: "another program listens there",
              fix: ["stop that program, or choose another port: ./openledger up --port 4001"],
              exitCode: exitCodes.unfit,
              cause,
            });
          throw cause;
        });
        const { network, url } = node;
        io.result(
          {
            url,
            home: config.home,
            chainId: config.chainId,
            rpc: `${url}/rpc`,
            operator: network.accounts.operator.address,
          },
          [
            `OpenLedger is up after ${((performance.now() - started) / 1000).toFixed(1)} s.`,
            "",
            `  Application   ${url}`,
            `  API           ${url}/v1        (described at ${url}/openapi.json)`,
            `  Chain         ${url}/rpc       (chain id ${config.chainId}, OPEN)`,
            `  Data          ${config.home}`,
            "",
            "Stop it with Ctrl-C.",
          ].join("\n"),
        );
        await new Promise<void>((resolve) => {
          for (const signal of ["SIGINT", "SIGTERM"] as const)
            process.once(signal, () => {
              process.once(signal, () => process.exit(130)); // a second one does not wait
              resolve();
            });
        });
        io.note("Closing: answers under way are finished first …");
        await node.close();
        io.note("Closed. Nothing acknowledged is lost.");
      },
    );
}

/** Before the port is tried: a home whose node runs has taken its port itself. */
function requireFreeHome(home: string): void {
  const holder = folderHolder(join(home, "db"));
  if (holder === undefined) return;
  const running = runningNode(home);
  const isNode = running !== undefined && holder.startsWith(`process ${running.pid} `);
  throw new CliError(
    isNode
      ? `A node of this home already runs at ${running.url} (process ${running.pid}).`
      : `The home ${home} is in use by ${holder}.`,
    {
      expected: "a home that no other process uses",
      actual: `${home} is held by ${holder}`,
      fix: [
        isNode
          ? "Use it as it is: ./openledger status. To start it anew, end it first, with Ctrl-C where it runs."
          : "Wait until it ends: it may be a node that starts, or a backup or restore.",
        "For a second node, take another home and port: ./openledger up --home <folder> --port 4001",
      ],
      exitCode: exitCodes.unfit,
    },
  );
}

const webScript = new URL("../../scripts/web.ts", import.meta.url);

/** A clone builds its web application from its own sources, once per change; an installed package has it built. */
async function buildPages(): Promise<void> {
  if (!existsSync(webScript)) return;
  const child = spawn(process.execPath, [fileURLToPath(webScript)], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const [code] = await once(child, "exit");
  if (code !== 0)
    throw new CliError("The web application could not be built; what stopped it is said above.", {
      fix: ["./openledger doctor", "node scripts/web.ts --force"],
    });
}

/** Says how a model that is named by its id is brought, before anything is opened. */
function requireBase(given: string, { baseModel, home }: NodeConfig): void {
  if (existsSync(baseModel) || !hubIdSchema.safeParse(given).success) return;
  throw new CliError(`${given} is neither a folder here nor a model pulled into ${home}.`, {
    fix: [`./openledger model pull ${given}`, "or name a Hugging Face folder"],
    exitCode: exitCodes.usage,
  });
}

/** Refuses to start, before anything is opened, on a machine without WebGPU. */
async function requireGraphics(): Promise<void> {
  const state = await webGpuState();
  if (state.available) return;
  throw new CliError("WebGPU does not run on this machine.", {
    expected: "a GPU, or a software driver, that Vulkan, Direct3D 12 or Metal offers",
    actual: state.found,
    fix: [state.fix, "or serve on the CPU: ./openledger up --device cpu"],
    exitCode: exitCodes.unfit,
  });
}
