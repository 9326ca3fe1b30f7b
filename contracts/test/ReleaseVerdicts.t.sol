// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AttributionLedger} from "../src/AttributionLedger.sol";
import {OpenStaking, Reason} from "../src/OpenStaking.sol";
import {ReleaseVerdicts} from "../src/ReleaseVerdicts.sol";
import {BatchInput, ChannelEnd} from "../src/libraries/Batches.sol";
import {Commitment} from "../src/libraries/Positional.sol";
import {OpenedReceipt, Receipt} from "../src/libraries/Receipts.sol";
import {Jury} from "../src/verdicts/Jury.sol";
import {ReleaseVerdictsFixture} from "./ReleaseVerdictsFixture.sol";

contract ReleaseVerdictsTest is ReleaseVerdictsFixture {
    uint256 private constant UNBONDING = 21 days;

    // ---------------------------------------------------------------- what a quorum does

    function test_aQuorumAttestsAtOnce() public {
        seat(4, 100 ether);
        back(RELEASE, RELEASE_BOND);
        requireOutcome(RELEASE, ReleaseVerdicts.Outcome.None);
        openRound(RELEASE);
        requireOutcome(RELEASE, ReleaseVerdicts.Outcome.Open);
        judge(RELEASE, 3, 0); // 3 of 4 is more than two thirds, the fourth is silent
        releaseVerdicts.resolve(RELEASE);
        requireOutcome(RELEASE, ReleaseVerdicts.Outcome.Attested);
        vm.expectRevert(
            abi.encodeWithSelector(ReleaseVerdicts.WrongOutcome.selector, RELEASE, ReleaseVerdicts.Outcome.Attested)
        );
        releaseVerdicts.resolve(RELEASE);
        vm.deal(address(this), DRAW_FEE);
        vm.expectPartialRevert(ReleaseVerdicts.WrongOutcome.selector);
        releaseVerdicts.open{value: DRAW_FEE}(RELEASE); // once per release
    }

    function test_aRefutedReleaseLosesItsBondAfterTheAppeal() public {
        seat(4, 100 ether);
        back(RELEASE, RELEASE_BOND);
        uint256 round = round_(RELEASE, 4, 3);
        requireOutcome(RELEASE, ReleaseVerdicts.Outcome.Refuted);
        ReleaseVerdicts.Round memory r = releaseVerdicts.roundOf(RELEASE, round);
        vm.assertEq(r.executableAt, block.timestamp + APPEAL);
        vm.warp(r.executableAt - 1);
        vm.expectPartialRevert(Jury.WrongPhase.selector);
        releaseVerdicts.execute(RELEASE);
        vm.warp(r.executableAt);
        releaseVerdicts.execute(RELEASE);
        requireOutcome(RELEASE, ReleaseVerdicts.Outcome.Executed);
        vm.assertEq(releaseVerdicts.bondOf(RELEASE), 0);
        uint256 reward = DRAW_FEE + (RELEASE_BOND - DRAW_FEE) * 3 / 10; // who opened the round: its fee, and three tenths
        vm.assertEq(releaseVerdicts.creditOf(address(this)), reward);
        vm.assertEq(releaseVerdicts.creditOf(treasury), RELEASE_BOND - reward);
        releaseVerdicts.withdrawCredit(treasury);
        vm.assertEq(treasury.balance, RELEASE_BOND - reward + 2 * FEE);
        vm.expectRevert(ReleaseVerdicts.NothingToWithdraw.selector);
        releaseVerdicts.withdrawCredit(treasury);
        vm.expectPartialRevert(ReleaseVerdicts.WrongOutcome.selector);
        releaseVerdicts.execute(RELEASE);
        vm.expectPartialRevert(ReleaseVerdicts.WrongOutcome.selector);
        vm.prank(developer);
        releaseVerdicts.depositBond{value: 1}(RELEASE); // for good
        vm.deal(address(this), DRAW_FEE);
        vm.expectPartialRevert(ReleaseVerdicts.BondTooSmall.selector);
        releaseVerdicts.open{value: DRAW_FEE}(RELEASE);
    }

    function test_aRefutationCountedLateStillWaitsForTheWholeAppeal() public {
        seat(3, 100 ether);
        back(RELEASE, RELEASE_BOND);
        openRound(RELEASE);
        judge(RELEASE, 3, 3);
        vm.warp(block.timestamp + 2 * APPEAL);
        releaseVerdicts.resolve(RELEASE);
        vm.expectPartialRevert(Jury.WrongPhase.selector);
        releaseVerdicts.execute(RELEASE);
        vm.prank(governance);
        releaseVerdicts.overturn(RELEASE);
    }

    function test_withoutTwoThirdsNothingHappensAndItMayBeAskedAgain() public {
        seat(4, 100 ether);
        back(RELEASE, RELEASE_BOND);
        uint256 round = round_(RELEASE, 4, 2);
        requireOutcome(RELEASE, ReleaseVerdicts.Outcome.NoQuorum);
        for (uint256 i = 0; i < 4; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(ReleaseVerdicts.NothingToCharge.selector, RELEASE, round, validator(i))
            );
            releaseVerdicts.chargeVerdict(RELEASE, round, validator(i));
        }
        vm.assertEq(round_(RELEASE, 4, 0), round + 1);
        requireOutcome(RELEASE, ReleaseVerdicts.Outcome.Attested);
        releaseVerdicts.payFee(RELEASE, round, validator(0)); // of the round before
    }

    function test_threeMustAgreeHoweverMuchStakeTheyHave() public {
        seat(4, 100 ether);
        vm.deal(address(this), 10_000 ether);
        for (uint256 i = 0; i < 2; ++i) {
            staking.delegate{value: 5000 ether}(uint160(validator(i)));
        }
        vm.warp(block.timestamp + EPOCH);
        back(RELEASE, RELEASE_BOND);
        round_(RELEASE, 4, 2); // 10,200 of 10,400 say wrong
        requireOutcome(RELEASE, ReleaseVerdicts.Outcome.NoQuorum);
    }

    function test_silenceCountsAgainstAQuorumAndCosts() public {
        seat(5, 100 ether);
        back(RELEASE, RELEASE_BOND);
        uint256 round = round_(RELEASE, 3, 0); // 300 of 300 that spoke, of 500
        requireOutcome(RELEASE, ReleaseVerdicts.Outcome.NoQuorum);
        uint256 slashId = releaseVerdicts.chargeSilence(RELEASE, round, validator(4));
        OpenStaking.Slash memory s = staking.slashOf(slashId);
        vm.assertEq(s.amount, 5 ether);
        vm.assertEq(uint256(s.reason), uint256(Reason.WithheldVerdict));
        vm.assertEq(uint256(s.state), uint256(OpenStaking.SlashState.UnderAppeal));
        vm.assertEq(s.reporter, address(this));
        vm.expectPartialRevert(ReleaseVerdicts.NothingToCharge.selector);
        releaseVerdicts.chargeSilence(RELEASE, round, validator(4));
        vm.expectPartialRevert(ReleaseVerdicts.NothingToCharge.selector);
        releaseVerdicts.chargeSilence(RELEASE, round, validator(0));
    }

    function test_whoCallsItRightWithoutLookingIsCharged() public {
        seat(4, 100 ether);
        back(RELEASE, RELEASE_BOND);
        uint256 round = openRound(RELEASE);
        lazySeed[uint256(releaseVerdicts.seedOf(RELEASE, round))][validator(3)] = 1;
        judge(RELEASE, 4, 0);
        (address[] memory agreed, bytes[] memory shown) = (new address[](3), new bytes[](3));
        for (uint256 i = 0; i < 3; ++i) {
            (agreed[i], shown[i]) = (validator(i), witnessOf(RELEASE, round, validator(i)));
        }
        bytes memory lazy = witnessOf(RELEASE, round, validator(3));
        vm.expectPartialRevert(ReleaseVerdicts.NothingToCharge.selector);
        releaseVerdicts.chargeWitness(RELEASE, round, validator(3), lazy, agreed, shown); // not counted yet
        releaseVerdicts.resolve(RELEASE);
        vm.expectRevert(abi.encodeWithSelector(Jury.NotShown.selector, keccak256(shown[0]), keccak256(lazy)));
        releaseVerdicts.chargeWitness(RELEASE, round, validator(3), shown[0], agreed, shown);
        vm.expectPartialRevert(ReleaseVerdicts.NothingToCharge.selector);
        releaseVerdicts.chargeWitness(RELEASE, round, validator(0), shown[0], agreed, shown);
        agreed[2] = validator(3);
        shown[2] = lazy;
        vm.expectRevert(abi.encodeWithSelector(Jury.NotAgreeing.selector, validator(3)));
        releaseVerdicts.chargeWitness(RELEASE, round, validator(3), lazy, agreed, shown);
        (agreed[2], shown[2]) = (validator(2), witnessOf(RELEASE, round, validator(2)));
        uint256 slashId = releaseVerdicts.chargeWitness(RELEASE, round, validator(3), lazy, agreed, shown);
        vm.assertEq(staking.slashOf(slashId).amount, 5 ether);
        vm.expectPartialRevert(ReleaseVerdicts.NothingToCharge.selector);
        releaseVerdicts.chargeWitness(RELEASE, round, validator(3), lazy, agreed, shown);
    }

    function test_whoJudgedAgainstTheQuorumIsCharged() public {
        seat(4, 100 ether);
        back(RELEASE, RELEASE_BOND);
        uint256 round = openRound(RELEASE);
        judge(RELEASE, 4, 1);
        vm.expectPartialRevert(ReleaseVerdicts.NothingToCharge.selector);
        releaseVerdicts.chargeVerdict(RELEASE, round, validator(0)); // not counted yet
        releaseVerdicts.resolve(RELEASE);
        uint256 slashId = releaseVerdicts.chargeVerdict(RELEASE, round, validator(0));
        vm.assertEq(uint256(staking.slashOf(slashId).reason), uint256(Reason.WrongVerdict));
        vm.assertEq(staking.slashOf(slashId).evidence, keccak256(abi.encode(RELEASE, round)));
        vm.expectPartialRevert(ReleaseVerdicts.NothingToCharge.selector);
        releaseVerdicts.chargeVerdict(RELEASE, round, validator(0));
        vm.expectPartialRevert(ReleaseVerdicts.NothingToCharge.selector);
        releaseVerdicts.chargeVerdict(RELEASE, round, validator(1));
    }

    // ---------------------------------------------------------------- governance

    function test_governanceOverturnsARefutation() public {
        seat(4, 100 ether);
        back(RELEASE, RELEASE_BOND);
        uint256 round = round_(RELEASE, 4, 3);
        vm.expectRevert(abi.encodeWithSelector(Jury.NotGovernance.selector, developer, governance));
        vm.prank(developer);
        releaseVerdicts.overturn(RELEASE);
        vm.prank(governance);
        releaseVerdicts.overturn(RELEASE);
        vm.warp(block.timestamp + APPEAL);
        vm.expectPartialRevert(ReleaseVerdicts.WrongOutcome.selector);
        releaseVerdicts.execute(RELEASE);
        vm.expectPartialRevert(ReleaseVerdicts.NothingToCharge.selector);
        releaseVerdicts.chargeVerdict(RELEASE, round, validator(3));
        vm.assertEq(releaseVerdicts.bondOf(RELEASE), RELEASE_BOND);
        round_(RELEASE, 4, 0);
        requireOutcome(RELEASE, ReleaseVerdicts.Outcome.Attested);
    }

    function test_anOverturnedAttestationEndsAWindowLaterAndMayBeJudgedAgain() public {
        seat(4, 100 ether);
        back(RELEASE, RELEASE_BOND);
        requireAttestation(1);
        vm.warp(block.timestamp + 2 * WINDOW);
        uint256 start = block.timestamp;
        vm.assertFalse(releaseVerdicts.settleableAt(RELEASE, start));
        round_(RELEASE, 4, 0);
        uint256 attestedAt = block.timestamp;
        vm.prank(governance);
        releaseVerdicts.overturn(RELEASE);
        requireOutcome(RELEASE, ReleaseVerdicts.Outcome.Overturned);
        vm.assertFalse(releaseVerdicts.settleableAt(RELEASE, attestedAt - 1));
        vm.assertTrue(releaseVerdicts.settleableAt(RELEASE, attestedAt));
        vm.assertTrue(releaseVerdicts.settleableAt(RELEASE, attestedAt + WINDOW - 1));
        vm.assertFalse(releaseVerdicts.settleableAt(RELEASE, attestedAt + WINDOW));
        round_(RELEASE, 4, 4);
        vm.warp(block.timestamp + APPEAL);
        releaseVerdicts.execute(RELEASE);
        vm.assertFalse(releaseVerdicts.settleableAt(RELEASE, block.timestamp));
    }

    function test_whatIsAttestedAgainBeforeItEndedGoesOn() public {
        seat(4, 100 ether);
        back(RELEASE, RELEASE_BOND);
        requireAttestation(1);
        vm.warp(block.timestamp + 2 * WINDOW);
        round_(RELEASE, 4, 0);
        uint256 attestedAt = block.timestamp;
        vm.prank(governance);
        releaseVerdicts.overturn(RELEASE);
        round_(RELEASE, 4, 0); // two phases are shorter than a window
        vm.assertTrue(block.timestamp < attestedAt + WINDOW);
        vm.assertTrue(releaseVerdicts.settleableAt(RELEASE, attestedAt + WINDOW));
        vm.assertTrue(releaseVerdicts.settleableAt(RELEASE, attestedAt + 9 * WINDOW));
    }

    // ---------------------------------------------------------------- the bond

    function test_onlyTheOwnerBacksARelease() public {
        vm.deal(payer, RELEASE_BOND);
        vm.expectRevert(abi.encodeWithSelector(ReleaseVerdicts.NotOwner.selector, modelId, payer));
        vm.prank(payer);
        releaseVerdicts.depositBond{value: RELEASE_BOND}(RELEASE);
        vm.expectPartialRevert(bytes4(keccak256("UnknownRelease(bytes32)")));
        releaseVerdicts.depositBond("another");
    }

    function test_noRoundWithoutTheBondTheFeeAndThreeJudges() public {
        seat(2, 100 ether);
        back(RELEASE, RELEASE_BOND - 1);
        vm.deal(address(this), 1 ether);
        vm.expectRevert(abi.encodeWithSelector(Jury.WrongFee.selector, 1, DRAW_FEE));
        releaseVerdicts.open{value: 1}(RELEASE);
        vm.expectRevert(abi.encodeWithSelector(ReleaseVerdicts.BondTooSmall.selector, RELEASE_BOND - 1, RELEASE_BOND));
        releaseVerdicts.open{value: DRAW_FEE}(RELEASE);
        back(RELEASE, 1);
        vm.expectRevert(abi.encodeWithSelector(Jury.TooFewJudges.selector, 2, 3));
        releaseVerdicts.open{value: DRAW_FEE}(RELEASE);
    }

    function test_theBondStaysUntilLongAfterTheReleaseIsDeprecated() public {
        seat(4, 100 ether);
        back(RELEASE, RELEASE_BOND);
        requireAttestation(1);
        round_(RELEASE, 4, 0);
        vm.startPrank(developer);
        vm.expectRevert(abi.encodeWithSelector(ReleaseVerdicts.NotDeprecated.selector, RELEASE));
        releaseVerdicts.withdrawBond(RELEASE);
        vm.stopPrank();
        deprecate(RELEASE, true);
        uint256 until = block.timestamp + UNBONDING;
        vm.warp(until - 1);
        deprecate(RELEASE, true); // says nothing new
        vm.expectRevert(abi.encodeWithSelector(ReleaseVerdicts.TooEarly.selector, until));
        vm.prank(developer);
        releaseVerdicts.withdrawBond(RELEASE);
        vm.warp(until);
        vm.expectPartialRevert(ReleaseVerdicts.NotOwner.selector);
        releaseVerdicts.withdrawBond(RELEASE);
        uint256 before = developer.balance;
        vm.prank(developer);
        vm.assertEq(releaseVerdicts.withdrawBond(RELEASE), RELEASE_BOND);
        vm.assertEq(developer.balance, before + RELEASE_BOND);
        requireOutcome(RELEASE, ReleaseVerdicts.Outcome.Withdrawn);
        vm.assertTrue(releaseVerdicts.settleableAt(RELEASE, until + WINDOW - 1)); // whoever settles right now
        vm.assertFalse(releaseVerdicts.settleableAt(RELEASE, until + WINDOW));
        vm.expectRevert(ReleaseVerdicts.NothingToWithdraw.selector);
        vm.prank(developer);
        releaseVerdicts.withdrawBond(RELEASE);
        back(RELEASE, RELEASE_BOND);
        round_(RELEASE, 4, 0);
        requireOutcome(RELEASE, ReleaseVerdicts.Outcome.Attested);
    }

    function test_takingTheMarkBackStartsTheTimeAnew() public {
        back(RELEASE, RELEASE_BOND);
        deprecate(RELEASE, true);
        vm.warp(block.timestamp + 2 * UNBONDING);
        deprecate(RELEASE, false);
        deprecate(RELEASE, true);
        vm.expectRevert(abi.encodeWithSelector(ReleaseVerdicts.TooEarly.selector, block.timestamp + UNBONDING));
        vm.prank(developer);
        releaseVerdicts.withdrawBond(RELEASE);
    }

    function test_theBondStaysWhileARoundIsOpenAndUnderAppeal() public {
        seat(3, 100 ether);
        back(RELEASE, RELEASE_BOND);
        deprecate(RELEASE, true);
        vm.warp(block.timestamp + UNBONDING);
        openRound(RELEASE);
        vm.expectRevert(
            abi.encodeWithSelector(ReleaseVerdicts.WrongOutcome.selector, RELEASE, ReleaseVerdicts.Outcome.Open)
        );
        vm.prank(developer);
        releaseVerdicts.withdrawBond(RELEASE);
        judge(RELEASE, 3, 3);
        releaseVerdicts.resolve(RELEASE);
        vm.expectRevert(
            abi.encodeWithSelector(ReleaseVerdicts.WrongOutcome.selector, RELEASE, ReleaseVerdicts.Outcome.Refuted)
        );
        vm.prank(developer);
        releaseVerdicts.withdrawBond(RELEASE);
    }

    function test_anotherOwnerHasTheBond() public {
        back(RELEASE, RELEASE_BOND);
        deprecate(RELEASE, true);
        vm.warp(block.timestamp + UNBONDING);
        vm.prank(developer);
        models.transferFrom(developer, payer, modelId);
        vm.expectPartialRevert(ReleaseVerdicts.NotOwner.selector);
        vm.prank(developer);
        releaseVerdicts.withdrawBond(RELEASE);
        vm.prank(payer);
        releaseVerdicts.withdrawBond(RELEASE);
        vm.assertEq(payer.balance, RELEASE_BOND);
    }

    // ---------------------------------------------------------------- who judges

    function test_nobodyJudgesTheirOwnReleaseAlsoNotAfterSellingIt() public {
        stakeAs(developer, 500 ether);
        seat(3, 100 ether);
        registerAs(developer);
        vm.warp(block.timestamp + 1);
        vm.prank(developer);
        models.transferFrom(developer, validator(0), modelId);
        vm.warp(block.timestamp + 1);
        vm.deal(validator(0), RELEASE_BOND);
        vm.prank(validator(0));
        releaseVerdicts.depositBond{value: RELEASE_BOND}(RELEASE);
        vm.deal(address(this), DRAW_FEE);
        vm.expectRevert(abi.encodeWithSelector(Jury.TooFewJudges.selector, 2, 3));
        releaseVerdicts.open{value: DRAW_FEE}(RELEASE);
        vm.prank(validator(0));
        models.transferFrom(validator(0), payer, modelId);
        uint256 round = openRound(RELEASE);
        vm.assertEq(releaseVerdicts.ballotOf(RELEASE, round, developer).weight, 0);
        vm.assertEq(releaseVerdicts.roundOf(RELEASE, round).total, 300 ether);
        vm.expectRevert(abi.encodeWithSelector(ReleaseVerdicts.NotCounted.selector, RELEASE, round, developer));
        vm.prank(developer);
        releaseVerdicts.commit(RELEASE, "any");
    }

    function test_aSeatTakenWhenTheRoundOpensOrLaterDoesNotCount() public {
        seat(3, 100 ether);
        stakeAs(validator(3), 10_000 ether);
        stakeAs(validator(4), 10_000 ether);
        vm.warp((block.timestamp / EPOCH + 1) * EPOCH);
        back(RELEASE, RELEASE_BOND);
        registerAs(validator(3));
        uint256 round = openRound(RELEASE);
        registerAs(validator(4));
        vm.warp(block.timestamp + 1);
        vm.assertEq(releaseVerdicts.roundOf(RELEASE, round).total, 300 ether);
        vm.assertEq(releaseVerdicts.ballotOf(RELEASE, round, validator(3)).weight, 0);
        vm.assertEq(releaseVerdicts.ballotOf(RELEASE, round, validator(4)).weight, 0);
    }

    function test_stakeThatLeavesIsStillChargedAndStillCounts() public {
        seat(4, 100 ether);
        back(RELEASE, RELEASE_BOND);
        uint256 round = openRound(RELEASE);
        vm.startPrank(validator(3));
        verdicts.leave();
        staking.unbond(uint160(validator(3)), type(uint256).max);
        vm.stopPrank();
        judge(RELEASE, 3, 0);
        releaseVerdicts.resolve(RELEASE);
        vm.assertEq(releaseVerdicts.roundOf(RELEASE, round).total, 400 ether);
        uint256 slashId = releaseVerdicts.chargeSilence(RELEASE, round, validator(3));
        vm.assertEq(staking.slashOf(slashId).amount, 5 ether);
    }

    // ---------------------------------------------------------------- commitments

    function test_onlyTheOwnCommittedVerdictCanBeRevealedInItsTime() public {
        seat(3, 100 ether);
        back(RELEASE, RELEASE_BOND);
        uint256 round = openRound(RELEASE);
        commitRelease(RELEASE, validator(0), true);
        bytes32 copied = releaseVerdicts.ballotOf(RELEASE, round, validator(0)).commitment;
        vm.prank(validator(1));
        releaseVerdicts.commit(RELEASE, copied);
        vm.expectPartialRevert(Jury.WrongPhase.selector);
        vm.prank(validator(0));
        releaseVerdicts.reveal(RELEASE, true, "", "salt");
        vm.warp(releaseVerdicts.roundOf(RELEASE, round).commitEnds);
        vm.expectPartialRevert(Jury.WrongPhase.selector);
        vm.prank(validator(2));
        releaseVerdicts.commit(RELEASE, "late");
        vm.expectPartialRevert(ReleaseVerdicts.WrongCommitment.selector);
        vm.prank(validator(0));
        releaseVerdicts.reveal(RELEASE, true, "", "salt");
        bytes memory witness = witnessOf(RELEASE, round, validator(0));
        vm.expectPartialRevert(ReleaseVerdicts.WrongCommitment.selector);
        vm.prank(validator(0));
        releaseVerdicts.reveal(RELEASE, false, witness, "salt");
        revealRelease(RELEASE, validator(0), true);
        vm.expectPartialRevert(ReleaseVerdicts.AlreadyRevealed.selector);
        vm.prank(validator(0));
        releaseVerdicts.reveal(RELEASE, true, witness, "salt");
        vm.expectPartialRevert(ReleaseVerdicts.WrongCommitment.selector);
        vm.prank(validator(1));
        releaseVerdicts.reveal(RELEASE, true, witness, "salt"); // the copy
        vm.warp(releaseVerdicts.roundOf(RELEASE, round).revealEnds);
        vm.expectPartialRevert(Jury.WrongPhase.selector);
        vm.prank(validator(2));
        releaseVerdicts.reveal(RELEASE, true, witness, "salt");
    }

    function test_aCommitmentIsWorthNothingInTheNextRound() public {
        seat(4, 100 ether);
        back(RELEASE, RELEASE_BOND);
        uint256 first = openRound(RELEASE);
        commitRelease(RELEASE, validator(0), false);
        bytes32 old = releaseVerdicts.ballotOf(RELEASE, first, validator(0)).commitment;
        vm.warp(releaseVerdicts.roundOf(RELEASE, first).revealEnds);
        releaseVerdicts.resolve(RELEASE);
        uint256 second = openRound(RELEASE);
        vm.assertFalse(
            releaseVerdicts.seedOf(RELEASE, first) == releaseVerdicts.seedOf(RELEASE, second)
        );
        vm.prank(validator(0));
        releaseVerdicts.commit(RELEASE, old);
        vm.warp(releaseVerdicts.roundOf(RELEASE, second).commitEnds);
        bytes memory witness = witnessOf(RELEASE, first, validator(0));
        vm.expectPartialRevert(ReleaseVerdicts.WrongCommitment.selector);
        vm.prank(validator(0));
        releaseVerdicts.reveal(RELEASE, false, witness, "salt");
    }

    function test_theCommitmentIsWhatTheSpecificationSays() public view {
        bytes32 expected = keccak256(
            abi.encode(
                block.chainid, address(releaseVerdicts), payer, RELEASE, uint256(7), true, bytes32("d"), bytes32("s")
            )
        );
        vm.assertEq(releaseVerdicts.commitmentOf(payer, RELEASE, 7, true, "d", "s"), expected);
        vm.assertEq(releaseVerdicts.seedOf(RELEASE, 7), keccak256(abi.encode(RELEASE, uint256(7))));
    }

    // ---------------------------------------------------------------- fees

    function test_theFeeGoesToWhoAgreedWithTheQuorum() public {
        seat(4, 100 ether);
        back(RELEASE, RELEASE_BOND);
        uint256 round = openRound(RELEASE);
        judge(RELEASE, 4, 1);
        vm.expectPartialRevert(ReleaseVerdicts.NothingToPay.selector);
        releaseVerdicts.payFee(RELEASE, round, validator(1));
        releaseVerdicts.resolve(RELEASE);
        vm.assertEq(address(staking).balance, 400 ether + 1); // what does not divide by three
        for (uint256 i = 1; i < 4; ++i) {
            releaseVerdicts.payFee(RELEASE, round, validator(i));
            vm.expectPartialRevert(ReleaseVerdicts.NothingToPay.selector);
            releaseVerdicts.payFee(RELEASE, round, validator(i));
        }
        vm.expectPartialRevert(ReleaseVerdicts.NothingToPay.selector);
        releaseVerdicts.payFee(RELEASE, round, validator(0));
        vm.assertEq(address(releaseVerdicts).balance, RELEASE_BOND);
    }

    function test_aFeeNobodyEarnedIsForAllStakers() public {
        seat(3, 100 ether);
        back(RELEASE, RELEASE_BOND);
        uint256 round = openRound(RELEASE);
        vm.warp(releaseVerdicts.roundOf(RELEASE, round).revealEnds);
        releaseVerdicts.resolve(RELEASE);
        vm.assertEq(address(releaseVerdicts).balance, RELEASE_BOND);
        vm.assertEq(staking.unclaimed(), DRAW_FEE);
    }

    function test_openingAmongEverySeatFitsInABlock() public {
        seat(64, 100 ether);
        back(RELEASE, RELEASE_BOND);
        vm.deal(address(this), DRAW_FEE);
        vm.cool(address(verdicts));
        vm.cool(address(staking));
        uint256 gas = gasleft();
        releaseVerdicts.open{value: DRAW_FEE}(RELEASE);
        gas -= gasleft();
        vm.snapshotValue("ReleaseVerdicts", "round opened among 64 validators", gas);
        vm.assertLe(gas, 7_000_000);
    }

    // ---------------------------------------------------------------- what may be settled

    function test_aReceiptOfAReleaseThatWasNotAttestedIsALie() public {
        seat(3, 100 ether);
        OpenedReceipt memory opened = _settleOneOf(RELEASE, 1);
        vm.expectRevert(abi.encodeWithSelector(ReleaseVerdicts.IsSettleable.selector, RELEASE)); // not asked for
        releaseVerdicts.proveUnattested(operator, 0, 0, opened);
        requireAttestation(1);
        opened = _settleOneOf(RELEASE, 2);
        vm.expectPartialRevert(ReleaseVerdicts.IsSettleable.selector); // since less than a window
        releaseVerdicts.proveUnattested(operator, 1, 0, opened);
        vm.warp(block.timestamp + WINDOW + 1);
        opened = _settleOneOf(RELEASE, 3);
        back(RELEASE, RELEASE_BOND);
        round_(RELEASE, 3, 0); // attested meanwhile: too late for that batch
        (uint256 bond,,,,) = ledger.attesterOf(operator);
        vm.prank(payer);
        releaseVerdicts.proveUnattested(operator, 2, 0, opened);
        (uint256 left,,,,) = ledger.attesterOf(operator);
        vm.assertEq(bond - left, 1 ether);
        vm.assertEq(ledger.creditOf(payer), 0.3 ether);
        vm.assertEq(ledger.creditOf(treasury), 0.7 ether);
    }

    function test_aReceiptOfAnAttestedReleaseIsNoLie() public {
        seat(3, 100 ether);
        requireAttestation(1);
        vm.warp(block.timestamp + 2 * WINDOW);
        back(RELEASE, RELEASE_BOND);
        round_(RELEASE, 3, 0);
        OpenedReceipt memory opened = _settleOneOf(RELEASE, 1);
        vm.prank(governance);
        releaseVerdicts.overturn(RELEASE);
        vm.warp(block.timestamp + WINDOW - 1);
        vm.expectRevert(abi.encodeWithSelector(ReleaseVerdicts.IsSettleable.selector, RELEASE));
        releaseVerdicts.proveUnattested(operator, 0, 0, opened);
    }

    function test_whoWaitsForAnAttestationIsNotLate() public {
        seat(3, 100 ether);
        requireAttestation(1);
        vm.warp(block.timestamp + 2 * WINDOW);
        Receipt memory receipt = _receiptOf(RELEASE, 1);
        bytes memory signature = _signed(receipt);
        vm.warp(block.timestamp + 30 days);
        vm.expectPartialRevert(AttributionLedger.NotLate.selector);
        ledger.reportLate(receipt, signature);
        back(RELEASE, RELEASE_BOND);
        round_(RELEASE, 3, 0);
        uint256 attestedAt = block.timestamp;
        vm.warp(attestedAt + 7 days - 1);
        vm.expectPartialRevert(AttributionLedger.NotLate.selector);
        ledger.reportLate(receipt, signature);
        vm.warp(attestedAt + 7 days);
        ledger.reportLate(receipt, signature);
    }

    // ---------------------------------------------------------------- fuzz

    /// Whatever stake, votes and silence: the outcome is what the definition says, and the fee and the bond go where they must.
    /// forge-config: default.fuzz.runs = 64
    function testFuzz_quorum(uint64[5] calldata stakes, uint16 votes, uint96 bond) public {
        uint256[3] memory said; // silent, right, wrong
        uint256[3] memory heads;
        for (uint256 i = 0; i < 5; ++i) {
            stakeAs(validator(i), 100 ether + stakes[i]);
        }
        vm.warp((block.timestamp / EPOCH + 1) * EPOCH);
        for (uint256 i = 0; i < 5; ++i) {
            registerAs(validator(i));
        }
        vm.warp(block.timestamp + 1);
        uint256 amount = RELEASE_BOND + bond;
        back(RELEASE, amount);
        uint256 round = openRound(RELEASE);
        for (uint256 i = 0; i < 5; ++i) {
            uint256 vote_ = (votes >> (2 * i)) & 3;
            if (vote_ == 3) vote_ = 2;
            said[vote_] += 100 ether + stakes[i];
            heads[vote_] += 1;
            if (vote_ != 0) commitRelease(RELEASE, validator(i), vote_ == 2);
        }
        vm.warp(releaseVerdicts.roundOf(RELEASE, round).commitEnds);
        for (uint256 i = 0; i < 5; ++i) {
            uint256 vote_ = (votes >> (2 * i)) & 3;
            if (vote_ != 0) revealRelease(RELEASE, validator(i), vote_ >= 2);
        }
        vm.warp(releaseVerdicts.roundOf(RELEASE, round).revealEnds);
        releaseVerdicts.resolve(RELEASE);
        uint256 total = said[0] + said[1] + said[2];
        bool attested = heads[1] >= 3 && 3 * said[1] >= 2 * total;
        bool refuted = heads[2] >= 3 && 3 * said[2] >= 2 * total;
        vm.assertFalse(attested && refuted);
        requireOutcome(
            RELEASE,
            attested
                ? ReleaseVerdicts.Outcome.Attested
                : refuted ? ReleaseVerdicts.Outcome.Refuted : ReleaseVerdicts.Outcome.NoQuorum
        );
        for (uint256 i = 0; i < 5; ++i) {
            (bool paid,) =
                address(releaseVerdicts).call(abi.encodeCall(releaseVerdicts.payFee, (RELEASE, round, validator(i))));
            uint256 vote_ = (votes >> (2 * i)) & 3;
            bool won = attested ? vote_ == 1 : refuted ? vote_ >= 2 : vote_ != 0;
            vm.assertTrue(paid == won);
        }
        vm.assertEq(address(releaseVerdicts).balance, amount);
        if (!refuted) return;
        vm.warp(block.timestamp + APPEAL);
        releaseVerdicts.execute(RELEASE);
        vm.assertEq(releaseVerdicts.creditOf(address(this)), DRAW_FEE + (amount - DRAW_FEE) * 3 / 10);
        vm.assertEq(releaseVerdicts.creditOf(address(this)) + releaseVerdicts.creditOf(treasury), amount);
    }

    // ---------------------------------------------------------------- inside

    function _receiptOf(bytes32 releaseId, uint256 salt) private returns (Receipt memory receipt) {
        receipt.channelId = openChannel(bytes32(salt), 1 ether);
        collect(receipt.channelId, 1 ether);
        (receipt.to, receipt.releaseId, receipt.issuedAt) = (1 ether, releaseId, uint64(block.timestamp));
    }

    function _signed(Receipt memory receipt) private view returns (bytes memory) {
        return signed(operatorKey, keccak256(abi.encodePacked(hex"1901", ledger.domainSeparator(), hashOf(receipt))));
    }

    /// Settles one receipt of a channel of its own as the operator's next batch.
    function _settleOneOf(bytes32 releaseId, uint256 salt) private returns (OpenedReceipt memory opened) {
        opened.receipt = _receiptOf(releaseId, salt);
        opened.proof = new bytes32[](0);
        (,, uint256 batches,,) = ledger.attesterOf(operator);
        uint32 number = uint32(batches);
        bytes32 previous = number == 0 ? bytes32(0) : balancesOf[number - 1];
        (BatchInput memory batch, ChannelEnd[] memory ends) =
            tinyBatch(number, previous, opened.receipt.channelId, 0, 1 ether, payer, 1 ether * (number + 1));
        batch.receipts = Commitment(leaf(abi.encode(hashOf(opened.receipt))), 1);
        balancesOf[number] = batch.balances.root;
        settle(batch, ends);
    }
}
