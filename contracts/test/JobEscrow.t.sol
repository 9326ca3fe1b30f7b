// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {JobEscrow} from "../src/JobEscrow.sol";
import {DatanetVersion, ModelRegistry, ReleaseInput} from "../src/ModelRegistry.sol";
import {Jobs} from "../src/libraries/Jobs.sol";
import {Fixture} from "./Fixture.sol";

/// One escrow over real registries, for releases of the fixture's model.
abstract contract JobFixture is Fixture {
    uint32 internal constant STEPS = 30;
    bytes32 internal constant CHECKPOINT = keccak256("checkpoint");

    JobEscrow internal escrows;
    /// What the fixture's releases deliver.
    bytes32 internal wanted;

    function setUp() public virtual override {
        super.setUp();
        escrows = new JobEscrow(models);
        wanted = Jobs.deliverable(keccak256("valley-1"), keccak256("base"), 1, 2, release("", "", 2, 1, 1, 0).versions);
    }

    function input(bytes32 releaseId) internal view returns (ReleaseInput memory) {
        return release(releaseId, keccak256("root"), 2, 1, 1, 100_000);
    }

    function publish(bytes32 releaseId) internal {
        vm.prank(developer);
        models.publishRelease(modelId, input(releaseId));
    }

    function openBy(address who, bytes32 job, bytes32 deliverable, uint256 amount) internal returns (bytes32) {
        vm.deal(who, who.balance + amount);
        vm.prank(who);
        return escrows.open{value: amount}(operator, job, deliverable, STEPS, uint48(block.timestamp + 1 days));
    }

    function opened(bytes32 job) internal returns (bytes32) {
        return openBy(payer, job, wanted, 1 ether);
    }

    function stateOf(bytes32 id) internal view returns (JobEscrow.State) {
        return escrows.escrowOf(id).state;
    }
}

