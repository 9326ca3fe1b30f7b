// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Offence, OpenStaking, Reason} from "../src/OpenStaking.sol";
import {Pool, Pools, Position} from "../src/libraries/Pools.sol";
import {StakingFixture} from "./StakingFixture.sol";

/// Calls back into staking when it is paid.
contract Reentrant {
    OpenStaking private immutable _staking;
    bytes private _again;
    bool public stopped;

    constructor(OpenStaking staking) {
        _staking = staking;
    }

    function run(bytes calldata call_, uint256 value) public returns (bytes memory) {
        (bool done, bytes memory result) = address(_staking).call{value: value}(call_);
        require(done, "the call itself failed");
        return result;
    }

    function arm(bytes calldata again) external {
        _again = again;
    }

    receive() external payable {
        if (_again.length == 0) return;
        (bool done,) = address(_staking).call(_again);
        stopped = !done;
    }
}

contract OpenStakingTest is StakingFixture {
    address private constant val = address(0x1001);
    address private constant other = address(0x1002);
    address private constant ann = address(0x2001);
    address private constant bob = address(0x2002);

    function test_stakeEarnsFromTheNextEpochInProportion() public {
        open(val, 1000, 100 ether);
        delegate(ann, poolOf(val), 300 ether);
        rewardAll(4 ether); // nobody is active yet
        vm.assertEq(staking.creditOf(treasury), 4 ether);

        nextEpoch();
        delegate(bob, poolOf(val), 600 ether); // earns from the epoch after
        rewardAll(4 ether); // 10 % commission: 0.4; the rest by 100 : 300
        assertEarned(staking.positionOf(poolOf(val), ann).reward, 2.7 ether);
        assertEarned(staking.positionOf(poolOf(val), val).reward, 0.9 ether);
        assertEarned(staking.positionOf(poolOf(val), bob).reward, 0);

        nextEpoch();
        rewardAll(10 ether); // 1 commission, 9 by 100 : 300 : 600
        assertEarned(staking.positionOf(poolOf(val), ann).reward, 5.4 ether);
        assertEarned(staking.positionOf(poolOf(val), bob).reward, 5.4 ether);
        staking.claimReward(poolOf(val), ann);
        assertEarned(ann.balance, 5.4 ether);
        staking.claimReward(poolOf(val), bob);
        staking.claimReward(poolOf(val), val);
        assertEarned(staking.creditOf(val), 1.4 ether);
        vm.assertLe(staking.unclaimed(), 4);
        assertBalanced();
    }

    function test_stakeThatJoinedLongAgoEarnsFromItsEpochWhoeverTouchesThePoolFirst() public {
        open(val, 0, 100 ether);
        open(other, 0, 100 ether);
        nextEpoch();
        delegate(ann, poolOf(val), 200 ether);
        rewardAll(2 ether); // 1 : 1
        nextEpoch();
        rewardAll(4 ether); // 3 : 1, before anybody touches the pools
        nextEpoch();
        rewardAll(4 ether);
        assertEarned(staking.positionOf(poolOf(val), ann).reward, 4 ether);
        assertEarned(staking.positionOf(poolOf(val), val).reward, 3 ether);
        assertEarned(staking.positionOf(poolOf(other), other).reward, 3 ether);
        delegate(bob, poolOf(val), 1 ether);
        assertEarned(staking.positionOf(poolOf(val), ann).reward, 4 ether);
    }

    function test_aRewardForOnePoolIsItsOwn() public {
        open(val, 500, 100 ether);
        open(other, 0, 100 ether);
        nextEpoch();
        vm.deal(address(this), 20 ether);
        staking.reward{value: 20 ether}(poolOf(val));
        assertEarned(staking.positionOf(poolOf(val), val).reward, 19 ether);
        assertEarned(staking.creditOf(val), 1 ether);
        assertEarned(staking.positionOf(poolOf(other), other).reward, 0);
    }

    function test_aPoolBelowTheMinimumEarnsNothingAndSaysSo() public {
        open(val, 0, 99 ether);
        open(other, 0, 100 ether);
        delegate(ann, poolOf(val), 1000 ether);
        nextEpoch();
        vm.assertFalse(staking.isActive(poolOf(val)));
        vm.assertEq(staking.activeStakeOf(poolOf(val)), 0);
        rewardAll(1 ether);
        assertEarned(staking.positionOf(poolOf(other), other).reward, 1 ether);

        delegate(val, poolOf(val), 1 ether);
        vm.assertTrue(staking.isActive(poolOf(val)));
        vm.prank(val);
        staking.unbond(poolOf(val), 1);
        vm.assertFalse(staking.isActive(poolOf(val)));
    }

    function test_aHigherMinimumCountsFromTheNextSync() public {
        open(val, 0, 100 ether);
        nextEpoch();
        vm.prank(governance);
        parameters.set("minimumStakeWei", 200 ether);
        vm.warp(block.timestamp + 1);
        vm.assertFalse(staking.isActive(poolOf(val)));
        vm.assertEq(staking.activeStake(), 100 ether);
        staking.sync(poolOf(val));
        vm.assertEq(staking.activeStake(), 0);
    }

    function test_commissionIsBoundedAndAnnouncedAnEpochAhead() public {
        vm.expectRevert(abi.encodeWithSelector(OpenStaking.CommissionTooHigh.selector, 5001, 5000));
        vm.prank(val);
        staking.open(poolOf(val), 5001);
        open(val, 0, 100 ether);
        nextEpoch();
        vm.prank(val);
        staking.announceCommission(poolOf(val), 2000);
        vm.assertEq(staking.poolOf(poolOf(val)).nextCommissionAt, block.timestamp + EPOCH);
        rewardAll(1 ether);
        vm.warp(block.timestamp + EPOCH);
        staking.sync(poolOf(val)); // what came in before is divided as before
        vm.assertEq(staking.creditOf(val), 0);
        vm.assertEq(staking.poolOf(poolOf(val)).commissionBps, 2000);
        rewardAll(1 ether);
        staking.sync(poolOf(val));
        assertEarned(staking.creditOf(val), 0.2 ether);
        vm.expectRevert(abi.encodeWithSelector(OpenStaking.NotOperator.selector, poolOf(val), ann));
        vm.prank(ann);
        staking.announceCommission(poolOf(val), 0);
    }

    function test_unbondingHasAnExactDate() public {
        open(val, 0, 100 ether);
        delegate(ann, poolOf(val), 50 ether);
        nextEpoch();
        vm.prank(ann);
        uint256 index = staking.unbond(poolOf(val), 20 ether);
        (uint256 poolId, uint256 amount, uint256 claimAt) = staking.unbondingOf(ann, index);
        vm.assertEq(poolId, poolOf(val));
        vm.assertEq(amount, 20 ether);
        vm.assertEq(claimAt, block.timestamp + UNBONDING);
        vm.assertEq(staking.positionOf(poolOf(val), ann).bonded, 30 ether);
        vm.prank(governance);
        parameters.set("unbondingSeconds", 100 days); // changes nothing for what has started
        rewardAll(13 ether); // 100 : 30, none to what leaves
        assertEarned(staking.positionOf(poolOf(val), ann).reward, 3 ether);
        vm.warp(claimAt - 1);
        vm.expectRevert(abi.encodeWithSelector(OpenStaking.TooEarly.selector, claimAt));
        staking.withdraw(ann, index);
        vm.warp(claimAt);
        staking.withdraw(ann, index);
        vm.assertEq(ann.balance, 20 ether);
        vm.expectRevert(abi.encodeWithSelector(OpenStaking.NoSuchUnbonding.selector, ann, index));
        staking.withdraw(ann, index);
        assertBalanced();
    }

    function test_nobodyTakesMoreThanTheyHave() public {
        open(val, 0, 100 ether);
        delegate(ann, poolOf(val), 50 ether);
        vm.expectRevert(abi.encodeWithSelector(OpenStaking.BeyondStake.selector, 50 ether + 1, 50 ether));
        vm.prank(ann);
        staking.unbond(poolOf(val), 50 ether + 1);
        vm.expectRevert(abi.encodeWithSelector(OpenStaking.BeyondStake.selector, type(uint256).max, 0));
        vm.prank(bob);
        staking.unbond(poolOf(val), type(uint256).max);
        vm.expectRevert(abi.encodeWithSelector(OpenStaking.BeyondStake.selector, 0, 50 ether));
        vm.prank(ann);
        staking.unbond(poolOf(val), 0);
    }

    // ---------------------------------------------------------------- slashing

    function test_aProvenSlashIsFinalAtOnceAndHitsUnbondingStakeAlike() public {
        open(val, 0, 100 ether);
        delegate(ann, poolOf(val), 300 ether);
        vm.prank(ann);
        staking.unbond(poolOf(val), 200 ether);
        vm.prank(verdicts);
        uint256 id = staking.slash(offence(poolOf(val), 1000, Reason.MissedDeadline));
        OpenStaking.PositionState memory a = staking.positionOf(poolOf(val), ann);
        vm.assertEq(a.bonded, 90 ether);
        vm.assertEq(a.unbonding, 180 ether);
        vm.assertEq(staking.positionOf(poolOf(val), val).bonded, 90 ether);
        // 40 taken, of which the validator's own loss is 10: the reporter has 30 % of that, the harmed the rest of it.
        vm.assertEq(uint256(staking.slashOf(id).state), uint256(OpenStaking.SlashState.Executed));
        vm.assertEq(staking.creditOf(address(0x81)), 3 ether);
        vm.assertEq(staking.creditOf(address(0x82)), 7 ether);
        vm.assertEq(staking.creditOf(treasury), 30 ether);
        assertBalanced();
    }

    function test_reporterThenHarmedThenTreasury() public {
        open(val, 0, 100 ether);
        Offence memory o = offence(poolOf(val), 5000, Reason.MissedDeadline);
        o.harm = 20 ether;
        vm.prank(verdicts);
        staking.slash(o);
        vm.assertEq(staking.creditOf(address(0x81)), 15 ether); // 30 % of 50
        vm.assertEq(staking.creditOf(address(0x82)), 20 ether);
        vm.assertEq(staking.creditOf(treasury), 15 ether);
        staking.withdrawCredit(address(0x82));
        vm.assertEq(address(0x82).balance, 20 ether);
    }

    function test_aJudgedSlashWaitsForTheAppeal() public {
        open(val, 0, 100 ether);
        delegate(ann, poolOf(val), 100 ether);
        vm.prank(ann);
        uint256 index = staking.unbond(poolOf(val), 40 ether);
        vm.warp(block.timestamp + UNBONDING - 1 days);
        vm.prank(verdicts);
        uint256 id = staking.slash(offence(poolOf(val), 500, Reason.WrongVerdict));
        uint256 end = block.timestamp + APPEAL;
        vm.assertEq(staking.escrowed(), 10 ether);
        (, uint256 amount, uint256 claimAt) = staking.unbondingOf(ann, index);
        vm.assertEq(amount, 38 ether);
        vm.assertEq(claimAt, end); // nobody makes others leave while it is open
        vm.warp(end - 1);
        vm.expectRevert(abi.encodeWithSelector(OpenStaking.UnderAppeal.selector, poolOf(val), end));
        staking.withdraw(ann, index);
        vm.deal(bob, 1 ether);
        vm.expectRevert(abi.encodeWithSelector(OpenStaking.UnderAppeal.selector, poolOf(val), end));
        vm.prank(bob);
        staking.delegate{value: 1 ether}(poolOf(val));
        vm.expectRevert(abi.encodeWithSelector(OpenStaking.TooEarly.selector, end));
        staking.executeSlash(id);
        vm.warp(end);
        staking.executeSlash(id);
        staking.withdraw(ann, index);
        vm.assertEq(ann.balance, 38 ether);
        vm.expectRevert(abi.encodeWithSelector(OpenStaking.NoSuchSlash.selector, id));
        staking.executeSlash(id);
        assertBalanced();
    }

    function test_anOverturnedSlashReturnsToThoseItWasTakenFrom() public {
        open(val, 0, 100 ether);
        delegate(ann, poolOf(val), 77 ether + 7);
        vm.prank(ann);
        uint256 index = staking.unbond(poolOf(val), 33 ether + 1);
        vm.prank(verdicts);
        uint256 first = staking.slash(offence(poolOf(val), 333, Reason.WrongVerdict));
        vm.prank(verdicts);
        uint256 second = staking.slash(offence(poolOf(val), 5000, Reason.WithheldVerdict));
        vm.prank(ann);
        staking.unbond(poolOf(val), type(uint256).max); // leaving does not lose the claim
        vm.expectRevert(abi.encodeWithSelector(OpenStaking.NotGovernance.selector, ann, governance));
        vm.prank(ann);
        staking.overturn(first);
        vm.prank(governance);
        staking.overturn(second);
        vm.prank(governance);
        staking.overturn(first);
        vm.assertEq(staking.positionOf(poolOf(val), val).bonded, 100 ether);
        vm.assertEq(staking.positionOf(poolOf(val), ann).unbonding, 77 ether + 7);
        vm.warp(block.timestamp + UNBONDING);
        staking.withdraw(ann, index);
        staking.withdraw(ann, index + 1);
        vm.assertEq(ann.balance, 77 ether + 7);
        assertBalanced();
    }

    function test_aPoolSlashedAwayIsClosedForGood() public {
        open(val, 0, 100 ether);
        delegate(ann, poolOf(val), 50 ether);
        vm.prank(verdicts);
        staking.slash(offence(poolOf(val), 10_000, Reason.MissedDeadline));
        vm.assertTrue(staking.poolOf(poolOf(val)).closed);
        vm.assertEq(staking.stakeOf(poolOf(val)), 0);
        vm.prank(ann);
        uint256 index = staking.unbond(poolOf(val), type(uint256).max);
        vm.prank(val);
        uint256 own = staking.unbond(poolOf(val), type(uint256).max);
        vm.warp(block.timestamp + UNBONDING);
        vm.assertEq(staking.withdraw(ann, index), 0);
        vm.assertEq(staking.withdraw(val, own), 0);
        vm.deal(val, 100 ether);
        vm.expectRevert(abi.encodeWithSelector(OpenStaking.PoolClosed.selector, poolOf(val)));
        vm.prank(val);
        staking.delegate{value: 100 ether}(poolOf(val));
        vm.expectRevert(abi.encodeWithSelector(OpenStaking.PoolExists.selector, poolOf(val)));
        vm.prank(val);
        staking.open{value: 100 ether}(poolOf(val), 0);
        vm.prank(verdicts);
        vm.assertEq(staking.slash(offence(poolOf(val), 10_000, Reason.MissedDeadline)), 0);
        assertBalanced();
    }

    function test_slashingOnesOwnPoolNeverPays(uint96 own, uint96 others, uint16 bps, uint96 harm) public {
        own = uint96(1 + own % 1e27);
        others = uint96(1 + others % 1e27);
        open(val, 0, own);
        delegate(ann, poolOf(val), others);
        Offence memory o = offence(poolOf(val), bps % 10_001, Reason.MissedDeadline);
        o.harm = harm;
        vm.prank(verdicts);
        staking.slash(o);
        uint256 lost = own - staking.positionOf(poolOf(val), val).bonded;
        vm.assertLe(staking.creditOf(address(0x81)) + staking.creditOf(address(0x82)), lost, "gain");
        assertBalanced();
    }

    function test_onlyTheSlashersSlashEachTheirOwn() public {
        open(val, 0, 100 ether);
        Offence memory o = offence(poolOf(val), 1, Reason.WrongVerdict);
        address[3] memory others = [ann, governance, agents];
        for (uint256 i = 0; i < 3; ++i) {
            vm.expectRevert(abi.encodeWithSelector(OpenStaking.NotSlasher.selector, poolOf(val), others[i]));
            vm.prank(others[i]);
            staking.slash(o);
        }
        vm.prank(staking.releaseVerdicts());
        vm.assertEq(staking.slash(o), 1);
        o.poolId = staking.AGENT_POOLS() + 1;
        address[2] memory judges = [verdicts, staking.releaseVerdicts()];
        for (uint256 i = 0; i < 2; ++i) {
            vm.expectRevert(abi.encodeWithSelector(OpenStaking.NotSlasher.selector, o.poolId, judges[i]));
            vm.prank(judges[i]);
            staking.slash(o);
        }
    }

    // ---------------------------------------------------------------- rounding

    function test_theFirstDepositorCannotInflateAShare() public {
        open(val, 0, 1); // one wei, one share
        rewardAll(1000 ether); // goes to the treasury: nobody earns below the minimum
        vm.deal(address(this), 1000 ether);
        staking.reward{value: 1000 ether}(poolOf(val)); // and rewards never enter the price of a share
        delegate(ann, poolOf(val), 5 ether);
        vm.assertEq(staking.positionOf(poolOf(val), ann).bonded, 5 ether);
    }

    function test_roundingNeverFavoursTheCaller(uint96 first, uint96 second, uint16 bps, uint96 out) public {
        first = uint96(1 + first % 1e27);
        second = uint96(1 + second % 1e27);
        bps = bps % 9999;
        open(val, 0, first);
        vm.prank(verdicts);
        staking.slash(offence(poolOf(val), bps, Reason.MissedDeadline));
        if (staking.poolOf(poolOf(val)).closed) return;
        uint256 before = staking.positionOf(poolOf(val), val).bonded;
        delegate(ann, poolOf(val), second);
        uint256 given = staking.positionOf(poolOf(val), ann).bonded;
        vm.assertLe(given, second, "shares for more than was paid");
        vm.assertGe(given + 1, second);
        vm.assertGe(staking.positionOf(poolOf(val), val).bonded, before);
        if (given == 0) return;
        out = uint96(1 + out % given);
        vm.prank(ann);
        uint256 index = staking.unbond(poolOf(val), out);
        uint256 rest = staking.positionOf(poolOf(val), ann).bonded;
        vm.assertLe(rest, given - out, "less was taken than asked");
        vm.warp(block.timestamp + UNBONDING);
        uint256 paid = staking.withdraw(ann, index);
        vm.assertGe(paid, out);
        vm.assertLe(paid + rest, second, "more came out than went in");
        vm.assertGe(staking.positionOf(poolOf(val), val).bonded, before);
        assertBalanced();
    }

    function test_rewardsAreDividedWithoutLoss(uint96[4] memory stakes, uint96[6] memory rewards) public {
        address[4] memory who = [val, ann, bob, other];
        uint256 sum;
        for (uint256 i = 0; i < 4; ++i) {
            uint256 amount = MINIMUM_STAKE + stakes[i] % 1e24;
            if (i == 0) open(val, 777, amount);
            else delegate(who[i], poolOf(val), amount);
        }
        nextEpoch();
        for (uint256 i = 0; i < 6; ++i) {
            rewardAll(rewards[i] % 1e24);
            sum += rewards[i] % 1e24;
        }
        staking.sync(poolOf(val));
        uint256 earned = staking.creditOf(val);
        for (uint256 i = 0; i < 4; ++i) {
            earned += staking.positionOf(poolOf(val), who[i]).reward;
        }
        vm.assertLe(earned, sum);
        vm.assertLe(sum, earned + 5); // less than a wei a position, and one in the pool
    }

    /// To the 2⁻¹²⁸ of a wei: what two positions earned, the commissions and what is carried is what came in.
    function test_noDivisionLosesAnything(uint96[8] memory rewards, uint88 first, uint88 second, uint16 bps)
        public
        pure
    {
        Pool memory p;
        (p.active, p.commissionBps) = (1 + uint256(first) + second, bps % 5001);
        Position memory a;
        Position memory b;
        (a.active, b.active) = (1 + uint256(first), second);
        uint256 sum;
        uint256 commissions;
        for (uint256 i = 0; i < 8; ++i) {
            sum += rewards[i];
            commissions += Pools.divide(p, rewards[i]);
            Pools.accrue(a, p.perShare);
            if (i % 3 == 0) Pools.accrue(b, p.perShare); // less often: it comes to the same
        }
        Pools.accrue(b, p.perShare);
        vm.assertEq(a.earned + b.earned + p.remainder + (commissions << 128), sum << 128);
    }

    // ---------------------------------------------------------------- votes

    function test_votesAreThePastAfterSlashesAndNeverChange() public {
        open(val, 0, 100 ether);
        delegate(ann, poolOf(val), 100 ether);
        uint256 start = block.timestamp;
        vm.warp(start + 10);
        vm.prank(verdicts);
        staking.slash(offence(poolOf(val), 1000, Reason.MissedDeadline));
        vm.warp(start + 20);
        vm.prank(ann);
        staking.unbond(poolOf(val), type(uint256).max);
        vm.warp(start + 30);
        open(other, 0, 7 ether);
        delegate(ann, poolOf(other), 3 ether); // takes the slot that the first pool left
        vm.warp(start + 40);
        vm.assertEq(staking.votesAt(ann, start - 1), 0);
        vm.assertEq(staking.votesAt(ann, start), 100 ether);
        vm.assertEq(staking.votesAt(ann, start + 9), 100 ether);
        vm.assertEq(staking.votesAt(ann, start + 10), 90 ether);
        vm.assertEq(staking.votesAt(ann, start + 20), 0);
        vm.assertEq(staking.votesAt(ann, start + 30), 3 ether);
        vm.assertEq(staking.totalVotesAt(start + 9), 200 ether);
        vm.assertEq(staking.totalVotesAt(start + 10), 180 ether);
        vm.assertEq(staking.totalVotesAt(start + 30), 100 ether);
        vm.assertEq(staking.stakeAt(poolOf(val), start + 30), 90 ether);
        vm.expectRevert(abi.encodeWithSelector(OpenStaking.NotPast.selector, start + 40, start + 40));
        staking.votesAt(ann, start + 40);
    }

    function test_sixteenPoolsAtATime() public {
        for (uint160 i = 0; i < 17; ++i) {
            open(address(0x3000 + i), 0, 1 ether);
            if (i < 16) delegate(ann, 0x3000 + i, 1 ether);
        }
        vm.deal(ann, 1 ether);
        vm.expectRevert(abi.encodeWithSelector(OpenStaking.TooManyPools.selector, ann, 16));
        vm.prank(ann);
        staking.delegate{value: 1 ether}(0x3000 + 16);
        vm.prank(ann);
        staking.unbond(0x3005, type(uint256).max);
        vm.prank(ann);
        staking.delegate{value: 1 ether}(0x3000 + 16);
        vm.warp(block.timestamp + 1);
        vm.assertEq(staking.votesAt(ann, block.timestamp - 1), 16 ether);
    }

    // ---------------------------------------------------------------- reentrancy

    function test_payingOutCannotBeReentered() public {
        open(val, 0, 100 ether);
        Reentrant thief = new Reentrant(staking);
        vm.deal(address(thief), 100 ether);
        thief.run(abi.encodeCall(staking.delegate, (poolOf(val))), 100 ether);
        nextEpoch();
        rewardAll(10 ether);
        thief.run(abi.encodeCall(staking.unbond, (poolOf(val), 50 ether)), 0);
        thief.run(abi.encodeCall(staking.unbond, (poolOf(val), 50 ether)), 0);
        vm.warp(block.timestamp + UNBONDING);
        thief.arm(abi.encodeCall(staking.claimReward, (poolOf(val), address(thief))));
        staking.withdraw(address(thief), 0);
        vm.assertTrue(thief.stopped());
        thief.arm(abi.encodeCall(staking.withdraw, (address(thief), 1)));
        staking.claimReward(poolOf(val), address(thief));
        vm.assertTrue(thief.stopped());
        staking.withdraw(address(thief), 1);
        assertEarned(address(thief).balance, 105 ether);
        assertBalanced();
    }
}
