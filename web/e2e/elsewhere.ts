/** Another node on the same chain, as far as it gives Datanets away; it can be made to lie. */
import { mkdtempSync, rmSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { serve } from "@hono/node-server";
import { custom } from "viem";
import { viemChain } from "../../src/chain/index.ts";
import { demoApi } from "../../src/cli/demo-api.ts";
import { contributeAs } from "../../src/cli/demo-contribute.ts";
import { contractRegistry, createDatanets, datanetRoutes } from "../../src/datanets/index.ts";
import { openBlobFolder, openScratchDatabase } from "../../src/store/index.ts";
import type { World } from "./world.ts";

type Json = Record<string, unknown>;
/** Changes what the node answers to a path. */
export type Lie = (path: string, answer: Json) => Json;

/** Publishes rows as version 1 of a Datanet that the world's node has never heard of. */
export async function openElsewhere({ node: { network } }: World, name: string, rows: number) {
  await using opened = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), "openledger-elsewhere-"));
  opened.defer(() => rmSync(folder, { recursive: true, force: true }));
  const database = opened.use(await openScratchDatabase());
  let lie: Lie = (_, answer) => answer;
  const datanets = await createDatanets({
    database,
    blobs: await openBlobFolder(folder),
    registry: contractRegistry({
      chain: viemChain(network.network),
      transport: custom({ request: (args) => network.chain.request(args) }, { retryCount: 0 }),
      address: network.contracts.DatanetRegistry.address,
      staking: network.contracts.OpenStaking.address,
    }),
  });
  const routes = datanetRoutes(datanets);
  const server = await new Promise<ReturnType<typeof serve>>((ready) => {
    const listening = serve(
      {
        port: 0,
        hostname: "127.0.0.1",
        fetch: async (request) => {
          const answer = await routes.fetch(request);
          if (!answer.ok || request.method !== "GET") return answer;
          return Response.json(lie(new URL(request.url).pathname, (await answer.json()) as Json));
        },
      },
      () => ready(listening),
    );
  });
  opened.defer(() => new Promise<void>((done) => void server.close(() => done())));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const owner = network.keys.account("elsewhere");
  await network.faucet(owner.address, 10n * 10n ** 18n);
  const { datanetId } = await datanets.create(owner, {
    ...{ name, description: "Rows of another node", domain: "Tests", license: "CC0-1.0" },
  });
  const text = Array.from({ length: rows }, (_, n) =>
    JSON.stringify({ prompt: `Stone ${n} of the wall is`, completion: ` ${n + 1} feet wide.` }),
  );
  await contributeAs(
    demoApi(url, ""),
    String(datanetId),
    network.keys.account("mason"),
    text.join("\n"),
    "train",
  );
  await datanets.publishVersion(datanetId, owner);
  const held = opened.move();
  return {
    url,
    datanetId: String(datanetId),
    tell(next: Lie): void {
      lie = next;
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}
