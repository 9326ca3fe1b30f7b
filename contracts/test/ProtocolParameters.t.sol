// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {FeeSplit, Listing, ProtocolParameters, Setting} from "../src/ProtocolParameters.sol";
import {Fixture} from "./Fixture.sol";

contract ProtocolParametersTest is Fixture {
    function test_startsWithWhatItWasGiven() public view {
        vm.assertEq(parameters.settlementWindowSeconds(), WINDOW);
        vm.assertEq(parameters.closeTimeoutSeconds(), TIMEOUT);
        vm.assertEq(parameters.minimumBondWei(), MINIMUM_BOND);
        vm.assertEq(parameters.registrationFeeWei(), FEE);
        vm.assertEq(parameters.proverRewardBps(), 3000);
        vm.assertEq(parameters.minimumThresholdMillionths(), 100_000);
        vm.assertEq(parameters.treasury(), treasury);
        vm.assertEq(parameters.stakersPool(), stakersPool);
        FeeSplit memory split = parameters.feeSplit();
        vm.assertEq(keccak256(abi.encode(split)), keccak256(abi.encode(FeeSplit(1500, 500, 2000, 1000, 5000, 1000))));
    }

    function test_onlyGovernanceChangesAnything() public {
        bytes32 id = parameters.MINIMUM_BOND();
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, address(this)));
        parameters.set(id, 2 ether);
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, address(this)));
        parameters.setFeeSplit(FeeSplit(1500, 500, 2000, 1000, 5000, 1000));
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, address(this)));
        parameters.setContract("ModelRegistry", address(1));
    }

    function test_aChangeTakesEffectInTheNextSecondAndThePastStays() public {
        bytes32 id = parameters.MINIMUM_BOND();
        uint256 changedAt = block.timestamp;
        vm.prank(governance);
        parameters.set(id, 2 ether);
        vm.assertEq(parameters.minimumBondWei(), MINIMUM_BOND);
        vm.warp(changedAt + 1);
        vm.assertEq(parameters.minimumBondWei(), 2 ether);
        vm.assertEq(parameters.valueAt(id, changedAt), MINIMUM_BOND);
    }

    function test_theFeeSplitOfAPastReceiptStays() public {
        uint256 issuedAt = block.timestamp;
        vm.prank(governance);
        parameters.setFeeSplit(FeeSplit(1000, 500, 2000, 1000, 5500, 500));
        vm.warp(issuedAt + 10);
        vm.assertEq(parameters.feeSplitAt(issuedAt).operator, 1500);
        vm.assertEq(parameters.feeSplit().operator, 1000);
        vm.assertEq(parameters.feeSplit().owners, 500);
    }

    function testFuzz_noVoteCrossesTheBounds(uint256 value, uint8 which) public {
        Setting[] memory list = settings();
        bytes32 id = list[which % list.length].id;
        // What unbonding and the appeal must outlast has tests of its own.
        if (id == "unbondingSeconds" || id == "verdictSeconds" || id == "appealSeconds") return;
        if (id == "votingDelaySeconds" || id == "votingPeriodSeconds" || id == "timelockDelaySeconds") return;
        if (id == "settlementWindowSeconds" && value <= 30 days && value > 1 days) value = 1 days;
        (uint256 lowest, uint256 highest) = parameters.bounds(id);
        if (value < lowest || value > highest) {
            vm.expectRevert(abi.encodeWithSelector(ProtocolParameters.OutOfBounds.selector, id, value, lowest, highest));
        }
        vm.prank(governance);
        parameters.set(id, value);
        if (value >= lowest && value <= highest) {
            vm.warp(block.timestamp + 1);
            vm.assertEq(parameters.value(id), value);
        }
    }

    function testFuzz_everyWindowHasAFloorAndACeiling(uint8 which) public view {
        Setting[] memory list = settings();
        (uint256 lowest, uint256 highest) = parameters.bounds(list[which % list.length].id);
        vm.assertTrue(lowest < highest && highest < type(uint256).max);
    }

    function test_unbondingOutlastsWindowVerdictAndAppeal() public {
        vm.startPrank(governance);
        uint256 needed = 2 * WINDOW + 2 * 6 hours + 17 days;
        vm.expectRevert(abi.encodeWithSelector(ProtocolParameters.UnbondingTooShort.selector, needed - 1, needed));
        parameters.set("unbondingSeconds", needed - 1);
        parameters.set("unbondingSeconds", needed);
        vm.expectRevert(abi.encodeWithSelector(ProtocolParameters.UnbondingTooShort.selector, needed, needed + 1));
        parameters.set("appealSeconds", 17 days + 1);
        vm.stopPrank();
    }

    /// Two voting delays (the second answers a late quorum), the vote, the timelock, and two seconds to act in.
    function test_theAppealOutlastsTheVoteThatCanOverturn() public {
        vm.startPrank(governance);
        uint256 needed = 2 days + 7 days + 7 days + 2;
        vm.expectRevert(abi.encodeWithSelector(ProtocolParameters.AppealTooShort.selector, needed - 1, needed));
        parameters.set("appealSeconds", needed - 1);
        parameters.set("appealSeconds", needed);
        vm.expectRevert(abi.encodeWithSelector(ProtocolParameters.AppealTooShort.selector, needed, needed + 2));
        parameters.set("votingDelaySeconds", 1 days + 1);
        vm.expectRevert(abi.encodeWithSelector(ProtocolParameters.AppealTooShort.selector, needed, needed + 1));
        parameters.set("votingPeriodSeconds", 7 days + 1);
        vm.expectRevert(abi.encodeWithSelector(ProtocolParameters.AppealTooShort.selector, needed, needed + 1));
        parameters.set("timelockDelaySeconds", 7 days + 1);
        vm.stopPrank();
    }

    function test_everySettingIsGivenOnce() public {
        Setting[] memory list = settings();
        list[3] = list[4];
        vm.expectRevert(abi.encodeWithSelector(ProtocolParameters.SetTwice.selector, list[4].id));
        new ProtocolParameters(governance, 1, feeSplit(), list, new Listing[](0));
        vm.expectRevert(abi.encodeWithSelector(ProtocolParameters.SettingsMissing.selector, 1, 28));
        new ProtocolParameters(governance, 1, feeSplit(), new Setting[](1), new Listing[](0));
    }

    function test_contractsAreListedFromTheStart() public {
        Listing[] memory list = new Listing[](1);
        list[0] = Listing("ModelRegistry", address(models));
        ProtocolParameters fresh = new ProtocolParameters(governance, 1, feeSplit(), settings(), list);
        vm.assertEq(fresh.contractOf("ModelRegistry"), address(models));
    }

    function test_theHeadsMustBeAWholeWithinTheirBounds() public {
        vm.startPrank(governance);
        vm.expectRevert(abi.encodeWithSelector(ProtocolParameters.NotAWhole.selector, 9999));
        parameters.setFeeSplit(FeeSplit(1499, 500, 2000, 1000, 5000, 1000));
        bytes32 id = parameters.FEE_SPLIT();
        vm.expectRevert(abi.encodeWithSelector(ProtocolParameters.OutOfBounds.selector, id, 2999, 3000, 9500));
        parameters.setFeeSplit(FeeSplit(3501, 500, 2000, 1000, 2999, 1000));
        vm.expectRevert(abi.encodeWithSelector(ProtocolParameters.OutOfBounds.selector, id, 4001, 0, 4000));
        parameters.setFeeSplit(FeeSplit(4001, 0, 1999, 1000, 3000, 1000));
        vm.expectRevert(abi.encodeWithSelector(ProtocolParameters.UnknownParameter.selector, id));
        parameters.set(id, 1);
        vm.expectRevert(abi.encodeWithSelector(ProtocolParameters.UnknownParameter.selector, bytes32("nonsense")));
        parameters.set("nonsense", 1);
    }

    function test_contractsAreListed() public {
        vm.prank(governance);
        parameters.setContract("ModelRegistry", address(models));
        vm.assertEq(parameters.contractOf("ModelRegistry"), address(models));
    }

    function test_theWindowsFloorIsFixedAtDeployment() public {
        Setting[] memory list = settings();
        list[3].value = 59;
        bytes32 id = parameters.CLOSE_TIMEOUT();
        vm.expectRevert(abi.encodeWithSelector(ProtocolParameters.OutOfBounds.selector, id, 59, 60, 30 days));
        new ProtocolParameters(governance, 60, feeSplit(), list, new Listing[](0));
    }
}
