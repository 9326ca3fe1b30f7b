// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AttributionLedger, BatchInput, ChannelEnd} from "../src/AttributionLedger.sol";
import {FraudProofs} from "../src/FraudProofs.sol";
import {Standing} from "../src/ledger/Standing.sol";
import {OpenedReceipt, Receipt} from "../src/libraries/Receipts.sol";
import {Commitment} from "../src/libraries/Positional.sol";
import {Fixture} from "./Fixture.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

/// A prover that proves again and withdraws again while it is being paid.
contract GreedyProver {
    AttributionLedger internal immutable ledger;
    bytes4 public failure;

    constructor(AttributionLedger ledger_) {
        ledger = ledger_;
    }

    function prove(FraudProofs proofs, address attester, OpenedReceipt calldata opened) external {
        proofs.proveWrongTerms(attester, 0, 0, opened);
    }

    receive() external payable {
        try ledger.withdrawCredit(address(this)) {}
        catch (bytes memory reason) {
            failure = bytes4(reason);
        }
    }
}

/// Who pays for a lie, who is paid, what the bond still covers, and who may judge.
contract SlashingTest is Fixture {
    bytes32 internal id;
    bytes32 internal last;

    function setUp() public override {
        super.setUp();
        id = openChannel("slash", 1000 ether);
        collect(id, 1000 ether);
    }

    // ---------------------------------------------------------------- arithmetic

    /// Attester, prover and harmed are one: of a slash S it gets 30 % as prover and at most 40 % as harmed. So it loses 30 %,
    /// whatever it claims to have suffered.
    function testFuzz_whoProvesItsOwnLieLoses(uint96 worth, uint96 extra) public {
        worth = 1 + worth % 100 ether;
        uint256 whole = uint256(worth) + MINIMUM_BOND + extra % 10 ether;
        // The liar is its own payer, the channel's whole interval is its harm, and the operator proves it itself.
        bytes32 own = _ownChannel(worth);
        bond(operator, whole);
        Receipt memory receipt = _lie(own, 0, worth);
        _settle(own, 0, worth, receipt);
        vm.prank(operator);
        proofs.proveWrongTerms(operator, 0, 0, OpenedReceipt(receipt, new bytes32[](0)));
        (uint256 staked,,,,) = ledger.attesterOf(operator);
        uint256 slashed = whole - staked;
        vm.assertEq(slashed, worth > MINIMUM_BOND ? worth : MINIMUM_BOND);
        uint256 back = ledger.creditOf(operator);
        vm.assertLe(staked + back, whole - slashed * 3 / 10, "at least three tenths of the slash are lost");
        vm.assertEq(ledger.creditOf(treasury), slashed - back);
    }

    /// Three batches of any worth; any of them lies: what is not final never exceeds the bond, before or after the slash.
    function testFuzz_pendingNeverExceedsTheBond(uint96[3] calldata worths, uint8 which, bool tight) public {
        uint256 total;
        uint96 at;
        Receipt[3] memory receipts;
        uint96[3] memory ends;
        for (uint256 i = 0; i < 3; ++i) {
            uint96 worth = 1 + worths[i] % (tight ? 0.4 ether : 10 ether);
            receipts[i] = _lie(id, at, at + worth);
            at += worth;
            ends[i] = at;
            total += worth;
        }
        bond(operator, total + MINIMUM_BOND + (tight ? 0 : 5 ether));
        at = 0;
        for (uint256 i = 0; i < 3; ++i) {
            _settle(id, at, ends[i], receipts[i]);
            at = ends[i];
        }
        uint256 number = which % 3;
        proofs.proveWrongTerms(operator, number, 0, OpenedReceipt(receipts[number], new bytes32[](0)));
        _covered();
        // And again, for the last of those that are left: the minimum bond of each slash takes nothing from those before it.
        while (number != 0) {
            --number;
            proofs.proveWrongTerms(operator, number, 0, OpenedReceipt(receipts[number], new bytes32[](0)));
            _covered();
        }
    }

    /// Rounding favours the treasury.
    function test_thePartsOfASlashSumToIt() public {
        bond(operator, MINIMUM_BOND + 7);
        bytes32 key = parameters.PROVER_REWARD();
        vm.prank(governance);
        parameters.set(key, 3);
        key = parameters.MINIMUM_BOND();
        vm.prank(governance);
        parameters.set(key, 3333);
        vm.warp(block.timestamp + 1);
        Receipt memory receipt = _lie(id, 0, 7);
        _settle(id, 0, 7, receipt);
        vm.prank(address(0x99));
        proofs.proveWrongTerms(operator, 0, 0, OpenedReceipt(receipt, new bytes32[](0)));
        vm.assertEq(ledger.creditOf(address(0x99)), 0, "three basis points of 3,333 wei are less than one");
        vm.assertEq(ledger.creditOf(payer), 7);
        vm.assertEq(ledger.creditOf(treasury), 3326);
    }

    function test_aProverThatWithdrawsTwiceIsPaidOnce() public {
        bond(operator, 10 ether);
        Receipt memory receipt = _lie(id, 0, 1 ether);
        _settle(id, 0, 1 ether, receipt);
        GreedyProver greedy = new GreedyProver(ledger);
        greedy.prove(proofs, operator, OpenedReceipt(receipt, new bytes32[](0)));
        ledger.withdrawCredit(address(greedy));
        vm.assertEq(address(greedy).balance, 0.3 ether);
        vm.assertEq(bytes32(greedy.failure()), bytes32(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector));
    }

    // ---------------------------------------------------------------- who may judge

    function test_onlyTheNamedContractsJudge() public {
        bond(operator, 10 ether);
        _settle(id, 0, 1 ether, _lie(id, 0, 1 ether));
        address[5] memory nobody = [governance, operator, developer, treasury, address(this)];
        for (uint256 i = 0; i < 5; ++i) {
            bytes memory refused = abi.encodeWithSelector(AttributionLedger.NotAllowed.selector, nobody[i]);
            vm.startPrank(nobody[i]);
            vm.expectRevert(refused);
            ledger.undo(operator, 0, nobody[i], nobody[i], 1);
            vm.expectRevert(refused);
            ledger.slashByQuorum(operator, 0, nobody[i], 1, nobody[i], 1);
            vm.expectRevert(refused);
            ledger.hold(operator, 0, block.timestamp + 2 days);
            vm.expectRevert(refused);
            ledger.openDemand(operator, 0, nobody[i]);
            vm.expectRevert(refused);
            ledger.closeDemand(operator, 0, 0, nobody[i]);
            vm.expectRevert(refused);
            ledger.creditFor(nobody[i]);
            vm.stopPrank();
        }
        // Nor may one of them do what is another's.
        vm.expectRevert(abi.encodeWithSelector(AttributionLedger.NotAllowed.selector, theVerdicts));
        vm.prank(theVerdicts);
        ledger.undo(operator, 0, treasury, treasury, 1);
        vm.expectRevert(abi.encodeWithSelector(AttributionLedger.NotAllowed.selector, address(proofs)));
        vm.prank(address(proofs));
        ledger.hold(operator, 0, block.timestamp + 2 days);
    }

    function test_aQuorumUndoesAndRewardsWhoHadItJudged() public {
        bond(operator, 10 ether);
        _settle(id, 0, 2 ether, _lie(id, 0, 2 ether));
        vm.prank(theVerdicts);
        ledger.slashByQuorum(operator, 0, payer, 0.1 ether, address(0), 0);
        (uint256 staked,, uint256 batches, uint256 undone,) = ledger.attesterOf(operator);
        vm.assertEq(staked, 8 ether);
        vm.assertEq(batches, 0);
        vm.assertEq(undone, 1);
        vm.assertEq(ledger.creditOf(payer), 0.67 ether, "its fee, and three tenths of the rest");
        vm.assertEq(ledger.creditOf(treasury), 1.33 ether);
    }

    function test_whoAccusedAndWhoHadItAuditedShare() public {
        bond(operator, 10 ether);
        _settle(id, 0, 2 ether, _lie(id, 0, 2 ether));
        vm.prank(theVerdicts);
        ledger.slashByQuorum(operator, 0, payer, 0.1 ether + 1, developer, 0.2 ether);
        uint256 rest = 1.7 ether - 1;
        uint256 reward = rest * 3 / 10;
        vm.assertEq(ledger.creditOf(payer), 0.1 ether + 1 + reward - reward / 2);
        vm.assertEq(ledger.creditOf(developer), 0.2 ether + reward / 2);
        vm.assertEq(ledger.creditOf(treasury), rest - reward);
    }

    function test_aHoldPutsOffFinalityWithinBounds() public {
        bond(operator, 10 ether);
        uint256 start = block.timestamp;
        _settle(id, 0, 1 ether, _lie(id, 0, 1 ether));
        _settle(id, 1 ether, 2 ether, _lie(id, 1 ether, 2 ether));
        uint256 latest = start + 3 * WINDOW + 2 * parameters.verdictSeconds() + parameters.appealSeconds();
        vm.startPrank(theVerdicts);
        vm.expectRevert(abi.encodeWithSelector(AttributionLedger.HoldTooLong.selector, latest + 1, latest));
        ledger.hold(operator, 0, latest + 1);
        ledger.hold(operator, 0, start + 5 days);
        // It never brings finality nearer.
        ledger.hold(operator, 0, start + 2 days);
        vm.stopPrank();
        vm.assertEq(ledger.batchOf(operator, 0).finalAt, start + 5 days);
        vm.assertEq(
            ledger.batchOf(operator, 1).finalAt, start + 5 days, "no batch is final before the one it builds on"
        );
        vm.warp(start + 5 days);
        vm.expectRevert(abi.encodeWithSelector(Standing.AlreadyFinal.selector, operator, 0));
        vm.prank(theVerdicts);
        ledger.hold(operator, 0, start + 6 days);
    }

    // ---------------------------------------------------------------- bounds

    function test_atMostSoManyBatchesWait() public {
        bond(operator, 10 ether);
        for (uint96 i = 0; i < 128; ++i) {
            _settle(id, i, i + 1, _lie(id, i, i + 1));
        }
        (BatchInput memory batch, ChannelEnd[] memory ends) = tinyBatch(128, last, id, 128, 129, payer, 129);
        vm.expectRevert(abi.encodeWithSelector(AttributionLedger.TooManyPending.selector, 128, 128));
        vm.prank(operator);
        ledger.settle(batch, ends);
        // Putting off the first puts off all: it still fits in a block of 8 million gas.
        vm.cool(address(ledger));
        vm.prank(theVerdicts);
        uint256 gas = gasleft();
        ledger.hold(operator, 0, block.timestamp + 5 days);
        vm.assertLe(gas - gasleft(), 1_000_000);
        vm.assertEq(ledger.batchOf(operator, 127).finalAt, block.timestamp + 5 days);
        vm.warp(block.timestamp + 5 days);
        vm.cool(address(ledger));
        gas = gasleft();
        settle(batch, ends);
        vm.assertLe(gas - gasleft(), 1_000_000);
        (,,,, uint256 finalised) = ledger.attesterOf(operator);
        vm.assertEq(finalised, 128);
    }

    // ---------------------------------------------------------------- inside

    /// A receipt of a release that does not exist.
    function _lie(bytes32 channelId, uint256 from, uint256 to) private pure returns (Receipt memory receipt) {
        (receipt.channelId, receipt.from, receipt.to, receipt.releaseId) = (channelId, from, to, "nothing");
    }

    function _settle(bytes32 channelId, uint96 from, uint96 to, Receipt memory receipt) private {
        (,, uint256 number,,) = ledger.attesterOf(operator);
        (BatchInput memory batch, ChannelEnd[] memory ends) =
            tinyBatch(uint32(number), last, channelId, from, to, payer, to);
        batch.receipts = Commitment(leaf(abi.encode(hashOf(receipt))), 1);
        settle(batch, ends);
        last = batch.balances.root;
    }

    /// A channel from the operator to itself.
    function _ownChannel(uint256 amount) private returns (bytes32 own) {
        vm.deal(operator, operator.balance + amount);
        vm.prank(operator);
        own = channels.open{value: amount}(operator, address(0), 0, "own");
        channels.collect(own, amount, voucher(operatorKey, own, amount));
    }

    function _covered() private view {
        (uint256 staked, uint256 pending,,,) = ledger.attesterOf(operator);
        vm.assertLe(pending, staked);
    }
}
