// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

/// @title Dividing an amount by largest remainder (docs/protocol.md, section 5)
/// @notice Checks a division instead of making it: one pass, where making it would need sorting.
library Apportion {
    error NoWeight(uint256 weights);
    error DifferentLengths(uint256 weights, uint256 parts);

    /// @notice Whether `parts` is what the rule gives: every part is ⌊amount · wᵢ / Σw⌋ or one wei more, the parts sum to the
    /// amount, and no part without the extra wei comes before one with it (by larger remainder, then lower position).
    /// @dev MUST NOT be called with amounts or weights of 2¹²⁸ or more: remainders are compared in 256 bits.
    function isRight(uint256 amount, uint256[] memory weights, uint256[] memory parts) internal pure returns (bool) {
        uint256 count = weights.length;
        if (parts.length != count) revert DifferentLengths(count, parts.length);
        uint256 total;
        for (uint256 i = 0; i < count; ++i) {
            total += weights[i];
        }
        if (total == 0) revert NoWeight(count);

        uint256 sum;
        // The last of those with the extra wei, and the first of those without, in the order in which it is given.
        (uint256 last, uint256 lastAt, uint256 first, uint256 firstAt) = (type(uint256).max, 0, 0, type(uint256).max);
        for (uint256 i = 0; i < count; ++i) {
            uint256 floor = amount * weights[i] / total;
            uint256 remainder = amount * weights[i] % total;
            sum += parts[i];
            if (parts[i] == floor + 1) {
                if (remainder <= last) (last, lastAt) = (remainder, i);
            } else if (parts[i] == floor) {
                if (remainder > first || firstAt == type(uint256).max) (first, firstAt) = (remainder, i);
            } else {
                return false;
            }
        }
        bool anyExtra = last != type(uint256).max;
        bool ordered = !anyExtra || last > first || (last == first && lastAt < firstAt);
        return sum == amount && ordered;
    }
}
