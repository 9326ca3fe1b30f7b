// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AttributionLedger, BatchInput, ChannelEnd, ChannelInterval} from "../src/AttributionLedger.sol";
import {Commitment, Positional} from "../src/libraries/Positional.sol";
import {Standing} from "../src/ledger/Standing.sol";
import {Pointers} from "../src/ledger/Pointers.sol";
import {Fixture} from "./Fixture.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

/// A payee that claims again while it is being paid.
contract Greedy {
    AttributionLedger internal immutable ledger;
    address internal immutable attester;
    uint256 internal immutable cumulative;
    bytes4 public failure;

    constructor(AttributionLedger ledger_, address attester_, uint256 cumulative_) {
        (ledger, attester, cumulative) = (ledger_, attester_, cumulative_);
    }

    receive() external payable {
        try ledger.claim(attester, 0, 0, address(this), cumulative, cumulative, new bytes32[](0)) {}
        catch (bytes memory reason) {
            failure = bytes4(reason);
        }
    }
}

/// A payee that takes no payment.
contract Refusing {}

contract AttributionLedgerTest is Fixture {
    string internal json = vectors();
    string internal constant FIRST = ".circle.honest[0]";
    string internal constant SECOND = ".circle.honest[1]";
    bytes32[] internal ids;

    function setUp() public override {
        super.setUp();
        publishCircle(json);
        ids = openCircle(json);
        bond(operator, 2 ether);
    }

    function test_theCircleIsPaidToTheWei() public {
        uint256 collected = address(ledger).balance - 2 ether;
        _settleFirst();
        _settleSecond();
        vm.warp(block.timestamp + WINDOW);
        uint256 paid = _claimAll(SECOND, 1);
        vm.assertEq(paid, collected);
        vm.assertEq(address(ledger).balance, 2 ether);
        (uint256 staked, uint256 pending, uint256 batches, uint256 undone, uint256 finalised) =
            ledger.attesterOf(operator);
        vm.assertEq(staked, 2 ether);
        vm.assertEq(pending, 0);
        vm.assertEq(batches, 2);
        vm.assertEq(undone, 0);
        vm.assertEq(finalised, 2);
    }

    function test_claimsOfALaterBatchPayTheDifference() public {
        _settleFirst();
        vm.warp(block.timestamp + WINDOW);
        uint256 first = _claimAll(FIRST, 0);
        vm.assertEq(first, vm.parseJsonUint(json, string.concat(FIRST, ".total")));
        _settleSecond();
        vm.warp(block.timestamp + WINDOW);
        vm.assertEq(_claimAll(SECOND, 1), vm.parseJsonUint(json, string.concat(SECOND, ".total")));
    }

    function test_nothingIsClaimableBeforeTheWindowEnds() public {
        _settleFirst();
        uint256 finalAt = block.timestamp + WINDOW;
        vm.warp(finalAt - 1);
        (uint256 index, address payee, uint256 credit, uint256 cumulative, bytes32[] memory proof) = _balance(FIRST, 0);
        vm.expectRevert(abi.encodeWithSelector(AttributionLedger.NotFinal.selector, finalAt));
        ledger.claim(operator, 0, index, payee, credit, cumulative, proof);
        vm.warp(finalAt);
        vm.assertEq(ledger.claim(operator, 0, index, payee, credit, cumulative, proof), cumulative);
    }

    function test_nothingIsClaimedTwiceOrWithoutProof() public {
        _settleFirst();
        vm.warp(block.timestamp + WINDOW);
        (uint256 index, address payee, uint256 credit, uint256 cumulative, bytes32[] memory proof) = _balance(FIRST, 0);
        vm.expectRevert(Positional.BadProof.selector);
        ledger.claim(operator, 0, index, payee, credit, cumulative + 1, proof);
        vm.expectRevert(Positional.BadProof.selector);
        ledger.claim(operator, 0, index + 1, payee, credit, cumulative, proof);
        vm.expectRevert(Positional.BadProof.selector);
        ledger.claim(operator, 0, index, address(this), credit, cumulative, proof);
        ledger.claim(operator, 0, index, payee, credit, cumulative, proof);
        vm.expectRevert(abi.encodeWithSelector(Standing.NothingToClaim.selector, payee, cumulative, cumulative));
        ledger.claim(operator, 0, index, payee, credit, cumulative, proof);
        vm.expectRevert(abi.encodeWithSelector(Standing.NoSuchBatch.selector, operator, 1));
        ledger.claim(operator, 1, index, payee, credit, cumulative, proof);
        vm.expectRevert(abi.encodeWithSelector(Standing.NoSuchBatch.selector, payer, 0));
        ledger.claim(payer, 0, index, payee, credit, cumulative, proof);
    }

    function test_onlyThePayeeSettlesItsChannels() public {
        (BatchInput memory batch, ChannelEnd[] memory ends) = _first();
        vm.expectRevert(abi.encodeWithSelector(Pointers.NotAttester.selector, ends[0].channelId, payer, operator));
        vm.prank(payer);
        ledger.settle(batch, ends);
    }

    function test_onlyWhatWasCollectedAndOnlyOnce() public {
        (BatchInput memory batch, ChannelEnd[] memory ends) = _first();
        ends[0].to = 2 ether;
        _refused(
            batch,
            ends,
            abi.encodeWithSelector(
                Pointers.BeyondCollected.selector, ends[0].channelId, 2 ether, _collected(ends[0].channelId)
            )
        );
        ends[0].to = 0;
        _refused(batch, ends, abi.encodeWithSelector(Pointers.NothingNew.selector, ends[0].channelId, 0, 0));
        (, ends) = _first();
        bytes32 first = ends[0].channelId;
        // The same channel twice, and channels out of order.
        ends[1] = ends[0];
        _refused(batch, ends, abi.encodeWithSelector(Pointers.NotSorted.selector, first, first));
        (, ends) = _first();
        (ends[0], ends[1]) = (ends[1], ends[0]);
        _refused(batch, ends, abi.encodeWithSelector(Pointers.NotSorted.selector, first, ends[0].channelId));
        _settleFirst();
        (batch, ends) = _first();
        (batch.number, batch.previousBalancesRoot) = (1, batch.balances.root);
        _refused(
            batch, ends, abi.encodeWithSelector(Pointers.NothingNew.selector, ends[0].channelId, ends[0].to, ends[0].to)
        );
    }

    function test_aBatchMustAddUpAndFollowTheOneBefore() public {
        (BatchInput memory batch, ChannelEnd[] memory ends) = _first();
        batch.total += 1;
        _refused(batch, ends, abi.encodeWithSelector(Pointers.WrongTotal.selector, batch.total, batch.total - 1));
        batch.total -= 1;
        batch.number = 1;
        _refused(batch, ends, abi.encodeWithSelector(AttributionLedger.WrongNumber.selector, 1, 0));
        batch.number = 0;
        batch.previousBalancesRoot = "x";
        _refused(
            batch, ends, abi.encodeWithSelector(AttributionLedger.WrongPrevious.selector, bytes32("x"), bytes32(0))
        );
        batch.previousBalancesRoot = 0;
        batch.receipts.count = 0;
        _refused(batch, ends, abi.encodeWithSelector(AttributionLedger.EmptyBatch.selector));
        batch.receipts.count = 2;
        _refused(
            batch, new ChannelEnd[](0), abi.encodeWithSelector(AttributionLedger.TooManyChannels.selector, 0, 1024)
        );
        _refused(
            batch,
            new ChannelEnd[](1025),
            abi.encodeWithSelector(AttributionLedger.TooManyChannels.selector, 1025, 1024)
        );
        settle(batch, ends);
    }

    function test_unfinalisedValueNeverExceedsTheBond() public {
        bytes32 id = openChannel("large", 5 ether);
        collect(id, 5 ether);
        (BatchInput memory batch, ChannelEnd[] memory ends) = tinyBatch(0, 0, id, 0, 1 ether + 1, payer, 1 ether + 1);
        _refused(batch, ends, abi.encodeWithSelector(Standing.BondTooSmall.selector, 2 ether, 2 ether + 1));
        (batch, ends) = tinyBatch(0, 0, id, 0, 1 ether, payer, 1 ether);
        settle(batch, ends);
        bytes32 root = batch.balances.root;
        (batch, ends) = tinyBatch(1, root, id, 1 ether, 1 ether + 1, payer, 1 ether + 1);
        _refused(batch, ends, abi.encodeWithSelector(Standing.BondTooSmall.selector, 2 ether, 2 ether + 1));
        // Once the first is final, its part of the bond is free for the second.
        vm.warp(block.timestamp + WINDOW);
        settle(batch, ends);
    }

    function test_theBondIsFreeOnlyWhenNothingIsPending() public {
        _settleFirst();
        uint256 needed = vm.parseJsonUint(json, string.concat(FIRST, ".total")) + MINIMUM_BOND;
        vm.startPrank(operator);
        vm.expectRevert(abi.encodeWithSelector(Standing.BondTooSmall.selector, 2 ether, 2 ether + 1));
        ledger.withdrawBond(2 ether - needed + 1);
        ledger.withdrawBond(2 ether - needed);
        vm.expectRevert(abi.encodeWithSelector(Standing.BondTooSmall.selector, needed, needed + 1));
        ledger.withdrawBond(1);
        vm.warp(block.timestamp + WINDOW);
        ledger.withdrawBond(needed);
        vm.assertEq(operator.balance, 2 ether);
        vm.expectRevert(abi.encodeWithSelector(Standing.BondTooSmall.selector, 0, 1));
        ledger.withdrawBond(1);
    }

    function test_withoutTheMinimumBondNothingIsSettled() public {
        (BatchInput memory batch, ChannelEnd[] memory ends) = _first();
        vm.prank(operator);
        ledger.withdrawBond(1 ether - batch.total + 1);
        uint256 needed = MINIMUM_BOND + batch.total;
        _refused(batch, ends, abi.encodeWithSelector(Standing.BondTooSmall.selector, needed - 1, needed));
    }

    function test_balancesThatClaimMoreThanCameInPayNobodyElsesMoney() public {
        // Another attester's escrow lies in the ledger too.
        bytes32 id = openChannel("small", 1 ether);
        collect(id, 100);
        (BatchInput memory batch, ChannelEnd[] memory ends) = tinyBatch(0, 0, id, 0, 100, payer, 1000);
        settle(batch, ends);
        vm.warp(block.timestamp + WINDOW);
        vm.expectRevert(abi.encodeWithSelector(AttributionLedger.MoreThanFinal.selector, 1000, 100));
        ledger.claim(operator, 0, 0, payer, 100, 1000, new bytes32[](0));
    }

    function test_claimingAgainWhileBeingPaidFails() public {
        bytes32 id = openChannel("greedy", 1 ether);
        collect(id, 1000);
        Greedy greedy = new Greedy(ledger, operator, 1000);
        (BatchInput memory batch, ChannelEnd[] memory ends) = tinyBatch(0, 0, id, 0, 1000, address(greedy), 1000);
        settle(batch, ends);
        vm.warp(block.timestamp + WINDOW);
        ledger.claim(operator, 0, 0, address(greedy), 1000, 1000, new bytes32[](0));
        vm.assertEq(address(greedy).balance, 1000);
        vm.assertEq(bytes32(greedy.failure()), bytes32(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector));
    }

    function test_aPayeeThatRefusesStopsOnlyItself() public {
        bytes32 id = openChannel("refusing", 1 ether);
        collect(id, 1000);
        Refusing refusing = new Refusing();
        (BatchInput memory batch, ChannelEnd[] memory ends) = tinyBatch(0, 0, id, 0, 1000, address(refusing), 1000);
        settle(batch, ends);
        vm.warp(block.timestamp + WINDOW);
        vm.expectRevert(abi.encodeWithSelector(Standing.TransferFailed.selector, address(refusing), 1000));
        ledger.claim(operator, 0, 0, address(refusing), 1000, 1000, new bytes32[](0));
        vm.assertEq(ledger.claimedOf(operator, address(refusing)), 0);
    }

    function test_escrowComesOnlyFromTheChannels() public {
        vm.deal(address(this), 1 ether);
        (bool sent, bytes memory reason) = address(ledger).call{value: 1}("");
        vm.assertFalse(sent);
        vm.assertEq(reason, abi.encodeWithSelector(AttributionLedger.NotChannels.selector, address(this)));
    }

    function test_aShorterWindowDoesNotFinaliseEarlierBatchesLater() public {
        _settleFirst();
        uint256 finalAt = block.timestamp + WINDOW;
        bytes32 window = parameters.SETTLEMENT_WINDOW();
        vm.prank(governance);
        parameters.set(window, 1 hours);
        vm.warp(block.timestamp + 1);
        _settleSecond();
        vm.assertEq(ledger.batchOf(operator, 1).finalAt, finalAt);
    }

    // ---------------------------------------------------------------- inside

    function _first() private view returns (BatchInput memory batch, ChannelEnd[] memory ends) {
        return (batchAt(json, FIRST, 0, 0), endsOf(intervalsAt(json, FIRST, 2)));
    }

    function _settleFirst() private {
        (BatchInput memory batch, ChannelEnd[] memory ends) = _first();
        settle(batch, ends);
    }

    function _settleSecond() private {
        bytes32 previous = commitmentAt(json, FIRST, "balances", "balance").root;
        settle(batchAt(json, SECOND, 1, previous), endsOf(intervalsAt(json, SECOND, 1)));
    }

    function _refused(BatchInput memory batch, ChannelEnd[] memory ends, bytes memory reason) private {
        vm.expectRevert(reason);
        vm.prank(operator);
        ledger.settle(batch, ends);
    }

    function _collected(bytes32 id) private view returns (uint256 collected) {
        (, collected) = channels.collectedOf(id);
    }

    function _balance(string memory path, uint256 i)
        private
        view
        returns (uint256 index, address payee, uint256 credit, uint256 cumulative, bytes32[] memory proof)
    {
        string memory one = at(string.concat(path, ".balances"), i);
        index = vm.parseJsonUint(json, string.concat(one, ".index"));
        payee = vm.parseJsonAddress(json, string.concat(one, ".payee"));
        credit = vm.parseJsonUint(json, string.concat(one, ".credit"));
        cumulative = vm.parseJsonUint(json, string.concat(one, ".cumulative"));
        proof = vm.parseJsonBytes32Array(json, string.concat(one, ".proof"));
    }

    /// Claims every balance of a batch and checks what each payee received.
    function _claimAll(string memory path, uint256 number) private returns (uint256 paid) {
        for (uint256 i = 0; vm.keyExistsJson(json, at(string.concat(path, ".balances"), i)); ++i) {
            (uint256 index, address payee, uint256 credit, uint256 cumulative, bytes32[] memory proof) =
                _balance(path, i);
            uint256 claimed = ledger.claimedOf(operator, payee);
            if (claimed == cumulative) continue;
            uint256 before = payee.balance;
            uint256 amount = ledger.claim(operator, number, index, payee, credit, cumulative, proof);
            vm.assertEq(payee.balance - before, amount);
            vm.assertEq(amount, cumulative - claimed);
            paid += amount;
        }
    }
}