contract JobEscrowTest is JobFixture {
    // ---------------------------------------------------------------- success

    function test_aReleasePaysTheOperatorWhole() public {
        bytes32 id = opened("job");
        vm.assertEq(id, Jobs.escrowId(payer, operator, "job"));
        vm.assertEq(escrows.escrowed(), 1 ether);
        publish("release");
        vm.assertEq(escrows.deliverableOf("release"), wanted);
        uint256 before = operator.balance;
        vm.prank(operator);
        escrows.succeed(id, "release");
        vm.assertEq(operator.balance, before + 1 ether);
        vm.assertTrue(stateOf(id) == JobEscrow.State.Succeeded);
        vm.assertEq(escrows.escrowOfRelease("release"), id);
        vm.assertEq(address(escrows).balance, 0);
        vm.expectRevert(
            abi.encodeWithSelector(JobEscrow.WrongState.selector, id, JobEscrow.State.Succeeded, JobEscrow.State.Open)
        );
        vm.prank(operator);
        escrows.succeed(id, "release");
    }

    function test_aReleasePaysOneJobOnly() public {
        (bytes32 one, bytes32 other) = (opened("one"), opened("other"));
        publish("release");
        vm.startPrank(operator);
        escrows.succeed(one, "release");
        vm.expectRevert(abi.encodeWithSelector(JobEscrow.ReleaseSpent.selector, bytes32("release"), one));
        escrows.succeed(other, "release");
    }

    function test_aReleaseThatIsNotWhatWasOrderedPaysNothing() public {
        bytes32 id = opened("job");
        for (uint256 i = 0; i < 4; ++i) {
            ReleaseInput memory other = input(bytes32(i + 1));
            if (i == 0) other.baseDigest = keccak256("another base");
            if (i == 1) other.promptWeiPerToken = 7;
            if (i == 2) other.completionWeiPerToken = 7;
            if (i == 3) {
                vm.prank(developer);
                datanets.publishVersion(datanetId, keccak256("2"), 3, keccak256("CC-BY-4.0"), keccak256("version 2"));
                other.versions[0].version = 2;
            }
            vm.prank(developer);
            models.publishRelease(modelId, other);
            _refused(id, bytes32(i + 1));
        }
        vm.startPrank(developer);
        uint256 elsewhere = models.register{value: FEE}("hill-1");
        models.publishRelease(elsewhere, input("elsewhere"));
        vm.stopPrank();
        _refused(id, "elsewhere");
        vm.expectRevert(abi.encodeWithSelector(ModelRegistry.UnknownRelease.selector, bytes32("none")));
        vm.prank(operator);
        escrows.succeed(id, "none");
        vm.assertTrue(stateOf(id) == JobEscrow.State.Open);
    }

    function _refused(bytes32 id, bytes32 releaseId) private {
        bytes32 delivered = escrows.deliverableOf(releaseId);
        vm.expectRevert(abi.encodeWithSelector(JobEscrow.OtherDeliverable.selector, releaseId, delivered, wanted));
        vm.prank(operator);
        escrows.succeed(id, releaseId);
    }

    function test_aReleaseFromBeforeThePaymentOrAfterACancellationPaysNothing() public {
        publish("before");
        vm.warp(block.timestamp + 1);
        bytes32 id = opened("job");
        uint256 from = block.timestamp;
        vm.expectRevert(
            abi.encodeWithSelector(JobEscrow.PublishedOutside.selector, bytes32("before"), from - 1, from, from)
        );
        vm.prank(operator);
        escrows.succeed(id, "before");
        vm.warp(from + 10);
        vm.prank(payer);
        escrows.cancel(id);
        vm.warp(from + 11);
        publish("after");
        vm.expectRevert(
            abi.encodeWithSelector(JobEscrow.PublishedOutside.selector, bytes32("after"), from + 11, from, from + 10)
        );
        vm.prank(operator);
        escrows.succeed(id, "after");
    }

    function test_aReleaseFromBeforeTheCancellationIsDelivered() public {
        bytes32 id = opened("job");
        publish("release");
        vm.warp(block.timestamp + 1);
        vm.prank(payer);
        escrows.cancel(id);
        vm.prank(operator);
        escrows.succeed(id, "release");
        vm.assertTrue(stateOf(id) == JobEscrow.State.Succeeded);
    }

    function test_aJobThatReleasesNothingIsPaidOnTheOperatorsWord() public {
        bytes32 id = openBy(payer, "job", 0, 1 ether);
        vm.startPrank(operator);
        vm.expectRevert(JobEscrow.EmptyDigest.selector);
        escrows.succeed(id, 0);
        escrows.succeed(id, "report");
        vm.stopPrank();
        vm.assertEq(escrows.escrowOfRelease("report"), 0);
        bytes32 other = openBy(payer, "other", 0, 1 ether);
        vm.prank(payer);
        escrows.cancel(other);
        vm.expectPartialRevert(JobEscrow.WrongState.selector);
        vm.prank(operator);
        escrows.succeed(other, "report");
    }

    // ---------------------------------------------------------------- failure, cancellation, silence

    function test_failureGivesEverythingBackAtAnyTime() public {
        bytes32 id = opened("job");
        vm.warp(block.timestamp + 30 days);
        vm.prank(operator);
        escrows.fail(id);
        vm.assertEq(payer.balance, 1 ether);
        vm.assertTrue(stateOf(id) == JobEscrow.State.Failed);
    }

    function test_onlyThePayerCancelsAndTheOperatorSaysHowFarItWas() public {
        bytes32 id = opened("job");
        vm.expectRevert(
            abi.encodeWithSelector(JobEscrow.WrongState.selector, id, JobEscrow.State.Open, JobEscrow.State.Cancelled)
        );
        vm.prank(operator);
        escrows.stop(id, 1, CHECKPOINT);
        vm.expectRevert(abi.encodeWithSelector(JobEscrow.NotPayer.selector, id, operator));
        vm.prank(operator);
        escrows.cancel(id);
        vm.startPrank(payer);
        escrows.cancel(id);
        vm.expectPartialRevert(JobEscrow.WrongState.selector);
        escrows.cancel(id);
        vm.expectRevert(abi.encodeWithSelector(JobEscrow.NotOperator.selector, id, payer));
        escrows.stop(id, 0, 0);
        vm.stopPrank();
        vm.startPrank(operator);
        vm.expectRevert(abi.encodeWithSelector(JobEscrow.TooManySteps.selector, STEPS + 1, STEPS));
        escrows.stop(id, STEPS + 1, CHECKPOINT);
        vm.expectRevert(JobEscrow.EmptyDigest.selector);
        escrows.stop(id, 1, 0);
        escrows.stop(id, 7, CHECKPOINT);
        vm.stopPrank();
        vm.assertEq(operator.balance, 0.233_333_333_333_333_333 ether);
        vm.assertEq(payer.balance, 0.766_666_666_666_666_667 ether);
        vm.assertTrue(stateOf(id) == JobEscrow.State.Stopped);
        vm.assertEq(escrows.escrowOf(id).done, 7);
    }

    function test_whatIsCancelledBeforeItBeganCostsNothing() public {
        bytes32 id = opened("job");
        vm.prank(payer);
        escrows.cancel(id);
        vm.prank(operator);
        escrows.stop(id, 0, 0);
        vm.assertEq(payer.balance, 1 ether);
    }

    function test_silenceUntilTheDeadlineGivesEverythingBack() public {
        (bytes32 id, bytes32 cancelled) = (opened("job"), opened("cancelled"));
        uint256 deadline = escrows.escrowOf(id).deadline;
        vm.prank(payer);
        escrows.cancel(cancelled);
        publish("release");
        vm.warp(deadline);
        vm.expectRevert(abi.encodeWithSelector(JobEscrow.TooEarly.selector, id, deadline));
        escrows.refund(id);
        vm.warp(deadline + 1);
        bytes memory late = abi.encodeWithSelector(JobEscrow.TooLate.selector, id, deadline);
        vm.expectRevert(late);
        vm.prank(operator);
        escrows.succeed(id, "release");
        vm.expectRevert(late);
        vm.prank(payer);
        escrows.cancel(id);
        vm.expectRevert(abi.encodeWithSelector(JobEscrow.TooLate.selector, cancelled, deadline));
        vm.prank(operator);
        escrows.stop(cancelled, 1, CHECKPOINT);
        vm.prank(address(0xABC));
        escrows.refund(id);
        escrows.refund(cancelled);
        vm.assertEq(payer.balance, 2 ether);
        vm.expectPartialRevert(JobEscrow.WrongState.selector);
        escrows.refund(id);
    }

    // ---------------------------------------------------------------- opening

    function test_onlyWholeTermsAreTakenAndEachOnce() public {
        uint48 until = uint48(block.timestamp + 1 days);
        vm.deal(payer, 10 ether);
        vm.startPrank(payer);
        vm.expectRevert(JobEscrow.NothingPaid.selector);
        escrows.open(operator, "job", wanted, STEPS, until);
        vm.expectRevert(JobEscrow.NoOperator.selector);
        escrows.open{value: 1}(address(0), "job", wanted, STEPS, until);
        vm.expectRevert(JobEscrow.EmptyDigest.selector);
        escrows.open{value: 1}(operator, 0, wanted, STEPS, until);
        vm.expectRevert(JobEscrow.NoSteps.selector);
        escrows.open{value: 1}(operator, "job", wanted, 0, until);
        vm.expectPartialRevert(JobEscrow.BadDeadline.selector);
        escrows.open{value: 1}(operator, "job", wanted, STEPS, uint48(block.timestamp));
        vm.expectPartialRevert(JobEscrow.BadDeadline.selector);
        escrows.open{value: 1}(operator, "job", wanted, STEPS, uint48(block.timestamp + 180 days + 1));
        bytes32 id = escrows.open{value: 1}(operator, "job", wanted, STEPS, until);
        vm.expectRevert(abi.encodeWithSelector(JobEscrow.EscrowExists.selector, id));
        escrows.open{value: 1}(operator, "job", wanted, STEPS, until);
        vm.stopPrank();
        vm.prank(operator);
        escrows.fail(id);
        vm.expectRevert(abi.encodeWithSelector(JobEscrow.EscrowExists.selector, id));
        vm.prank(payer);
        escrows.open{value: 1}(operator, "job", wanted, STEPS, until);
        bytes32 none = keccak256("none");
        bytes memory unknown = abi.encodeWithSelector(JobEscrow.UnknownEscrow.selector, none);
        vm.expectRevert(unknown);
        escrows.escrowOf(none);
        vm.expectRevert(unknown);
        escrows.refund(none);
        vm.expectRevert(abi.encodeWithSelector(JobEscrow.NothingToWithdraw.selector, payer));
        escrows.withdrawCredit(payer);
    }

    // ---------------------------------------------------------------- being paid

    function test_payingCannotBeReentered() public {
        Thief thief = new Thief(escrows);
        vm.deal(address(thief), 2 ether);
        (bytes32 one, bytes32 other) = thief.open(wanted);
        vm.warp(block.timestamp + 2 days);
        escrows.refund(one);
        vm.assertEq(bytes32(thief.failure()), bytes32(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector));
        vm.assertEq(address(thief).balance, 1 ether);
        vm.assertEq(escrows.escrowed(), 1 ether);
        vm.assertEq(address(escrows).balance, 1 ether);
        escrows.refund(other);
        vm.assertEq(address(thief).balance, 2 ether);
    }

    /// Refusing, wasting gas, and answering at length.
    function test_aPayerWhoCannotBePaidKeepsNobodyFromTheirs() public {
        for (uint8 how = 0; how < 3; ++how) {
            Unpayable refuser = new Unpayable(escrows, how);
            vm.deal(address(refuser), 3 ether);
            bytes32 id = refuser.open(operator, bytes32(uint256(how) + 1), wanted, STEPS);
            refuser.cancel(id);
            uint256 before = operator.balance;
            uint256 spent = gasleft();
            vm.prank(operator);
            escrows.stop(id, 10, CHECKPOINT);
            vm.assertLe(spent - gasleft(), 200_000);
            vm.assertEq(operator.balance, before + 1 ether);
            vm.assertEq(escrows.creditOf(address(refuser)), 2 ether);
            vm.assertEq(escrows.credits(), 2 ether);
            vm.expectRevert(abi.encodeWithSelector(JobEscrow.TransferFailed.selector, address(refuser), 2 ether));
            escrows.withdrawCredit{gas: 500_000}(address(refuser));
            refuser.relent();
            escrows.withdrawCredit(address(refuser));
            vm.assertEq(address(refuser).balance, 2 ether);
            vm.assertEq(escrows.credits(), 0);
        }
        vm.assertEq(address(escrows).balance, 0);
    }

    // ---------------------------------------------------------------- shared with TypeScript, and cost

    function test_readsTheVectorsAsTypeScriptWroteThem() public view {
        string memory json = vectors();
        DatanetVersion[] memory versions = new DatanetVersion[](2);
        for (uint256 i = 0; i < 2; ++i) {
            string memory one = at(".jobs.plan.datanets", i);
            versions[i] = DatanetVersion(
                vm.parseJsonUint(json, string.concat(one, ".datanetId")),
                vm.parseJsonUint(json, string.concat(one, ".version"))
            );
        }
        bytes32 nameHash = keccak256(bytes(vm.parseJsonString(json, ".jobs.plan.model")));
        vm.assertEq(nameHash, vm.parseJsonBytes32(json, ".jobs.nameHash"));
        bytes32 found = Jobs.deliverable(
            nameHash,
            vm.parseJsonBytes32(json, ".jobs.plan.baseDigest"),
            uint96(vm.parseJsonUint(json, ".jobs.plan.price.promptWeiPerToken")),
            uint96(vm.parseJsonUint(json, ".jobs.plan.price.completionWeiPerToken")),
            versions
        );
        vm.assertEq(found, vm.parseJsonBytes32(json, ".jobs.deliverable"));
        bytes32 id = Jobs.escrowId(
            vm.parseJsonAddress(json, ".jobs.payer"),
            vm.parseJsonAddress(json, ".jobs.operator"),
            vm.parseJsonBytes32(json, ".jobs.jobDigest")
        );
        vm.assertEq(id, vm.parseJsonBytes32(json, ".jobs.escrowId"));
        for (uint256 i = 0; vm.keyExistsJson(json, at(".jobs.splits", i)); ++i) {
            string memory one = at(".jobs.splits", i);
            uint256 amount = vm.parseJsonUint(json, string.concat(one, ".amount"));
            uint256 part = Jobs.share(
                amount,
                vm.parseJsonUint(json, string.concat(one, ".done")),
                vm.parseJsonUint(json, string.concat(one, ".steps"))
            );
            vm.assertEq(part, vm.parseJsonUint(json, string.concat(one, ".operator")));
            vm.assertEq(amount - part, vm.parseJsonUint(json, string.concat(one, ".payer")));
        }
    }

    function test_gas() public {
        vm.deal(payer, 4 ether);
        uint48 until = uint48(block.timestamp + 1 days);
        bytes memory call = abi.encodeCall(escrows.open, (operator, "job", wanted, STEPS, until));
        uint256 spent = _spent(payer, 1 ether, call);
        vm.snapshotValue("JobEscrow", "open", spent);
        vm.assertLe(spent, 250_000);
        publish("release");
        bytes32 id = Jobs.escrowId(payer, operator, "job");
        vm.snapshotValue(
            "JobEscrow", "succeed", _spent(operator, 0, abi.encodeCall(escrows.succeed, (id, bytes32("release"))))
        );
        id = opened("other");
        vm.snapshotValue("JobEscrow", "cancel", _spent(payer, 0, abi.encodeCall(escrows.cancel, (id))));
        vm.snapshotValue("JobEscrow", "stop", _spent(operator, 0, abi.encodeCall(escrows.stop, (id, 7, CHECKPOINT))));
        id = opened("third");
        vm.snapshotValue("JobEscrow", "fail", _spent(operator, 0, abi.encodeCall(escrows.fail, (id))));
    }

    /// Execution from cold storage, calldata and 21,000.
    function _spent(address from, uint256 value, bytes memory data) private returns (uint256 spent) {
        vm.cool(address(escrows));
        vm.cool(address(models));
        vm.prank(from);
        spent = gasleft();
        (bool done,) = address(escrows).call{value: value}(data);
        spent -= gasleft();
        vm.assertTrue(done);
        spent += 21_000;
        for (uint256 i = 0; i < data.length; ++i) {
            spent += data[i] == 0 ? 4 : 16;
        }
    }
}

