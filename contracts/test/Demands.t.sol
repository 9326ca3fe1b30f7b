// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AttributionLedger} from "../src/AttributionLedger.sol";
import {Demands, Item, Kind, ReceiptAnswer, RowAnswer} from "../src/Demands.sol";
import {Standing} from "../src/ledger/Standing.sol";
import {OpenedLine} from "../src/libraries/Journals.sol";
import {Lies} from "../src/libraries/Lies.sol";
import {Positional} from "../src/libraries/Positional.sol";
import {OpenedReceipt} from "../src/libraries/Receipts.sol";
import {Draft, Honest} from "./Honest.sol";

/// What is withheld costs the batch; what is asked for without need costs the asker.
contract DemandsTest is Honest {
    uint256 internal constant PRICE = 0.01 ether;
    address internal constant asker = address(0x401);
    address internal constant stranger = address(0x402);
    uint256 internal start;

    function setUp() public override {
        super.setUp();
        Draft memory d = firstDraft();
        settleDraft(d, 0, d);
        start = block.timestamp;
        bond(asker, MINIMUM_BOND);
        vm.deal(asker, 100 ether);
    }

    // ---------------------------------------------------------------- answers

    function test_everyKindOfItemIsAnswered() public {
        Draft memory d = firstDraft();
        _demand(Kind.Receipt, 1);
        _demand(Kind.Line, 3);
        _demand(Kind.Balance, 2);
        OpenedReceipt memory opened = openReceipt(d, 0);
        vm.prank(asker);
        demands.demandRow{value: PRICE}(operator, 0, 0, opened, 4);
        vm.assertEq(address(demands).balance, 4 * PRICE);
        vm.assertEq(demands.openOf(asker), 4);

        demands.answerReceipt(operator, 0, 1, _answer(d, 1));
        demands.answerLine(operator, 0, 3, openLine(d, 3));
        demands.answerBalance(operator, 0, 2, openBalance(d, 2));
        demands.answerRow(operator, 0, RELEASE, 4, RowAnswer(rowPayees[4], rows[4], proofOf(_rowHashes(), 4)));
        vm.assertEq(address(demands).balance, 0);
        vm.assertEq(ledger.creditOf(operator), 4 * PRICE, "answers are paid for");
        vm.assertEq(demands.openOf(asker), 0);
        vm.assertEq(ledger.batchOf(operator, 0).openDemands, 0);
        // The window is twice as long, once.
        vm.assertEq(ledger.batchOf(operator, 0).finalAt, start + 2 * WINDOW);
        vm.warp(start + 2 * WINDOW - 1);
        _finalised(0);
        vm.warp(start + 2 * WINDOW);
        _finalised(1);
    }

    function test_anAnswerMustBeWhatWasCommitted() public {
        Draft memory d = firstDraft();
        _demand(Kind.Receipt, 1);
        _demand(Kind.Line, 3);
        ReceiptAnswer memory answer = _answer(d, 1);
        answer.scores = bytes.concat(answer.scores, hex"00");
        vm.expectPartialRevert(Lies.NotWhatWasHashed.selector);
        demands.answerReceipt(operator, 0, 1, answer);
        answer = _answer(d, 1);
        answer.query[0] ^= 0x01;
        vm.expectPartialRevert(Lies.NotWhatWasHashed.selector);
        demands.answerReceipt(operator, 0, 1, answer);
        answer = _answer(firstDraft(), 1);
        answer.payments[0].amount += 1;
        vm.expectPartialRevert(Lies.NotWhatWasHashed.selector);
        demands.answerReceipt(operator, 0, 1, answer);
        answer = _answer(firstDraft(), 0);
        vm.expectRevert(Positional.BadProof.selector);
        demands.answerReceipt(operator, 0, 1, answer);
        // The right answer to a question nobody asked.
        vm.expectPartialRevert(Demands.NotOpen.selector);
        demands.answerReceipt(operator, 0, 0, answer);
        vm.expectRevert(Positional.BadProof.selector);
        demands.answerLine(operator, 0, 3, openLine(d, 4));
    }

    // ---------------------------------------------------------------- silence

    function test_aWithheldReceiptRevertsTheBatch() public {
        Draft memory second = secondDraft(firstDraft());
        settleDraft(second, 1, firstDraft());
        bytes32 id = _demand(Kind.Receipt, 1);
        uint256 deadline = start + WINDOW / 2;
        vm.warp(deadline - 1);
        vm.expectRevert(abi.encodeWithSelector(Demands.TooEarly.selector, id, deadline));
        demands.enforce(_item(Kind.Receipt, 1));
        vm.warp(deadline);
        ReceiptAnswer memory answer = _answer(firstDraft(), 1);
        vm.expectRevert(abi.encodeWithSelector(Demands.TooLate.selector, id, deadline));
        demands.answerReceipt(operator, 0, 1, answer);
        vm.prank(stranger);
        demands.enforce(_item(Kind.Receipt, 1));

        (uint256 staked, uint256 pending, uint256 batches, uint256 undone,) = ledger.attesterOf(operator);
        vm.assertEq(batches, 0);
        vm.assertEq(undone, 2);
        vm.assertEq(pending, 0);
        vm.assertEq(staked, 9 ether);
        vm.assertEq(ledger.creditOf(asker), 0.3 ether + PRICE, "the reward, and what it paid");
        vm.assertEq(ledger.creditOf(treasury), 0.7 ether);
        vm.assertEq(address(demands).balance, 0);
        vm.expectPartialRevert(Demands.NotOpen.selector);
        demands.enforce(_item(Kind.Receipt, 1));
    }

    /// Nobody enforces in time: the batch is not final for that, and neither is the one after it.
    function test_nothingIsFinalOverAnOpenDemand() public {
        settleDraft(secondDraft(firstDraft()), 1, firstDraft());
        _demand(Kind.Line, 0);
        vm.warp(start + 30 days);
        _finalised(0);
        Draft memory d = firstDraft();
        uint256 finalAt = start + 2 * WINDOW;
        vm.expectRevert(abi.encodeWithSelector(AttributionLedger.NotFinal.selector, finalAt));
        ledger.claim(
            operator, 0, 0, d.balances[0].payee, d.balances[0].credit, d.balances[0].cumulative, openBalance(d, 0).proof
        );
        demands.enforce(_item(Kind.Line, 0));
        (,, uint256 batches,,) = ledger.attesterOf(operator);
        vm.assertEq(batches, 0);
    }

    /// A batch whose predecessor waits is not final before it, and is once the demand is answered.
    function test_batchesBecomeFinalInOrder() public {
        vm.warp(start + WINDOW / 2);
        settleDraft(secondDraft(firstDraft()), 1, firstDraft());
        _demand(Kind.Line, 0);
        vm.assertEq(ledger.batchOf(operator, 1).finalAt, start + 2 * WINDOW, "raised with the one before it");
        demands.answerLine(operator, 0, 0, openLine(firstDraft(), 0));
        vm.warp(start + 2 * WINDOW - 1);
        _finalised(0);
        vm.warp(start + 2 * WINDOW);
        _finalised(2);
    }

    function test_feesComeBackWhenTheBatchFallsOtherwise() public {
        _demand(Kind.Receipt, 0);
        _demand(Kind.Line, 0);
        Item memory item = _item(Kind.Line, 0);
        vm.expectRevert(abi.encodeWithSelector(Demands.BatchStands.selector, operator, 0));
        demands.returnFee(item);
        vm.warp(start + WINDOW / 2);
        demands.enforce(_item(Kind.Receipt, 0));

        // The same number again: another generation, of which nothing was demanded.
        Draft memory d = firstDraft();
        ledger.restore(operator, d.intervals, 2);
        settleDraft(d, 0, d);
        vm.expectPartialRevert(Demands.NotOpen.selector);
        demands.enforce(item);
        vm.expectPartialRevert(Demands.NotOpen.selector);
        demands.answerLine(operator, 0, 0, openLine(d, 0));
        uint256 before = ledger.creditOf(asker);
        demands.returnFee(item);
        vm.assertEq(ledger.creditOf(asker) - before, PRICE);
        vm.assertEq(demands.openOf(asker), 0);
        vm.assertEq(ledger.batchOf(operator, 0).openDemands, 0);
        vm.expectPartialRevert(Demands.NotOpen.selector);
        demands.returnFee(item);
    }

    // ---------------------------------------------------------------- limits

    /// Who demands only to annoy pays the attester for every answer, and delays it by one window whatever it spends.
    function test_aGriefingDemanderLosesItsFees() public {
        uint256 before = asker.balance;
        Draft memory d = firstDraft();
        for (uint256 round = 0; round < 2; ++round) {
            for (uint32 i = 0; i < 8; ++i) {
                _demand(Kind.Line, uint32(8 * round) + i);
            }
            vm.expectRevert(abi.encodeWithSelector(Demands.TooManyOpen.selector, asker, 8));
            vm.prank(asker);
            demands.demand{value: PRICE}(operator, 0, Kind.Balance, 0);
            for (uint32 i = 0; i < 8; ++i) {
                uint32 n = uint32(8 * round) + i;
                demands.answerLine(operator, 0, n, openLine(d, n));
            }
        }
        vm.assertEq(before - asker.balance, 16 * PRICE);
        vm.assertEq(ledger.creditOf(operator), 16 * PRICE);
        vm.assertEq(ledger.creditOf(asker), 0);
        vm.assertEq(ledger.batchOf(operator, 0).finalAt, start + 2 * WINDOW);
    }

    function test_anItemIsDemandedOnce() public {
        bytes32 id = _demand(Kind.Line, 0);
        vm.expectRevert(abi.encodeWithSelector(Demands.AlreadyDemanded.selector, id, Demands.Status.Open));
        vm.prank(asker);
        demands.demand{value: PRICE}(operator, 0, Kind.Line, 0);
        OpenedLine memory opened = openLine(firstDraft(), 0);
        demands.answerLine(operator, 0, 0, opened);
        vm.expectRevert(abi.encodeWithSelector(Demands.AlreadyDemanded.selector, id, Demands.Status.Answered));
        vm.prank(asker);
        demands.demand{value: PRICE}(operator, 0, Kind.Line, 0);
        vm.expectPartialRevert(Demands.NotOpen.selector);
        demands.answerLine(operator, 0, 0, opened);
    }

    function test_onlyWhatTheBatchHas() public {
        vm.startPrank(asker);
        vm.expectRevert(abi.encodeWithSelector(Demands.NoSuchItem.selector, 2, 2));
        demands.demand{value: PRICE}(operator, 0, Kind.Receipt, 2);
        vm.expectRevert(abi.encodeWithSelector(Demands.NoSuchItem.selector, 0, 0));
        demands.demand{value: PRICE}(operator, 0, Kind.Row, 0);
        OpenedReceipt memory opened = openReceipt(firstDraft(), 0);
        vm.expectRevert(abi.encodeWithSelector(Demands.NoSuchItem.selector, 5, 5));
        demands.demandRow{value: PRICE}(operator, 0, 0, opened, 5);
        vm.expectRevert(Positional.BadProof.selector);
        demands.demandRow{value: PRICE}(operator, 0, 1, opened, 0);
        vm.expectRevert(abi.encodeWithSelector(Standing.NoSuchBatch.selector, operator, 1));
        demands.demand{value: PRICE}(operator, 1, Kind.Receipt, 0);
        vm.expectRevert(abi.encodeWithSelector(Demands.PriceTooLow.selector, PRICE - 1, PRICE));
        demands.demand{value: PRICE - 1}(operator, 0, Kind.Receipt, 0);
        vm.stopPrank();
    }

    function test_whatIsPaidTooMuchComesBack() public {
        vm.prank(asker);
        demands.demand{value: 5 * PRICE}(operator, 0, Kind.Line, 0);
        vm.assertEq(ledger.creditOf(asker), 4 * PRICE);
        vm.assertEq(address(demands).balance, PRICE);
    }

    /// Demands are taken in the batch's own window: the last one is answered with half a window left for a proof.
    function test_demandsEndWithTheOriginalWindow() public {
        _demand(Kind.Line, 0);
        vm.warp(start + WINDOW - 1);
        bytes32 id = _demand(Kind.Line, 1);
        vm.assertEq(demands.demandOf(id).deadline, start + WINDOW - 1 + WINDOW / 2);
        vm.assertGe(ledger.batchOf(operator, 0).finalAt - demands.demandOf(id).deadline, WINDOW / 2);
        vm.warp(start + WINDOW);
        vm.expectRevert(abi.encodeWithSelector(AttributionLedger.DemandTooLate.selector, start + WINDOW));
        vm.prank(asker);
        demands.demand{value: PRICE}(operator, 0, Kind.Line, 2);
    }

    function test_aDemanderNeedsAFreeBondThatStaysMeanwhile() public {
        vm.deal(stranger, 1 ether);
        vm.expectRevert(abi.encodeWithSelector(Standing.BondTooSmall.selector, 0, MINIMUM_BOND));
        vm.prank(stranger);
        demands.demand{value: PRICE}(operator, 0, Kind.Line, 0);
        _demand(Kind.Line, 0);
        vm.expectRevert(abi.encodeWithSelector(Standing.BondTooSmall.selector, MINIMUM_BOND, MINIMUM_BOND + 1));
        vm.prank(asker);
        ledger.withdrawBond(1);
        demands.answerLine(operator, 0, 0, openLine(firstDraft(), 0));
        vm.prank(asker);
        ledger.withdrawBond(MINIMUM_BOND);
    }

    /// Crowding a batch with demands of one's own costs: the price doubles, and the attester gets the plain fee only.
    function test_crowdingDoublesThePrice() public {
        Draft memory d = secondDraft(firstDraft());
        settleDraft(d, 1, firstDraft());
        uint256 count = d.lines.length;
        vm.assertGe(count, 34);
        for (uint32 i = 0; i < 34; ++i) {
            address one = address(uint160(0x500 + i / 8));
            if (i % 8 == 0) {
                bond(one, MINIMUM_BOND);
                vm.deal(one, 1 ether);
            }
            uint256 price = i < 32 ? PRICE : 2 * PRICE;
            vm.assertEq(demands.priceOf(operator, 1), price);
            vm.prank(one);
            demands.demand{value: price}(operator, 1, Kind.Line, i);
        }
        demands.answerLine(operator, 1, 33, openLine(d, 33));
        vm.assertEq(ledger.creditOf(operator), PRICE);
        vm.assertEq(ledger.creditOf(treasury), PRICE);
    }

    // ---------------------------------------------------------------- inside

    function _demand(Kind kind, uint32 index) private returns (bytes32) {
        vm.prank(asker);
        return demands.demand{value: PRICE}(operator, 0, kind, index);
    }

    function _item(Kind kind, uint32 index) private view returns (Item memory) {
        return Item(operator, 0, 0, kind, index, 0);
    }

    function _answer(Draft memory d, uint256 i) private pure returns (ReceiptAnswer memory) {
        OpenedReceipt memory opened = openReceipt(d, i);
        return ReceiptAnswer(opened.receipt, opened.proof, d.scores[i], d.queries[i], d.payments[i], "");
    }

    function _finalised(uint256 count) private view {
        (,,,, uint256 finalised) = ledger.attesterOf(operator);
        vm.assertEq(finalised, count);
    }
}
