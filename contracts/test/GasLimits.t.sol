// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {BatchInput, ChannelEnd, ChannelInterval} from "../src/AttributionLedger.sol";
import {Item, Kind, ReceiptAnswer} from "../src/Demands.sol";
import {DatanetVersion, ReleaseInput} from "../src/ModelRegistry.sol";
import {Commitment} from "../src/libraries/Positional.sol";
import {OpenedReceipt, Receipt} from "../src/libraries/Receipts.sol";
import {Payment, SplitEvidence} from "../src/libraries/Splits.sol";
import {Fixture} from "./Fixture.sol";

/// The largest of everything fits in a block of 8 million gas: no batch is too large to be proven, asked about or undone.
/// Figures are execution from cold storage, calldata and 21,000.
contract GasLimitsTest is Fixture {
    uint256 private constant BLOCK = 8_000_000;
    uint96 private constant WHOLE_FEE = 10_000 * 64 * 256;
    uint256 private constant DEPTH = 20;
    address private constant asker = address(0x401);

    bytes32 private id;
    bytes32[] private proof;
    Receipt private receipt;
    bytes private scores;
    bytes private query = new bytes(2048);

    function setUp() public override {
        super.setUp();
        bond(operator, 2000 ether);
        bond(asker, MINIMUM_BOND);
        vm.deal(asker, 10 ether);
        id = openChannel("large", 1 ether);
        collect(id, 1 ether);
        for (uint256 i = 0; i < DEPTH; ++i) {
            proof.push(keccak256(abi.encode(i)));
        }
    }

    /// 256 contributors, 64 Datanets, a million receipts in the batch.
    function test_theLargestReceiptIsProvenAndPublished() public {
        (Payment[] memory payments, SplitEvidence memory evidence) = _largest();
        vm.prank(asker);
        demands.demand{value: 0.01 ether}(operator, 0, Kind.Receipt, 0);
        ReceiptAnswer memory answer = ReceiptAnswer(receipt, proof, scores, query, payments, "");
        uint256 spent =
            _send(operator, address(demands), abi.encodeCall(demands.answerReceipt, (operator, 0, 0, answer)));
        vm.snapshotValue("GasLimits", "publish a receipt of 256 contributors and 64 Datanets", spent);
        vm.assertLe(spent, BLOCK);
        spent = _send(address(0x99), address(proofs), abi.encodeCall(proofs.proveWrongSplit, (operator, 0, evidence)));
        vm.snapshotValue("GasLimits", "prove its split wrong", spent);
        vm.assertLe(spent, BLOCK);
        (,, uint256 batches,,) = ledger.attesterOf(operator);
        vm.assertEq(batches, 0);
    }

    /// A list of payments as long as it can be answered for is as long as it can be proven wrong.
    function test_whatIsTooLargeToProveIsTooLargeToPublish() public {
        (, SplitEvidence memory evidence) = _largest();
        Payment[] memory payments = new Payment[](3400);
        for (uint256 i = 0; i < payments.length; ++i) {
            payments[i] = Payment(address(uint160(uint256(keccak256(abi.encode(i))))), 1e18 - 1);
        }
        evidence.payments = payments;
        evidence.receipt.splitDigest = keccak256(abi.encode(payments));
        evidence.receipt.from = 0;
        _settle(1, evidence.receipt);
        vm.prank(asker);
        demands.demand{value: 0.01 ether}(operator, 1, Kind.Receipt, 0);
        ReceiptAnswer memory answer = ReceiptAnswer(evidence.receipt, proof, scores, query, payments, "");
        uint256 published =
            _send(operator, address(demands), abi.encodeCall(demands.answerReceipt, (operator, 1, 0, answer)));
        uint256 proven =
            _send(address(0x99), address(proofs), abi.encodeCall(proofs.proveWrongSplit, (operator, 1, evidence)));
        vm.snapshotValue("GasLimits", "publish 3,400 payments", published);
        vm.snapshotValue("GasLimits", "prove 3,400 payments wrong", proven);
        vm.assertLe(published, BLOCK);
        vm.assertLe(proven, published);
    }

    /// 128 batches wait, the first is asked about: silence undoes them all.
    function test_silenceUndoesTheMostThatCanWait() public {
        bytes32 root;
        for (uint32 i = 0; i < 128; ++i) {
            (BatchInput memory batch, ChannelEnd[] memory ends) = tinyBatch(i, root, id, i, i + 1, payer, i + 1);
            settle(batch, ends);
            root = batch.balances.root;
        }
        vm.prank(asker);
        uint256 spent = gasleft();
        demands.demand{value: 0.01 ether}(operator, 0, Kind.Line, 0);
        vm.assertLe(spent - gasleft(), BLOCK);
        vm.warp(block.timestamp + WINDOW);
        spent = _send(
            address(0x99), address(demands), abi.encodeCall(demands.enforce, (Item(operator, 0, 0, Kind.Line, 0, 0)))
        );
        vm.snapshotValue("GasLimits", "undo 128 batches for silence", spent);
        vm.assertLe(spent, BLOCK);
    }

    /// As many channels as one block settles, listed for a proof about tiling, and restored in pieces.
    function test_theMostChannelsABlockSettles() public {
        uint256 count = 190;
        bytes32[] memory channelIds = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            channelIds[i] = openChannel(bytes32(i), 1);
            collect(channelIds[i], 1);
        }
        channelIds = sorted(channelIds);
        ChannelEnd[] memory ends = new ChannelEnd[](count);
        ChannelInterval[] memory intervals = new ChannelInterval[](count);
        for (uint256 i = 0; i < count; ++i) {
            (ends[i], intervals[i]) = (ChannelEnd(channelIds[i], 1), ChannelInterval(channelIds[i], 0, 1));
        }
        (receipt.channelId, receipt.from, receipt.to) = (channelIds[0], 1, 2);
        Commitment memory any = Commitment(_root(receipt), uint32(1 << DEPTH));
        BatchInput memory batch = BatchInput(0, 0, any, any, any, uint96(count));
        uint256 spent = _send(operator, address(ledger), abi.encodeCall(ledger.settle, (batch, ends)));
        vm.snapshotValue("GasLimits", "settle 190 channels for the first time", spent);
        vm.assertLe(spent, BLOCK);
        // The first receipt begins elsewhere than its channel.
        OpenedReceipt memory opened = OpenedReceipt(receipt, proof);
        spent = _send(
            address(0x99),
            address(proofs),
            abi.encodeCall(proofs.proveWrongTiling, (operator, 0, 0, opened, opened, intervals))
        );
        vm.snapshotValue("GasLimits", "prove their tiling wrong", spent);
        vm.assertLe(spent, BLOCK);
        spent = _send(address(0x99), address(ledger), abi.encodeCall(ledger.restore, (operator, intervals, 100)));
        vm.snapshotValue("GasLimits", "restore 100 of them", spent);
        vm.assertLe(spent, BLOCK);
    }

    // ---------------------------------------------------------------- inside

    function _largest() private returns (Payment[] memory payments, SplitEvidence memory evidence) {
        ReleaseInput memory input = release("large", "root", 512, 256, 1024, 1_000_000);
        input.versions = new DatanetVersion[](64);
        vm.deal(developer, 100 ether);
        vm.startPrank(developer);
        for (uint256 i = 0; i < 64; ++i) {
            uint256 made = datanets.create{value: FEE}(keccak256(abi.encode(i)), "CC-BY-4.0");
            datanets.publishVersion(made, keccak256("root"), 1, keccak256("CC-BY-4.0"), keccak256("version"));
            input.versions[i] = DatanetVersion(made, 1);
        }
        models.publishRelease(modelId, input);
        vm.stopPrank();
        for (uint32 i = 0; i < 256; ++i) {
            scores = bytes.concat(scores, abi.encodePacked(i, int64(1)));
        }
        payments = new Payment[](4 + 64 + 256);
        evidence.heads = new uint256[](5);
        address[4] memory heads = [operator, treasury, developer, stakersPool];
        uint16[5] memory bps = [1500, 500, 2000, 1000, 5000];
        for (uint256 i = 0; i < 5; ++i) {
            evidence.heads[i] = uint256(WHOLE_FEE) * bps[i] / 10_000;
            if (i < 4) payments[i] = Payment(heads[i], evidence.heads[i]);
        }
        (evidence.owners, evidence.influence) = (new uint256[](64), new uint256[](256));
        for (uint256 i = 0; i < 64; ++i) {
            evidence.owners[i] = evidence.heads[4] / 10 / 64;
            payments[4 + i] = Payment(developer, evidence.owners[i]);
        }
        for (uint256 i = 0; i < 256; ++i) {
            evidence.influence[i] = evidence.heads[4] * 9 / 10 / 256;
            payments[68 + i] = Payment(address(uint160(uint256(keccak256(abi.encode(i))))), evidence.influence[i]);
        }
        payments[323].amount += 1;
        receipt.channelId = id;
        receipt.to = WHOLE_FEE;
        receipt.releaseId = "large";
        receipt.issuedAt = uint64(block.timestamp);
        receipt.scoresDigest = keccak256(scores);
        receipt.queryDigest = keccak256(query);
        receipt.splitDigest = keccak256(abi.encode(payments));
        _settle(0, receipt);
        (evidence.receipt, evidence.receiptProof, evidence.scores) = (receipt, proof, scores);
        evidence.payments = payments;
        evidence.position = 400;
    }

    /// Settles as much as a fee of the channel, with that receipt first of a million.
    function _settle(uint32 number, Receipt memory first) private {
        bytes32 root = number == 0 ? bytes32(0) : ledger.batchOf(operator, number - 1).balancesRoot;
        uint96 from = number * WHOLE_FEE;
        (BatchInput memory batch, ChannelEnd[] memory ends) =
            tinyBatch(number, root, id, from, from + WHOLE_FEE, payer, from + WHOLE_FEE);
        batch.receipts = Commitment(_root(first), uint32(1 << DEPTH));
        settle(batch, ends);
    }

    function _root(Receipt memory first) private view returns (bytes32 root) {
        root = leaf(abi.encode(hashOf(first)));
        for (uint256 i = 0; i < DEPTH; ++i) {
            root = keccak256(abi.encodePacked(root, proof[i]));
        }
    }

    function _send(address from, address to, bytes memory data) private returns (uint256 spent) {
        address[7] memory all = [
            to,
            address(ledger),
            address(channels),
            address(parameters),
            address(models),
            address(datanets),
            address(demands)
        ];
        for (uint256 i = 0; i < all.length; ++i) {
            vm.cool(all[i]);
        }
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
