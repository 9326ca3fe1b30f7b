// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

/// The stake behind one validator or agent. Amounts are wei; earnings are counted in 2⁻¹²⁸ wei, so that dividing them
/// loses nothing.
struct Pool {
    /// All stake, bonded and unbonding, after slashes, wei.
    uint256 assets;
    /// What `assets` is divided by: active + pending + unbonding shares. One share is worth at most one wei.
    uint256 shares;
    /// Bonded shares that earn, and those that will.
    uint256 active;
    uint256 pending;
    /// What the pool counts for among all, wei: nothing while its operator stakes too little.
    uint256 weight;
    uint256 pendingWeight;
    /// What one wei of all active stake had earned, and what was left below a wei of the pool's part, when last counted.
    uint256 seen;
    uint256 fraction;
    /// What one share has earned since the pool was opened, and what did not divide among the active shares.
    uint256 perShare;
    uint256 remainder;
    /// The epoch in which the pending shares came: they earn when it has ended.
    uint32 pendingEpoch;
    /// Slashes under appeal, and when the last appeal ends, seconds.
    uint32 appeals;
    uint48 appealEnds;
    uint16 commissionBps;
    uint16 nextCommissionBps;
    /// When the announced commission starts, seconds; 0 if none was announced.
    uint48 nextCommissionAt;
    bool opened;
    /// Closed for good: a slash left less than a millionth of a wei a share.
    bool closed;
}

/// What one account has in one pool, in shares.
struct Position {
    uint256 active;
    uint256 pending;
    uint256 unbonding;
    /// The pool's `perShare` when last counted, and what was earned and not claimed until then.
    uint256 seen;
    uint256 earned;
    uint32 pendingEpoch;
    /// Which of the account's slots this pool takes.
    uint8 slot;
}

/// @title The arithmetic of stake: shares, and rewards a share
/// @notice Every division rounds against who asks: shares given and wei paid down, shares taken up. Because one share is
/// never worth more than one wei, no deposit can be swallowed by rounding.
library Pools {
    uint256 internal constant WHOLE = 10_000;

    /// @notice Shares for an amount that comes in, rounded down.
    function sharesFor(Pool memory p, uint256 amount) internal pure returns (uint256) {
        return p.shares == 0 ? amount : amount * p.shares / p.assets;
    }

    /// @notice Shares that an amount going out takes, rounded up.
    function sharesTaken(Pool memory p, uint256 amount) internal pure returns (uint256) {
        return (amount * p.shares + p.assets - 1) / p.assets;
    }

    /// @notice What shares are worth, wei, rounded down.
    function worth(Pool memory p, uint256 shares) internal pure returns (uint256) {
        return p.shares == 0 ? 0 : shares * p.assets / p.shares;
    }

    /// @notice Adds what the pool's weight earned until one wei of all stake had earned `perWei`.
    /// @return commission the operator's part, wei
    function accrue(Pool memory p, uint256 perWei) internal pure returns (uint256 commission) {
        uint256 earned = p.fraction + p.weight * (perWei - p.seen);
        p.seen = perWei;
        p.fraction = uint128(earned);
        return divide(p, earned >> 128);
    }

    /// @notice Divides a reward between the operator's commission, rounded down, and the active shares.
    function divide(Pool memory p, uint256 reward) internal pure returns (uint256 commission) {
        if (reward == 0) return 0;
        commission = reward * p.commissionBps / WHOLE;
        uint256 scaled = ((reward - commission) << 128) + p.remainder;
        p.perShare += scaled / p.active;
        p.remainder = scaled % p.active;
    }

    /// @notice The pending shares become active: their epoch has ended.
    function activate(Pool memory p) internal pure {
        p.active += p.pending;
        p.weight += p.pendingWeight;
        p.pending = 0;
        p.pendingWeight = 0;
    }

    /// @notice Adds what the active shares of a position earned until one share had earned `perShare`.
    function accrue(Position memory q, uint256 perShare) internal pure {
        q.earned += q.active * (perShare - q.seen);
        q.seen = perShare;
    }
}
