/** The network's process: the embedded chain with its JSON-RPC, and a clock that can be turned, so that days pass as soon as all is done in them. */
import { join } from "node:path";
import { serve } from "@hono/node-server";
import { Hono } from "hono";
import type { Address } from "viem";
import {
  chainClients,
  createRpc,
  deployProtocol,
  genesisValues,
  localChainId,
  openEmbeddedChain,
  openKeystore,
  protocolAbis,
  protocolAddresses,
  totalSupplyWei,
} from "../../src/chain/index.ts";
import { toHex } from "../../src/protocol/index.ts";
import { serveChild } from "../common/child.ts";

const open = 10n ** 18n;
const hour = 3_600n;
const home = process.argv[2] as string;
const keys = openKeystore(join(home, "keys.json"));
const [faucet, deployer, team] = (["faucet", "deployer", "team"] as const).map((name) => keys.account(name));
const addresses = protocolAddresses(deployer!.address);

let aheadMs = 0;
const chain = await openEmbeddedChain({
  dir: join(home, "chain"),
  genesis: { [faucet!.address]: totalSupplyWei - 100n * open, [deployer!.address]: 100n * open },
  feeCollector: addresses.OpenTimelock,
  minTipWei: () => genesisValues.minimumTipWei,
  nowMs: () => Date.now() + aheadMs,
});
const writer = (account: typeof faucet) =>
  chainClients({ embedded: chain, account: account!, abis: protocolAbis });
const { timestamp } = await writer(faucet).public.getBlock();
await deployProtocol(writer(deployer), {
  leastSeconds: hour,
  values: { ...genesisValues, attestationRequired: process.argv[3] === "attested" ? 1n : 0n },
  vesting: { start: timestamp, investors: team!.address, team: team!.address },
});
const giver = writer(faucet);

const app = new Hono();
app.route("/rpc", createRpc(chain, { rate: { perSecond: 1e9, burst: 1e9 } }).routes);
app.get("/v1/network", (context) =>
  context.json({
    operator: toHex(faucet!.address),
    network: { chainId: localChainId, contracts: addresses },
  }),
);
const { promise, resolve } = Promise.withResolvers<number>();
serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" }, ({ port }) => resolve(port));
const url = `http://127.0.0.1:${await promise}`;

const methods = {
  where: () => ({ url, faucet: faucet!.address, deployer: deployer!.address }),
  async give({ to, wei }: { to: Address; wei: bigint }) {
    await giver.waitForReceipt(await giver.send({ to, value: wei }));
  },
  /** Turns the clock, and mines a block at the new time. */
  async pass(seconds: number) {
    aheadMs += seconds * 1_000;
    await chain.mineEmptyBlock();
  },
};
export type NetworkMethods = typeof methods;
serveChild(methods);
