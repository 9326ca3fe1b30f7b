import assert from "node:assert/strict";
import { test } from "node:test";
import { addEthereumChainParameter, localNetwork, viemChain } from "./networks.ts";

const registry = "0x00000000000000000000000000000000000000A1";
const network = localNetwork({
  rpcUrls: ["http://127.0.0.1:4321/rpc"],
  contracts: { DatanetRegistry: registry },
});

test("a network is a viem chain", () => {
  const chain = viemChain(network);
  assert.equal(chain.id, 161612);
  assert.equal(chain.nativeCurrency.symbol, "OPEN");
  assert.deepEqual(chain.contracts, { DatanetRegistry: { address: registry } });
});

test("a wallet can add it (EIP-3085)", () => {
  assert.deepEqual(addEthereumChainParameter(network), {
    chainId: "0x2774c",
    chainName: "OpenLedger local",
    nativeCurrency: { name: "OPEN", symbol: "OPEN", decimals: 18 },
    rpcUrls: ["http://127.0.0.1:4321/rpc"],
  });
});
