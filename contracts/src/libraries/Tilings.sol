// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Batches, ChannelInterval} from "./Batches.sol";
import {Receipt, Receipts} from "./Receipts.sol";

/// @title Lies about which receipts a batch holds (docs/protocol.md, section 7)
/// @notice A batch's receipts tile the intervals of its channels: whatever is wrong with that is wrong at one boundary, between
/// two receipts, before the first or after the last.
library Tilings {
    using Receipts for Receipt;

    error TilingIsRight(uint256 boundary);

    /// @notice What is wrong between two neighbours of one channel: an empty interval, a gap or an overlap.
    /// @return wrong whether there is a lie
    function withinChannel(Receipt calldata left, Receipt calldata right) internal pure returns (bool) {
        return left.fee() == 0 || right.fee() == 0 || left.to != right.from;
    }

    /// @notice What is wrong where one channel's receipts end and the next one's begin; a side that does not exist, at an end
    /// of the list, is ignored.
    /// @param intervals of the batch, whose digest MUST have been checked
    /// @return wrong whether there is a lie
    /// @return channelId the channel it is about
    /// @return interval of that channel, wei; 0 if the batch does not list it
    function betweenChannels(
        bool hasLeft,
        Receipt calldata left,
        bool hasRight,
        Receipt calldata right,
        ChannelInterval[] calldata intervals
    ) internal pure returns (bool wrong, bytes32 channelId, uint256 interval) {
        uint256 count = intervals.length;
        // The channel that must end here, and the one that must begin: next to each other in the list.
        uint256 ending;
        if (hasLeft) {
            ending = Batches.find(intervals, left.channelId);
            if (ending == count) return (true, left.channelId, 0);
            ChannelInterval calldata one = intervals[ending];
            if (left.fee() == 0 || left.to != one.to) return (true, one.channelId, one.to - one.from);
        }
        uint256 beginning = hasLeft ? ending + 1 : 0;
        if (hasRight) {
            uint256 found = Batches.find(intervals, right.channelId);
            if (found == count) return (true, right.channelId, 0);
            ChannelInterval calldata one = intervals[found];
            if (right.fee() == 0 || right.from != one.from) return (true, one.channelId, one.to - one.from);
            if (found == beginning) return (false, 0, 0);
        } else if (beginning == count) {
            return (false, 0, 0);
        }
        // Unsorted, or listed channels without receipts.
        ChannelInterval calldata skipped = intervals[beginning < count ? beginning : count - 1];
        return (true, skipped.channelId, skipped.to - skipped.from);
    }
}
