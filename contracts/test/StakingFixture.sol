// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Listing, ProtocolParameters} from "../src/ProtocolParameters.sol";
import {Offence, OpenStaking, Reason} from "../src/OpenStaking.sol";
import {Fixture} from "./Fixture.sol";

/// What forge's invariant tests ask a contract for.
struct FuzzSelector {
    address addr;
    bytes4[] selectors;
}

/// Staking by itself: the slashers are two addresses that the tests speak for.
abstract contract StakingFixture is Fixture {
    address internal constant verdicts = address(0x71);
    address internal constant agents = address(0x72);
    uint256 internal constant EPOCH = 1 days;
    uint256 internal constant UNBONDING = 21 days;
    uint256 internal constant APPEAL = 17 days;
    uint256 internal constant MINIMUM_STAKE = 100 ether;

    OpenStaking internal staking;

    function setUp() public virtual override {
        vm.warp(1_790_000_000);
        parameters = new ProtocolParameters(governance, 1, feeSplit(), settings(), new Listing[](0));
        staking = new OpenStaking(parameters, verdicts, address(0x66), agents);
    }

    function poolOf(address validator) internal pure returns (uint256) {
        return uint160(validator);
    }

    function open(address validator, uint16 commissionBps, uint256 own) internal {
        vm.deal(validator, own);
        vm.prank(validator);
        staking.open{value: own}(poolOf(validator), commissionBps);
    }

    function delegate(address account, uint256 poolId, uint256 amount) internal {
        vm.deal(account, account.balance + amount);
        vm.prank(account);
        staking.delegate{value: amount}(poolId);
    }

    function rewardAll(uint256 amount) internal {
        vm.deal(address(this), amount);
        (bool sent,) = address(staking).call{value: amount}("");
        vm.assertTrue(sent);
    }

    function nextEpoch() internal {
        vm.warp((block.timestamp / EPOCH + 1) * EPOCH);
    }

    function offence(uint256 poolId, uint16 bps, Reason reason) internal pure returns (Offence memory) {
        return Offence({
            poolId: poolId,
            liable: address(uint160(poolId)),
            bps: bps,
            reason: reason,
            evidence: "evidence",
            reporter: address(0x81),
            harmed: address(0x82),
            harm: 1000 ether
        });
    }

    /// Earned, less the part of a wei that is carried until it is whole: never more than expected.
    function assertEarned(uint256 actual, uint256 expected) internal pure {
        vm.assertLe(actual, expected, "earned too much");
        vm.assertLe(expected, actual + 2, "earned too little");
    }

    /// Every wei has one owner.
    function assertBalanced() internal view {
        vm.assertEq(
            address(staking).balance,
            staking.staked() + staking.escrowed() + staking.unclaimed() + staking.credits(),
            "balance"
        );
    }
}
