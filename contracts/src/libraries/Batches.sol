// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Commitment} from "./Positional.sol";

/// What an attester commits to (docs/protocol.md, section 7).
struct BatchInput {
    /// MUST be the attester's number of batches so far: batches form a chain.
    uint32 number;
    /// MUST be the balances root of the batch before, zero for the first: balances are built on it.
    bytes32 previousBalancesRoot;
    Commitment receipts;
    Commitment journal;
    Commitment balances;
    /// MUST be the sum of what the channels' pointers move by, wei.
    uint96 total;
}

/// How far a batch settles a channel.
struct ChannelEnd {
    bytes32 channelId;
    uint96 to;
}

/// What a batch took from a channel.
struct ChannelInterval {
    bytes32 channelId;
    uint96 from;
    uint96 to;
}

/// What the chain keeps of a batch.
struct Batch {
    bytes32 receiptsRoot;
    bytes32 journalRoot;
    bytes32 balancesRoot;
    /// keccak256(abi.encode(intervals)): the channels it settled, sorted.
    bytes32 intervalsDigest;
    uint32 receiptCount;
    uint32 journalCount;
    uint32 balanceCount;
    /// Sum of all batches of this attester up to and including this one, wei.
    uint96 cumulative;
    uint48 settledAt;
    /// From this time on the batch is final, if no demand is open and all batches before it are final. It never decreases,
    /// neither over time nor from batch to batch.
    uint48 finalAt;
    /// The settlement window that was in force, seconds.
    uint32 window;
    /// How often batches of this attester had been undone: with the number it names the batch for good.
    uint32 generation;
    uint16 openDemands;
}

/// @title What a batch commits to
library Batches {
    error WrongIntervals(bytes32 digest, bytes32 expected);

    function receipts(Batch memory batch) internal pure returns (Commitment memory) {
        return Commitment(batch.receiptsRoot, batch.receiptCount);
    }

    function journal(Batch memory batch) internal pure returns (Commitment memory) {
        return Commitment(batch.journalRoot, batch.journalCount);
    }

    function balances(Batch memory batch) internal pure returns (Commitment memory) {
        return Commitment(batch.balancesRoot, batch.balanceCount);
    }

    /// @notice Reverts unless the intervals are those of the batch.
    function requireIntervals(ChannelInterval[] calldata intervals, bytes32 expected) internal pure {
        bytes32 digest = keccak256(abi.encode(intervals));
        if (digest != expected) revert WrongIntervals(digest, expected);
    }

    /// @notice The position of a channel among intervals, which MUST be sorted; their number if it is not there.
    function find(ChannelInterval[] calldata intervals, bytes32 channelId) internal pure returns (uint256) {
        (uint256 low, uint256 high) = (0, intervals.length);
        while (low < high) {
            uint256 middle = (low + high) / 2;
            bytes32 there = intervals[middle].channelId;
            if (there == channelId) return middle;
            if (there < channelId) low = middle + 1;
            else high = middle;
        }
        return intervals.length;
    }
}
