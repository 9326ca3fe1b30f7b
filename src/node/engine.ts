/** What answers: the engine in this process, or the servers that the configuration names. */
import { join, resolve } from "node:path";
import { createOpenLora, createServerPool, type LoadAdapter, type OpenLora } from "../openlora/index.ts";
import type { NodeConfig } from "./config.ts";

/** @throws what opening the one or the other throws */
export function openEngine(
  {
    baseModel: baseFolder,
    baseName,
    engine,
    home,
    precision,
    device,
    deterministic,
    threads,
    serving,
  }: NodeConfig,
  loadAdapter: LoadAdapter,
  log: (message: string) => void,
): Promise<OpenLora> {
  const given = { baseFolder, baseName, loadAdapter, log };
  if (engine === undefined)
    return createOpenLora({
      ...given,
      options: { ...serving, threads, precision, device, deterministic },
    });
  const { servers, adapterFolder, ...options } = engine;
  return createServerPool({
    ...given,
    servers,
    adapterFolder: resolve(adapterFolder ?? join(home, "adapters")),
    options: { ...options, defaultMaxTokens: serving.defaultMaxTokens },
  });
}
