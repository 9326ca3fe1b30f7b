import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Address, getContractAddress, type Hex, hexToString, keccak256 } from "viem";
import { type ChainReader, chainClients, type EmbeddedChain } from "../chain/index.ts";
import { type Database, openScratchDatabase } from "../store/index.ts";
import { hexOf } from "./abi.ts";
import {
  alice,
  bob,
  carol,
  eve,
  feeCollector,
  genesis,
  indexAll,
  type MixedRun,
  maker,
  openTestChain,
  runMixed,
  sample,
  temporaryFolder,
} from "./fixtures/world.ts";
import { findContract, findTransaction, listActivity, listLogsOf } from "./read.ts";
import { perBlock } from "./tables.ts";
import { readCursor } from "./write.ts";

const folder = temporaryFolder();
let chain: EmbeddedChain;
let database: Database;
let reader: ChainReader;
let run: MixedRun;

before(async () => {
  chain = await openTestChain(folder.path);
  database = await openScratchDatabase();
  reader = chainClients({ embedded: chain });
  run = await runMixed(chain);
  await indexAll(chain, database);
});
after(async () => {
  await database.close();
  await chain.close();
  folder[Symbol.dispose]();
});

const transaction = async (name: string) => (await findTransaction(database, run[name]!))!;
const lower = (address: Address) => address.toLowerCase() as Address;

test("every block, transaction and event is what RPC says it is", async () => {
  const head = await reader.public.getBlockNumber();
  const blocks = await database.query<Record<string, unknown>>(
    "select * from explorer.blocks order by number",
  );
  assert.equal(blocks.length, Number(head) + 1);
  let transactions = 0;
  let logs = 0;
  for (const row of blocks) {
    const block = await reader.public.getBlock({
      blockNumber: BigInt(row.number as number),
      includeTransactions: true,
    });
    assert.deepEqual(
      [
        row.hash,
        row.parent_hash,
        row.state_root,
        row.timestamp_sec,
        row.miner,
        row.gas_used,
        row.gas_limit,
        row.size_bytes,
      ],
      [
        block.hash,
        block.parentHash,
        block.stateRoot,
        Number(block.timestamp),
        lower(block.miner),
        Number(block.gasUsed),
        Number(block.gasLimit),
        Number(block.size),
      ],
    );
    assert.equal(row.base_fee_wei, block.baseFeePerGas);
    assert.equal(row.transactions, block.transactions.length);
    for (const sent of block.transactions) {
      transactions++;
      const receipt = await reader.public.getTransactionReceipt({ hash: sent.hash });
      const found = (await findTransaction(database, sent.hash))!;
      assert.equal(found.position, Number(sent.blockNumber) * perBlock + sent.transactionIndex!);
      assert.equal(found.sender, lower(sent.from));
      assert.equal(found.recipient, sent.to && lower(sent.to));
      assert.deepEqual(
        [found.nonce, found.type, found.valueWei, found.gasLimit, hexOf(found.input), found.inputBytes],
        [
          sent.nonce,
          Number(sent.typeHex),
          sent.value,
          Number(sent.gas),
          sent.input,
          (sent.input.length - 2) / 2,
        ],
      );
      assert.deepEqual(
        [found.gasUsed, found.gasPriceWei, found.succeeded, found.created, found.logs],
        [
          Number(receipt.gasUsed),
          receipt.effectiveGasPrice,
          receipt.status === "success",
          receipt.status === "success" && receipt.contractAddress ? lower(receipt.contractAddress) : null,
          receipt.logs.length,
        ],
      );
      const rows = await listLogsOf(database, found.position, 100);
      assert.equal(rows.length, receipt.logs.length);
      for (const [index, log] of receipt.logs.entries()) {
        logs++;
        const kept = rows[index]!;
        assert.equal(kept.position, Number(log.blockNumber) * perBlock + log.logIndex);
        assert.deepEqual(
          [kept.address, kept.transactionHash, hexOf(kept.topics), kept.dataBytes],
          [
            lower(log.address),
            sent.hash,
            `0x${log.topics.map((topic) => topic.slice(2)).join("")}`,
            (log.data.length - 2) / 2,
          ],
        );
        const [raw] = await database.query<{ data: Uint8Array }>(
          "select data from explorer.logs where position = $1",
          [kept.position],
        );
        assert.equal(hexOf(raw!.data), log.data);
      }
    }
  }
  assert.equal(transactions, Object.keys(run).length);
  const cursor = (await readCursor(database))!;
  const count = async (table: string) =>
    (await database.query<{ n: number }>(`select count(*)::int as n from explorer.${table}`))[0]!.n;
  assert.deepEqual(
    [cursor.blockNumber, cursor.blockHash, cursor.genesisHash],
    [Number(head), blocks.at(-1)!.hash, blocks[0]!.hash],
  );
  assert.deepEqual([cursor.transactions, cursor.logs], [transactions, logs]);
  assert.deepEqual(
    [await count("transactions"), await count("logs"), await count("accounts"), await count("contracts")],
    [cursor.transactions, cursor.logs, cursor.accounts, cursor.contracts],
  );
});

