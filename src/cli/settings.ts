import { defaultHome, readConfig, runningNode } from "../node/index.ts";
import { CliError, exitCodes } from "./errors.ts";

/** Where the node of this machine listens and keeps its data: what its own configuration says. */
export type Settings = {
  host: string;
  /** TCP port of the HTTP API. */
  port: number;
  /** Absolute path of the node's home. */
  dataFolder: string;
  /** The chain that this user means: nothing is signed for another. */
  chainId: number;
  /** Where blobs lie, where that is a bucket. */
  blobs?: string;
};

/** The node's configuration (`config.json` in its home, `OPENLEDGER_*`), as far as the other commands need it. */
export function settingsFromEnvironment(home = defaultHome()): Settings {
  try {
    const { host, port, home: dataFolder, chainId, blobs } = readConfig(home);
    return { host, port, dataFolder, chainId, ...(blobs === undefined ? {} : { blobs }) };
  } catch (cause) {
    if ((cause as Error).name !== "ConfigError") throw cause;
    throw new CliError((cause as Error).message, { exitCode: exitCodes.unfit, cause });
  }
}

const isPlaceGiven = () =>
  process.env.OPENLEDGER_PORT !== undefined || process.env.OPENLEDGER_HOST !== undefined;

/** Whether the node's URL is a guess: nobody gave it, and no node of this home runs. Who answers there may be another home's node. */
export const isNodeAssumed = ({ dataFolder }: Settings): boolean =>
  !process.env.OPENLEDGER_URL && !isPlaceGiven() && runningNode(dataFolder) === undefined;

/** The node's URL: `OPENLEDGER_URL`, or where the node of this home listens. Without a slash at its end. */
export function nodeUrl({ host, port, dataFolder }: Settings, given = process.env.OPENLEDGER_URL): string {
  if (given) {
    const url = URL.canParse(given) ? new URL(given) : undefined;
    if (url === undefined || !/^https?:$/.test(url.protocol) || url.search !== "" || url.hash !== "")
      throw new CliError("OPENLEDGER_URL is not the URL of a node.", {
        expected: "http://host:port or https://host",
        actual: given,
        exitCode: exitCodes.usage,
      });
    return url.href.replace(/\/+$/, "");
  }
  const running = runningNode(dataFolder);
  if (running !== undefined && !isPlaceGiven())
    return running.url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:");
  // A node that listens on every address is reached over this machine's own.
  const reached = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
  return `http://${reached.includes(":") ? `[${reached}]` : reached}:${port}`;
}
