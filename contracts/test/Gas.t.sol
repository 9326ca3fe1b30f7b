// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AttributionLedger, BatchInput, ChannelEnd} from "../src/AttributionLedger.sol";
import {Voucher} from "../src/PaymentChannels.sol";
import {Lies, ScoreEvidence} from "../src/libraries/Lies.sol";
import {Commitment, Positional} from "../src/libraries/Positional.sol";
import {Receipt} from "../src/libraries/Receipts.sol";
import {Fixture} from "./Fixture.sol";

/// What things cost. `contracts/snapshots/` is committed; `node scripts/forge.ts test --match-contract Gas` rewrites it.
/// A figure is execution plus the calldata's 16 or 4 gas a byte plus 21,000 a transaction, as a sender pays it (on
/// networks with EIP-7623 a proof with little execution pays 40 gas a byte instead, if that is more).
contract GasTest is Fixture {
    uint256 private constant RECEIPTS = 1000;

    function setUp() public override {
        super.setUp();
        bond(operator, 2000 ether);
    }

    /// A batch of 1,000 receipts is three roots and its channels: their number is what costs.
    function test_settling50Channels() public {
        uint256 each = _settle(50) / RECEIPTS;
        vm.assertLe(each, 3000, "1,000 receipts over 50 channels, collect included, gas a receipt");
        vm.snapshotValue("Settlement", "settle 50 channels with collect, per receipt of 1,000", each);
    }

    function test_settling1000Channels() public {
        vm.snapshotValue("Settlement", "settle 1,000 channels with collect, per receipt of 1,000", _settle(1000) / RECEIPTS);
    }

    function test_claimOf100Payees() public {
        bytes32 id = openChannel("claim", 1 ether);
        collect(id, 1000);
        (BatchInput memory batch, ChannelEnd[] memory ends) = tinyBatch(0, 0, id, 0, 1000, payer, 1000);
        // 100 equal leaves but the first: what matters is the proof's length, 7.
        bytes32[] memory proof = new bytes32[](7);
        bytes32 node = leaf(abi.encode(payer, uint256(1000), uint256(1000)));
        for (uint256 i = 0; i < 7; ++i) {
            proof[i] = keccak256(abi.encode(i));
            node = keccak256(abi.encodePacked(node, proof[i]));
        }
        batch.balances = Commitment(node, 100);
        settle(batch, ends);
        vm.warp(block.timestamp + WINDOW);
        bytes memory data = abi.encodeCall(ledger.claim, (operator, 0, 0, payer, 1000, 1000, proof));
        vm.snapshotValue("Settlement", "claim among 100 payees", _send(address(this), address(ledger), data));
    }

    function test_wrongScoreAt1024Dimensions() public {
        (bytes memory row, bytes memory query) = (new bytes(2048), new bytes(2048));
        for (uint256 i = 0; i < 2048; ++i) {
            (row[i], query[i]) = (keccak256(abi.encode("row", i))[0], keccak256(abi.encode("query", i))[0]);
        }
        // 1,000 rows: a proof of ten siblings.
        bytes32[] memory proof = new bytes32[](10);
        bytes32 node = leaf(abi.encode(uint32(0), payer, keccak256(row)));
        for (uint256 i = 0; i < 10; ++i) {
            proof[i] = keccak256(abi.encode(i));
            node = keccak256(abi.encodePacked(node, proof[i]));
        }
        vm.prank(developer);
        models.publishRelease(modelId, release("large", node, 1000, 800, 1024, 1_000_000));

        bytes32 id = openChannel("lie", 1 ether);
        collect(id, 1000);
        ScoreEvidence memory evidence;
        bytes memory scores = abi.encodePacked(uint32(0), int64(1));
        for (uint32 i = 1; i < 256; ++i) {
            scores = bytes.concat(scores, abi.encodePacked(i, int64(1)));
        }
        evidence.receipt.channelId = id;
        evidence.receipt.to = 1000;
        evidence.receipt.releaseId = "large";
        evidence.receipt.scoresDigest = keccak256(scores);
        evidence.receipt.queryDigest = keccak256(query);
        (evidence.scores, evidence.query, evidence.row) = (scores, query, row);
        (evidence.rowPayee, evidence.rowProof) = (payer, proof);
        (BatchInput memory batch, ChannelEnd[] memory ends) = tinyBatch(0, 0, id, 0, 1000, payer, 1000);
        // 1,000 receipts: a proof of ten siblings.
        bytes32 root = leaf(abi.encode(hashOf(evidence.receipt)));
        evidence.receiptProof = proof;
        for (uint256 i = 0; i < 10; ++i) {
            root = keccak256(abi.encodePacked(root, proof[i]));
        }
        batch.receipts = Commitment(root, 1000);
        settle(batch, ends);
        bytes memory data = abi.encodeCall(proofs.proveWrongScore, (operator, 0, evidence));
        uint256 spent = _send(address(0x99), address(proofs), data);
        vm.snapshotValue("Settlement", "prove a wrong score at k = 1,024 among 256 listed", spent);
        vm.assertLe(spent, 350_000, "a whole wrong-score proof");
    }

    /// The second batch over these channels: pointers and collected amounts are not zero any more.
    function _settle(uint256 count) private returns (uint256 spent) {
        bytes32[] memory ids = new bytes32[](count);
        ChannelEnd[] memory ends = new ChannelEnd[](count);
        for (uint256 i = 0; i < count; ++i) {
            ids[i] = openChannel(bytes32(i), 1 ether);
        }
        ids = sorted(ids);
        (Voucher[] memory vouchers, bytes[] memory signatures) = _vouchers(ids, 0.1 ether);
        channels.collectMany(vouchers, signatures);
        for (uint256 i = 0; i < count; ++i) {
            ends[i] = ChannelEnd(ids[i], 0.1 ether);
        }
        BatchInput memory batch = _batch(0, 0, uint96(count * 0.1 ether));
        settle(batch, ends);

        (vouchers, signatures) = _vouchers(ids, 0.2 ether);
        spent = _send(operator, address(channels), abi.encodeCall(channels.collectMany, (vouchers, signatures)));
        for (uint256 i = 0; i < count; ++i) {
            ends[i].to = 0.2 ether;
        }
        batch = _batch(1, batch.balances.root, uint96(count * 0.1 ether));
        spent += _send(operator, address(ledger), abi.encodeCall(ledger.settle, (batch, ends)));
    }

    function _vouchers(bytes32[] memory ids, uint256 cumulative)
        private
        view
        returns (Voucher[] memory vouchers, bytes[] memory signatures)
    {
        (vouchers, signatures) = (new Voucher[](ids.length), new bytes[](ids.length));
        for (uint256 i = 0; i < ids.length; ++i) {
            vouchers[i] = Voucher(ids[i], cumulative);
            signatures[i] = voucher(payerKey, ids[i], cumulative);
        }
    }

    function _batch(uint32 number, bytes32 previous, uint96 total) private pure returns (BatchInput memory) {
        Commitment memory any = Commitment(keccak256("root"), uint32(RECEIPTS));
        return BatchInput(number, previous, any, any, any, total);
    }

    /// Sends a transaction's calldata from cold storage and returns what its sender pays.
    function _send(address from, address to, bytes memory data) private returns (uint256 spent) {
        vm.cool(to);
        vm.cool(address(ledger));
        vm.cool(address(channels));
        vm.cool(address(parameters));
        vm.cool(address(models));
        vm.prank(from);
        spent = gasleft();
        (bool ok, bytes memory reason) = to.call(data);
        spent -= gasleft();
        if (!ok) {
            assembly ("memory-safe") {
                revert(add(reason, 32), mload(reason))
            }
        }
        spent += 21_000;
        for (uint256 i = 0; i < data.length; ++i) {
            spent += data[i] == 0 ? 4 : 16;
        }
    }
}
