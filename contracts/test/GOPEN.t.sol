// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IVotes} from "@openzeppelin/contracts/governance/utils/IVotes.sol";
import {Votes} from "@openzeppelin/contracts/governance/utils/Votes.sol";
import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";
import {GOPEN} from "../src/GOPEN.sol";
import {Test} from "./Test.sol";

contract GOPENTest is Test {
    bytes32 private constant DELEGATION = keccak256("Delegation(address delegatee,uint256 nonce,uint256 expiry)");
    uint256 private constant KEY = 0xa11ce;

    GOPEN private gopen;
    address private alice = vm.addr(KEY);
    address private bob = address(0xb0b);
    uint256 private start = 1_790_000_000;

    function setUp() public {
        vm.warp(start);
        gopen = new GOPEN();
        vm.deal(alice, 10 ether);
    }

    function test_theClockIsTheTimestamp() public view {
        vm.assertEq(gopen.clock(), block.timestamp);
        vm.assertEq(bytes(gopen.CLOCK_MODE()), bytes("mode=timestamp"));
    }

    function test_votesComeByDelegationAndFollowTheBalance() public {
        vm.startPrank(alice);
        gopen.deposit{value: 10 ether}();
        vm.assertEq(gopen.getVotes(alice), 0);
        gopen.delegate(bob);
        vm.assertEq(gopen.getVotes(bob), 10 ether);
        vm.warp(start + 10);
        gopen.withdraw(4 ether);
        vm.assertEq(gopen.getVotes(bob), 6 ether);
        vm.warp(start + 20);
        vm.assertEq(gopen.getPastVotes(bob, start + 9), 10 ether);
        vm.assertEq(gopen.getPastVotes(bob, start + 10), 6 ether);
        vm.assertEq(gopen.getPastTotalSupply(start + 9), 10 ether);
        vm.assertEq(gopen.getPastTotalSupply(start + 10), 6 ether);
    }

    /// Many blocks may carry one timestamp: only what is held when the second ends counts.
    function test_whatIsWrappedAndUnwrappedInOneSecondNeverVotes() public {
        vm.startPrank(alice);
        gopen.delegate(alice);
        gopen.deposit{value: 10 ether}();
        vm.assertEq(gopen.getVotes(alice), 10 ether);
        vm.expectRevert(abi.encodeWithSelector(Votes.ERC5805FutureLookup.selector, start, start));
        gopen.getPastVotes(alice, start);
        gopen.withdraw(10 ether);
        vm.warp(start + 1);
        vm.assertEq(gopen.getPastVotes(alice, start), 0);
    }

    function test_delegationBySignatureOnceAndInTime() public {
        vm.prank(alice);
        gopen.deposit{value: 10 ether}();
        (uint8 v, bytes32 r, bytes32 s) = _delegation(bob, 0, start + 1);
        gopen.delegateBySig(bob, 0, start + 1, v, r, s);
        vm.assertEq(gopen.delegates(alice), bob);
        vm.assertEq(gopen.getVotes(bob), 10 ether);

        vm.expectRevert(abi.encodeWithSelector(Nonces.InvalidAccountNonce.selector, alice, 1));
        gopen.delegateBySig(bob, 0, start + 1, v, r, s);

        (v, r, s) = _delegation(alice, 1, start + 1);
        vm.warp(start + 2);
        vm.expectRevert(abi.encodeWithSelector(IVotes.VotesExpiredSignature.selector, start + 1));
        gopen.delegateBySig(alice, 1, start + 1, v, r, s);
        vm.assertEq(gopen.delegates(alice), bob);
    }

    function test_aSignatureForAnotherDelegateMovesNobodysVotes() public {
        vm.prank(alice);
        gopen.deposit{value: 10 ether}();
        (uint8 v, bytes32 r, bytes32 s) = _delegation(bob, 0, start + 1);
        // It recovers to some other account, which holds nothing.
        gopen.delegateBySig(address(this), 0, start + 1, v, r, s);
        vm.assertEq(gopen.delegates(alice), address(0));
        vm.assertEq(gopen.getVotes(address(this)), 0);
    }

    function test_theWholeSupplyOfOpenCanVote() public {
        vm.deal(alice, 1e27);
        vm.startPrank(alice);
        gopen.delegate(alice);
        gopen.deposit{value: 1e27}();
        vm.assertEq(gopen.getVotes(alice), 1e27);
    }

    function _delegation(address to, uint256 nonce, uint256 expiry) private view returns (uint8, bytes32, bytes32) {
        bytes32 structHash = keccak256(abi.encode(DELEGATION, to, nonce, expiry));
        return vm.sign(KEY, keccak256(abi.encodePacked(hex"1901", gopen.DOMAIN_SEPARATOR(), structHash)));
    }
}
