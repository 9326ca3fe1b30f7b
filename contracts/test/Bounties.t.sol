// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {OpenStaking, Reason} from "../src/OpenStaking.sol";
import {Verdicts} from "../src/Verdicts.sol";
import {Jury} from "../src/verdicts/Jury.sol";
import {VerdictsFixture} from "./VerdictsFixture.sol";

/// What it pays to have a batch judged, and what it costs not to look.
contract BountiesTest is VerdictsFixture {
    address private constant accuser = address(0xacc);
    address private constant auditor = address(0xa0d);
    uint256 private constant WORTH = 4 ether;

    // ---------------------------------------------------------------- who accuses

    function test_anUpheldAccusationPaysItsFeeBackAndThreeTenths() public {
        seat(4, 100 ether);
        uint256 number = settleFour();
        uint256 drawId = _accuseAs(accuser, number, 2);
        vm.assertEq(verdicts.drawOf(drawId).opener, accuser);
        _execute(drawId, 4);
        vm.assertEq(ledger.creditOf(accuser), DRAW_FEE + (WORTH - DRAW_FEE) * 3 / 10);
        vm.assertEq(ledger.creditOf(treasury), (WORTH - DRAW_FEE) * 7 / 10);
        (uint256 bond_,,,,) = ledger.attesterOf(operator);
        vm.assertEq(bond_, 1000 ether - WORTH);
        for (uint256 i = 0; i < 4; ++i) {
            verdicts.payFee(drawId, validator(i)); // who judged is paid of the fee itself
        }
        vm.assertEq(address(verdicts).balance, 0);
        ledger.withdrawCredit(accuser);
        vm.assertGe(accuser.balance, DRAW_FEE);
    }

    function test_whoHadItAuditedGetsAHalf() public {
        seat(4, 100 ether);
        uint256 number = settleFour();
        uint256 auditId = _auditAs(auditor, number);
        uint32 receipt = isDrawn(auditId, validator(0)).receipt;
        vote(auditId, 4, 4);
        uint256 drawId = _accuseAs(accuser, number, receipt);
        vm.assertEq(verdicts.drawOf(drawId).audit, auditId);
        _execute(drawId, 4);
        uint256 reward = (WORTH - 2 * DRAW_FEE) * 3 / 10;
        vm.assertEq(ledger.creditOf(accuser), DRAW_FEE + reward / 2);
        vm.assertEq(ledger.creditOf(auditor), DRAW_FEE + reward / 2);
        vm.assertEq(ledger.creditOf(treasury), WORTH - 2 * DRAW_FEE - reward);
    }

    function test_anAuditThatFoundNothingHasNoPart() public {
        seat(4, 100 ether);
        uint256 number = settleFour();
        uint256 auditId = _auditAs(auditor, number);
        uint32 receipt = isDrawn(auditId, validator(0)).receipt;
        vote(auditId, 4, 0);
        uint256 drawId = _accuseAs(accuser, number, receipt);
        vm.assertEq(verdicts.drawOf(drawId).audit, 0);
        _execute(drawId, 4);
        vm.assertEq(ledger.creditOf(auditor), 0);
        vm.assertEq(ledger.creditOf(accuser), DRAW_FEE + (WORTH - DRAW_FEE) * 3 / 10);
    }

    /// Nobody takes a part by having audited what stands accused already.
    function test_anAuditAfterTheAccusationHasNoPart() public {
        seat(4, 100 ether);
        uint256 number = settleFour();
        uint256 drawId = _accuseAs(accuser, number, 0);
        uint256 auditId = _auditAs(auditor, number);
        vote(drawId, 4, 4);
        for (uint256 i = 0; i < 4; ++i) {
            vm.assertEq(verdicts.ballotOf(auditId, validator(i)).projection, 0);
        }
        verdicts.resolve(drawId);
        vm.warp(verdicts.drawOf(drawId).executableAt);
        verdicts.execute(drawId);
        vm.assertEq(ledger.creditOf(auditor), 0);
    }

    function test_anAccusationThatIsNotUpheldCostsItsFee() public {
        seat(4, 100 ether);
        uint256 drawId = _accuseAs(accuser, settleFour(), 0);
        vote(drawId, 4, 1);
        verdicts.resolve(drawId);
        vm.warp(block.timestamp + APPEAL);
        vm.expectRevert(abi.encodeWithSelector(Verdicts.WrongOutcome.selector, drawId, Verdicts.Outcome.Right));
        verdicts.execute(drawId);
        vm.assertEq(ledger.creditOf(accuser) + accuser.balance, 0);
    }

    // ---------------------------------------------------------------- who does not look

    function test_whoCallsItRightWithoutLookingIsSlashed() public {
        seat(4, 100 ether);
        uint256 drawId = _accuseAs(accuser, settleFour(), 0);
        lazySeed[drawId][validator(3)] = 1;
        vote(drawId, 4, 0);
        (address[] memory agreed, bytes[] memory shown) = _shown(drawId, 3);
        bytes memory lazy = projectionOf(drawId, validator(3));
        vm.expectRevert(abi.encodeWithSelector(Verdicts.NothingToCharge.selector, drawId, validator(3)));
        verdicts.chargeProjection(drawId, drawId, validator(3), lazy, agreed, shown); // not counted yet
        verdicts.resolve(drawId);
        for (uint256 i = 0; i < 3; ++i) {
            vm.expectRevert(abi.encodeWithSelector(Verdicts.NothingToCharge.selector, drawId, validator(i)));
            verdicts.chargeProjection(drawId, drawId, validator(i), shown[i], agreed, shown);
        }
        vm.expectRevert(abi.encodeWithSelector(Jury.NotShown.selector, keccak256(shown[0]), keccak256(lazy)));
        verdicts.chargeProjection(drawId, drawId, validator(3), shown[0], agreed, shown);
        uint256 gas = gasleft();
        uint256 slashId = verdicts.chargeProjection(drawId, drawId, validator(3), lazy, agreed, shown);
        vm.snapshotValue("Verdicts", "a made-up projection charged by three", gas - gasleft());
        OpenStaking.Slash memory s = staking.slashOf(slashId);
        vm.assertEq(s.amount, 5 ether);
        vm.assertEq(uint256(s.reason), uint256(Reason.WrongVerdict));
        vm.assertEq(uint256(s.state), uint256(OpenStaking.SlashState.UnderAppeal));
        vm.assertTrue(s.reporter == accuser, "who had everyone look");
        vm.expectRevert(abi.encodeWithSelector(Verdicts.NothingToCharge.selector, drawId, validator(3)));
        verdicts.chargeProjection(drawId, drawId, validator(3), lazy, agreed, shown);
    }

    function test_lazinessInAnAuditIsSlashedByAnAccusation() public {
        seat(4, 100 ether);
        uint256 number = settleFour();
        uint256 auditId = audit(number);
        uint32 receipt = isDrawn(auditId, validator(3)).receipt;
        lazySeed[auditId][validator(3)] = 7;
        vote(auditId, 4, 0);
        uint256 drawId = accuse(number, receipt);
        uint256 elsewhere = accuse(number, (receipt + 1) % RECEIPTS);
        vote(drawId, 4, 0);
        verdicts.resolve(drawId);
        (address[] memory agreed, bytes[] memory shown) = _shown(drawId, 4);
        bytes memory lazy = projectionOf(auditId, validator(3));
        vm.expectRevert(abi.encodeWithSelector(Verdicts.NothingToCharge.selector, auditId, validator(3)));
        verdicts.chargeProjection(auditId, elsewhere, validator(3), lazy, agreed, shown);
        verdicts.chargeProjection(auditId, drawId, validator(3), lazy, agreed, shown);
    }

    function test_twoThirdsMustHaveSeenTheSame() public {
        seat(5, 100 ether);
        uint256 drawId = accuse(settleFour(), 0);
        lazySeed[drawId][validator(4)] = 1;
        lazySeed[drawId][validator(3)] = 2;
        vote(drawId, 5, 0);
        verdicts.resolve(drawId);
        (address[] memory agreed, bytes[] memory shown) = _shown(drawId, 3);
        bytes memory lazy = projectionOf(drawId, validator(4));
        vm.expectRevert(abi.encodeWithSelector(Jury.NotAgreed.selector, 300 ether, 500 ether));
        verdicts.chargeProjection(drawId, drawId, validator(4), lazy, agreed, shown);
        (agreed, shown) = _shown(drawId, 4);
        vm.expectRevert(abi.encodeWithSelector(Jury.NotAgreeing.selector, validator(3)));
        verdicts.chargeProjection(drawId, drawId, validator(4), lazy, agreed, shown); // the fourth has not seen it
        agreed[3] = agreed[2];
        shown[3] = shown[2];
        vm.expectRevert(abi.encodeWithSelector(Jury.NotAscending.selector, agreed[2], agreed[2]));
        verdicts.chargeProjection(drawId, drawId, validator(4), lazy, agreed, shown);
    }

    function test_whoLookedIsNotSlashedByThoseWhoShowNothing() public {
        _expectNoAgreementOn("");
    }

    function test_whoLookedIsNotSlashedByThoseWhoShowZeros() public {
        _expectNoAgreementOn(new bytes(128));
    }

    // ---------------------------------------------------------------- inside

    /// Three of four show the same nothing, without a word between them.
    function _expectNoAgreementOn(bytes memory nothing) private {
        seat(4, 100 ether);
        uint256 drawId = accuse(settleFour(), 0);
        for (uint256 i = 0; i < 3; ++i) {
            bytes32 commitment = keccak256(
                abi.encode(
                    verdicts.batchIdOf(drawId), uint32(0), false, keccak256(nothing), bytes32("salt"), validator(i)
                )
            );
            vm.prank(validator(i));
            verdicts.commit(drawId, commitment);
        }
        commitAs(drawId, validator(3), false);
        vm.warp(verdicts.drawOf(drawId).commitEnds);
        address[] memory agreed = new address[](3);
        bytes[] memory shown = new bytes[](3);
        for (uint256 i = 0; i < 3; ++i) {
            (agreed[i], shown[i]) = (validator(i), nothing);
            bytes32 drawn = preimage(validator(i));
            vm.prank(validator(i));
            verdicts.reveal(drawId, false, nothing, "salt", drawn);
        }
        revealAs(drawId, validator(3), false);
        vm.warp(verdicts.drawOf(drawId).revealEnds);
        verdicts.resolve(drawId);
        bytes memory honest = projectionOf(drawId, validator(3));
        vm.expectRevert(abi.encodeWithSelector(Jury.NotAgreeing.selector, validator(0)));
        verdicts.chargeProjection(drawId, drawId, validator(3), honest, agreed, shown);
    }

    function _accuseAs(address who, uint256 number, uint32 receipt) private returns (uint256) {
        vm.deal(who, DRAW_FEE);
        vm.prank(who);
        return verdicts.accuse{value: DRAW_FEE}(operator, number, receipt);
    }

    function _auditAs(address who, uint256 number) private returns (uint256) {
        vm.deal(who, DRAW_FEE);
        vm.prank(who);
        return verdicts.audit{value: DRAW_FEE}(operator, number);
    }

    function _execute(uint256 drawId, uint256 judges) private {
        vote(drawId, judges, judges);
        verdicts.resolve(drawId);
        vm.warp(verdicts.drawOf(drawId).executableAt);
        verdicts.execute(drawId);
    }

    /// What the first validators have shown.
    function _shown(uint256 drawId, uint256 count) private view returns (address[] memory who, bytes[] memory shown) {
        (who, shown) = (new address[](count), new bytes[](count));
        for (uint256 i = 0; i < count; ++i) {
            (who[i], shown[i]) = (validator(i), projectionOf(drawId, validator(i)));
        }
    }
}
