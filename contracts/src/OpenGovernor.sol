// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Governor} from "@openzeppelin/contracts/governance/Governor.sol";
import {GovernorCountingSimple} from "@openzeppelin/contracts/governance/extensions/GovernorCountingSimple.sol";
import {GovernorPreventLateQuorum} from "@openzeppelin/contracts/governance/extensions/GovernorPreventLateQuorum.sol";
import {GovernorTimelockControl} from "@openzeppelin/contracts/governance/extensions/GovernorTimelockControl.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {GOPEN} from "./GOPEN.sol";
import {OpenStaking} from "./OpenStaking.sol";
import {OpenTimelock} from "./OpenTimelock.sol";
import {OpenVesting} from "./OpenVesting.sol";
import {ProtocolParameters} from "./ProtocolParameters.sol";

/// @title Proposals and votes
/// @notice Who holds OPEN decides: an account's votes are the GOPEN delegated to it plus its own stake, at the second the
/// vote begins. For, against or abstain, with a reason or by signature; a proposal passes when more is for than against, and
/// for and abstain reach its quorum. Then it is queued in the timelock, and anyone executes it. When a vote reaches its
/// quorum late, it stays open for another voting delay, so that the others can answer.
///
/// The quorum is `max(quorumTotalBps of all OPEN, quorumCirculatingBps of all OPEN that could vote)`. Two things cannot
/// vote, and are left out of the second: the treasury's native OPEN (the timelock's balance), and what vestings that never
/// vote still hold. A proposal's quorum is fixed when it is made: nothing that happens afterwards moves it.
///
/// Promises: one wei never votes twice on a proposal; what is wrapped or staked and taken back within one second never votes;
/// this contract holds no number and no value of its own, and can do nothing but queue in the timelock what passed.
contract OpenGovernor is GovernorCountingSimple, GovernorPreventLateQuorum, GovernorTimelockControl {
    /// @notice A proposal's quorum, wei of OPEN, for good.
    event QuorumFixed(uint256 indexed proposalId, uint256 quorum);

    /// @notice All OPEN there is, wei.
    uint256 public constant TOTAL = 1e27;
    uint256 private constant WHOLE = 10_000;

    GOPEN public immutable gopen;
    OpenStaking public immutable staking;
    ProtocolParameters public immutable parameters;

    OpenVesting[] private _vestings;
    mapping(uint256 proposalId => uint256) private _quorums;

    /// @param vestings_ all of them; those that never vote are left out of what could vote
    constructor(
        GOPEN gopen_,
        OpenStaking staking_,
        OpenTimelock timelock_,
        ProtocolParameters parameters_,
        OpenVesting[] memory vestings_
    ) Governor("OpenGovernor") GovernorPreventLateQuorum(0) GovernorTimelockControl(timelock_) {
        gopen = gopen_;
        staking = staking_;
        parameters = parameters_;
        for (uint256 i = 0; i < vestings_.length; ++i) {
            _vestings.push(vestings_[i]);
        }
    }

    // ---------------------------------------------------------------- quorum

    /// @notice What a proposal made now would need, wei, whatever the timepoint; a proposal keeps `proposalQuorum`.
    function quorum(uint256) public view override returns (uint256) {
        return
            Math.max(TOTAL * parameters.quorumTotalBps() / WHOLE, votable() * parameters.quorumCirculatingBps() / WHOLE);
    }

    /// @notice The quorum fixed when the proposal was made, wei; 0 if there is none.
    function proposalQuorum(uint256 proposalId) external view returns (uint256) {
        return _quorums[proposalId];
    }

    /// @notice All OPEN that could vote if its holders wished: everything but the treasury and what its vestings hold, wei.
    function votable() public view returns (uint256 amount) {
        amount = TOTAL - timelock().balance;
        for (uint256 i = 0; i < _vestings.length; ++i) {
            if (!_vestings[i].votes()) amount -= _vestings[i].unreleased();
        }
    }

    /// @notice The vestings it knows.
    function vestings() external view returns (OpenVesting[] memory) {
        return _vestings;
    }

    // ---------------------------------------------------------------- governed numbers

    /// @inheritdoc Governor
    function votingDelay() public view override returns (uint256) {
        return parameters.votingDelaySeconds();
    }

    /// @inheritdoc Governor
    function votingPeriod() public view override returns (uint256) {
        return parameters.votingPeriodSeconds();
    }

    /// @inheritdoc Governor
    function proposalThreshold() public view override returns (uint256) {
        return parameters.proposalThresholdWei();
    }

    /// @notice How long a vote stays open at least once its quorum is reached: a voting delay, seconds.
    function lateQuorumVoteExtension() public view override returns (uint48) {
        return SafeCast.toUint48(votingDelay());
    }

    // ---------------------------------------------------------------- clock

    function clock() public view override returns (uint48) {
        return uint48(block.timestamp);
    }

    function CLOCK_MODE() public pure override returns (string memory) {
        return "mode=timestamp";
    }

    // ---------------------------------------------------------------- inside

    function _getVotes(address account, uint256 timepoint, bytes memory) internal view override returns (uint256) {
        return gopen.getPastVotes(account, timepoint) + staking.votesAt(account, timepoint);
    }

    function _quorumReached(uint256 proposalId)
        internal
        view
        override(Governor, GovernorCountingSimple)
        returns (bool)
    {
        (, uint256 forVotes, uint256 abstainVotes) = proposalVotes(proposalId);
        return forVotes + abstainVotes >= _quorums[proposalId];
    }

    function _propose(
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        string memory description,
        address proposer
    ) internal override returns (uint256 proposalId) {
        proposalId = super._propose(targets, values, calldatas, description, proposer);
        uint256 fixed_ = quorum(clock());
        _quorums[proposalId] = fixed_;
        emit QuorumFixed(proposalId, fixed_);
    }

    /// @dev The extension is the voting delay, and no other can be set.
    function _maxLateQuorumVoteExtension() internal pure override returns (uint256) {
        return 0;
    }

    // ---------------------------------------------------------------- where two parts meet

    function state(uint256 proposalId) public view override(Governor, GovernorTimelockControl) returns (ProposalState) {
        return super.state(proposalId);
    }

    function proposalDeadline(uint256 proposalId)
        public
        view
        override(Governor, GovernorPreventLateQuorum)
        returns (uint256)
    {
        return super.proposalDeadline(proposalId);
    }

    function proposalNeedsQueuing(uint256 proposalId)
        public
        view
        override(Governor, GovernorTimelockControl)
        returns (bool)
    {
        return super.proposalNeedsQueuing(proposalId);
    }

    function _tallyUpdated(uint256 proposalId) internal override(Governor, GovernorPreventLateQuorum) {
        super._tallyUpdated(proposalId);
    }

    function _queueOperations(
        uint256 proposalId,
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        bytes32 descriptionHash
    ) internal override(Governor, GovernorTimelockControl) returns (uint48) {
        return super._queueOperations(proposalId, targets, values, calldatas, descriptionHash);
    }

    function _executeOperations(
        uint256 proposalId,
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        bytes32 descriptionHash
    ) internal override(Governor, GovernorTimelockControl) {
        super._executeOperations(proposalId, targets, values, calldatas, descriptionHash);
    }

    function _cancel(
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        bytes32 descriptionHash
    ) internal override(Governor, GovernorTimelockControl) returns (uint256) {
        return super._cancel(targets, values, calldatas, descriptionHash);
    }

    function _executor() internal view override(Governor, GovernorTimelockControl) returns (address) {
        return super._executor();
    }
}
