// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AttributionLedger, BatchInput, ChannelEnd, ChannelInterval} from "../src/AttributionLedger.sol";
import {Lies, ScoreEvidence} from "../src/libraries/Lies.sol";
import {Commitment, Positional} from "../src/libraries/Positional.sol";
import {Receipt} from "../src/libraries/Receipts.sol";
import {Standing} from "../src/ledger/Standing.sol";
import {Pointers} from "../src/ledger/Pointers.sol";
import {Batches} from "../src/libraries/Batches.sol";
import {Fixture} from "./Fixture.sol";

/// Every lie that can be proven, and that honest batches cannot be hurt.
contract FraudTest is Fixture {
    string internal json = vectors();
    string internal constant FIRST = ".circle.honest[0]";
    string internal constant SECOND = ".circle.honest[1]";
    string internal constant LYING = ".circle.lying";
    address internal constant prover = address(0x99);
    bytes32[] internal ids;

    function setUp() public override {
        super.setUp();
        publishCircle(json);
        ids = openCircle(json);
        bond(operator, 2 ether);
    }

    // ---------------------------------------------------------------- the vectors' lie

    function test_aLieIsSlashedAndUndone() public {
        _settle(FIRST, 0, 2);
        _settle(LYING, 1, 1);
        _prove(1, evidenceAt(json, LYING, 0, 0, 0));

        (uint256 staked,, uint256 batches, uint256 undone,) = ledger.attesterOf(operator);
        vm.assertEq(staked, 1 ether, "the batch is worth less than the minimum bond, so that is slashed");
        vm.assertEq(batches, 1);
        vm.assertEq(undone, 1);
        vm.assertEq(ledger.creditOf(prover), 0.3 ether);
        vm.assertEq(ledger.creditOf(treasury), 0.7 ether);
        ledger.withdrawCredit(prover);
        vm.assertEq(prover.balance, 0.3 ether);
        vm.expectRevert(abi.encodeWithSelector(Standing.NothingToClaim.selector, prover, 0, 0));
        ledger.withdrawCredit(prover);
        vm.expectRevert(abi.encodeWithSelector(Standing.NoSuchBatch.selector, operator, 1));
        ledger.batchOf(operator, 1);
    }

    function test_theSameReceiptsSettleAgainHonestly() public {
        _settle(FIRST, 0, 2);
        _settle(LYING, 1, 1);
        _prove(1, evidenceAt(json, LYING, 0, 0, 0));

        (BatchInput memory batch, ChannelEnd[] memory ends) = _batch(SECOND, 1, 1);
        vm.expectRevert(abi.encodeWithSelector(AttributionLedger.NotRestored.selector, operator, 1));
        vm.prank(operator);
        ledger.settle(batch, ends);

        ChannelInterval[] memory intervals = intervalsAt(json, LYING, 1);
        intervals[0].from += 1;
        vm.expectPartialRevert(Batches.WrongIntervals.selector);
        ledger.restore(operator, intervals, 1024);
        intervals[0].from -= 1;
        ledger.restore(operator, intervals, 1024);
        vm.assertEq(ledger.settledOf(ids[0]), 1_000_003);
        vm.expectRevert(abi.encodeWithSelector(Pointers.NothingToRestore.selector, operator));
        ledger.restore(operator, intervals, 1024);

        vm.expectPartialRevert(Standing.BondTooSmall.selector);
        vm.prank(operator);
        ledger.settle(batch, ends);
        bond(operator, 1 ether);
        settle(batch, ends);
        vm.warp(block.timestamp + WINDOW);
        _claimAll(SECOND, 1);
        vm.assertEq(address(ledger).balance, 3 ether);
    }

    function test_whatCameBeforeStays() public {
        _settle(FIRST, 0, 2);
        _settle(LYING, 1, 1);
        _prove(1, evidenceAt(json, LYING, 0, 0, 0));
        vm.warp(block.timestamp + WINDOW);
        _claimAll(FIRST, 0);
    }

    function test_whatWasBuiltOnALieGoesWithIt() public {
        _settle(FIRST, 0, 2);
        _settle(LYING, 1, 1);
        bytes32 id = openChannel("later", 1 ether);
        collect(id, 500);
        bytes32 root = commitmentAt(json, LYING, "balances", "balance").root;
        (BatchInput memory batch, ChannelEnd[] memory ends) = tinyBatch(2, root, id, 0, 500, payer, 500);
        settle(batch, ends);
        _prove(1, evidenceAt(json, LYING, 0, 0, 0));
        (,, uint256 batches, uint256 undone,) = ledger.attesterOf(operator);
        vm.assertEq(batches, 1);
        vm.assertEq(undone, 2);

        // The newest first: the older one's intervals do not fit yet.
        ChannelInterval[] memory older = intervalsAt(json, LYING, 1);
        vm.expectPartialRevert(Batches.WrongIntervals.selector);
        ledger.restore(operator, older, 1024);
        ChannelInterval[] memory newer = new ChannelInterval[](1);
        newer[0] = ChannelInterval(id, 0, 500);
        ledger.restore(operator, newer, 1024);
        ledger.restore(operator, older, 1024);
        vm.assertEq(ledger.settledOf(id), 0);
        vm.warp(block.timestamp + WINDOW);
        vm.expectRevert(abi.encodeWithSelector(Standing.NoSuchBatch.selector, operator, 2));
        ledger.claim(operator, 2, 0, payer, 500, 500, new bytes32[](0));
    }

    function test_afterTheWindowNothingIsUndone() public {
        _settle(FIRST, 0, 2);
        _settle(LYING, 1, 1);
        ScoreEvidence memory evidence = evidenceAt(json, LYING, 0, 0, 0);
        vm.warp(block.timestamp + WINDOW);
        vm.expectRevert(abi.encodeWithSelector(Standing.AlreadyFinal.selector, operator, 1));
        proofs.proveWrongScore(operator, 1, evidence);
    }

    function test_aLargeBatchIsSlashedByItsValue() public {
        bytes32 id = openChannel("large", 5 ether);
        collect(id, 5 ether);
        bond(operator, 4 ether);
        Receipt memory receipt = receiptOf(id, 5 ether);
        receipt.releaseId = "nothing";
        ScoreEvidence memory evidence = settleOne(receipt, "", "");
        _prove(0, evidence);
        (uint256 staked,,,,) = ledger.attesterOf(operator);
        vm.assertEq(staked, 1 ether);
        vm.assertEq(ledger.creditOf(prover), 1.5 ether);
    }

    // ---------------------------------------------------------------- honest batches

    function test_noHonestScoreCanBeProvenWrong() public {
        _settle(FIRST, 0, 2);
        _settle(SECOND, 1, 1);
        // Every listed score of the second batch: rows 0, 1 and 2.
        for (uint32 position = 0; position < 3; ++position) {
            ScoreEvidence memory evidence = evidenceAt(json, SECOND, 0, position, position);
            vm.expectPartialRevert(Lies.ScoreIsRight.selector);
            proofs.proveWrongScore(operator, 1, evidence);
        }
        ScoreEvidence memory past = evidenceAt(json, SECOND, 0, 3, 0);
        vm.expectRevert(Positional.BadProof.selector);
        proofs.proveWrongScore(operator, 1, past);
    }

    function test_evidenceMustBeWhatWasCommitted() public {
        _settle(FIRST, 0, 2);
        _settle(LYING, 1, 1);
        ScoreEvidence memory evidence = evidenceAt(json, LYING, 0, 0, 0);

        evidence.query[0] ^= 0x01;
        _refusedDigest(evidence);
        evidence.query[0] ^= 0x01;

        evidence.scores[11] ^= 0x01;
        _refusedDigest(evidence);
        evidence.scores[11] ^= 0x01;

        evidence.row[0] ^= 0x01;
        _refusedProof(1, evidence);
        evidence.row[0] ^= 0x01;

        evidence.rowPayee = address(1);
        _refusedProof(1, evidence);
        evidence.rowPayee = vm.parseJsonAddress(json, ".circle.rows[0].payee");

        evidence.rowProof[0] ^= bytes32(uint256(1));
        _refusedProof(1, evidence);
        evidence.rowProof[0] ^= bytes32(uint256(1));

        evidence.receipt.threshold -= 1;
        _refusedProof(1, evidence);
        evidence.receipt.threshold += 1;

        evidence.receiptIndex = 1;
        _refusedProof(1, evidence);
        evidence.receiptIndex = 0;
        _refusedProof(0, evidence);

        // Another listed row stands where the first is named.
        ScoreEvidence memory other = evidenceAt(json, LYING, 0, 0, 1);
        _refusedProof(1, other);

        _prove(1, evidence);
    }

    // ---------------------------------------------------------------- lies that need no arithmetic

    function test_aReleaseThatDoesNotExist() public {
        Receipt memory receipt = receiptOf(ids[0], 1000);
        receipt.releaseId = "nothing";
        _prove(0, settleOne(receipt, "", ""));
    }

    function test_aListThatIsNotWholeEntries() public {
        _prove(0, settleOne(receiptOf(ids[0], 1000), hex"00", ""));
    }

    function test_aRowThatIsNoContributor() public {
        _prove(0, settleOne(receiptOf(ids[0], 1000), abi.encodePacked(uint32(3), int64(5)), ""));
    }

    function test_aScoreThatIsNotAboveTheThreshold() public {
        Receipt memory receipt = receiptOf(ids[0], 1000);
        receipt.threshold = 5;
        _prove(0, settleOne(receipt, abi.encodePacked(uint32(0), int64(5)), ""));
    }

    function test_rowsThatDoNotAscend() public {
        bytes memory scores = abi.encodePacked(uint32(1), int64(5), uint32(1), int64(5));
        ScoreEvidence memory evidence = settleOne(receiptOf(ids[0], 1000), scores, "");
        evidence.position = 1;
        _prove(0, evidence);
    }

    function test_aQueryOfAnotherLength() public {
        bytes memory scores = abi.encodePacked(uint32(0), int64(5));
        _prove(0, settleOne(receiptOf(ids[0], 1000), scores, hex"0001"));
    }

    function test_scoresListedForAnAnswerThatWasNotAttributed() public {
        _prove(0, settleOne(receiptOf(ids[0], 1000), abi.encodePacked(uint32(0), int64(5)), ""));
    }

    // ---------------------------------------------------------------- any row, any query

    /// One contributor and one null row of random content: the true score cannot be proven wrong, any other can.
    function testFuzz_theScoreDecides(bytes32 seed, uint16 dimensions, int64 claimed, bool honest) public {
        uint256 k = uint256(dimensions) % 40 + 1;
        (bytes memory row, bytes memory query) = (noise(seed, "row", k), noise(seed, "query", k));
        bytes32 nullLeaf = leaf(abi.encode(uint32(1), address(0), keccak256(row)));
        bytes32 rowLeaf = leaf(abi.encode(uint32(0), payer, keccak256(row)));
        bytes32 releaseId = keccak256(abi.encode("fuzz", seed));
        vm.prank(developer);
        models.publishRelease(
            modelId, release(releaseId, keccak256(abi.encodePacked(rowLeaf, nullLeaf)), 2, 1, uint16(k), 1_000_000)
        );

        int256 exact = slowDot(row, query);
        if (honest) claimed = int64(exact);
        Receipt memory receipt = receiptOf(ids[0], 1000);
        receipt.releaseId = releaseId;
        receipt.threshold = type(int64).min;
        vm.assume(claimed > receipt.threshold);
        ScoreEvidence memory evidence = settleOne(receipt, abi.encodePacked(uint32(0), claimed), query);
        evidence.row = row;
        evidence.rowPayee = payer;
        evidence.rowProof = new bytes32[](1);
        evidence.rowProof[0] = nullLeaf;
        if (claimed == exact) {
            vm.expectRevert(abi.encodeWithSelector(Lies.ScoreIsRight.selector, 0, exact));
            proofs.proveWrongScore(operator, 0, evidence);
        } else {
            _prove(0, evidence);
        }
    }

    /// Two contributors' rows, of which the second scores as it may: whether it is above a fifth of the first decides whether to list
    /// it is a lie, or to leave it out.
    function testFuzz_theCutDecides(int16 best, int16 other) public {
        vm.assume(best > 0 && other <= best);
        bytes[3] memory rows_ = [abi.encodePacked(best), abi.encodePacked(other), abi.encodePacked(int16(-1))];
        bytes32[] memory leaves = new bytes32[](3);
        for (uint32 i = 0; i < 3; ++i) {
            leaves[i] = leaf(abi.encode(i, i == 2 ? address(0) : payer, keccak256(rows_[i])));
        }
        bytes32 right = keccak256(abi.encodePacked(leaves[2], bytes32(0)));
        bytes32 left = keccak256(abi.encodePacked(leaves[0], leaves[1]));
        bytes32 releaseId = keccak256(abi.encode("cut", best, other));
        vm.prank(developer);
        models.publishRelease(
            modelId, release(releaseId, keccak256(abi.encodePacked(left, right)), 3, 2, 1, 1_000_000)
        );
        Receipt memory receipt = receiptOf(ids[0], 1000);
        receipt.releaseId = releaseId;
        bool isAbove = other > best / 5;
        bytes memory list = abi.encodePacked(uint32(0), int64(best));
        if (!isAbove) list = bytes.concat(list, abi.encodePacked(uint32(1), int64(other)));
        ScoreEvidence memory evidence = settleOne(receipt, list, abi.encodePacked(int16(1)));
        if (isAbove) {
            (evidence.row, evidence.rowPayee) = (rows_[1], payer);
            evidence.rowProof = new bytes32[](2);
            (evidence.rowProof[0], evidence.rowProof[1]) = (leaves[0], right);
            proofs.proveOmission(operator, 0, 1, evidence);
        } else {
            evidence.position = 1;
            _prove(0, evidence);
        }
    }

    // ---------------------------------------------------------------- inside

    function _batch(string memory path, uint32 number, uint256 count)
        private
        view
        returns (BatchInput memory, ChannelEnd[] memory)
    {
        bytes32 previous = number == 0 ? bytes32(0) : commitmentAt(json, FIRST, "balances", "balance").root;
        return (batchAt(json, path, number, previous), endsOf(intervalsAt(json, path, count)));
    }

    function _settle(string memory path, uint32 number, uint256 count) private {
        (BatchInput memory batch, ChannelEnd[] memory ends) = _batch(path, number, count);
        settle(batch, ends);
    }

    function _prove(uint256 number, ScoreEvidence memory evidence) private {
        vm.prank(prover);
        proofs.proveWrongScore(operator, number, evidence);
        vm.expectRevert(abi.encodeWithSelector(Standing.NoSuchBatch.selector, operator, number));
        proofs.proveWrongScore(operator, number, evidence);
    }

    function _refusedProof(uint256 number, ScoreEvidence memory evidence) private {
        vm.expectRevert(Positional.BadProof.selector);
        proofs.proveWrongScore(operator, number, evidence);
    }

    function _refusedDigest(ScoreEvidence memory evidence) private {
        vm.expectPartialRevert(Lies.NotWhatWasHashed.selector);
        proofs.proveWrongScore(operator, 1, evidence);
    }

    function _claimAll(string memory path, uint256 number) private {
        for (uint256 i = 0; vm.keyExistsJson(json, at(string.concat(path, ".balances"), i)); ++i) {
            string memory one = at(string.concat(path, ".balances"), i);
            ledger.claim(
                operator,
                number,
                i,
                vm.parseJsonAddress(json, string.concat(one, ".payee")),
                vm.parseJsonUint(json, string.concat(one, ".credit")),
                vm.parseJsonUint(json, string.concat(one, ".cumulative")),
                vm.parseJsonBytes32Array(json, string.concat(one, ".proof"))
            );
        }
    }
}
