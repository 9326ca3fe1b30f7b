/** A release of any size on a node's home: all of it real but its numbers, which are random. What scoring costs depends on sizes alone. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { custom } from "viem";
import { type PrivateKeyAccount, privateKeyToAccount } from "viem/accounts";
import { encodeBasis, readDirections } from "../../src/attribution/index.ts";
import { viemChain } from "../../src/chain/index.ts";
import {
  gradientSegments,
  moduleNames,
  parseConfig,
  parseSafetensors,
  readPeft,
} from "../../src/engine/index.ts";
import {
  baseDigest,
  contractModelRegistry,
  indexRows,
  openBaseModel,
  signRelease,
} from "../../src/modelfactory/index.ts";
import { openNode, readConfig } from "../../src/node/index.ts";
import { openChannel } from "../../src/payments/index.ts";
import {
  type Address,
  indexTree,
  jsonDigest,
  type Manifest,
  manifestSchema,
  releaseId,
  textDigest,
  toHex,
  zeroDigest,
} from "../../src/protocol/index.ts";
import { openBlobFolder } from "../../src/store/index.ts";
import { createAdapterMaker } from "../openlora/material.ts";

const open = 10n ** 18n;
export const nullRows = 199;
export const modelName = "benchmark";
const price = { promptWeiPerToken: 10n ** 12n, completionWeiPerToken: 10n ** 13n };
const license = "CC0-1.0";
/** Low enough that as many contributors as an answer may pay are paid: the most there can be to write down. */
const thresholdMillionths = 500_000;

export type Sizes = { readonly contributors: number; readonly examples: number; readonly k: number };

/** Whole random bytes; the generator of weights would take minutes for a hundred megabytes. */
function randomBytes(length: number, seed: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(length / 4));
  let state = (seed * 2_654_435_761 + 1) >>> 0;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state = (state ^ (state << 5)) >>> 0;
    words[i] = state;
  }
  return new Uint8Array(words.buffer, 0, length);
}

const contributorsOf = (count: number): Address[] =>
  Array.from({ length: count }, (_, i): Address => `0x${textDigest(`contributor ${i}`).slice(-40)}`).sort();

/**
 * Starts a node on a new home, publishes the release on its chain, keeps its files as ModelFactory does, opens the payers' channels, and
 * closes the node.
 *
 * @returns API keys, one a channel
 */