test("calls, events and errors are in the contracts' own words; what cannot be decoded is kept raw", async () => {
  const success = await transaction("success");
  assert.deepEqual([success.contract, success.function], ["Sample", "incrementBy"]);
  assert.deepEqual(success.arguments, [{ name: "times", type: "uint256", value: "3" }]);
  const events = await listLogsOf(database, success.position, 10);
  assert.deepEqual(
    events.map((log) => [log.contract, log.event, log.arguments?.map(({ value }) => value)]),
    [1, 2, 3].map((count) => ["Sample", "Counted", [lower(bob.address), String(count)]]),
  );
  const custom = await transaction("customError");
  assert.deepEqual([custom.succeeded, custom.error], [false, "TooFew"]);
  assert.deepEqual(
    custom.errorArguments?.map(({ name, value }) => [name, value]),
    [
      ["have", "3"],
      ["want", "7"],
    ],
  );
  const reason = await transaction("reason");
  assert.equal(reason.error, "Error");
  assert.equal(reason.errorArguments?.[0]?.value, "not\\u{0} \\u{202e}today");
  const refused = await transaction("refused");
  assert.deepEqual(
    refused.errorArguments?.map(({ value }) => value),
    [lower(bob.address), ["1", (2n ** 255n).toString()]],
  );
  const unknown = await transaction("unknownFunction");
  assert.deepEqual(
    [unknown.contract, unknown.function, hexOf(unknown.input)],
    ["Sample", null, "0xdeadbeef00"],
  );
  const outOfGas = await transaction("outOfGas");
  assert.deepEqual([outOfGas.succeeded, outOfGas.error, outOfGas.revertBytes], [false, null, 0]);
  const [blob] = await listLogsOf(database, (await transaction("blob")).position, 1);
  assert.deepEqual(blob?.arguments?.[0]?.value, { cut: `0x${"00".repeat(512)}`, length: 3_000 });
});

test("contracts made by contracts are there, with what made them, and named by the event that names them", async () => {
  const codeOf = async (address: Address) => (await reader.public.getCode({ address })) ?? "0x";
  const check = async (address: Address, name: string | null, by: string | null) => {
    const found = await findContract(database, lower(address));
    assert.ok(found, `${address} is listed`);
    const code = await codeOf(address);
    assert.deepEqual(
      [found.name, found.transactionHash, found.codeBytes, found.codeDigest],
      [name, by && run[by], (code.length - 2) / 2, code === "0x" ? null : keccak256(code)],
    );
  };
  await check(sample, "Sample", "deploySample");
  await check(maker, "Maker", "deployMaker");
  await check(getContractAddress({ from: sample, nonce: 1n }), null, "createdByContract");
  await check(getContractAddress({ from: maker, nonce: 2n }), "Made", "madeQuietly");
  const destroyed = (await transaction("destroyedAtOnce")).created!;
  await check(destroyed, null, "destroyedAtOnce");
  const [first] = await database.query<{ address: Address }>(
    "select address from explorer.contracts where name = 'Made' and position = $1",
    [(await transaction("made")).position],
  );
  await check(first!.address, "Made", "made");
  // The constructor speaks before the maker names it, in the same transaction.
  const made = await listLogsOf(database, (await transaction("made")).position, 10);
  assert.deepEqual(
    made.map(({ contract, event }) => [contract, event]),
    [
      ["Made", "Born"],
      ["Maker", "Registered"],
    ],
  );
  const spoke = await listLogsOf(database, (await transaction("spoke")).position, 10);
  assert.deepEqual([spoke[0]?.contract, spoke[0]?.event], ["Made", "Spoke"]);
  assert.equal((await transaction("spoke")).function, "speak");
  assert.equal(
    await findContract(database, lower(eve.address)),
    undefined,
    "a delegated account is no contract",
  );
});

