// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

/// What the operator signs on delivering an answer (docs/protocol.md, section 6).
struct Receipt {
    bytes32 channelId;
    uint256 from;
    uint256 to;
    bytes32 releaseId;
    bytes32 requestDigest;
    bytes32 responseDigest;
    uint32 promptTokens;
    uint32 completionTokens;
    bytes32 queryDigest;
    bytes32 scoresDigest;
    uint32 thresholdRow;
    int64 threshold;
    bytes32 splitDigest;
    uint64 issuedAt;
}

/// @title Receipts
library Receipts {
    bytes32 internal constant TYPEHASH = keccak256(
        "Receipt(bytes32 channelId,uint256 from,uint256 to,bytes32 releaseId,bytes32 requestDigest,"
        "bytes32 responseDigest,uint32 promptTokens,uint32 completionTokens,bytes32 queryDigest,bytes32 scoresDigest,"
        "uint32 thresholdRow,int64 threshold,bytes32 splitDigest,uint64 issuedAt)"
    );

    /// @return The EIP-712 struct hash: the receipt's id and the payload of its leaf.
    function hash(Receipt calldata receipt) internal pure returns (bytes32) {
        return keccak256(abi.encode(TYPEHASH, receipt));
    }
}
