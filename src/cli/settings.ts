import { homedir } from "node:os";
import { join } from "node:path";

/** Where a node listens and keeps its data, unless a flag or the environment says otherwise. */
export type Settings = {
  host: string;
  /** TCP port of the HTTP API. */
  port: number;
  /** Absolute path of the data folder. */
  dataFolder: string;
};

/** The settings that environment variables choose: `OPENLEDGER_HOST`, `OPENLEDGER_PORT`, `OPENLEDGER_HOME`. */
export function settingsFromEnvironment(env: NodeJS.ProcessEnv = process.env): Settings {
  return {
    host: env.OPENLEDGER_HOST || "127.0.0.1",
    port: Number(env.OPENLEDGER_PORT || 8161),
    dataFolder: env.OPENLEDGER_HOME || join(homedir(), ".openledger"),
  };
}
