// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {FeeSplit, InitialParameters, ProtocolParameters} from "../src/ProtocolParameters.sol";
import {Fixture} from "./Fixture.sol";

contract ProtocolParametersTest is Fixture {
    function test_startsWithWhatItWasGiven() public view {
        vm.assertEq(parameters.settlementWindowSeconds(), WINDOW);
        vm.assertEq(parameters.closeTimeoutSeconds(), TIMEOUT);
        vm.assertEq(parameters.minimumBondWei(), MINIMUM_BOND);
        vm.assertEq(parameters.registrationFeeWei(), FEE);
        vm.assertEq(parameters.proverRewardBps(), 3_000);
        vm.assertEq(parameters.minimumThresholdMillionths(), 100_000);
        vm.assertEq(parameters.treasury(), treasury);
        vm.assertEq(parameters.stakersPool(), stakersPool);
        FeeSplit memory split = parameters.feeSplit();
        vm.assertEq(
            keccak256(abi.encode(split)), keccak256(abi.encode(FeeSplit(1_500, 500, 2_000, 1_000, 5_000, 1_000)))
        );
    }

    function test_onlyGovernanceChangesAnything() public {
        bytes32 id = parameters.MINIMUM_BOND();
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, address(this)));
        parameters.set(id, 2 ether);
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, address(this)));
        parameters.setFeeSplit(FeeSplit(1_500, 500, 2_000, 1_000, 5_000, 1_000));
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
        parameters.setFeeSplit(FeeSplit(1_000, 500, 2_000, 1_000, 5_500, 500));
        vm.warp(issuedAt + 10);
        vm.assertEq(parameters.feeSplitAt(issuedAt).operator, 1_500);
        vm.assertEq(parameters.feeSplit().operator, 1_000);
        vm.assertEq(parameters.feeSplit().owners, 500);
    }

    function testFuzz_noVoteCrossesTheBounds(uint256 value, uint8 which) public {
        bytes32[8] memory ids = [
            parameters.TREASURY(),
            parameters.STAKERS_POOL(),
            parameters.SETTLEMENT_WINDOW(),
            parameters.CLOSE_TIMEOUT(),
            parameters.MINIMUM_BOND(),
            parameters.REGISTRATION_FEE(),
            parameters.PROVER_REWARD(),
            parameters.MINIMUM_THRESHOLD()
        ];
        bytes32 id = ids[which % 8];
        (uint256 lowest, uint256 highest) = parameters.bounds(id);
        if (value < lowest || value > highest) {
            vm.expectRevert(
                abi.encodeWithSelector(ProtocolParameters.OutOfBounds.selector, id, value, lowest, highest)
            );
        }
        vm.prank(governance);
        parameters.set(id, value);
        if (value >= lowest && value <= highest) {
            vm.warp(block.timestamp + 1);
            vm.assertEq(parameters.value(id), value);
        }
    }

    function test_theHeadsMustBeAWholeWithinTheirBounds() public {
        vm.startPrank(governance);
        vm.expectRevert(abi.encodeWithSelector(ProtocolParameters.NotAWhole.selector, 9_999));
        parameters.setFeeSplit(FeeSplit(1_499, 500, 2_000, 1_000, 5_000, 1_000));
        bytes32 id = parameters.FEE_SPLIT();
        vm.expectRevert(abi.encodeWithSelector(ProtocolParameters.OutOfBounds.selector, id, 2_999, 3_000, 9_500));
        parameters.setFeeSplit(FeeSplit(3_501, 500, 2_000, 1_000, 2_999, 1_000));
        vm.expectRevert(abi.encodeWithSelector(ProtocolParameters.OutOfBounds.selector, id, 4_001, 0, 4_000));
        parameters.setFeeSplit(FeeSplit(4_001, 0, 1_999, 1_000, 3_000, 1_000));
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
        InitialParameters memory start = initial();
        start.closeTimeoutSeconds = 59;
        bytes32 id = parameters.CLOSE_TIMEOUT();
        vm.expectRevert(abi.encodeWithSelector(ProtocolParameters.OutOfBounds.selector, id, 59, 60, 30 days));
        new ProtocolParameters(governance, 60, start);
    }
}
