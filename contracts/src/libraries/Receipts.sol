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

/// A receipt with the proof of its place in a batch.
struct OpenedReceipt {
    Receipt receipt;
    bytes32[] proof;
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

    /// @return The keccak256 of its leaf's payload.
    function payloadHash(Receipt calldata receipt) internal pure returns (bytes32) {
        return keccak256(abi.encode(hash(receipt)));
    }

    /// @return What the answer cost, wei; 0 for an interval that is none.
    function fee(Receipt calldata receipt) internal pure returns (uint256) {
        return receipt.to > receipt.from ? receipt.to - receipt.from : 0;
    }
}
