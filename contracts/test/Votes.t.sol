// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";
import {GOPEN} from "../src/GOPEN.sol";
import {OpenGovernor} from "../src/OpenGovernor.sol";
import {Offence, OpenStaking, Reason} from "../src/OpenStaking.sol";
import {OpenVesting} from "../src/OpenVesting.sol";
import {GovernanceFixture, IGovernorVote} from "./GovernanceFixture.sol";

/// Everyone who can hold a vote moves, wraps, stakes, delegates, proposes and votes, in any order.
contract VotesHandler is GovernanceFixture {
    address[7] public actors;
    uint256[] public proposals;
    mapping(uint256 proposalId => uint256) public quorumAtCreation;

    function setUp() public override {
        super.setUp();
        vm.deal(address(timelock), 0);
        actors = [liquidity, teamLead, investor, vm.addr(0x21), vm.addr(0x22), vm.addr(0x23), vm.addr(0x24)];
        for (uint256 i = 3; i < 7; ++i) {
            fund(actors[i], 12_000_000 ether);
        }
        fund(validator, 1_000_000 ether);
        openPool();
        stakeFrom(validator, 1_000_000 ether);
    }

    function wrap(uint256 by, uint256 amount) external {
        address from = _actor(by);
        amount %= from.balance + 1;
        vm.prank(from);
        gopen.deposit{value: amount}();
    }

    function unwrap(uint256 by, uint256 amount) external {
        address from = _actor(by);
        amount %= gopen.balanceOf(from) + 1;
        vm.prank(from);
        gopen.withdraw(amount);
    }

    function transfer(uint256 by, uint256 to, uint256 amount) external {
        address from = _actor(by);
        amount %= gopen.balanceOf(from) + 1;
        vm.prank(from);
        vm.assertTrue(gopen.transfer(_actor(to), amount));
    }

    function delegate(uint256 by, uint256 to) external {
        vm.prank(_actor(by));
        gopen.delegate(_actor(to));
    }

    function delegateVesting(bool teams, uint256 to) external {
        OpenVesting vesting = teams ? team : investors;
        vm.prank(vesting.beneficiary());
        vesting.delegate(_actor(to));
    }

    function release(uint256 which) external {
        OpenVesting vesting = [community, ecosystem, investors, team][which % 4];
        if (vesting.releasable() == 0) return;
        vm.prank(vesting.beneficiary());
        vesting.release();
    }

    /// The treasury pays someone.
    function spend(uint256 to, uint256 amount) external {
        amount %= address(timelock).balance + 1;
        vm.prank(address(timelock));
        (bool paid,) = _actor(to).call{value: amount}("");
        vm.assertTrue(paid);
    }

    function stake(uint256 by, uint256 amount) external {
        address from = _actor(by);
        amount %= from.balance + 1;
        if (amount > 0) stakeFrom(from, amount);
    }

    function unstake(uint256 by, uint256 part) external {
        address from = _actor(by);
        uint256 bonded = stakedBy(from);
        if (bonded > 0) unstakeFrom(from, 1 + part % bonded);
    }

    /// Takes out what has finished unbonding.
    function leave(uint256 by, uint256 which) external {
        address from = _actor(by);
        uint256 count = staking.unbondingCount(from);
        if (count > 0) try staking.withdraw(from, which % count) {} catch {}
    }

    /// The validator's pool loses a part of its stake.
    function slash(uint256 by, uint16 bps) external {
        vm.prank(theVerdicts);
        staking.slash(
            Offence({
                poolId: poolId,
                liable: _actor(by),
                bps: 1 + bps % 500,
                reason: Reason.MissedDeadline,
                evidence: bytes32(0),
                reporter: _actor(by),
                harmed: _actor(by),
                harm: 1 ether
            })
        );
    }

    function propose_(uint256 by) external {
        address from = _actor(by);
        if (proposals.length == 3 || governor.getVotes(from, block.timestamp - 1) < governor.proposalThreshold()) {
            return;
        }
        Proposal memory p =
            one(address(parameters), 0, abi.encodeCall(parameters.clock, ()), vm.toString(proposals.length));
        quorumAtCreation[p.id] = governor.quorum(0);
        propose(p, from);
        proposals.push(p.id);
    }

    function vote_(uint256 which, uint256 by, uint256 support) external {
        if (proposals.length == 0) return;
        uint256 id = proposals[proposals.length - 1 - which % proposals.length % 2];
        address from = _actor(by);
        if (governor.state(id) == IGovernor.ProposalState.Pending) vm.warp(governor.proposalSnapshot(id) + 1);
        if (governor.state(id) != IGovernor.ProposalState.Active || governor.hasVoted(id, from)) return;
        vm.prank(from);
        governor.castVote(id, uint8(support % 3));
        (uint256 against, uint256 inFavor, uint256 abstained) = governor.proposalVotes(id);
        vm.assertLe(against + inFavor + abstained, votesAt(governor.proposalSnapshot(id)), "one wei voted twice");
    }

    /// What everyone could cast, by the tokens and the stake themselves.
    function votesAt(uint256 second) public view returns (uint256 votes) {
        for (uint256 i = 0; i < actors.length; ++i) {
            votes += gopen.getPastVotes(actors[i], second) + staking.votesAt(actors[i], second);
        }
        votes += staking.votesAt(validator, second);
    }

    function wait_(uint256 seconds_, uint256 kind) external {
        vm.warp(block.timestamp + 1 + seconds_ % (kind % 10 == 0 ? 90 days : 1 days));
    }

    function proposalCount() external view returns (uint256) {
        return proposals.length;
    }

    function parts() external view returns (GOPEN, OpenStaking, OpenGovernor, address) {
        return (gopen, staking, governor, address(timelock));
    }

    function _actor(uint256 which) private view returns (address) {
        return actors[which % actors.length];
    }
}

