// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";
import {AgentRegistry} from "../src/AgentRegistry.sol";
import {GOPEN} from "../src/GOPEN.sol";
import {OpenGovernor} from "../src/OpenGovernor.sol";
import {OpenStaking} from "../src/OpenStaking.sol";
import {OpenTimelock} from "../src/OpenTimelock.sol";
import {OpenVesting} from "../src/OpenVesting.sol";
import {ProtocolParameters} from "../src/ProtocolParameters.sol";
import {WOPEN} from "../src/WOPEN.sol";
import {Fixture} from "./Fixture.sol";

/// The whole network at genesis: every OPEN where the allocation puts it, parameters owned by the timelock from their
/// constructor on, no account with any right.
abstract contract GovernanceFixture is Fixture {
    uint64 internal constant GENESIS = 1_790_000_000;
    uint64 internal constant YEAR = 12 * 2_629_800;
    uint256 internal constant COMMUNITY = 517_100_000 ether;
    uint256 internal constant ECOSYSTEM = 100_000_000 ether;
    uint256 internal constant INVESTORS = 182_900_000 ether;
    uint256 internal constant TEAM = 150_000_000 ether;
    uint256 internal constant LIQUIDITY = 50_000_000 ether;

    uint256 internal constant DELAY = 1 days;
    uint256 internal constant PERIOD = 7 days;
    uint256 internal constant TIMELOCK = 7 days;

    address internal liquidity = vm.addr(0x11);
    address internal teamLead = vm.addr(0x12);
    address internal investor = vm.addr(0x13);

    address internal validator = vm.addr(0x14);
    uint256 internal poolId = uint160(validator);

    GOPEN internal gopen;
    WOPEN internal wopen;
    OpenStaking internal staking;
    AgentRegistry internal agents;
    OpenTimelock internal timelock;
    OpenGovernor internal governor;
    OpenVesting internal community;
    OpenVesting internal ecosystem;
    OpenVesting internal investors;
    OpenVesting internal team;

    struct Proposal {
        address[] targets;
        uint256[] values;
        bytes[] calls;
        string description;
        uint256 id;
    }

    function setUp() public virtual override {
        vm.warp(GENESIS);
        vm.deal(liquidity, LIQUIDITY);
        governance = _next(7);
        treasury = governance;

        gopen = new GOPEN();
        wopen = new WOPEN();
        community = _vesting(COMMUNITY, governance, 0, 4 * YEAR, false);
        ecosystem = _vesting(ECOSYSTEM, governance, 0, 4 * YEAR, false);
        investors = _vesting(INVESTORS, investor, YEAR, 3 * YEAR, true);
        team = _vesting(TEAM, teamLead, YEAR, 3 * YEAR, true);
        staking = new OpenStaking(ProtocolParameters(_next(4)), theVerdicts, address(0), _next(3));
        stakersPool = address(staking);

        OpenVesting[] memory vestings = new OpenVesting[](4);
        (vestings[0], vestings[1], vestings[2], vestings[3]) = (community, ecosystem, investors, team);
        timelock = new OpenTimelock(ProtocolParameters(_next(3)), _next(1));
        governor = new OpenGovernor(gopen, staking, timelock, ProtocolParameters(_next(2)), vestings);
        agents = new AgentRegistry(ProtocolParameters(_next(1)), staking);
        super.setUp();

        assert(address(timelock) == governance && governor.timelock() == governance);
        assert(address(timelock.parameters()) == address(parameters));
        assert(address(governor.parameters()) == address(parameters));
        assert(staking.agents() == address(agents) && address(agents.parameters()) == address(parameters));
        assert(parameters.owner() == governance);
    }

    // ---------------------------------------------------------------- accounts

    /// Gives an account some of what circulates.
    function fund(address account, uint256 amount) internal {
        vm.prank(liquidity);
        (bool paid,) = account.call{value: amount}("");
        assert(paid);
    }

    /// Funds an account and lets it vote with all of it, from the next second on.
    function enfranchise(address account, uint256 votes) internal {
        fund(account, votes);
        vm.startPrank(account);
        gopen.deposit{value: votes}();
        gopen.delegate(account);
        vm.stopPrank();
    }

    /// Both insiders delegate what they have not got yet to themselves.
    function enfranchiseInsiders() internal {
        vm.prank(teamLead);
        team.delegate(teamLead);
        vm.prank(investor);
        investors.delegate(investor);
    }

    // ---------------------------------------------------------------- stake

    /// A validator's pool, to stake in.
    function openPool() internal {
        vm.prank(validator);
        staking.open(poolId, 0);
    }

    function stakeFrom(address account, uint256 amount) internal {
        vm.prank(account);
        staking.delegate{value: amount}(poolId);
    }

    function stakedBy(address account) internal view returns (uint256) {
        return staking.positionOf(poolId, account).bonded;
    }

    function unstakeFrom(address account, uint256 amount) internal {
        vm.prank(account);
        staking.unbond(poolId, amount);
    }

    // ---------------------------------------------------------------- proposals

    function one(address target, uint256 value, bytes memory call, string memory description)
        internal
        view
        returns (Proposal memory p)
    {
        p.targets = new address[](1);
        p.values = new uint256[](1);
        p.calls = new bytes[](1);
        (p.targets[0], p.values[0], p.calls[0], p.description) = (target, value, call, description);
        p.id = governor.getProposalId(p.targets, p.values, p.calls, keccak256(bytes(description)));
    }

    function propose(Proposal memory p, address by) internal {
        vm.prank(by);
        governor.propose(p.targets, p.values, p.calls, p.description);
    }

    /// To the first second in which votes count.
    function toVote(Proposal memory p) internal {
        vm.warp(governor.proposalSnapshot(p.id) + 1);
    }

    function vote(Proposal memory p, address by, IGovernorVote support) internal {
        vm.prank(by);
        governor.castVote(p.id, uint8(support));
    }

    /// To the first second in which the result stands.
    function toResult(Proposal memory p) internal {
        vm.warp(governor.proposalDeadline(p.id) + 1);
    }

    function queue(Proposal memory p) internal {
        governor.queue(p.targets, p.values, p.calls, keccak256(bytes(p.description)));
    }

    function execute(Proposal memory p) internal {
        governor.execute(p.targets, p.values, p.calls, keccak256(bytes(p.description)));
    }

    /// Passes a proposal by one account's votes, up to the moment when it may be executed.
    function pass(Proposal memory p, address by) internal {
        propose(p, by);
        toVote(p);
        vote(p, by, IGovernorVote.For);
        toResult(p);
        queue(p);
        vm.warp(governor.proposalEta(p.id));
    }

    function expectState(Proposal memory p, IGovernor.ProposalState expected) internal view {
        vm.assertEq(uint256(governor.state(p.id)), uint256(expected), "state of the proposal");
    }

    // ---------------------------------------------------------------- inside

    function _vesting(uint256 amount, address to, uint64 cliff, uint64 duration, bool votes)
        private
        returns (OpenVesting)
    {
        vm.deal(_next(0), amount);
        return new OpenVesting(to, gopen, GENESIS, cliff, duration, votes);
    }

    /// The address of the contract this one makes after `skip` others.
    function _next(uint256 skip) private view returns (address) {
        return vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + skip);
    }
}

/// As `GovernorCountingSimple.VoteType`.
enum IGovernorVote {
    Against,
    For,
    Abstain
}
