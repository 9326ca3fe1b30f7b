// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Offence, OpenStaking, Reason} from "../src/OpenStaking.sol";
import {StakingFixture} from "./StakingFixture.sol";

/// What an operator tries against those who delegated to it, and against what its offence should cost.
contract StakingExitTest is StakingFixture {
    address private constant val = address(0x1001);
    address private constant ann = address(0x2001);
    address private constant bob = address(0x2002);

    function test_slashesThatFollowEachOtherKeepNobodyIn() public {
        open(val, 0, 100 ether);
        delegate(ann, poolOf(val), 300 ether);
        vm.prank(ann);
        uint256 index = staking.unbond(poolOf(val), type(uint256).max);
        vm.prank(verdicts);
        staking.slash(offence(poolOf(val), 1, Reason.WithheldVerdict));
        for (uint256 id = 1; id < 4; ++id) {
            vm.warp(block.timestamp + APPEAL - 1);
            vm.prank(verdicts);
            staking.slash(offence(poolOf(val), 1, Reason.WithheldVerdict)); // before the last appeal ends
            vm.warp(block.timestamp + 1);
            staking.executeSlash(id);
        }
        vm.assertGe(block.timestamp, 1_790_000_000 + 2 * UNBONDING);
        vm.prank(ann);
        staking.withdraw(ann, index);
        vm.assertGe(ann.balance, 299.88 ether); // 300, less four times a ten-thousandth
        assertBalanced();
    }

    function test_whoLeavesUnderAppealGivesUpOnlyTheirOwnPart(uint96 own, uint96 anns, uint96 bobs, uint16 bps) public {
        open(val, 0, uint96(1 + own % 1e27));
        delegate(ann, poolOf(val), 1 + anns % 1e27);
        delegate(bob, poolOf(val), 1 + bobs % 1e27);
        vm.prank(ann);
        uint256 index = staking.unbond(poolOf(val), type(uint256).max);
        vm.warp(block.timestamp + UNBONDING);
        uint256 before = staking.positionOf(poolOf(val), bob).bonded;
        vm.prank(verdicts);
        uint256 first = staking.slash(offence(poolOf(val), 1 + bps % 10_000, Reason.WrongVerdict));
        vm.prank(verdicts);
        uint256 second = staking.slash(offence(poolOf(val), 700, Reason.WithheldVerdict));
        vm.expectRevert(abi.encodeWithSelector(OpenStaking.UnderAppeal.selector, poolOf(val), block.timestamp + APPEAL));
        vm.prank(bob);
        staking.withdraw(ann, index); // by another it would cost her what an overturned slash returns
        vm.prank(ann);
        staking.withdraw(ann, index);
        assertBalanced();
        vm.startPrank(governance);
        if (second != 0) staking.overturn(second);
        staking.overturn(first);
        vm.stopPrank();
        uint256 now_ = staking.positionOf(poolOf(val), bob).bonded;
        vm.assertLe(now_, before, "gained by another's leaving"); // a share is never worth more than a wei
        vm.assertGe(now_ + 3, before);
        assertBalanced();
    }

    function test_aPoolIsClosedOnlyForWhatWasTakenForGood() public {
        open(val, 0, 100 ether);
        vm.prank(verdicts);
        uint256 judged = staking.slash(offence(poolOf(val), 9999, Reason.WrongVerdict));
        vm.prank(verdicts);
        staking.slash(offence(poolOf(val), 9999, Reason.MissedDeadline)); // final at once, of the 0.01 left
        vm.prank(governance);
        staking.overturn(judged);
        vm.assertGe(staking.stakeOf(poolOf(val)), 99.99 ether);
        vm.assertFalse(staking.poolOf(poolOf(val)).closed);
        delegate(bob, poolOf(val), 1 ether);
        vm.assertEq(staking.positionOf(poolOf(val), bob).bonded, 1 ether - 1);
    }

    function test_whoIsSlashedPaysAlsoAsItsOwnReporter() public {
        open(val, 0, 100 ether);
        delegate(ann, poolOf(val), 900 ether);
        Offence memory o = offence(poolOf(val), 500, Reason.WithheldVerdict);
        (o.reporter, o.harmed, o.harm) = (val, address(0), 0);
        vm.prank(verdicts);
        uint256 id = staking.slash(o);
        vm.warp(block.timestamp + APPEAL);
        staking.executeSlash(id);
        // 50 were taken, 5 of them its own: at most 30 % of those come back.
        vm.assertEq(staking.creditOf(val), 1.5 ether);
    }
}
