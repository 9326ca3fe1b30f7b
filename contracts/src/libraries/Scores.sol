// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

/// @title Attribution scores (docs/protocol.md, sections 4 and 6)
/// @notice A row and a query are k signed 16-bit integers, big-endian; their score is the exact integer Σ row[i] · q[i].
library Scores {
    /// Bytes of one listed score: uint32 row ‖ int64 score, big-endian.
    uint256 internal constant ENTRY = 12;
    /// The most rows one answer pays.
    uint256 internal constant MAX_ENTRIES = 256;
    /// A row is paid for what its score has above this part of the answer's highest score.
    int256 internal constant CUT_DIVISOR = 5;

    error DifferentLengths(uint256 rowBytes, uint256 queryBytes);

    /// One dimension of each 64-bit group of a word.
    uint256 private constant LANES = 0x000000000000ffff000000000000ffff000000000000ffff000000000000ffff;
    uint256 private constant SECOND_GROUP = 0x0000000000000000ffffffffffffffff00000000000000000000000000000000;
    uint256 private constant THIRD_GROUP = 0x00000000000000000000000000000000ffffffffffffffff0000000000000000;
    uint256 private constant EVERY_GROUP = 0x0000000000000001000000000000000100000000000000010000000000000001;
    /// 2¹⁵ in each of the sixteen dimensions of a word: added, it makes them unsigned.
    uint256 private constant BIAS = 0x8000800080008000800080008000800080008000800080008000800080008000;

    /// @notice Σ row[i] · q[i] over big-endian int16, exact for up to 2²⁴ dimensions.
    /// @dev Four dimensions a multiplication: of two words that hold one dimension in each 64-bit group, the second with
    /// its groups in reverse, the product's highest group is Σ xᵢyᵢ. That needs unsigned numbers, so 2¹⁵ is added to each and taken
    /// out at the end: Σ xy = Σ (x + b)(y + b) − b · Σ ((x + b) + (y + b)) + n · b². No group overflows into the next: the
    /// products sum to less than 2²⁴ · 2³². The last word may be partial: it is shifted right so that what lies beyond the row
    /// counts as zero.
    function dot(bytes calldata row, bytes calldata query) internal pure returns (int256 sum) {
        if (row.length != query.length) revert DifferentLengths(row.length, query.length);
        (uint256 products, uint256 sums) = (0, 0);
        for (uint256 from = 0; from < row.length; from += 32) {
            uint256 beyond = row.length - from < 32 ? (from + 32 - row.length) * 8 : 0;
            assembly ("memory-safe") {
                let x := xor(shr(beyond, calldataload(add(row.offset, from))), BIAS)
                let y := xor(shr(beyond, calldataload(add(query.offset, from))), BIAS)
                y := or(or(shl(192, y), shr(192, y)), or(and(shl(64, y), SECOND_GROUP), and(shr(64, y), THIRD_GROUP)))
                let a := and(x, LANES)
                let b := and(y, LANES)
                products := add(products, mul(a, b))
                sums := add(sums, add(a, b))
                a := and(shr(16, x), LANES)
                b := and(shr(16, y), LANES)
                products := add(products, mul(a, b))
                sums := add(sums, add(a, b))
                a := and(shr(32, x), LANES)
                b := and(shr(32, y), LANES)
                products := add(products, mul(a, b))
                sums := add(sums, add(a, b))
                a := and(shr(48, x), LANES)
                b := and(shr(48, y), LANES)
                products := add(products, mul(a, b))
                sums := add(sums, add(a, b))
            }
        }
        uint256 dimensions = (row.length + 31) / 32 * 16;
        assembly ("memory-safe") {
            let total := shr(192, mul(sums, EVERY_GROUP))
            sum := add(sub(shr(192, products), shl(15, total)), shl(30, dimensions))
        }
    }

    /// @notice Entry `position` of a list; the list MUST be long enough.
    function entry(bytes calldata list, uint256 position) internal pure returns (uint32 row, int64 score) {
        uint256 at = position * ENTRY;
        row = uint32(bytes4(list[at:at + 4]));
        score = int64(uint64(bytes8(list[at + 4:at + ENTRY])));
    }

    /// @notice What a score must exceed to be listed, and what is taken off it when it is: the threshold or a fifth of the highest listed
    /// score, whichever is higher. The list MUST be well formed.
    function cut(bytes calldata list, int64 threshold) internal pure returns (int256 highest) {
        assembly ("memory-safe") {
            let end := add(list.offset, list.length)
            for { let at := list.offset } lt(at, end) { at := add(at, ENTRY) } {
                // The score follows the four bytes of its row.
                let score := signextend(7, shr(192, shl(32, calldataload(at))))
                if sgt(score, highest) { highest := score }
            }
        }
        highest /= CUT_DIVISOR;
        if (threshold > highest) highest = threshold;
    }

    /// @notice Whether the list is whole entries, at most 256 of them.
    function wellFormed(bytes calldata list) internal pure returns (bool) {
        return list.length % ENTRY == 0 && list.length <= ENTRY * MAX_ENTRIES;
    }
}
