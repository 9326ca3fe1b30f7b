// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";
import {OpenVesting} from "../src/OpenVesting.sol";
import {GovernanceFixture, IGovernorVote} from "./GovernanceFixture.sol";

/// The numbers that docs/governance.md quotes, from the contracts themselves. In whole OPEN where a name says so.
contract QuorumTest is GovernanceFixture {
    address private outsider = vm.addr(0x0dd);

    /// Every OPEN comes from the allocation: the fees of the fixture's two registrations did not.
    function setUp() public override {
        super.setUp();
        vm.deal(address(timelock), 0);
    }

    // ---------------------------------------------------------------- the arithmetic

    function test_everyOpenIsAllocated() public view {
        vm.assertEq(COMMUNITY + ECOSYSTEM + INVESTORS + TEAM + LIQUIDITY, governor.TOTAL());
        vm.assertEq(
            community.unreleased() + ecosystem.unreleased() + investors.unreleased() + team.unreleased()
                + liquidity.balance,
            governor.TOTAL()
        );
    }

    function test_atGenesis() public view {
        _assertQuorum(382_900_000, 15_316_000);
        // Thousandths of a percent: what insiders have of all that could vote, and the quorum of what circulates.
        vm.assertEq((INVESTORS + TEAM) * 100_000 / governor.votable(), 86_941);
        vm.assertEq(TEAM * 100_000 / governor.votable(), 39_174);
        vm.assertEq(INVESTORS * 100_000 / governor.votable(), 47_767);
        vm.assertEq(LIQUIDITY * 100_000 / governor.votable(), 13_058);
        vm.assertEq(governor.quorum(0) * 100_000 / LIQUIDITY, 30_632);
        vm.assertEq(governor.quorum(0) * 100_000 / governor.TOTAL(), 1531);
    }

    /// Leaving out all that is unreleased, though a third of the supply can vote with it, would have asked for less.
    function test_countingOnlyWhatIsReleasedWouldBeWeaker() public view {
        uint256 released = governor.TOTAL() - community.unreleased() - ecosystem.unreleased() - investors.unreleased()
            - team.unreleased() - address(timelock).balance;
        vm.assertEq(released, 50_000_000 ether);
        vm.assertEq(released * parameters.quorumCirculatingBps() / 10_000, 2_000_000 ether);
        vm.assertEq(governor.TOTAL() * parameters.quorumTotalBps() / 10_000, 10_000_000 ether);
    }

    function test_afterFourYearsWithNothingSpent() public {
        _releaseAll();
        vm.assertEq(address(timelock).balance, 617_100_000 ether);
        _assertQuorum(382_900_000, 15_316_000);
    }

    function test_afterFourYearsWithHalfSpent() public {
        _releaseAll();
        _spend(address(timelock).balance / 2);
        _assertQuorum(691_450_000, 27_658_000);
    }

    function test_afterFourYearsWithAllSpent() public {
        _releaseAll();
        _spend(address(timelock).balance);
        _assertQuorum(1_000_000_000, 40_000_000);
        vm.assertEq((INVESTORS + TEAM) * 100_000 / governor.votable(), 33_290);
    }

    /// The quorum is 15,316,000 OPEN and 4 % of what the treasury has spent, at any time and however much is released.
    function test_onlySpendingMovesIt(uint32 seconds_, uint96 spent, bool releases) public {
        vm.warp(GENESIS + 1 + uint256(seconds_) % (5 * YEAR));
        community.release();
        if (releases) {
            ecosystem.release();
            vm.startPrank(teamLead);
            if (team.releasable() > 0) team.release();
            vm.stopPrank();
        }
        uint256 amount = uint256(spent) % (address(timelock).balance + 1);
        _spend(amount);
        vm.assertEq(governor.quorum(0), (uint256(382_900_000 ether) + amount) * 400 / 10_000);
    }

    function test_whatAVoteCanMakeOfIt() public {
        _setQuorum(50, 200);
        _assertQuorum(382_900_000, 7_658_000);
        _setQuorum(500, 2000);
        _assertQuorum(382_900_000, 76_580_000);
        _setQuorum(500, 200);
        _assertQuorum(382_900_000, 50_000_000);
    }

    function test_whatTheTreasuryGetsEachDay() public {
        vm.warp(GENESIS + 1 days);
        community.release();
        ecosystem.release();
        vm.assertEq(address(timelock).balance / 1 ether, 422_381);
        vm.warp(GENESIS + 15 days);
        community.release();
        ecosystem.release();
        vm.assertEq(address(timelock).balance / 1 ether, 6_335_728);
    }

    // ---------------------------------------------------------------- what capture costs

    function test_theQuorumBuysAnUnopposedProposalAndOneWeiLessDoesNot() public {
        enfranchise(outsider, 15_316_000 ether);
        vm.warp(block.timestamp + 1);
        vm.assertTrue(_passes("the quorum, unopposed"));
        vm.prank(outsider);
        gopen.withdraw(1);
        vm.warp(block.timestamp + 1);
        vm.assertFalse(_passes("one wei less"));
    }

    function test_allThatCirculatesCannotPassWhatInsidersOppose() public {
        enfranchise(outsider, LIQUIDITY);
        enfranchiseInsiders();
        vm.warp(block.timestamp + 1);
        address[] memory against = new address[](1);
        against[0] = teamLead;
        vm.assertFalse(_vote("team opposes", against));
    }

    function test_insidersPassWhatAllThatCirculatesOpposes() public {
        enfranchise(liquidity, LIQUIDITY);
        vm.prank(investor);
        investors.delegate(outsider);
        vm.prank(teamLead);
        team.delegate(outsider);
        vm.warp(block.timestamp + 1);
        vm.assertEq(governor.getVotes(outsider, block.timestamp - 1), 332_900_000 ether);
        address[] memory against = new address[](1);
        against[0] = liquidity;
        vm.assertTrue(_vote("insiders together", against));
    }

    function test_neitherTeamNorInvestorsHaveAMajorityAlone() public {
        vm.prank(investor);
        investors.delegate(outsider);
        vm.prank(teamLead);
        team.delegate(teamLead);
        enfranchise(liquidity, LIQUIDITY);
        vm.warp(block.timestamp + 1);
        address[] memory against = new address[](2);
        (against[0], against[1]) = (teamLead, liquidity);
        vm.assertFalse(_vote("investors alone", against));
    }

    /// The 61.71 % that belong to the treasury never vote, not even if governance wants it.
    function test_theTreasurysVestingsNeverVote() public {
        OpenVesting[2] memory silent = [community, ecosystem];
        for (uint256 i = 0; i < 2; ++i) {
            vm.prank(governance);
            vm.expectRevert(OpenVesting.NeverVotes.selector);
            silent[i].delegate(outsider);
        }
        enfranchiseInsiders();
        enfranchise(liquidity, LIQUIDITY);
        vm.assertEq(gopen.getVotes(teamLead) + gopen.getVotes(investor) + gopen.getVotes(liquidity), governor.votable());
    }

    // ---------------------------------------------------------------- inside

    function _assertQuorum(uint256 votableOpen, uint256 quorumOpen) private view {
        vm.assertEq(governor.votable(), votableOpen * 1 ether, "votable");
        vm.assertEq(governor.quorum(0), quorumOpen * 1 ether, "quorum");
    }

    function _releaseAll() private {
        vm.warp(GENESIS + 4 * YEAR);
        community.release();
        ecosystem.release();
        vm.prank(teamLead);
        team.release();
        vm.prank(investor);
        investors.release();
        vm.assertEq(team.unreleased() + investors.unreleased() + community.unreleased() + ecosystem.unreleased(), 0);
    }

    function _spend(uint256 amount) private {
        vm.prank(governance);
        (bool paid,) = address(0xbeef).call{value: amount}("");
        vm.assertTrue(paid);
    }

    function _setQuorum(uint256 totalBps, uint256 circulatingBps) private {
        vm.startPrank(governance);
        parameters.set("quorumTotalBps", totalBps);
        parameters.set("quorumCirculatingBps", circulatingBps);
        vm.stopPrank();
        vm.warp(block.timestamp + 1);
    }

    function _passes(string memory description) private returns (bool) {
        return _vote(description, new address[](0));
    }

    /// Whether the outsider's proposal passes, with everyone else silent but those against.
    function _vote(string memory description, address[] memory against) private returns (bool) {
        Proposal memory p = one(address(parameters), 0, abi.encodeCall(parameters.clock, ()), description);
        propose(p, outsider);
        toVote(p);
        vote(p, outsider, IGovernorVote.For);
        for (uint256 i = 0; i < against.length; ++i) {
            vote(p, against[i], IGovernorVote.Against);
        }
        toResult(p);
        return governor.state(p.id) == IGovernor.ProposalState.Succeeded;
    }
}
