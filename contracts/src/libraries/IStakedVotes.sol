// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

/// @title Stake that votes
interface IStakedVotes {
    /// @notice What an account had at stake at a past time, wei; what is leaving does not count.
    function votesAt(address account, uint256 timestamp) external view returns (uint256);

    /// @notice The sum of it over all accounts, wei.
    function totalVotesAt(uint256 timestamp) external view returns (uint256);
}
