// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

/// A list in which order and completeness matter: the root alone would let padding pass for a leaf.
struct Commitment {
    bytes32 root;
    uint32 count;
}

/// @title Positional Merkle trees (docs/protocol.md, section 2)
/// @notice leaf = keccak256(keccak256(payload)); node = keccak256(left ‖ right), not sorted: the position is the path.
library Positional {
    error BadProof();

    /// @return depth ⌈log₂ count⌉, the length of every proof of a list
    function depthOf(uint32 count) internal pure returns (uint256 depth) {
        while ((uint256(1) << depth) < count) ++depth;
    }

    /// @notice Whether `payloadHash`, the keccak256 of a payload, is leaf `index` of the committed list.
    /// @dev MUST refuse positions at or beyond the count, and proofs of another length than the depth.
    function verify(Commitment memory list, uint256 index, bytes32 payloadHash, bytes32[] calldata proof)
        internal
        pure
        returns (bool)
    {
        if (index >= list.count || proof.length != depthOf(list.count)) return false;
        bytes32 node = _hash(payloadHash);
        for (uint256 height = 0; height < proof.length; ++height) {
            node = (index >> height) & 1 == 1 ? _hash(proof[height], node) : _hash(node, proof[height]);
        }
        return node == list.root;
    }

    /// @notice Reverts unless the payload is leaf `index` of the list.
    function requireLeaf(Commitment memory list, uint256 index, bytes32 payloadHash, bytes32[] calldata proof)
        internal
        pure
    {
        if (!verify(list, index, payloadHash, proof)) revert BadProof();
    }

    /// @notice What stands on both sides of `boundary`, which lies before the leaf with that position: nothing lies between
    /// the two. Before the first leaf there is no left side, after the last no right one; what is given for it is ignored.
    function requireAround(
        Commitment memory list,
        uint256 boundary,
        bytes32 leftHash,
        bytes32[] calldata leftProof,
        bytes32 rightHash,
        bytes32[] calldata rightProof
    ) internal pure returns (bool hasLeft, bool hasRight) {
        if (boundary > list.count) revert BadProof();
        (hasLeft, hasRight) = (boundary != 0, boundary != list.count);
        if (hasLeft) requireLeaf(list, boundary - 1, leftHash, leftProof);
        if (hasRight) requireLeaf(list, boundary, rightHash, rightProof);
    }

    function _hash(bytes32 value) private pure returns (bytes32 digest) {
        assembly ("memory-safe") {
            mstore(0x00, value)
            digest := keccak256(0x00, 0x20)
        }
    }

    function _hash(bytes32 left, bytes32 right) private pure returns (bytes32 digest) {
        assembly ("memory-safe") {
            mstore(0x00, left)
            mstore(0x20, right)
            digest := keccak256(0x00, 0x40)
        }
    }
}
