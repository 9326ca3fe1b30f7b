// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

/// @title Attribution scores (docs/protocol.md, sections 4 and 6)
/// @notice A row and a query are k signed 16-bit integers, big-endian; their score is the exact integer Σ row[i] · q[i].
library Scores {
    /// Bytes of one listed score: uint32 row ‖ int64 score, big-endian.
    uint256 internal constant ENTRY = 12;
    /// The most contributors one answer pays.
    uint256 internal constant MAX_ENTRIES = 256;

    error DifferentLengths(uint256 rowBytes, uint256 queryBytes);

    /// @notice Σ row[i] · q[i] over big-endian int16, exact for any length that fits in calldata.
    /// @dev Sixteen dimensions a word: `sar(240, shl(16 · j, word))` is dimension j, sign extended.
    /// The last word may be partial: it is shifted right so that what lies beyond the row counts as zero.
    function dot(bytes calldata row, bytes calldata query) internal pure returns (int256 sum) {
        if (row.length != query.length) revert DifferentLengths(row.length, query.length);
        assembly ("memory-safe") {
            function sixteen(x, y) -> total {
                total := mul(sar(240, x), sar(240, y))
                total := add(total, mul(signextend(1, shr(224, x)), signextend(1, shr(224, y))))
                total := add(total, mul(signextend(1, shr(208, x)), signextend(1, shr(208, y))))
                total := add(total, mul(signextend(1, shr(192, x)), signextend(1, shr(192, y))))
                total := add(total, mul(signextend(1, shr(176, x)), signextend(1, shr(176, y))))
                total := add(total, mul(signextend(1, shr(160, x)), signextend(1, shr(160, y))))
                total := add(total, mul(signextend(1, shr(144, x)), signextend(1, shr(144, y))))
                total := add(total, mul(signextend(1, shr(128, x)), signextend(1, shr(128, y))))
                total := add(total, mul(signextend(1, shr(112, x)), signextend(1, shr(112, y))))
                total := add(total, mul(signextend(1, shr(96, x)), signextend(1, shr(96, y))))
                total := add(total, mul(signextend(1, shr(80, x)), signextend(1, shr(80, y))))
                total := add(total, mul(signextend(1, shr(64, x)), signextend(1, shr(64, y))))
                total := add(total, mul(signextend(1, shr(48, x)), signextend(1, shr(48, y))))
                total := add(total, mul(signextend(1, shr(32, x)), signextend(1, shr(32, y))))
                total := add(total, mul(signextend(1, shr(16, x)), signextend(1, shr(16, y))))
                total := add(total, mul(signextend(1, x), signextend(1, y)))
            }
            let at := row.offset
            let apart := sub(query.offset, row.offset)
            let end := add(at, and(row.length, not(31)))
            for {} lt(at, end) { at := add(at, 32) } {
                sum := add(sum, sixteen(calldataload(at), calldataload(add(at, apart))))
            }
            let rest := and(row.length, 31)
            if rest {
                let beyond := shl(3, sub(32, rest))
                sum := add(
                    sum, sixteen(shr(beyond, calldataload(at)), shr(beyond, calldataload(add(at, apart))))
                )
            }
        }
    }

    /// @notice Entry `position` of a list; the list MUST be long enough.
    function entry(bytes calldata list, uint256 position) internal pure returns (uint32 row, int64 score) {
        uint256 at = position * ENTRY;
        row = uint32(bytes4(list[at:at + 4]));
        score = int64(uint64(bytes8(list[at + 4:at + ENTRY])));
    }

    /// @notice Whether the list is whole entries, at most 256 of them.
    function wellFormed(bytes calldata list) internal pure returns (bool) {
        return list.length % ENTRY == 0 && list.length <= ENTRY * MAX_ENTRIES;
    }
}
