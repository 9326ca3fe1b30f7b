// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AttributionLedger, BatchInput, ChannelEnd, ChannelInterval} from "../src/AttributionLedger.sol";
import {Demands, Kind, ReceiptAnswer} from "../src/Demands.sol";
import {ChannelState, Pointers} from "../src/ledger/Pointers.sol";
import {Standing} from "../src/ledger/Standing.sol";
import {Balance} from "../src/libraries/Journals.sol";
import {OpenedReceipt, Receipt} from "../src/libraries/Receipts.sol";
import {Draft, Honest} from "./Honest.sol";

/// What becomes of a channel whose batch fell: settled again once by anyone bonded, or refunded; never both.
contract ResettlementTest is Honest {
    address internal constant other = address(0x601);
    address internal constant prover = address(0x99);

    function setUp() public override {
        super.setUp();
        bond(other, 10 ether);
    }

    // ---------------------------------------------------------------- settling again

    function test_anotherBondedAccountSettlesTheSameReceipts() public {
        Draft memory d = _lieAndRestore();
        _settleAs(other, d);
        (ChannelState memory state,, address settler) = ledger.channelState(ids[0]);
        vm.assertEq(settler, other);
        vm.assertTrue(state.third);
        vm.assertEq(state.undone, 0);
        vm.warp(block.timestamp + WINDOW);
        uint256 paid;
        for (uint256 i = 0; i < d.balances.length; ++i) {
            paid += ledger.claim(
                other,
                0,
                i,
                d.balances[i].payee,
                d.balances[i].credit,
                d.balances[i].cumulative,
                openBalance(d, i).proof
            );
        }
        vm.assertEq(paid, _total(d), "the payees are paid all the same");
    }

    function test_onlyWhatFellIsOpenToOthers() public {
        Draft memory d = firstDraft();
        (BatchInput memory batch, ChannelEnd[] memory ends) = commit(d, 0, 0);
        vm.expectRevert(abi.encodeWithSelector(Pointers.NotAttester.selector, ids[0], other, operator));
        vm.prank(other);
        ledger.settle(batch, ends);

        d = _lieAndRestore();
        (batch, ends) = commit(d, 0, 0);
        uint96 reopened = ends[0].to;
        ends[0].to += 1;
        batch.total += 1;
        vm.expectRevert(
            abi.encodeWithSelector(Pointers.BeyondReopened.selector, ids[0], uint256(reopened) + 1, uint256(reopened))
        );
        vm.prank(other);
        ledger.settle(batch, ends);
        // The payee itself may go on beyond.
        vm.prank(operator);
        ledger.settle(batch, ends);
        (ChannelState memory state,,) = ledger.channelState(ids[0]);
        vm.assertEq(state.undone, 0);
        vm.assertFalse(state.third);
    }

    function test_whoIsNotBondedSettlesNothing() public {
        Draft memory d = _lieAndRestore();
        (BatchInput memory batch, ChannelEnd[] memory ends) = commit(d, 0, 0);
        vm.expectRevert(abi.encodeWithSelector(Standing.BondTooSmall.selector, 0, uint256(batch.total) + MINIMUM_BOND));
        vm.prank(address(0x777));
        ledger.settle(batch, ends);
    }

    /// All pending batches over a channel belong to one settler.
    function test_theOneBeforeMustBeFinal() public {
        Draft memory one = firstDraft();
        settleDraft(one, 0, one);
        Draft memory two = secondDraft(one);
        two.receipts[0].releaseId = "nothing";
        settleDraft(two, 1, one);
        _prove(operator, 1, two, 0);
        ledger.restore(operator, two.intervals, 2);
        uint256 until = block.timestamp + 2 * WINDOW;
        vm.prank(theVerdicts);
        ledger.hold(operator, 0, until);
        vm.warp(block.timestamp + WINDOW);
        two = secondDraft(one);
        finish(two, new Balance[](0));
        (BatchInput memory batch, ChannelEnd[] memory ends) = commit(two, 0, 0);
        vm.expectRevert(abi.encodeWithSelector(Pointers.StillCovered.selector, ids[0], operator, 1));
        vm.prank(other);
        ledger.settle(batch, ends);
        vm.warp(block.timestamp + WINDOW);
        _settleAs(other, two);

        // And the payee waits for the other.
        collect(ids[0], 2 ether);
        (batch, ends) = tinyBatch(1, _root(balanceHashes(one)), ids[0], two.intervals[0].to, 2 ether, payer, 1);
        vm.expectRevert(abi.encodeWithSelector(Pointers.StillCovered.selector, ids[0], other, 1));
        vm.prank(operator);
        ledger.settle(batch, ends);
        vm.warp(block.timestamp + WINDOW);
        settle(batch, ends);
        (,, address settler) = ledger.channelState(ids[0]);
        vm.assertEq(settler, operator);
    }

    function test_onceAndNotTwice() public {
        Draft memory d = _lieAndRestore();
        d.receipts[1].releaseId = "nothing";
        _settleAs(other, d);
        _prove(other, 0, d, 1);
        ledger.restore(other, d.intervals, 2);
        (ChannelState memory state,,) = ledger.channelState(ids[0]);
        vm.assertEq(state.undone, 2);
        d = firstDraft();
        (BatchInput memory batch, ChannelEnd[] memory ends) = commit(d, 0, 0);
        address[3] memory settlers = [operator, other, address(0x777)];
        for (uint256 i = 0; i < 3; ++i) {
            vm.expectRevert(abi.encodeWithSelector(Pointers.FellTwice.selector, ids[0]));
            vm.prank(settlers[i]);
            ledger.settle(batch, ends);
        }
        // Only the payer can have it back.
        vm.warp(block.timestamp + 30 days);
        uint256 compensated = ledger.creditOf(payer);
        ledger.refund(ids[0]);
        vm.assertEq(ledger.creditOf(payer) - compensated, 1 ether);
        vm.expectRevert(abi.encodeWithSelector(Pointers.NothingNew.selector, ids[0], ends[0].to, 1 ether));
        vm.prank(operator);
        ledger.settle(batch, ends);
    }

    /// Batches that fall together have fallen once.
    function test_whatFallsTogetherFallsOnce() public {
        Draft memory one = firstDraft();
        one.receipts[0].releaseId = "nothing";
        settleDraft(one, 0, one);
        Draft memory two = secondDraft(one);
        settleDraft(two, 1, one);
        _prove(operator, 0, one, 0);
        ledger.restore(operator, two.intervals, 2);
        ledger.restore(operator, one.intervals, 2);
        (ChannelState memory state, uint256 reopenedTo,) = ledger.channelState(ids[0]);
        vm.assertEq(state.undone, 1);
        vm.assertEq(state.settled, 0);
        vm.assertEq(reopenedTo, two.intervals[0].to);
    }

    /// What a third party settles counts only with the operator's word for every receipt.
    function test_receiptsOfOthersNeedTheOperatorsSignature() public {
        Draft memory d = _lieAndRestore();
        _settleAs(other, d);
        address asker = address(0x602);
        bond(asker, MINIMUM_BOND);
        vm.deal(asker, 1 ether);
        vm.prank(asker);
        demands.demand{value: 0.01 ether}(other, 0, Kind.Receipt, 1);
        OpenedReceipt memory opened = openReceipt(d, 1);
        ReceiptAnswer memory answer =
            ReceiptAnswer(opened.receipt, opened.proof, d.scores[1], d.queries[1], d.payments[1], "");
        vm.expectRevert(abi.encodeWithSelector(Demands.NotSignedByPayee.selector, address(0), operator));
        demands.answerReceipt(other, 0, 1, answer);
        answer.signature = sign(payerKey, opened.receipt);
        vm.expectRevert(abi.encodeWithSelector(Demands.NotSignedByPayee.selector, payer, operator));
        demands.answerReceipt(other, 0, 1, answer);
        answer.signature = sign(operatorKey, opened.receipt);
        demands.answerReceipt(other, 0, 1, answer);
        vm.assertEq(ledger.creditOf(other), 0.01 ether);
    }

    function test_restoringInPieces() public {
        Draft memory d = firstDraft();
        d.receipts[0].releaseId = "nothing";
        settleDraft(d, 0, d);
        _prove(operator, 0, d, 0);
        ledger.restore(operator, d.intervals, 1);
        vm.assertEq(ledger.settledOf(ids[1]), 0, "the last channel first");
        vm.assertEq(ledger.settledOf(ids[0]), d.intervals[0].to);
        (BatchInput memory batch, ChannelEnd[] memory ends) = commit(d, 0, 0);
        vm.expectRevert(abi.encodeWithSelector(AttributionLedger.NotRestored.selector, operator, 1));
        vm.prank(operator);
        ledger.settle(batch, ends);
        ledger.restore(operator, d.intervals, 1);
        vm.assertEq(ledger.settledOf(ids[0]), 0);
        (,,, uint256 undone,) = ledger.attesterOf(operator);
        vm.assertEq(undone, 0);
        settle(batch, ends);
    }

    // ---------------------------------------------------------------- refunds

    function test_whatNobodySettlesGoesBackAfterThirtyDays() public {
        vm.expectRevert(abi.encodeWithSelector(Pointers.RefundTooEarly.selector, ids[0], 0));
        ledger.refund(ids[0]);
        ledger.startRefund(ids[0]);
        uint256 at = block.timestamp + 30 days;
        vm.warp(at - 1);
        // Asking again does not put it off.
        ledger.startRefund(ids[0]);
        vm.expectRevert(abi.encodeWithSelector(Pointers.RefundTooEarly.selector, ids[0], at));
        ledger.refund(ids[0]);
        vm.warp(at);
        vm.assertEq(ledger.refund(ids[0]), 1 ether);
        vm.assertEq(ledger.creditOf(payer), 1 ether);
        uint256 before = payer.balance;
        ledger.withdrawCredit(payer);
        vm.assertEq(payer.balance - before, 1 ether);
        vm.expectRevert(abi.encodeWithSelector(Pointers.NothingToRefund.selector, ids[0], 1 ether));
        ledger.refund(ids[0]);
        vm.expectRevert(abi.encodeWithSelector(Pointers.NothingToRefund.selector, ids[0], 1 ether));
        ledger.startRefund(ids[0]);
        // What is refunded is never settled; what comes later is.
        Draft memory d = firstDraft();
        (BatchInput memory batch, ChannelEnd[] memory ends) = commit(d, 0, 0);
        vm.expectRevert(abi.encodeWithSelector(Pointers.NothingNew.selector, ids[0], ends[0].to, 1 ether));
        vm.prank(operator);
        ledger.settle(batch, ends);
        collect(ids[0], 2 ether);
        (batch, ends) = tinyBatch(0, 0, ids[0], 1 ether, 2 ether, payer, 1 ether);
        settle(batch, ends);
    }

    function test_settlingStopsARefund() public {
        ledger.startRefund(ids[0]);
        vm.warp(block.timestamp + 30 days);
        Draft memory d = firstDraft();
        settleDraft(d, 0, d);
        vm.expectRevert(abi.encodeWithSelector(Pointers.RefundTooEarly.selector, ids[0], 0));
        ledger.refund(ids[0]);
    }

    function test_nothingIsRefundedUnderAPendingBatch() public {
        Draft memory d = firstDraft();
        settleDraft(d, 0, d);
        ledger.startRefund(ids[0]);
        address asker = address(0x602);
        bond(asker, MINIMUM_BOND);
        vm.deal(asker, 1 ether);
        vm.prank(asker);
        demands.demand{value: 0.01 ether}(operator, 0, Kind.Line, 0);
        vm.warp(block.timestamp + 31 days);
        vm.expectRevert(abi.encodeWithSelector(Pointers.StillCovered.selector, ids[0], operator, 1));
        ledger.refund(ids[0]);
    }

    // ---------------------------------------------------------------- late receipts

    function test_aSignedReceiptThatIsNotSettledCostsItsOperator() public {
        Draft memory d = firstDraft();
        Receipt memory receipt = d.receipts[0];
        bytes memory signature = sign(operatorKey, receipt);
        uint256 deadline = uint256(issuedAt) + 7 days;
        vm.warp(deadline - 1);
        vm.expectRevert(abi.encodeWithSelector(AttributionLedger.NotLate.selector, hashOf(receipt), deadline));
        ledger.reportLate(receipt, signature);
        vm.warp(deadline);
        bytes memory forged = sign(payerKey, receipt);
        vm.expectRevert(abi.encodeWithSelector(AttributionLedger.NotSigned.selector, hashOf(receipt), payer));
        ledger.reportLate(receipt, forged);
        vm.prank(prover);
        ledger.reportLate(receipt, signature);
        // The governed 0.1 OPEN, because the fee is less: 30 % to who reported, the fee to the payer.
        uint256 fee = receipt.to - receipt.from;
        (uint256 staked,, uint256 batches,,) = ledger.attesterOf(operator);
        vm.assertEq(staked, 10 ether - 0.1 ether);
        vm.assertEq(batches, 0);
        vm.assertEq(ledger.creditOf(prover), 0.03 ether);
        vm.assertEq(ledger.creditOf(payer), fee);
        vm.assertEq(ledger.creditOf(treasury), 0.07 ether - fee);
        vm.expectRevert(abi.encodeWithSelector(AttributionLedger.NotLate.selector, hashOf(receipt), deadline));
        ledger.reportLate(receipt, signature);
    }

    function test_whatIsSettledOrFellIsNotLate() public {
        Draft memory d = firstDraft();
        bytes memory signature = sign(operatorKey, d.receipts[0]);
        settleDraft(d, 0, d);
        vm.warp(block.timestamp + 8 days);
        vm.expectPartialRevert(AttributionLedger.NotLate.selector);
        ledger.reportLate(d.receipts[0], signature);
    }

    function test_afterAFallReceiptsAreNotLate() public {
        Draft memory d = _lieAndRestore();
        bytes memory signature = sign(operatorKey, d.receipts[0]);
        vm.warp(block.timestamp + 8 days);
        vm.expectPartialRevert(AttributionLedger.NotLate.selector);
        ledger.reportLate(d.receipts[0], signature);
    }

    /// A late receipt takes nothing of what stands behind pending batches.
    function test_lateReceiptsTakeOnlyFreeBond() public {
        Draft memory d = firstDraft();
        Receipt memory receipt = d.receipts[1];
        bytes memory signature = sign(operatorKey, receipt);
        vm.warp(block.timestamp + 8 days);
        (BatchInput memory batch, ChannelEnd[] memory ends) = tinyBatch(0, 0, ids[0], 0, 1 ether, payer, 1 ether);
        settle(batch, ends);
        vm.prank(operator);
        ledger.withdrawBond(8 ether);
        bytes32 key = parameters.LATE_RECEIPT_SLASH();
        vm.prank(governance);
        parameters.set(key, 100 ether);
        vm.warp(block.timestamp + 1);
        ledger.reportLate(receipt, signature);
        (uint256 staked, uint256 pending,,,) = ledger.attesterOf(operator);
        vm.assertEq(staked, 1 ether);
        vm.assertEq(pending, 1 ether);
        receipt = firstDraft().receipts[1];
        receipt.responseDigest = "x";
        signature = sign(operatorKey, receipt);
        vm.expectPartialRevert(Standing.BondTooSmall.selector);
        ledger.reportLate(receipt, signature);
    }

    // ---------------------------------------------------------------- inside

    /// The operator's first batch lies about a release, falls, and its channels are restored; its own time to settle them
    /// again has passed.
    /// @return d the same receipts, honestly
    function _lieAndRestore() private returns (Draft memory d) {
        d = firstDraft();
        d.receipts[0].releaseId = "nothing";
        settleDraft(d, 0, d);
        _prove(operator, 0, d, 0);
        ledger.restore(operator, d.intervals, 2);
        vm.warp(block.timestamp + WINDOW);
        d = firstDraft();
    }

    function _prove(address attester, uint256 number, Draft memory d, uint32 i) private {
        vm.prank(prover);
        proofs.proveWrongTerms(attester, number, i, openReceipt(d, i));
    }

    function _settleAs(address settler, Draft memory d) private {
        (BatchInput memory batch, ChannelEnd[] memory ends) = commit(d, 0, 0);
        vm.prank(settler);
        ledger.settle(batch, ends);
    }

    function _total(Draft memory d) private pure returns (uint256 total) {
        for (uint256 i = 0; i < d.intervals.length; ++i) {
            total += d.intervals[i].to - d.intervals[i].from;
        }
    }
}
