// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Lies, ScoreEvidence} from "../src/libraries/Lies.sol";
import {Positional} from "../src/libraries/Positional.sol";
import {Receipt} from "../src/libraries/Receipts.sol";
import {Fixture} from "./Fixture.sol";

/// Wrong thresholds and left-out contributors. In the vectors' release rows 0 to 2 are contributors and rows 3 and 4 null
/// rows; its second batch's answer lists all three, and its threshold comes from row 3.
contract CompletenessTest is Fixture {
    string internal json = vectors();
    string internal constant FIRST = ".circle.honest[0]";
    string internal constant SECOND = ".circle.honest[1]";
    bytes32[] internal ids;

    function setUp() public override {
        super.setUp();
        publishCircle(json);
        ids = openCircle(json);
        bond(operator, 2 ether);
    }

    // ---------------------------------------------------------------- honest batches

    function test_noHonestThresholdOrListCanBeProvenWrong() public {
        settle(batchAt(json, FIRST, 0, 0), endsOf(intervalsAt(json, FIRST, 2)));
        bytes32 previous = commitmentAt(json, FIRST, "balances", "balance").root;
        settle(batchAt(json, SECOND, 1, previous), endsOf(intervalsAt(json, SECOND, 1)));
        for (uint32 row = 0; row < 5; ++row) {
            for (uint256 i = 0; i < 3; ++i) {
                (string memory path, uint256 number, uint256 receipt) = i < 2 ? (FIRST, 0, i) : (SECOND, 1, 0);
                ScoreEvidence memory evidence = evidenceAt(json, path, receipt, 0, row);
                bool optedOut = evidence.query.length == 0;
                if (row >= 3 || optedOut) vm.expectPartialRevert(Lies.ThresholdIsRight.selector);
                else vm.expectRevert(Positional.BadProof.selector);
                proofs.proveWrongThreshold(operator, number, row, evidence);
                if (row < 3) vm.expectPartialRevert(Lies.NotOmitted.selector);
                else vm.expectRevert(Positional.BadProof.selector);
                proofs.proveOmission(operator, number, row, evidence);
            }
        }
    }

    // ---------------------------------------------------------------- thresholds

    function test_aThresholdThatIsNotItsRows() public {
        ScoreEvidence memory evidence = _answer(3, 1, 0, 0);
        _open(evidence, 3);
        proofs.proveWrongThreshold(operator, 0, 3, evidence);
        _undone();
    }

    function test_aThresholdBelowItsOwnRow() public {
        ScoreEvidence memory evidence = _answer(3, -1, 0, 0);
        _open(evidence, 3);
        proofs.proveWrongThreshold(operator, 0, 3, evidence);
        _undone();
    }

    function test_anotherNullRowIsHigher() public {
        // The threshold of row 4 would be right for row 4, but row 3 scores higher.
        Receipt memory honest = _honest();
        int256 score = slowDot(_row(4), _query());
        int256 lower = score <= 0 ? int256(0) : score * 250_000 / 1_000_000;
        vm.assertTrue(lower < honest.threshold);
        ScoreEvidence memory evidence = _answer(4, int64(lower) - honest.threshold, 0, 0);
        _open(evidence, 4);
        vm.expectPartialRevert(Lies.ThresholdIsRight.selector);
        proofs.proveWrongThreshold(operator, 0, 4, evidence);
        _open(evidence, 3);
        proofs.proveWrongThreshold(operator, 0, 3, evidence);
        _undone();
    }

    function test_aThresholdFromARowThatIsNoNullRow() public {
        for (uint256 i = 0; i < 2; ++i) {
            ScoreEvidence memory evidence = _answer(i == 0 ? 2 : 5, 0, 0, 0);
            proofs.proveWrongThreshold(operator, 0, 3, evidence);
            _undone();
            _again();
        }
    }

    function test_aNegativeThreshold() public {
        ScoreEvidence memory evidence = _answer(3, -_honest().threshold - 1, 0, 0);
        proofs.proveWrongThreshold(operator, 0, 3, evidence);
        _undone();
    }

    function test_aThresholdWithoutAttribution() public {
        Receipt memory receipt = receiptOf(ids[1], 10);
        receipt.threshold = 1;
        ScoreEvidence memory evidence = settleOne(receipt, "", "");
        proofs.proveWrongThreshold(operator, 0, 3, evidence);
        _undone();
    }

    // ---------------------------------------------------------------- omissions

    function test_aLeftOutContributor() public {
        for (uint32 row = 0; row < 3; ++row) {
            // The list without entry `row`.
            ScoreEvidence memory evidence = _answer(3, 0, row, 1);
            for (uint32 listed = 0; listed < 3; ++listed) {
                if (listed == row) continue;
                _open(evidence, listed);
                vm.expectPartialRevert(Lies.NotOmitted.selector);
                proofs.proveOmission(operator, 0, listed, evidence);
            }
            _open(evidence, row);
            proofs.proveOmission(operator, 0, row, evidence);
            _undone();
            _again();
        }
    }

    function test_anEmptyListAlthoughSomeoneIsAbove() public {
        ScoreEvidence memory evidence = _answer(3, 0, 0, 3);
        _open(evidence, 1);
        proofs.proveOmission(operator, 0, 1, evidence);
        _undone();
    }

    function test_evidenceForAnotherRowIsRefused() public {
        ScoreEvidence memory evidence = _answer(3, 0, 0, 1);
        _open(evidence, 1);
        vm.expectRevert(Positional.BadProof.selector);
        proofs.proveOmission(operator, 0, 0, evidence);
    }

    /// A full list of 256 leaves out who scores less, or the same with a higher row; nobody else.
    function testFuzz_aFullList(uint8 difference, int16 lowest, bool early) public {
        vm.assume(lowest > 1 && lowest < type(int16).max);
        int16 own = lowest - 1 + int16(uint16(difference % 3));
        // Row 5 is not listed, or row 299 is not; all others of the list score `lowest`.
        uint32 row = early ? 5 : 299;
        bytes memory scores;
        for (uint32 i = 0; scores.length < 256 * 12; ++i) {
            if (i != row) scores = bytes.concat(scores, abi.encodePacked(i, int64(lowest)));
        }
        bytes memory bytesOfRow = abi.encodePacked(own);
        bytes32[] memory proof = new bytes32[](9);
        bytes32 node = leaf(abi.encode(row, payer, keccak256(bytesOfRow)));
        for (uint256 i = 0; i < 9; ++i) {
            node = (row >> i) & 1 == 1
                ? keccak256(abi.encodePacked(proof[i], node))
                : keccak256(abi.encodePacked(node, proof[i]));
        }
        vm.prank(developer);
        models.publishRelease(modelId, release("full", node, 310, 300, 1, 1_000_000));
        Receipt memory receipt = receiptOf(ids[0], 1000);
        receipt.releaseId = "full";
        ScoreEvidence memory evidence = settleOne(receipt, scores, hex"0001");
        (evidence.row, evidence.rowPayee, evidence.rowProof) = (bytesOfRow, payer, proof);

        bool omitted = own > lowest || (own == lowest && early);
        if (!omitted) vm.expectRevert(abi.encodeWithSelector(Lies.NotOmitted.selector, row, int256(own)));
        proofs.proveOmission(operator, 0, row, evidence);
        if (omitted) _undone();
    }

    // ---------------------------------------------------------------- inside

    function _honest() private view returns (Receipt memory) {
        return receiptAt(json, string.concat(SECOND, ".receipts[0].receipt"));
    }

    function _query() private view returns (bytes memory) {
        return vm.parseJsonBytes(json, string.concat(SECOND, ".receipts[0].query"));
    }

    function _row(uint256 row) private view returns (bytes memory) {
        return vm.parseJsonBytes(json, string.concat(at(".circle.rows", row), ".bytes"));
    }

    /// Settles the second answer with another threshold row, a threshold off by `change`, and `count` entries of its list
    /// from `from` on left out.
    function _answer(uint32 thresholdRow, int64 change, uint256 from, uint256 count)
        private
        returns (ScoreEvidence memory)
    {
        Receipt memory receipt = receiptOf(ids[0], 1000);
        receipt.thresholdRow = thresholdRow;
        receipt.threshold = _honest().threshold + change;
        bytes memory all = vm.parseJsonBytes(json, string.concat(SECOND, ".receipts[0].scores"));
        bytes memory scores = new bytes(all.length - 12 * count);
        for (uint256 i = 0; i < scores.length; ++i) {
            scores[i] = all[i < 12 * from ? i : i + 12 * count];
        }
        return settleOne(receipt, scores, _query());
    }

    function _open(ScoreEvidence memory evidence, uint256 row) private view {
        evidence.row = _row(row);
        evidence.rowPayee = vm.parseJsonAddress(json, string.concat(at(".circle.rows", row), ".payee"));
        evidence.rowProof = vm.parseJsonBytes32Array(json, string.concat(at(".circle.rows", row), ".proof"));
    }

    function _undone() private view {
        (,, uint256 batches, uint256 undone,) = ledger.attesterOf(operator);
        vm.assertEq(batches, 0);
        vm.assertEq(undone, 1);
    }

    /// Makes room for the next lie: a channel that fell twice is refunded first, so the world starts anew.
    function _again() private {
        setUp();
    }
}