export async function prepareHome(home: string, sizes: Sizes, payers: number): Promise<string[]> {
  const config = readConfig(home, { port: 0, settleEveryMs: 0, registrationFeeWei: "0" });
  const node = await openNode(config);
  try {
    const { network, database, payments } = node;
    const { accounts, contracts, chain } = network;
    const base = await openBaseModel(config.baseName, config.baseModel);
    const model = parseConfig(JSON.parse(readFileSync(join(config.baseModel, "config.json"), "utf8")));
    const maker = createAdapterMaker(model, moduleNames, config.baseName);
    const tensors = maker.tensors(0).slice();
    const configJson = JSON.parse(new TextDecoder().decode(maker.config));
    const lora = readPeft(configJson, parseSafetensors(tensors, "adapter"), model, "adapter").config;
    const p = gradientSegments(model, { ...lora, rank: readDirections }, ["B"]).width;
    const { k } = sizes;
    const basis = encodeBasis({
      k,
      metric: new Float32Array(p).fill(1),
      scales: new Float32Array(k).fill(1),
      values: new Int8Array(randomBytes(k * p, 1).buffer, 0, k * p),
    });
    const rows = randomBytes((sizes.contributors + nullRows) * 2 * k, 2);
    const contributors = contributorsOf(sizes.contributors);
    const tree = indexTree(indexRows(rows, k, contributors));

    const curator = network.writer(accounts.curator);
    const { DatanetRegistry } = contracts;
    const root = textDigest("a version's root");
    const licenseDigest = textDigest(license);
    await curator.write({ ...DatanetRegistry, functionName: "create", args: [textDigest("card"), license] });
    const version = [1n, root, sizes.examples, licenseDigest, zeroDigest] as const;
    await curator.write({ ...DatanetRegistry, functionName: "publishVersion", args: version });

    const blobs = await openBlobFolder(join(home, "blobs"));
    const [adapterConfig, adapter, basisDigest, rowsDigest] = (await Promise.all(
      [maker.config, tensors, basis, rows].map((bytes) => blobs.put(bytes)),
    )) as [`0x${string}`, `0x${string}`, `0x${string}`, `0x${string}`];
    const none = jsonDigest([]);
    const manifest: Manifest = manifestSchema.parse({
      schema: "openledger/release/1",
      base: {
        name: base.name,
        weightsDigest: base.weightsDigest,
        tokenizerDigest: base.tokenizerDigest,
        configDigest: base.configDigest,
      },
      datanets: [
        {
          datanetId: "1",
          version: 1,
          root,
          count: sizes.examples,
          license,
          acceptedExamples: sizes.examples,
          consentsRoot: none,
        },
      ],
      recipe: {},
      seed: 1,
      threads: 1,
      engineVersion: "benchmark",
      adapter: {
        digest: adapter,
        rank: lora.rank,
        alpha: `${lora.rank * lora.scale}`,
        modules: [...lora.modules],
      },
      lossCurveDigest: none,
      evaluation: {},
      index: {
        method: "random",
        lambda: "0.1",
        samples: 4,
        basisDigest,
        scale: "1",
        contributors: contributors.length,
        examplesPerRow: Math.ceil(sizes.examples / sizes.contributors),
        nullRows,
        k,
        root: tree.root,
        thresholdMillionths,
        clustersDigest: none,
      },
      calibration: {},
      payoutRule: 2,
      parentRelease: null,
      price: {
        promptWeiPerToken: `${price.promptWeiPerToken}`,
        completionWeiPerToken: `${price.completionWeiPerToken}`,
      },
      developer: toHex(accounts.developer.address),
      createdAtMs: Date.now(),
    });
    const id = releaseId(manifest);
    const registry = contractModelRegistry({
      chain: viemChain(network.network),
      transport: custom({ request: (args) => chain.request(args) }, { retryCount: 0 }),
      address: contracts.ModelRegistry.address,
    });
    const modelId = await registry.ensureModel(accounts.developer, modelName);
    const transactionHash = await registry.publish(accounts.developer, modelId, {
      releaseId: id,
      baseDigest: baseDigest(base),
      adapterDigest: adapter,
      indexRoot: tree.root,
      indexRows: tree.count,
      contributorRows: contributors.length,
      k,
      thresholdMillionths,
      parentRelease: zeroDigest,
      ...price,
      versions: [{ datanetId: 1n, version: 1n }],
    });
    await database.query(
      `insert into modelfactory.releases (id, model, manifest, adapter_config, rows_digest, contributors, signature, transaction_hash, created_at_ms)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
      [
        id,
        modelName,
        JSON.stringify(manifest),
        adapterConfig,
        rowsDigest,
        JSON.stringify(contributors),
        await signRelease(accounts.developer, id),
        transactionHash,
        manifest.createdAtMs,
      ],
    );

    const secrets: string[] = [];
    for (let payer = 0; payer < payers; payer++) {
      const account: PrivateKeyAccount = privateKeyToAccount(textDigest(`payer ${payer}`));
      await network.faucet(account.address, 100n * open);
      const key = await payments.createKey({ label: "benchmark" });
      const { channelId } = await openChannel(network.writer(account), contracts, {
        payee: key.payee,
        signer: key.signer,
        depositWei: 90n * open,
      });
      await payments.activateKey(key.secret, channelId);
      secrets.push(key.secret);
    }
    return secrets;
  } finally {
    await node.close();
  }
}
