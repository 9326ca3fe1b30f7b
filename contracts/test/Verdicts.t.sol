// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {OpenStaking, Reason} from "../src/OpenStaking.sol";
import {Verdicts} from "../src/Verdicts.sol";
import {Draws, Lottery} from "../src/libraries/Draws.sol";
import {Jury} from "../src/verdicts/Jury.sol";
import {VerdictsFixture} from "./VerdictsFixture.sol";

contract VerdictsTest is VerdictsFixture {
    // ---------------------------------------------------------------- what a quorum does

    function test_aQuorumUndoesABatchAfterTheAppeal() public {
        seat(4, 100 ether);
        uint256 number = settleFour();
        uint256 drawId = accuse(number, 2);
        vote(drawId, 4, 3); // 3 of 4 is more than two thirds
        verdicts.resolve(drawId);
        Verdicts.Draw memory d = verdicts.drawOf(drawId);
        vm.assertEq(uint256(d.outcome), uint256(Verdicts.Outcome.Wrong));
        vm.assertEq(d.executableAt, d.revealEnds + APPEAL);
        vm.assertGe(ledger.batchOf(operator, number).finalAt, d.executableAt + WINDOW);

        vm.warp(d.executableAt - 1);
        vm.expectPartialRevert(Jury.WrongPhase.selector);
        verdicts.execute(drawId);
        vm.warp(d.executableAt);
        verdicts.execute(drawId);
        (,, uint256 batches, uint256 undone,) = ledger.attesterOf(operator);
        vm.assertEq(batches, 0);
        vm.assertEq(undone, 1);
        vm.expectRevert(abi.encodeWithSelector(Verdicts.WrongOutcome.selector, drawId, Verdicts.Outcome.Executed));
        verdicts.execute(drawId);
    }

    function test_whoJudgedAgainstTheQuorumIsSlashedSubjectToAppeal() public {
        seat(4, 100 ether);
        uint256 drawId = accuse(settleFour(), 0);
        vote(drawId, 4, 3);
        vm.expectRevert(abi.encodeWithSelector(Verdicts.NothingToCharge.selector, drawId, validator(3)));
        verdicts.chargeVerdict(drawId, drawId, validator(3)); // not counted yet
        verdicts.resolve(drawId);
        vm.expectRevert(abi.encodeWithSelector(Verdicts.NothingToCharge.selector, drawId, validator(0)));
        verdicts.chargeVerdict(drawId, drawId, validator(0));
        uint256 slashId = verdicts.chargeVerdict(drawId, drawId, validator(3));
        OpenStaking.Slash memory s = staking.slashOf(slashId);
        vm.assertEq(s.amount, 5 ether); // 500 bps of 100
        vm.assertEq(uint256(s.reason), uint256(Reason.WrongVerdict));
        vm.assertEq(uint256(s.state), uint256(OpenStaking.SlashState.UnderAppeal));
        vm.assertEq(s.reporter, address(this));
        vm.expectRevert(abi.encodeWithSelector(Verdicts.NothingToCharge.selector, drawId, validator(3)));
        verdicts.chargeVerdict(drawId, drawId, validator(3));
        vm.expectRevert(abi.encodeWithSelector(Verdicts.NothingToCharge.selector, drawId, validator(3)));
        verdicts.chargeSilence(drawId, validator(3));
    }

    function test_aQuorumForRightLeavesTheBatchAlone() public {
        seat(4, 100 ether);
        uint256 number = settleFour();
        uint256 finalAt = ledger.batchOf(operator, number).finalAt;
        uint256 drawId = accuse(number, 1);
        vote(drawId, 4, 1);
        verdicts.resolve(drawId);
        vm.assertEq(uint256(verdicts.drawOf(drawId).outcome), uint256(Verdicts.Outcome.Right));
        vm.assertEq(ledger.batchOf(operator, number).finalAt, verdicts.drawOf(drawId).revealEnds + WINDOW);
        vm.assertGe(ledger.batchOf(operator, number).finalAt, finalAt);
        verdicts.chargeVerdict(drawId, drawId, validator(0));
        vm.expectRevert(abi.encodeWithSelector(Verdicts.WrongOutcome.selector, drawId, Verdicts.Outcome.Right));
        verdicts.execute(drawId);
        vm.deal(address(this), DRAW_FEE);
        vm.expectRevert(abi.encodeWithSelector(Verdicts.AlreadyDrawn.selector, drawId));
        verdicts.accuse{value: DRAW_FEE}(operator, number, 1);
    }

    function test_withoutTwoThirdsNothingHappensAndItMayBeAskedAgain() public {
        seat(4, 100 ether);
        uint256 number = settleFour();
        uint256 drawId = accuse(number, 1);
        vote(drawId, 4, 2);
        verdicts.resolve(drawId);
        vm.assertEq(uint256(verdicts.drawOf(drawId).outcome), uint256(Verdicts.Outcome.NoQuorum));
        for (uint256 i = 0; i < 4; ++i) {
            vm.expectRevert(abi.encodeWithSelector(Verdicts.NothingToCharge.selector, drawId, validator(i)));
            verdicts.chargeVerdict(drawId, drawId, validator(i));
        }
        uint256 again = accuse(number, 1);
        vote(again, 4, 4);
        verdicts.resolve(again);
        vm.assertEq(uint256(verdicts.drawOf(again).outcome), uint256(Verdicts.Outcome.Wrong));
    }

    function test_silenceCountsAsDrawnAndCostsAsMuch() public {
        seat(4, 100 ether);
        uint256 number = settleFour();
        uint256 drawId = accuse(number, 0);
        for (uint256 i = 0; i < 3; ++i) {
            commitAs(drawId, validator(i), i != 0);
        }
        vm.warp(verdicts.drawOf(drawId).commitEnds);
        for (uint256 i = 0; i < 3; ++i) {
            revealAs(drawId, validator(i), i != 0);
        }
        vm.expectPartialRevert(Jury.WrongPhase.selector);
        verdicts.chargeSilence(drawId, validator(3));
        vm.warp(verdicts.drawOf(drawId).revealEnds);
        verdicts.resolve(drawId);
        // 200 of 300 revealed would do; of 400 drawn they do not.
        vm.assertEq(uint256(verdicts.drawOf(drawId).outcome), uint256(Verdicts.Outcome.NoQuorum));
        uint256 slashId = verdicts.chargeSilence(drawId, validator(3));
        vm.assertEq(staking.slashOf(slashId).amount, 5 ether);
        vm.assertEq(uint256(staking.slashOf(slashId).reason), uint256(Reason.WithheldVerdict));
        vm.expectRevert(abi.encodeWithSelector(Verdicts.NothingToCharge.selector, drawId, validator(3)));
        verdicts.chargeSilence(drawId, validator(3));
    }

    function test_fewerThanThreeDecideNothing() public {
        seat(4, 100 ether);
        uint256 drawId = accuse(settleFour(), 0);
        commitAs(drawId, validator(0), true);
        commitAs(drawId, validator(1), true);
        vm.warp(verdicts.drawOf(drawId).commitEnds);
        revealAs(drawId, validator(0), true);
        revealAs(drawId, validator(1), true);
        vm.warp(verdicts.drawOf(drawId).revealEnds);
        verdicts.resolve(drawId);
        vm.assertEq(uint256(verdicts.drawOf(drawId).outcome), uint256(Verdicts.Outcome.NoQuorum));
    }

    function test_threeMustAgreeHoweverMuchStakeTheyHave() public {
        seat(4, 100 ether);
        vm.deal(address(this), 10_000 ether);
        for (uint256 i = 0; i < 2; ++i) {
            staking.delegate{value: 5000 ether}(uint160(validator(i)));
        }
        vm.warp(block.timestamp + EPOCH);
        uint256 drawId = accuse(settleFour(), 0);
        vote(drawId, 4, 2); // 10,200 of 10,400 say wrong
        verdicts.resolve(drawId);
        vm.assertEq(uint256(verdicts.drawOf(drawId).outcome), uint256(Verdicts.Outcome.NoQuorum));
    }

    function test_governanceOverturnsAVerdict() public {
        seat(4, 100 ether);
        uint256 number = settleFour();
        uint256 drawId = accuse(number, 0);
        vote(drawId, 4, 3);
        verdicts.resolve(drawId);
        vm.expectRevert(abi.encodeWithSelector(Jury.NotGovernance.selector, payer, governance));
        vm.prank(payer);
        verdicts.overturn(drawId);
        vm.prank(governance);
        verdicts.overturn(drawId);
        vm.expectRevert(abi.encodeWithSelector(Verdicts.NothingToCharge.selector, drawId, validator(3)));
        verdicts.chargeVerdict(drawId, drawId, validator(3));
        vm.warp(block.timestamp + APPEAL);
        vm.expectRevert(abi.encodeWithSelector(Verdicts.WrongOutcome.selector, drawId, Verdicts.Outcome.Overturned));
        verdicts.execute(drawId);
    }

    function test_aBatchThatFellMeanwhileIsNotUndoneAgain() public {
        seat(4, 100 ether);
        uint256 number = settleFour();
        uint256 drawId = accuse(number, 0);
        uint256 open_ = accuse(number, 1);
        vote(drawId, 4, 4);
        verdicts.resolve(drawId);
        vm.prank(address(proofs));
        ledger.undo(operator, number, payer, payer, 1 ether); // a proof came first
        ledger.restore(operator, intervalsOf[number], 1);
        vm.warp(verdicts.drawOf(open_).revealEnds);
        verdicts.resolve(open_); // counts what there is to count
        vm.warp(verdicts.drawOf(drawId).executableAt);
        vm.assertEq(settleFour(), number); // another batch takes the number
        vm.expectRevert(abi.encodeWithSelector(Verdicts.BatchGone.selector, operator, number));
        verdicts.execute(drawId);
        vm.assertEq(ledger.batchOf(operator, number).receiptCount, RECEIPTS);
    }

    // ---------------------------------------------------------------- audits

    function test_anAuditThatMissedALieIsChargedByTheAccusation() public {
        seat(4, 100 ether);
        uint256 number = settleFour();
        uint256 auditId = audit(number);
        vm.deal(address(this), DRAW_FEE);
        vm.expectRevert(abi.encodeWithSelector(Verdicts.AlreadyDrawn.selector, auditId));
        verdicts.audit{value: DRAW_FEE}(operator, number);
        uint32 receipt = isDrawn(auditId, validator(0)).receipt;
        vm.assertEq(uint256(receipt) / RECEIPTS, 0);
        vote(auditId, 4, 0); // everyone says: right
        verdicts.resolve(auditId);
        vm.assertEq(uint256(verdicts.drawOf(auditId).outcome), uint256(Verdicts.Outcome.NoQuorum));
        uint256 drawId = accuse(number, receipt);
        uint256 elsewhere = accuse(number, (receipt + 1) % RECEIPTS);
        vote(drawId, 4, 4);
        verdicts.resolve(drawId);
        vm.expectRevert(abi.encodeWithSelector(Verdicts.NothingToCharge.selector, auditId, validator(0)));
        verdicts.chargeVerdict(auditId, elsewhere, validator(0));
        verdicts.chargeVerdict(auditId, drawId, validator(0));
        for (uint256 i = 1; i < 4; ++i) {
            if (verdicts.ballotOf(auditId, validator(i)).receipt == receipt) continue;
            vm.expectRevert(abi.encodeWithSelector(Verdicts.NothingToCharge.selector, auditId, validator(i)));
            verdicts.chargeVerdict(auditId, drawId, validator(i));
        }
    }

    function test_drawsOpenInTimeOnly() public {
        seat(3, 100 ether);
        uint256 number = settleFour();
        uint256 start = block.timestamp;
        vm.deal(address(this), 1 ether);
        vm.expectRevert(abi.encodeWithSelector(Jury.WrongFee.selector, 0, DRAW_FEE));
        verdicts.audit(operator, number);
        vm.expectRevert(abi.encodeWithSelector(Verdicts.NoSuchReceipt.selector, 4, 4));
        verdicts.accuse{value: DRAW_FEE}(operator, number, 4);
        vm.warp(start + WINDOW - 1);
        uint256 auditId = audit(number); // holds the batch
        vm.warp(start + 2 * WINDOW - 1);
        accuse(number, 0);
        vm.warp(start + 2 * WINDOW);
        vm.deal(address(this), 1 ether);
        vm.expectRevert(abi.encodeWithSelector(Verdicts.TooLateToOpen.selector, start + 2 * WINDOW));
        verdicts.accuse{value: DRAW_FEE}(operator, number, 1);
        vm.assertEq(verdicts.drawOf(auditId).revealEnds, start + WINDOW - 1 + 2 * PHASE);
    }

    // ---------------------------------------------------------------- who judges

    function test_nobodyJudgesTheirOwnBatchOrOneOlderThanTheirChain() public {
        seat(3, 100 ether);
        stakeAs(operator, 500 ether);
        stakeAs(validator(3), 100 ether);
        vm.warp((block.timestamp / EPOCH + 1) * EPOCH);
        registerAs(operator);
        vm.warp(block.timestamp + 1);
        uint256 number = settleFour();
        registerAs(validator(3));
        uint256 drawId = accuse(number, 0);
        vm.assertEq(verdicts.ballotOf(drawId, operator).weight, 0);
        vm.assertEq(verdicts.ballotOf(drawId, validator(3)).weight, 0);
        vm.assertEq(verdicts.drawOf(drawId).total, 300 ether);
        vm.expectRevert(abi.encodeWithSelector(Verdicts.NotCounted.selector, drawId, operator));
        vm.prank(operator);
        verdicts.commit(drawId, "any");
    }

    function test_seatsAreForActiveValidators() public {
        vm.expectRevert(abi.encodeWithSelector(Verdicts.NotActive.selector, payer));
        vm.prank(payer);
        verdicts.register("tip", address(0));
        seat(3, 100 ether);
        vm.prank(validator(0));
        staking.unbond(uint160(validator(0)), 1);
        uint256 number = settleFour();
        vm.deal(address(this), DRAW_FEE);
        vm.expectRevert(abi.encodeWithSelector(Jury.TooFewJudges.selector, 2, 3));
        verdicts.accuse{value: DRAW_FEE}(operator, number, 0);
    }

    function test_aChainIsReplacedOnlyWhileNothingIsOwed() public {
        seat(3, 100 ether);
        uint256 drawId = accuse(settleFour(), 0);
        vm.expectRevert(abi.encodeWithSelector(Verdicts.StillOwes.selector, validator(0), 1));
        vm.prank(validator(0));
        verdicts.register("other", address(0));
        vm.expectRevert(abi.encodeWithSelector(Verdicts.StillOwes.selector, validator(0), 1));
        vm.prank(validator(0));
        verdicts.leave();
        vote(drawId, 3, 0);
        registerAs(validator(0));
        vm.prank(validator(1));
        verdicts.leave();
        vm.assertEq(verdicts.seats().length, 2);
    }

    function test_aFullHouseGivesTheLeastSeatToMoreStake() public {
        seat(64, 100 ether);
        for (uint256 i = 64; i < 66; ++i) {
            stakeAs(validator(i), 100 ether + i - 64);
        }
        vm.warp((block.timestamp / EPOCH + 1) * EPOCH);
        vm.expectRevert(abi.encodeWithSelector(Verdicts.NoRoom.selector, 64));
        vm.prank(validator(64));
        verdicts.register("tip", validator(5));
        vm.prank(validator(65));
        verdicts.register("tip", validator(5));
        vm.assertEq(verdicts.seatOf(validator(5)).position, 0);
        vm.assertEq(verdicts.seats().length, 64);
        vm.warp(block.timestamp + 1);
        uint256 number = settleFour();
        vm.deal(address(this), DRAW_FEE);
        vm.cool(address(verdicts));
        vm.cool(address(staking));
        uint256 gas = gasleft();
        verdicts.accuse{value: DRAW_FEE}(operator, number, 0);
        gas -= gasleft();
        vm.snapshotValue("Verdicts", "draw opened among 64 validators", gas);
        vm.assertLe(gas, 7_000_000);
    }

    // ---------------------------------------------------------------- lots and commitments

    function test_lotsFallByStake() public pure {
        uint256 drawn;
        uint256[4] memory named;
        for (uint256 i = 0; i < 4000; ++i) {
            bytes32 secret = keccak256(abi.encode(i));
            if (Draws.lottery(secret, "root", 5 ether, 100 ether, 8, 4).drawn) ++drawn; // 8 · 5 / 100 = 0.4
            ++named[Draws.lottery(secret, "root", 5 ether, 100 ether, 8, 4).receipt];
            vm.assertTrue(Draws.lottery(secret, "root", 13 ether, 100 ether, 8, 4).drawn); // 1.04: always
            vm.assertFalse(Draws.lottery(secret, "root", 0, 100 ether, 8, 4).drawn);
        }
        vm.assertLe(1500, drawn); // 1,600 ± 3 standard deviations of 31
        vm.assertLe(drawn, 1700);
        for (uint256 i = 0; i < 4; ++i) {
            vm.assertLe(900, named[i]);
            vm.assertLe(named[i], 1100);
        }
    }

    /// The example of docs/staking.md, computed by another implementation.
    function test_theWorkedExample() public pure {
        bytes32 root = bytes32(uint256(0x22) * (type(uint256).max / 255));
        bytes32 preimage_ = bytes32(uint256(0x11) * (type(uint256).max / 255));
        vm.assertEq(
            keccak256(abi.encodePacked(preimage_)), 0xb569321de72d0af89c2fb48a484de3fc9343f31600ae1f3e13d633cb48cbf816
        );
        Lottery memory lot = Draws.lottery(preimage_, root, 100, 2000, 16, 1000);
        vm.assertTrue(lot.drawn);
        vm.assertEq(lot.receipt, 889);
        vm.assertFalse(Draws.lottery(preimage_, root, 100, 2000, 4, 1000).drawn); // 0.2 is below 0.244
        address attester = 0x3333333333333333333333333333333333333333;
        address who = 0x6666666666666666666666666666666666666666;
        bytes32 batchId = keccak256(abi.encode(attester, uint32(7), uint32(0), root));
        vm.assertEq(batchId, 0xc189465801dfb7ef8c334054eb240c1cac4a2caa9fb723c259a27829dbcdcaa3);
        bytes32 projection = bytes32(uint256(0x44) * (type(uint256).max / 255));
        bytes32 salt = bytes32(uint256(0x55) * (type(uint256).max / 255));
        vm.assertEq(
            Draws.commitmentOf(batchId, lot.receipt, true, projection, salt, who),
            0x50fbe1bf89120f430f1dfdd53d9389f9151cc450f431306621218010e388f8da
        );
    }

    function test_manyValidatorsWhoIsNotDrawnPasses() public {
        seat(20, 100 ether);
        uint256 number = settleFour();
        uint256 drawId = audit(number);
        uint256 drawn = vote(drawId, 20, 20);
        verdicts.resolve(drawId);
        Verdicts.Draw memory d = verdicts.drawOf(drawId);
        vm.assertEq(d.wrong, drawn * 100 ether);
        vm.assertEq(d.notDrawn, (20 - drawn) * 100 ether);
        vm.assertTrue(drawn >= 3 && drawn < 20);
        vm.assertEq(uint256(d.outcome), uint256(Verdicts.Outcome.NoQuorum));
    }

    /// The attester and validators who collude know their own preimages: roots can be tried until all of these are drawn.
    function test_noReceiptsRootChoosesWhoJudgesAnAccusation() public {
        seat(20, 100 ether);
        uint256 number = settleFour();
        uint256 drawId = accuse(number, 0);
        for (uint256 i = 0; i < 20; ++i) {
            vm.assertTrue(isDrawn(drawId, validator(i)).drawn);
        }
        vote(drawId, 20, 13);
        verdicts.resolve(drawId);
        vm.assertEq(uint256(verdicts.drawOf(drawId).outcome), uint256(Verdicts.Outcome.NoQuorum)); // 14 of 20 would do
    }

    function test_onlyTheCommittedVerdictCanBeRevealedInItsTimeAndOrder() public {
        seat(3, 100 ether);
        uint256 number = settleFour();
        uint256 first = accuse(number, 0);
        uint256 second = accuse(number, 1);
        address who = validator(0);
        bytes32 shown = preimage(who);
        bytes memory projection = projectionOf(first, who);
        commitAs(first, who, true);
        vm.startPrank(who);
        vm.expectPartialRevert(Jury.WrongPhase.selector);
        verdicts.reveal(first, true, projection, "salt", shown); // too early
        vm.expectRevert(abi.encodeWithSelector(Verdicts.IsDrawn.selector, first, who));
        verdicts.pass(first, shown);
        vm.warp(verdicts.drawOf(first).commitEnds);
        vm.expectPartialRevert(Jury.WrongPhase.selector);
        verdicts.commit(first, "too late");
        vm.expectPartialRevert(Verdicts.WrongCommitment.selector);
        verdicts.reveal(first, false, projection, "salt", shown);
        vm.expectPartialRevert(Verdicts.WrongCommitment.selector);
        verdicts.reveal(first, true, "", "salt", shown);
        vm.expectRevert(abi.encodeWithSelector(Jury.NotAProjection.selector, 7));
        verdicts.reveal(first, true, "another", "salt", shown);
        vm.expectRevert(
            abi.encodeWithSelector(Verdicts.WrongPreimage.selector, bytes32("guess"), verdicts.seatOf(who).tip)
        );
        verdicts.reveal(first, true, projection, "salt", "guess");
        vm.expectRevert(abi.encodeWithSelector(Verdicts.OutOfOrder.selector, 2, 1));
        verdicts.reveal(second, true, projection, "salt", shown);
        verdicts.reveal(first, true, projection, "salt", shown);
        vm.expectRevert(abi.encodeWithSelector(Verdicts.OutOfOrder.selector, 1, 2));
        verdicts.reveal(first, true, projection, "salt", shown);
        vm.stopPrank();
    }

    function test_aCopiedCommitmentIsWorthless() public {
        seat(3, 100 ether);
        uint256 drawId = accuse(settleFour(), 0);
        commitAs(drawId, validator(0), true);
        bytes32 copied = verdicts.ballotOf(drawId, validator(0)).commitment;
        vm.prank(validator(1));
        verdicts.commit(drawId, copied);
        vm.warp(verdicts.drawOf(drawId).commitEnds);
        revealAs(drawId, validator(0), true);
        bytes32 shown = preimage(validator(1));
        bytes memory projection = projectionOf(drawId, validator(0));
        vm.expectPartialRevert(Verdicts.WrongCommitment.selector);
        vm.prank(validator(1));
        verdicts.reveal(drawId, true, projection, "salt", shown);
    }

    function test_aMissedDrawDoesNotEndTheChain() public {
        seat(4, 1000 ether);
        uint256 number = settleFour();
        uint256 first = accuse(number, 0);
        vm.warp(verdicts.drawOf(first).revealEnds);
        uint256 second = accuse(number, 1);
        vm.warp(verdicts.drawOf(second).revealEnds);
        vm.expectRevert(abi.encodeWithSelector(Verdicts.OutOfOrder.selector, 2, 1));
        verdicts.chargeSilence(second, validator(3));
        for (uint256 i = 0; i < 4; ++i) {
            verdicts.chargeSilence(first, validator(i));
            verdicts.chargeSilence(second, validator(i));
        }
        vm.assertEq(staking.slashCount(), 8);
        number = settleFour();
        registerAs(validator(3)); // nothing is owed: another chain, for batches to come
        uint256 third = accuse(number, 1);
        vm.assertEq(verdicts.ballotOf(third, validator(3)).weight, 0);
    }

    // ---------------------------------------------------------------- fees

    function test_theFeeGoesToWhoAgreedWithTheQuorum() public {
        seat(4, 100 ether);
        uint256 drawId = accuse(settleFour(), 0);
        vote(drawId, 4, 3);
        vm.expectRevert(abi.encodeWithSelector(Verdicts.NothingToPay.selector, drawId, validator(0)));
        verdicts.payFee(drawId, validator(0));
        vm.assertEq(address(verdicts).balance, DRAW_FEE);
        verdicts.resolve(drawId);
        vm.assertEq(address(staking).balance, 400 ether + 1); // what does not divide by three
        for (uint256 i = 0; i < 3; ++i) {
            verdicts.payFee(drawId, validator(i));
        }
        vm.expectRevert(abi.encodeWithSelector(Verdicts.NothingToPay.selector, drawId, validator(0)));
        verdicts.payFee(drawId, validator(0));
        vm.expectRevert(abi.encodeWithSelector(Verdicts.NothingToPay.selector, drawId, validator(3)));
        verdicts.payFee(drawId, validator(3));
        vm.assertEq(address(verdicts).balance, 0);
        vm.assertGe(staking.positionOf(uint160(validator(0)), validator(0)).reward, DRAW_FEE / 3 - 1);
    }

    function test_aFeeNobodyEarnedIsForAllStakers() public {
        seat(3, 100 ether);
        uint256 drawId = accuse(settleFour(), 0);
        vm.warp(verdicts.drawOf(drawId).revealEnds);
        verdicts.resolve(drawId);
        vm.assertEq(address(verdicts).balance, 0);
        vm.assertEq(staking.unclaimed(), DRAW_FEE);
    }
}
