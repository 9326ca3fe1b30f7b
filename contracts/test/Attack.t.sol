// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {BatchInput, ChannelEnd, ChannelInterval} from "../src/AttributionLedger.sol";
import {ReleaseInput} from "../src/ModelRegistry.sol";
import {Pointers} from "../src/ledger/Pointers.sol";
import {ScoreEvidence} from "../src/libraries/Lies.sol";
import {Balance} from "../src/libraries/Journals.sol";
import {OpenedReceipt, Receipt} from "../src/libraries/Receipts.sol";
import {Draft, Honest} from "./Honest.sol";

/// What a liar, a payer and a developer try who know the rules by heart.
contract AttackTest is Honest {
    address internal constant prover = address(0x99);

    // ---------------------------------------------------------------- the liar's way out

    /// A small lie kept ready, and proven by the liar itself as soon as somebody asks for the large one behind it.
    function test_aSmallLieOfOnesOwnDoesNotLetALargeOneGoFree() public {
        bytes32 id = openChannel("large", 8 ether);
        collect(id, 8 ether);
        Receipt memory small = _settleLie(0, 0, id, 0, 1);
        Receipt memory large = _settleLie(1, leaf(abi.encode(payer, uint256(1), uint256(1))), id, 1, 8 ether);
        vm.prank(operator);
        proofs.proveWrongTerms(operator, 0, 0, OpenedReceipt(small, new bytes32[](0)));
        (uint256 staked,, uint256 batches,,) = ledger.attesterOf(operator);
        vm.assertEq(batches, 0);
        vm.assertEq(staked, 2 ether, "all that falls is slashed");
        vm.assertEq(large.to, 8 ether);
    }

    /// A quorum may err: it costs no more than the batch that it judged.
    function test_aQuorumSlashesOnlyWhatItJudged() public {
        bytes32 id = openChannel("large", 8 ether);
        collect(id, 8 ether);
        _settleLie(0, 0, id, 0, 2 ether);
        _settleLie(1, leaf(abi.encode(payer, uint256(2 ether), uint256(2 ether))), id, 2 ether, 8 ether);
        vm.prank(theVerdicts);
        ledger.slashByQuorum(operator, 0, payer, 0, address(0), 0);
        (uint256 staked,, uint256 batches,,) = ledger.attesterOf(operator);
        vm.assertEq(batches, 0);
        vm.assertEq(staked, 8 ether);
    }

    /// Whatever a prover is paid: who is attester, prover and harmed in one loses three tenths.
    function testFuzz_provingOnesOwnLieCostsThreeTenths(uint16 rewardBps, uint96 worth) public {
        bytes32 key = parameters.PROVER_REWARD();
        vm.prank(governance);
        parameters.set(key, 1 + rewardBps % 3000);
        vm.warp(block.timestamp + 1);
        worth = 1 + worth % 9 ether;
        vm.deal(operator, worth);
        vm.prank(operator);
        bytes32 own = channels.open{value: worth}(operator, address(0), 0, "own");
        channels.collect(own, worth, voucher(operatorKey, own, worth));
        Receipt memory lie = _settleLie(0, 0, own, 0, worth);
        vm.prank(operator);
        proofs.proveWrongTerms(operator, 0, 0, OpenedReceipt(lie, new bytes32[](0)));
        (uint256 staked,,,,) = ledger.attesterOf(operator);
        uint256 slashed = worth > MINIMUM_BOND ? worth : MINIMUM_BOND;
        vm.assertLe(staked + ledger.creditOf(operator), 10 ether - slashed * 3 / 10);
        vm.assertGe(ledger.creditOf(treasury), slashed * 3 / 10);
    }

    /// Whatever accusers are paid, and whoever they are: attester, payer, accuser and auditor in one lose seven tenths, and what a
    /// slash pays is what is slashed.
    function testFuzz_accusingOneselfCostsSevenTenths(
        uint16 rewardBps,
        uint96 worth,
        uint64[2] memory fees,
        bool audited
    ) public {
        bytes32 key = parameters.PROVER_REWARD();
        vm.prank(governance);
        parameters.set(key, 1 + rewardBps % 3000);
        vm.warp(block.timestamp + 1);
        worth = 1 + worth % 9 ether;
        vm.deal(operator, worth);
        vm.prank(operator);
        bytes32 own = channels.open{value: worth}(operator, address(0), 0, "own");
        channels.collect(own, worth, voucher(operatorKey, own, worth));
        _settleLie(0, 0, own, 0, worth);
        vm.prank(theVerdicts);
        ledger.slashByQuorum(operator, 0, operator, fees[0], audited ? operator : address(0), audited ? fees[1] : 0);
        uint256 slashed = worth > MINIMUM_BOND ? worth : MINIMUM_BOND;
        uint256 paid = uint256(fees[0]) + (audited ? fees[1] : 0); // to judges, before
        uint256 rest = slashed > paid ? slashed - paid : 0;
        (uint256 staked,,,,) = ledger.attesterOf(operator);
        vm.assertEq(staked, 10 ether - slashed);
        vm.assertEq(ledger.creditOf(operator) + ledger.creditOf(treasury), slashed, "to the wei");
        vm.assertEq(ledger.creditOf(operator), slashed - rest + rest * (1 + rewardBps % 3000) / 10_000);
        vm.assertGe(ledger.creditOf(treasury) * 10, rest * 7);
    }

    // ---------------------------------------------------------------- the payer's way to a refund

    /// A payer that settles again, with a lie, what an operator's mistake reopened: it would fall for good and be refunded.
    function test_thePayeeSettlesAgainBeforeAnyoneElse() public {
        Draft memory d = firstDraft();
        d.receipts[1].releaseId = "nothing";
        settleDraft(d, 0, d);
        vm.prank(prover);
        proofs.proveWrongTerms(operator, 0, 1, openReceipt(d, 1));
        ledger.restore(operator, d.intervals, 2);

        bond(payer, 10 ether);
        (BatchInput memory batch, ChannelEnd[] memory ends) = commit(d, 0, 0);
        uint256 until = block.timestamp + WINDOW;
        vm.warp(until - 1);
        vm.expectRevert(abi.encodeWithSelector(Pointers.PayeeFirst.selector, ids[0], until));
        vm.prank(payer);
        ledger.settle(batch, ends);
        Draft memory honest = firstDraft();
        settleDraft(honest, 0, honest);
        vm.warp(until + WINDOW);
        (,,,, uint256 finalised) = ledger.attesterOf(operator);
        vm.assertEq(finalised, 1);
    }

    // ---------------------------------------------------------------- rows without a score

    /// A contributor's row that is not k numbers long has no score: whoever lists one for it lies.
    function test_aScoreOfARowOfAnotherLength() public {
        _publishShort("short", 0);
        Draft memory d = _shortDraft();
        settleDraft(d, 0, d);
        ScoreEvidence memory evidence = scoreEvidence(d, 0, 0, 0);
        evidence.row = hex"0001";
        evidence.rowProof = proofOf(_shortHashes(0), 0);
        proofs.proveWrongScore(operator, 0, evidence);
        (,, uint256 batches,,) = ledger.attesterOf(operator);
        vm.assertEq(batches, 0);
    }

    /// And so does who takes its threshold from such a null row; but to leave such rows out is no lie.
    function test_aThresholdOfARowOfAnotherLength() public {
        _publishShort("short", 3);
        Draft memory d = _shortDraft();
        d.receipts[0].thresholdRow = 3;
        settleDraft(d, 0, d);
        ScoreEvidence memory evidence = scoreEvidence(d, 0, 0, 3);
        evidence.row = hex"0001";
        evidence.rowProof = proofOf(_shortHashes(3), 3);
        proofs.proveWrongThreshold(operator, 0, 3, evidence);
        (,, uint256 batches,,) = ledger.attesterOf(operator);
        vm.assertEq(batches, 0);
    }

    // ---------------------------------------------------------------- numbers at their ends

    /// An interval as long as numbers go, next to another: the sum of their fees must not keep the proof from counting.
    function test_anOverlapOfEndlessIntervals() public {
        Draft memory d = secondDraft(firstDraft());
        finish(d, new Balance[](0));
        (BatchInput memory batch, ChannelEnd[] memory ends) = commit(d, 0, 0);
        d.receipts[0].from = 0;
        d.receipts[0].to = type(uint256).max;
        (BatchInput memory lying,) = commit(d, 0, 0);
        batch.receipts = lying.receipts;
        // Both channels as they are: only what the receipts say is wrong.
        for (uint256 i = 0; i < 2; ++i) {
            batch.total += d.intervals[i].from;
        }
        settle(batch, ends);
        proofs.proveWrongTiling(operator, 0, 1, openReceipt(d, 0), openReceipt(d, 1), new ChannelInterval[](0));
        (,, uint256 batches,,) = ledger.attesterOf(operator);
        vm.assertEq(batches, 0);
    }

    // ---------------------------------------------------------------- late, but unpaid

    /// A payer that closed its channel before it was collected has its money, and is compensated for nothing.
    function test_whoPaidNothingIsNotCompensatedForALateReceipt() public {
        bytes32 id = openChannel("closed", 1 ether);
        Receipt memory receipt;
        (receipt.channelId, receipt.to, receipt.releaseId, receipt.issuedAt) = (id, 1 ether, RELEASE, issuedAt);
        bytes memory signature = sign(operatorKey, receipt);
        vm.prank(payer);
        channels.requestClose(id);
        vm.warp(block.timestamp + 8 days);
        channels.close(id);
        vm.prank(prover);
        ledger.reportLate(receipt, signature);
        vm.assertEq(ledger.creditOf(prover), 0.3 ether);
        vm.assertEq(ledger.creditOf(payer), 0);
        vm.assertEq(ledger.creditOf(treasury), 0.7 ether);
    }

    // ---------------------------------------------------------------- inside

    /// Settles one receipt of a release that does not exist.
    function _settleLie(uint32 number, bytes32 root, bytes32 id, uint96 from, uint96 to)
        private
        returns (Receipt memory receipt)
    {
        (receipt.channelId, receipt.from, receipt.to, receipt.releaseId) = (id, from, to, "nothing");
        (BatchInput memory batch, ChannelEnd[] memory ends) = tinyBatch(number, root, id, from, to, payer, to);
        batch.receipts.root = leaf(abi.encode(hashOf(receipt)));
        settle(batch, ends);
    }

    /// A release whose row `row` has one number instead of four.
    function _publishShort(bytes32 id, uint256 row) private {
        ReleaseInput memory input = release(id, _root(_shortHashes(row)), 5, uint32(CONTRIBUTORS), 4, 1_000_000);
        input.promptWeiPerToken = 1_000_003;
        input.completionWeiPerToken = 3_000_001;
        vm.prank(developer);
        models.publishRelease(modelId, input);
    }

    function _shortHashes(uint256 row) private view returns (bytes32[] memory hashes) {
        hashes = _rowHashes();
        hashes[row] = keccak256(abi.encode(uint32(row), rowPayees[row], keccak256(hex"0001")));
    }

    function _shortDraft() private view returns (Draft memory d) {
        d = firstDraft();
        d.receipts[0].releaseId = "short";
    }
}
