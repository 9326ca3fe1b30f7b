// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {GovernorPreventLateQuorum} from "@openzeppelin/contracts/governance/extensions/GovernorPreventLateQuorum.sol";
import {Offence, OpenStaking, Reason} from "../src/OpenStaking.sol";
import {OpenTimelock} from "../src/OpenTimelock.sol";
import {FeeSplit, ProtocolParameters} from "../src/ProtocolParameters.sol";
import {GovernanceFixture, IGovernorVote} from "./GovernanceFixture.sol";

contract OpenGovernorTest is GovernanceFixture {
    uint256 private constant KEY = 0xa11ce;
    address private alice = vm.addr(KEY);
    address private bob = vm.addr(0xb0b);
    address private carol = vm.addr(0xca401);

    function setUp() public override {
        super.setUp();
        enfranchise(alice, 20_000_000 ether);
        enfranchise(bob, 5_000_000 ether);
        vm.warp(GENESIS + 1);
    }

    // ---------------------------------------------------------------- the way of a proposal

    function test_fromProposalToANewSplitInTheNextSecond() public {
        FeeSplit memory next = FeeSplit(1000, 500, 2000, 1000, 5500, 1000);
        Proposal memory p = one(
            address(parameters), 0, abi.encodeCall(ProtocolParameters.setFeeSplit, (next)), "Give contributors more"
        );
        propose(p, alice);
        expectState(p, IGovernor.ProposalState.Pending);
        vm.assertEq(governor.proposalSnapshot(p.id), block.timestamp + DELAY);
        vm.assertEq(governor.proposalDeadline(p.id), block.timestamp + DELAY + PERIOD);

        toVote(p);
        expectState(p, IGovernor.ProposalState.Active);
        vm.prank(alice);
        vm.assertEq(governor.castVoteWithReason(p.id, uint8(IGovernorVote.For), "Data is the work"), 20_000_000 ether);
        vote(p, bob, IGovernorVote.Against);
        (uint256 against, uint256 inFavor, uint256 abstained) = governor.proposalVotes(p.id);
        vm.assertEq(against, 5_000_000 ether);
        vm.assertEq(inFavor, 20_000_000 ether);
        vm.assertEq(abstained, 0);

        toResult(p);
        expectState(p, IGovernor.ProposalState.Succeeded);
        queue(p);
        expectState(p, IGovernor.ProposalState.Queued);
        vm.assertEq(governor.proposalEta(p.id), block.timestamp + TIMELOCK);
        vm.warp(governor.proposalEta(p.id) - 1);
        vm.expectPartialRevert(TimelockController.TimelockUnexpectedOperationState.selector);
        execute(p);

        vm.warp(governor.proposalEta(p.id));
        uint256 executedAt = block.timestamp;
        execute(p);
        expectState(p, IGovernor.ProposalState.Executed);
        vm.assertEq(keccak256(abi.encode(parameters.feeSplit())), keccak256(abi.encode(feeSplit())));
        vm.warp(executedAt + 1);
        vm.assertEq(keccak256(abi.encode(parameters.feeSplit())), keccak256(abi.encode(next)));
        vm.assertEq(keccak256(abi.encode(parameters.feeSplitAt(executedAt))), keccak256(abi.encode(feeSplit())));
        vm.expectPartialRevert(IGovernor.GovernorUnexpectedProposalState.selector);
        execute(p);
    }

    function test_everyNumberIsAParameter() public {
        vm.assertEq(governor.votingDelay(), DELAY);
        vm.assertEq(governor.votingPeriod(), PERIOD);
        vm.assertEq(governor.proposalThreshold(), 10_000 ether);
        vm.assertEq(governor.lateQuorumVoteExtension(), DELAY);
        vm.assertEq(timelock.getMinDelay(), TIMELOCK);
        vm.startPrank(governance);
        parameters.set("votingPeriodSeconds", 3 days);
        parameters.set("votingDelaySeconds", 2 days);
        parameters.set("timelockDelaySeconds", 4 days);
        parameters.set("proposalThresholdWei", 5 ether);
        vm.stopPrank();
        vm.warp(block.timestamp + 1);
        vm.assertEq(governor.votingDelay(), 2 days);
        vm.assertEq(governor.votingPeriod(), 3 days);
        vm.assertEq(governor.proposalThreshold(), 5 ether);
        vm.assertEq(governor.lateQuorumVoteExtension(), 2 days);
        vm.assertEq(timelock.getMinDelay(), 4 days);
    }

    function test_aProposerNeedsTheThresholdOneSecondBefore() public {
        enfranchise(carol, 10_000 ether);
        Proposal memory p = _nothing("threshold");
        vm.expectRevert(
            abi.encodeWithSelector(IGovernor.GovernorInsufficientProposerVotes.selector, carol, 0, 10_000 ether)
        );
        propose(p, carol);
        vm.warp(block.timestamp + 1);
        propose(p, carol);

        vm.prank(carol);
        gopen.withdraw(1);
        vm.warp(block.timestamp + 1);
        p = _nothing("one wei short");
        vm.expectRevert(
            abi.encodeWithSelector(
                IGovernor.GovernorInsufficientProposerVotes.selector, carol, 10_000 ether - 1, 10_000 ether
            )
        );
        propose(p, carol);
    }

    function test_aProposerTakesBackOnlyBeforeTheVote() public {
        Proposal memory p = _nothing("cancelled");
        propose(p, alice);
        vm.prank(bob);
        vm.expectPartialRevert(IGovernor.GovernorUnableToCancel.selector);
        governor.cancel(p.targets, p.values, p.calls, keccak256(bytes(p.description)));
        vm.prank(alice);
        governor.cancel(p.targets, p.values, p.calls, keccak256(bytes(p.description)));
        expectState(p, IGovernor.ProposalState.Canceled);

        p = _nothing("too late to cancel");
        propose(p, alice);
        toVote(p);
        vm.prank(alice);
        vm.expectPartialRevert(IGovernor.GovernorUnableToCancel.selector);
        governor.cancel(p.targets, p.values, p.calls, keccak256(bytes(p.description)));
    }

    function test_anyoneExecutesOnTheTimelockToo() public {
        Proposal memory p = _nothing("by hand");
        pass(p, alice);
        bytes32 salt = bytes20(address(governor)) ^ keccak256(bytes(p.description));
        vm.prank(carol);
        timelock.executeBatch(p.targets, p.values, p.calls, 0, salt);
        expectState(p, IGovernor.ProposalState.Executed);
    }

    /// A slash is overturned in time by a proposal made at once, even if its quorum comes in the last second.
    function test_anAppealIsWonBeforeItEnds() public {
        fund(carol, 1000 ether);
        openPool();
        stakeFrom(carol, 1000 ether);
        vm.prank(theVerdicts);
        uint256 slash =
            staking.slash(Offence(poolId, carol, 500, Reason.WrongVerdict, keccak256("evidence"), bob, address(0), 0));
        vm.assertEq(stakedBy(carol), 950 ether);
        Proposal memory p = one(address(staking), 0, abi.encodeCall(staking.overturn, (slash)), "Overturn the slash");
        propose(p, alice);
        vm.warp(governor.proposalDeadline(p.id));
        vote(p, alice, IGovernorVote.For);
        toResult(p);
        queue(p);
        vm.warp(governor.proposalEta(p.id));
        uint256 executableAt = staking.slashOf(slash).executableAt;
        vm.assertTrue(block.timestamp < executableAt);
        vm.expectRevert(abi.encodeWithSelector(OpenStaking.TooEarly.selector, executableAt));
        staking.executeSlash(slash);
        execute(p);
        vm.assertEq(stakedBy(carol), 1000 ether);
    }

    // ---------------------------------------------------------------- votes

    function test_votesAreDelegatedTokensPlusOwnStake() public {
        fund(bob, 3 ether);
        openPool();
        stakeFrom(bob, 3 ether);
        vm.warp(block.timestamp + 1);
        vm.assertEq(governor.getVotes(bob, block.timestamp - 1), 5_000_003 ether);
        vm.assertEq(governor.getVotes(bob, block.timestamp - 2), 5_000_000 ether);
    }

    function test_nobodyVotesTwice() public {
        Proposal memory p = _nothing("twice");
        propose(p, alice);
        toVote(p);
        vote(p, alice, IGovernorVote.For);
        vm.expectRevert(abi.encodeWithSelector(IGovernor.GovernorAlreadyCastVote.selector, alice));
        vote(p, alice, IGovernorVote.For);
    }

    function test_whatMovesAfterTheSnapshotVotesWhereItWas() public {
        Proposal memory p = _nothing("moved");
        propose(p, alice);
        toVote(p);
        vote(p, alice, IGovernorVote.For);
        vm.prank(alice);
        vm.assertTrue(gopen.transfer(bob, 20_000_000 ether));
        vm.warp(block.timestamp + 1);
        vote(p, bob, IGovernorVote.For);
        (, uint256 inFavor,) = governor.proposalVotes(p.id);
        vm.assertEq(inFavor, 25_000_000 ether);
    }

    /// Wrapping, delegating and unwrapping within one second, even the snapshot's own, gives no vote.
    function test_flashWrappingGivesNoVotes() public {
        Proposal memory p = _nothing("flash");
        propose(p, alice);
        fund(carol, 12_000_000 ether);
        openPool();
        for (uint256 second = governor.proposalSnapshot(p.id); second < governor.proposalSnapshot(p.id) + 2; ++second) {
            vm.warp(second);
            vm.startPrank(carol);
            gopen.deposit{value: 10_000_000 ether}();
            gopen.delegate(carol);
            if (second > governor.proposalSnapshot(p.id)) {
                vm.assertEq(governor.castVote(p.id, uint8(IGovernorVote.For)), 0);
            }
            gopen.withdraw(10_000_000 ether);
            staking.delegate{value: 1_000_000 ether}(poolId);
            staking.unbond(poolId, 1_000_000 ether);
            vm.stopPrank();
        }
        (, uint256 inFavor,) = governor.proposalVotes(p.id);
        vm.assertEq(inFavor, 0);
    }

    function test_aVoteBySignatureCountsOnce() public {
        Proposal memory p = _nothing("signed");
        propose(p, alice);
        toVote(p);
        bytes memory signature = _ballot(p.id, uint8(IGovernorVote.For), governor.nonces(alice));
        vm.prank(carol);
        governor.castVoteBySig(p.id, uint8(IGovernorVote.For), alice, signature);
        (, uint256 inFavor,) = governor.proposalVotes(p.id);
        vm.assertEq(inFavor, 20_000_000 ether);
        vm.expectRevert(abi.encodeWithSelector(IGovernor.GovernorInvalidSignature.selector, alice));
        governor.castVoteBySig(p.id, uint8(IGovernorVote.For), alice, signature);
        bytes memory again = _ballot(p.id, uint8(IGovernorVote.For), governor.nonces(alice));
        vm.expectRevert(abi.encodeWithSelector(IGovernor.GovernorAlreadyCastVote.selector, alice));
        governor.castVoteBySig(p.id, uint8(IGovernorVote.For), alice, again);
    }

    function test_aSignedVoteCannotBeTurned() public {
        Proposal memory p = _nothing("turned");
        propose(p, alice);
        toVote(p);
        bytes memory signature = _ballot(p.id, uint8(IGovernorVote.For), governor.nonces(alice));
        vm.expectRevert(abi.encodeWithSelector(IGovernor.GovernorInvalidSignature.selector, alice));
        governor.castVoteBySig(p.id, uint8(IGovernorVote.Against), alice, signature);
        vm.expectRevert(abi.encodeWithSelector(IGovernor.GovernorInvalidSignature.selector, bob));
        governor.castVoteBySig(p.id, uint8(IGovernorVote.For), bob, signature);
    }

    // ---------------------------------------------------------------- quorum

    function test_theQuorumIsReachedToTheWei() public {
        _assertQuorum(0, IGovernorVote.For, true);
        _assertQuorum(1, IGovernorVote.For, false);
    }

    function test_abstainCountsTowardTheQuorumAndAgainstDoesNot() public {
        _assertQuorum(0, IGovernorVote.Abstain, true);
        _assertQuorum(0, IGovernorVote.Against, false);
    }

    /// What is released, spent, given, or set after a proposal was made leaves its quorum where it was.
    function test_theQuorumOfAProposalIsFixedWhenItIsMade() public {
        uint256 fixedAt = governor.quorum(block.timestamp);
        Proposal memory p = _nothing("fixed");
        propose(p, alice);
        vm.assertEq(governor.proposalQuorum(p.id), fixedAt);

        vm.warp(block.timestamp + 12 hours);
        community.release();
        vm.startPrank(governance);
        parameters.set("quorumTotalBps", 500);
        parameters.set("quorumCirculatingBps", 2000);
        (bool paid,) = carol.call{value: governance.balance}("");
        vm.assertTrue(paid);
        vm.stopPrank();
        vm.prank(carol);
        (paid,) = payable(address(ecosystem)).call{value: 1 ether}("");
        vm.assertTrue(paid);
        ecosystem.wrap();
        vm.warp(block.timestamp + 1);
        vm.assertTrue(governor.quorum(block.timestamp) > fixedAt);
        vm.assertEq(governor.proposalQuorum(p.id), fixedAt);

        toVote(p);
        vote(p, alice, IGovernorVote.For);
        toResult(p);
        expectState(p, IGovernor.ProposalState.Succeeded);
    }

    function test_aQuorumReachedLateLeavesTimeToAnswer() public {
        Proposal memory p = _nothing("late");
        propose(p, alice);
        uint256 deadline = governor.proposalDeadline(p.id);
        vm.warp(deadline);
        vote(p, alice, IGovernorVote.For);
        vm.assertEq(governor.proposalDeadline(p.id), deadline + DELAY);
        vm.warp(deadline + DELAY);
        vote(p, bob, IGovernorVote.Against);
        toResult(p);
        expectState(p, IGovernor.ProposalState.Succeeded);

        p = _nothing("in time");
        propose(p, alice);
        deadline = governor.proposalDeadline(p.id);
        toVote(p);
        vote(p, alice, IGovernorVote.For);
        vm.assertEq(governor.proposalDeadline(p.id), deadline);
    }

    // ---------------------------------------------------------------- who may do what

    function test_onlyTheGovernorSchedulesAndCancels() public {
        bytes32 proposer = timelock.PROPOSER_ROLE();
        bytes32 canceller = timelock.CANCELLER_ROLE();
        bytes32 admin = timelock.DEFAULT_ADMIN_ROLE();
        address[5] memory others = [address(this), alice, teamLead, liquidity, address(timelock)];
        for (uint256 i = 0; i < others.length; ++i) {
            vm.startPrank(others[i]);
            vm.expectRevert(
                abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, others[i], proposer)
            );
            timelock.schedule(address(parameters), 0, "", 0, 0, TIMELOCK);
            vm.expectRevert(
                abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, others[i], canceller)
            );
            timelock.cancel(0);
            if (others[i] != address(timelock)) {
                vm.expectRevert(
                    abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, others[i], admin)
                );
                timelock.grantRole(proposer, others[i]);
            }
            vm.stopPrank();
        }
        vm.assertTrue(timelock.hasRole(proposer, address(governor)));
        vm.assertTrue(timelock.hasRole(canceller, address(governor)));
        vm.assertTrue(timelock.hasRole(timelock.EXECUTOR_ROLE(), address(0)));
    }

    function test_theDelayIsSetNowhereElse() public {
        Proposal memory p =
            one(address(timelock), 0, abi.encodeCall(TimelockController.updateDelay, (0)), "No delay at all");
        pass(p, alice);
        vm.expectRevert(
            abi.encodeWithSelector(OpenTimelock.DelayIsAParameter.selector, bytes32("timelockDelaySeconds"))
        );
        execute(p);
        p = one(
            address(governor),
            0,
            abi.encodeCall(GovernorPreventLateQuorum.setLateQuorumVoteExtension, (1)),
            "An extension of its own"
        );
        pass(p, alice);
        vm.expectRevert(
            abi.encodeWithSelector(
                GovernorPreventLateQuorum.GovernorPreventLateQuorumVoteExtensionTooLarge.selector, 1, 0
            )
        );
        execute(p);
    }

    function test_theTreasurySpendsByVoteOnly() public {
        vm.warp(GENESIS + 1 days);
        community.release();
        uint256 held = address(timelock).balance;
        Proposal memory p = one(carol, held, "", "Pay Carol");
        pass(p, alice);
        execute(p);
        vm.assertEq(carol.balance, held);
    }

    function test_theTimelockTakesAssetsAndTheGovernorTakesNothing() public {
        vm.startPrank(developer);
        datanets.safeTransferFrom(developer, address(timelock), datanetId);
        vm.assertEq(datanets.ownerOf(datanetId), address(timelock));
        (bool taken,) = address(governor).call{value: 1}("");
        vm.assertFalse(taken);
    }

    // ---------------------------------------------------------------- inside

    /// A proposal that changes nothing.
    function _nothing(string memory description) private view returns (Proposal memory) {
        return one(address(parameters), 0, abi.encodeCall(parameters.clock, ()), description);
    }

    /// Alice votes for with next to nothing, Carol casts what is missing in her own way, less `short` wei.
    function _assertQuorum(uint256 short, IGovernorVote carols, bool succeeds) private {
        uint256 quorum = governor.quorum(block.timestamp);
        address dave = address(uint160(uint256(keccak256(abi.encode(short, carols)))));
        enfranchise(dave, quorum - 10_000 ether - short);
        address eve = address(uint160(dave) + 1);
        enfranchise(eve, 10_000 ether);
        vm.warp(block.timestamp + 1);
        Proposal memory p = _nothing(string.concat("quorum ", vm.toString(uint160(dave))));
        propose(p, eve);
        vm.assertEq(governor.proposalQuorum(p.id), quorum);
        toVote(p);
        vote(p, eve, IGovernorVote.For);
        vote(p, dave, carols);
        toResult(p);
        expectState(p, succeeds ? IGovernor.ProposalState.Succeeded : IGovernor.ProposalState.Defeated);
        vm.prank(dave);
        gopen.withdrawTo(liquidity, quorum - 10_000 ether - short);
    }

    function _ballot(uint256 id, uint8 support, uint256 nonce) private view returns (bytes memory) {
        bytes32 structHash = keccak256(abi.encode(governor.BALLOT_TYPEHASH(), id, support, alice, nonce));
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("OpenGovernor"),
                keccak256("1"),
                block.chainid,
                address(governor)
            )
        );
        return signed(KEY, keccak256(abi.encodePacked(hex"1901", domain, structHash)));
    }
}
