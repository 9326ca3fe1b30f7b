import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeAbiParameters, keccak256, toHex as textToHex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import type { Hex } from "./index.ts";
import {
  channelId,
  domain,
  hashConsent,
  hashVoucher,
  recoverConsent,
  recoverVoucher,
  sameHex,
  signConsent,
  signVoucher,
  textDigest,
  voucherIsGood,
  zeroAddress,
} from "./index.ts";

const payer = privateKeyToAccount(textDigest("payer"));
const signer = privateKeyToAccount(textDigest("signer"));
const inChannels = domain(161_612, "0x00000000000000000000000000000000000000cc");
const voucher = { channelId: textDigest("channel"), cumulative: 5n };
const consent = {
  datanetId: 1n,
  contributor: payer.address,
  examplesDigest: textDigest("examples"),
  exampleCount: 3,
  license: "CC0-1.0",
  signedAt: 1n,
};

test("struct hashes are the EIP's: keccak of type hash and encoded members", () => {
  const typeHash = (type: string) => keccak256(textToHex(type));
  assert.equal(
    hashVoucher(voucher),
    keccak256(
      encodeAbiParameters(
        [{ type: "bytes32" }, { type: "bytes32" }, { type: "uint256" }],
        [typeHash("Voucher(bytes32 channelId,uint256 cumulative)"), voucher.channelId, 5n],
      ),
    ),
  );
  const type =
    "Consent(uint256 datanetId,address contributor,bytes32 examplesDigest,uint32 exampleCount,string license,uint64 signedAt)";
  assert.equal(
    hashConsent(consent),
    keccak256(
      encodeAbiParameters(
        ["bytes32", "uint256", "address", "bytes32", "uint32", "bytes32", "uint64"].map((name) => ({
          type: name,
        })),
        [typeHash(type), 1n, payer.address, consent.examplesDigest, 3, textDigest("CC0-1.0"), 1n],
      ),
    ),
  );
});

test("a signature belongs to one struct, one chain and one contract", async () => {
  const signature = await signVoucher(inChannels, voucher, payer);
  assert.ok(sameHex(await recoverVoucher(inChannels, voucher, signature), payer.address));
  for (const [otherDomain, otherVoucher] of [
    [inChannels, { ...voucher, cumulative: 6n }],
    [domain(1, inChannels.verifyingContract), voucher],
    [domain(161_612, zeroAddress), voucher],
  ] as const)
    assert.ok(!sameHex(await recoverVoucher(otherDomain, otherVoucher, signature), payer.address));
});

test("any function that signs typed data will do", async () => {
  const signature = await signConsent(inChannels, consent, (data) => payer.signTypedData(data));
  assert.ok(sameHex(await recoverConsent(inChannels, consent, signature), payer.address));
});

test("what contracts refuse is refused here: malleable, short and odd signatures", async () => {
  const signature = await signVoucher(inChannels, voucher, payer);
  const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
  const twin = (order - BigInt(`0x${signature.slice(66, 130)}`)).toString(16).padStart(64, "0");
  const v = signature.endsWith("1b") ? "1c" : "1b";
  const malleable = `${signature.slice(0, 66)}${twin}${v}` as Hex;
  const refused = (bad: Hex) =>
    assert.rejects(recoverVoucher(inChannels, voucher, bad), { code: "signature" });
  await refused(malleable);
  await refused(signature.slice(0, -2) as Hex);
  await refused(`${signature.slice(0, -2)}00` as Hex);
  await refused(`0x${"00".repeat(64)}1b`);
});

test("a voucher is good from the payer within the deposit, from the session signer within its limit", async () => {
  const authority = { payer: payer.address, signer: signer.address, signerLimit: 4n, deposit: 10n };
  const good = async (cumulative: bigint, by: typeof payer) => {
    const one = { ...voucher, cumulative };
    return voucherIsGood(inChannels, authority, one, await signVoucher(inChannels, one, by));
  };
  assert.deepEqual(
    [await good(10n, payer), await good(11n, payer), await good(4n, signer), await good(5n, signer)],
    [true, false, true, false],
  );
  assert.equal(await good(1n, privateKeyToAccount(textDigest("stranger"))), false);
});

test("a channel's id follows from payer, payee and salt", () => {
  const salt = textDigest("salt");
  assert.notEqual(
    channelId(payer.address, signer.address, salt),
    channelId(signer.address, payer.address, salt),
  );
  assert.equal(
    channelId(payer.address, signer.address, salt),
    channelId(payer.address.toLowerCase() as Hex, signer.address, salt),
  );
});