test("what genesis gave and every later change add up to each account's balance", async () => {
  const accounts = await database.query<{ address: Address; sum: bigint }>(
    "select address, sum(change_wei) as sum from (select distinct on (address, position) * from explorer.activity) a group by address",
  );
  for (const { address, sum } of accounts) {
    if (address === lower(feeCollector)) continue;
    assert.equal(sum ?? 0n, await reader.public.getBalance({ address }), address);
  }
  // Somebody nobody named was paid: only the balance says so.
  const hidden = await database.query("select address from explorer.activity where role = 'balance'");
  assert.ok(hidden.length >= 1);
});

test("roles say how each took part", async () => {
  const rolesOf = async (address: Address, name: string) => {
    const { position } = await transaction(name);
    const { items } = await listActivity(database, lower(address), { limit: 100 });
    return items.find((item) => item.position === position)?.roles;
  };
  assert.deepEqual(await rolesOf(bob.address, "delegated"), ["sender"]);
  assert.deepEqual(await rolesOf(eve.address, "delegated"), ["authority", "recipient"]);
  assert.deepEqual(await rolesOf(carol.address, "zeroValue"), ["recipient"]);
  assert.deepEqual(await rolesOf(sample, "deploySample"), ["created"]);
  const { items } = await listActivity(database, lower(alice.address), { limit: 100 });
  const given = items.at(-1)!;
  assert.deepEqual(
    [given.roles, given.changeWei, given.transaction],
    [["genesis"], genesis[alice.address], null],
  );
  const delegated = await transaction("delegated");
  assert.deepEqual(delegated.authorizations, [
    { authority: lower(eve.address), delegate: sample, chainId: String(chain.chainId), nonce: "0" },
  ]);
});

test("an authorization that nobody signed has no authority, and nothing fails for it", async () => {
  const forged = await transaction("forgedDelegation");
  assert.deepEqual(
    [forged.succeeded, forged.authorizations?.map(({ authority, delegate }) => [authority, delegate])],
    [true, [[null, sample]]],
  );
});

test("a transaction that cannot be traced is indexed without, and the log says so", async () => {
  await using fresh = await openScratchDatabase();
  const said: string[] = [];
  const trace: typeof chain.trace = (hash, options) =>
    hash === run.made ? Promise.reject(new Error("no trace today")) : chain.trace(hash, options);
  const { chainId, request } = chain;
  const log = (_: string, message: string) => said.push(message);
  await indexAll(chain, fresh, { chain: { chainId, request, trace }, log });
  assert.match(
    said.join("\n"),
    new RegExp(`^Transaction ${run.made} could not be traced .*: no trace today$`, "m"),
  );
  const untraced = await fresh.query("select hash from explorer.transactions where not traced");
  assert.deepEqual(untraced, [{ hash: run.made }]);
});

test("words in calldata are no function; a name with control characters is readable", async () => {
  const words = await transaction("selector");
  assert.equal(hexToString(hexOf(words.input) as Hex), "words for a person");
  assert.equal(words.function, null);
  const names = await database.query<{ name: string }>("select name from explorer.names order by position");
  assert.deepEqual(
    names.map(({ name }) => name),
    ["First of its kind", "First of its kind", "a\\u{0}b\\u{1b}[31m"],
  );
});