/// Asks for its second refund while it is given its first.
contract Thief {
    JobEscrow private immutable _escrows;
    bytes32 private _other;
    bytes4 public failure;

    constructor(JobEscrow escrows) {
        _escrows = escrows;
    }

    function open(bytes32 deliverable) external returns (bytes32 one, bytes32 other) {
        uint48 until = uint48(block.timestamp + 1 days);
        one = _escrows.open{value: 1 ether}(address(1), "one", deliverable, 1, until);
        other = _escrows.open{value: 1 ether}(address(1), "other", deliverable, 1, until);
        _other = other;
    }

    receive() external payable {
        if (failure != 0) return;
        try _escrows.refund(_other) {}
        catch (bytes memory reason) {
            failure = bytes4(reason);
        }
    }
}

contract Unpayable {
    JobEscrow private immutable _escrows;
    uint8 private immutable _how;
    bool private _relents;

    constructor(JobEscrow escrows, uint8 how) {
        (_escrows, _how) = (escrows, how);
    }

    function open(address operator, bytes32 job, bytes32 deliverable, uint32 steps) external returns (bytes32) {
        return _escrows.open{value: 3 ether}(operator, job, deliverable, steps, uint48(block.timestamp + 1 days));
    }

    function cancel(bytes32 id) external {
        _escrows.cancel(id);
    }

    function relent() external {
        _relents = true;
    }

    receive() external payable {
        if (_relents) return;
        if (_how == 0) revert("no");
        if (_how == 1) while (true) {}
        assembly {
            revert(0, 1000000)
        }
    }
}