/// One wei is never two votes, and whatever can vote is in what the quorum is reckoned from.
contract VotesTest is GovernanceFixture {
    VotesHandler internal handler;

    function setUp() public override {
        handler = new VotesHandler();
        handler.setUp();
        address owner;
        (gopen, staking, governor, owner) = handler.parts();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](14);
        selectors[0] = VotesHandler.wrap.selector;
        selectors[1] = VotesHandler.unwrap.selector;
        selectors[2] = VotesHandler.transfer.selector;
        selectors[3] = VotesHandler.delegate.selector;
        selectors[4] = VotesHandler.delegateVesting.selector;
        selectors[5] = VotesHandler.release.selector;
        selectors[6] = VotesHandler.spend.selector;
        selectors[7] = VotesHandler.stake.selector;
        selectors[8] = VotesHandler.unstake.selector;
        selectors[9] = VotesHandler.leave.selector;
        selectors[10] = VotesHandler.propose_.selector;
        selectors[11] = VotesHandler.vote_.selector;
        selectors[12] = VotesHandler.wait_.selector;
        selectors[13] = VotesHandler.slash.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(handler), selectors);
    }

    /// forge-config: default.invariant.runs = 64
    /// forge-config: default.invariant.depth = 160
    function invariant_votesNeverExceedWhatBacksThem() public {
        uint256 second = block.timestamp;
        vm.warp(second + 1);
        uint256 votes = handler.votesAt(second);
        uint256 staked = staking.totalVotesAt(second);
        vm.assertLe(votes, gopen.getPastTotalSupply(second) + staked, "more votes than tokens and stake");
        vm.assertLe(staked, address(staking).balance, "more stake than OPEN");
        vm.assertEq(gopen.totalSupply(), address(gopen).balance, "GOPEN is not backed");
        vm.assertLe(votes, governor.votable(), "what votes is not in what the quorum is reckoned from");

        for (uint256 i = 0; i < handler.proposalCount(); ++i) {
            uint256 id = handler.proposals(i);
            vm.assertEq(governor.proposalQuorum(id), handler.quorumAtCreation(id), "a quorum moved");
        }
        vm.warp(second);
    }
}
