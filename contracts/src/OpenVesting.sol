// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {GOPEN} from "./GOPEN.sol";

/// @title OPEN that is released over time
/// @notice Nothing until the cliff ends, then linear: of everything ever put here, `(t − start − cliff) / duration` is
/// vested at time t, rounded down, and all of it at the end. What is not released yet is held as GOPEN; it is released as
/// native OPEN.
///
/// There are two kinds, fixed for ever:
/// - `votes`: a person's or a company's. Only the beneficiary releases, and MAY delegate the votes of what is unreleased.
/// - not `votes`: a treasury's. Its unreleased GOPEN MUST NOT vote, so that no proposal can hand out the votes of tokens
///   that are not spendable yet. Anyone MAY release, always to the beneficiary.
///
/// Promises: released + unreleased = all that was ever put here; what is vested never falls; nothing leaves but to the
/// beneficiary, and only what is vested. Nobody can revoke, pause or shorten it.
contract OpenVesting {
    error NotBeneficiary(address caller, address beneficiary);
    error NotPending(address caller, address pending);
    error NothingToRelease();
    error NeverVotes();

    event Wrapped(uint256 amount, uint256 total);
    event Released(address indexed beneficiary, uint256 amount);
    event BeneficiaryTransferStarted(address indexed current, address indexed next);
    event BeneficiaryTransferred(address indexed previous, address indexed current);

    GOPEN public immutable gopen;
    /// @notice When the cliff begins, seconds since the epoch.
    uint64 public immutable start;
    /// @notice How long nothing is vested, seconds.
    uint64 public immutable cliffSeconds;
    /// @notice How long vesting takes once the cliff has ended, seconds; 0 vests all at the cliff's end.
    uint64 public immutable durationSeconds;
    /// @notice Whether the unreleased tokens may vote.
    bool public immutable votes;

    address public beneficiary;
    address public pendingBeneficiary;
    /// @notice All that was released so far, wei.
    uint256 public released;

    /// @dev Wraps the OPEN that its address holds: an address known before deployment can have a genesis balance.
    constructor(
        address beneficiary_,
        GOPEN gopen_,
        uint64 start_,
        uint64 cliffSeconds_,
        uint64 durationSeconds_,
        bool votes_
    ) payable {
        gopen = gopen_;
        start = start_;
        cliffSeconds = cliffSeconds_;
        durationSeconds = durationSeconds_;
        votes = votes_;
        beneficiary = beneficiary_;
        emit BeneficiaryTransferred(address(0), beneficiary_);
        wrap();
    }

    /// @notice OPEN MAY be added at any time. It counts from the next `wrap`, under the same schedule.
    receive() external payable {}

    // ---------------------------------------------------------------- anyone

    /// @notice Wraps whatever native OPEN is here.
    function wrap() public {
        uint256 amount = address(this).balance;
        if (amount == 0) return;
        gopen.deposit{value: amount}();
        emit Wrapped(amount, total());
    }

    // ---------------------------------------------------------------- beneficiary

    /// @notice Pays what is vested and not yet released, as native OPEN, to the beneficiary.
    /// @return amount wei
    function release() external returns (uint256 amount) {
        if (votes) _onlyBeneficiary();
        amount = releasable();
        if (amount == 0) revert NothingToRelease();
        released += amount;
        emit Released(beneficiary, amount);
        gopen.withdrawTo(beneficiary, amount);
    }

    /// @notice Delegates the votes of everything unreleased, until delegated again.
    function delegate(address delegatee) external {
        _onlyBeneficiary();
        if (!votes) revert NeverVotes();
        gopen.delegate(delegatee);
    }

    /// @notice Names the next beneficiary, who MUST accept; zero takes it back.
    function transferBeneficiary(address next) external {
        _onlyBeneficiary();
        pendingBeneficiary = next;
        emit BeneficiaryTransferStarted(beneficiary, next);
    }

    /// @notice Takes over all that is unreleased. The votes stay delegated as they were until the new beneficiary delegates.
    function acceptBeneficiary() external {
        if (msg.sender != pendingBeneficiary) revert NotPending(msg.sender, pendingBeneficiary);
        emit BeneficiaryTransferred(beneficiary, msg.sender);
        beneficiary = msg.sender;
        delete pendingBeneficiary;
    }

    // ---------------------------------------------------------------- views, wei

    /// @notice Everything ever put here and wrapped.
    function total() public view returns (uint256) {
        return unreleased() + released;
    }

    /// @notice What is still held, vested or not.
    function unreleased() public view returns (uint256) {
        return gopen.balanceOf(address(this));
    }

    /// @notice How much of `total()` is vested at a time, rounded down.
    function schedule(uint256 timestamp) public view returns (uint256) {
        uint256 begins = uint256(start) + cliffSeconds;
        if (timestamp >= begins + durationSeconds) return total();
        if (timestamp <= begins) return 0;
        return total() * (timestamp - begins) / durationSeconds;
    }

    /// @notice What `release` would pay now.
    function releasable() public view returns (uint256) {
        return schedule(block.timestamp) - released;
    }

    // ---------------------------------------------------------------- inside

    function _onlyBeneficiary() private view {
        if (msg.sender != beneficiary) revert NotBeneficiary(msg.sender, beneficiary);
    }
}
