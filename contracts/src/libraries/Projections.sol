// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

/// @title How far two projections of a gradient are from each other (docs/staking.md)
/// @notice A projection is 64 big-endian int16, the largest of them 32,767 or its negative; or nothing, where nothing is traced.
/// Honest machines differ by less than a 256th of its length; two that have nothing to do with each other by about √2 of it.
library Projections {
    uint256 internal constant LENGTH = 128;

    /// @return whether ‖a − b‖ is at most one `part`th of ‖b‖; never of nothing: those who show none agree on none
    function isWithin(bytes calldata a, bytes calldata b, uint256 part) internal pure returns (bool) {
        if (a.length != b.length) return false;
        uint256 apart;
        uint256 length;
        // 64 squares of 17 bits at most: nothing overflows. Two bytes at a time, sign-extended.
        assembly ("memory-safe") {
            for { let i := 0 } lt(i, b.length) { i := add(i, 2) } {
                let y := signextend(1, shr(240, calldataload(add(b.offset, i))))
                let d := sub(signextend(1, shr(240, calldataload(add(a.offset, i)))), y)
                apart := add(apart, mul(d, d))
                length := add(length, mul(y, y))
            }
        }
        return length != 0 && part * part * apart <= length;
    }
}
