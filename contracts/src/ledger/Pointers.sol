// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {PaymentChannels} from "../PaymentChannels.sol";
import {Batches, ChannelEnd, ChannelInterval} from "../libraries/Batches.sol";
import {Standing} from "./Standing.sol";

/// How far a channel is settled, in one storage slot.
struct ChannelState {
    /// The pointer: wei of the channel's cumulative amount that batches have taken or a refund has returned.
    uint96 settled;
    /// When what was collected beyond the pointer may go back to the payer, seconds; 0 while nobody asked.
    uint40 refundAt;
    /// 0: only the payee settles. 1: a batch over it fell, and others may settle up to `reopenedTo` too. 2: one that
    /// settled it again fell too, and nobody settles it until the payer has been refunded.
    uint8 undone;
    /// The last settler's batches below this number may cover the channel.
    uint32 coveredBy;
    /// The last settler is not the payee.
    bool third;
    /// When a batch over it fell last and its pointer was moved back, seconds.
    uint40 reopenedAt;
}

/// What fell of a channel; read only where `undone` is not 0.
struct Reopened {
    /// What lies below was settled again: if it falls once more, nobody settles it.
    uint96 again;
    uint96 to;
}

/// @title Pointers of the channels: settling, settling again, refunds
/// @notice Promises: what a batch takes lies between the pointer and what was collected; all pending batches over a channel
/// belong to one settler; what fell is settled again at most once; what is refunded is never settled, and what is settled
/// is never refunded.
abstract contract Pointers is Standing {
    error NotAttester(bytes32 channelId, address caller, address payee);
    error NotSorted(bytes32 channelId, bytes32 previous);
    error NothingNew(bytes32 channelId, uint256 to, uint256 settled);
    error BeyondCollected(bytes32 channelId, uint256 to, uint256 collected);
    error BeyondReopened(bytes32 channelId, uint256 to, uint256 reopenedTo);
    error PayeeFirst(bytes32 channelId, uint256 until);
    error FellTwice(bytes32 channelId);
    error StillCovered(bytes32 channelId, address settler, uint256 below);
    error WrongTotal(uint256 total, uint256 sum);
    error NothingToRestore(address attester);
    error NothingToRefund(bytes32 channelId, uint256 settled);
    error RefundTooEarly(bytes32 channelId, uint256 refundAt);

    /// @notice Intervals `from` to `end − 1` of undone batch `number` are moved back; 0 completes it.
    event ChannelsRestored(address indexed attester, uint256 indexed number, uint256 from, uint256 end);
    event RefundStarted(bytes32 indexed channelId, uint256 refundAt);
    event ChannelRefunded(bytes32 indexed channelId, address indexed payer, uint256 from, uint256 to);

    PaymentChannels public immutable channels;

    mapping(bytes32 channelId => ChannelState) internal _channels;
    mapping(bytes32 channelId => Reopened) private _reopened;
    mapping(bytes32 channelId => address) private _thirdOf;

    constructor(PaymentChannels channels_) {
        channels = channels_;
    }

    // ---------------------------------------------------------------- after a batch was undone

    /// @notice Moves the channels' pointers back to where the newest undone batch found them, the last channel first, at
    /// most `most` at once. Until every undone batch is restored, its attester cannot settle. By anyone.
    /// @param intervals as the batch's `BatchSettled` event lists them
    function restore(address attester, ChannelInterval[] calldata intervals, uint256 most) external {
        Attester storage a = _attesters[attester];
        if (a.length == a.valid) revert NothingToRestore(attester);
        uint32 number = a.length - 1;
        Batches.requireIntervals(intervals, _batches[attester][number].intervalsDigest);
        uint256 end = intervals.length - a.restored;
        uint256 from = end > most ? end - most : 0;
        uint40 refundAt = uint40(block.timestamp + parameters.refundDelaySeconds());
        for (uint256 i = end; i > from; --i) {
            _reopen(intervals[i - 1], number, refundAt);
        }
        a.restored = from == 0 ? 0 : uint16(intervals.length - from);
        if (from == 0) a.length = number;
        emit ChannelsRestored(attester, number, from, end);
    }

    // ---------------------------------------------------------------- refunds

    /// @notice Starts the time after which what was collected and not settled goes back to the payer. Settling anything of
    /// the channel stops it. By anyone.
    function startRefund(bytes32 channelId) external {
        ChannelState storage c = _channels[channelId];
        _refundable(channelId, c);
        if (c.refundAt != 0) return;
        c.refundAt = uint40(block.timestamp + parameters.refundDelaySeconds());
        emit RefundStarted(channelId, c.refundAt);
    }

    /// @notice Credits the payer with what was collected and not settled, once the time is over and no pending batch covers
    /// the channel. What is refunded can never be settled. By anyone.
    function refund(bytes32 channelId) external returns (uint256 amount) {
        ChannelState storage c = _channels[channelId];
        (address payee, uint256 collected) = _refundable(channelId, c);
        if (c.refundAt == 0 || block.timestamp < c.refundAt) revert RefundTooEarly(channelId, c.refundAt);
        _requireUncovered(channelId, c.third ? _thirdOf[channelId] : payee, c.coveredBy);
        uint256 settled = c.settled;
        amount = collected - settled;
        (c.settled, c.refundAt, c.undone) = (uint96(collected), 0, 0);
        address payer = channels.payerOf(channelId);
        emit ChannelRefunded(channelId, payer, settled, collected);
        _credit(payer, amount);
    }

    // ---------------------------------------------------------------- views

    /// @notice How far a channel is settled, wei of its cumulative amount.
    function settledOf(bytes32 channelId) external view returns (uint256) {
        return _channels[channelId].settled;
    }

    /// @return state its pointer and what may happen to it
    /// @return reopenedTo how far others than the payee may settle while `state.undone` is 1, wei
    /// @return settler whose batches covered it last: the payee, or who settled again what fell
    function channelState(bytes32 channelId)
        external
        view
        returns (ChannelState memory state, uint256 reopenedTo, address settler)
    {
        state = _channels[channelId];
        reopenedTo = state.undone == 0 ? 0 : _reopened[channelId].to;
        (settler,) = channels.collectedOf(channelId);
        if (state.third) settler = _thirdOf[channelId];
    }

    // ---------------------------------------------------------------- inside

    /// Moves each channel's pointer and returns what was taken.
    /// @param coveredBy the number after the batch's
    function _move(ChannelEnd[] calldata ends, uint256 total, uint32 coveredBy)
        internal
        returns (ChannelInterval[] memory intervals)
    {
        intervals = new ChannelInterval[](ends.length);
        uint256 sum;
        bytes32 previous;
        for (uint256 i = 0; i < ends.length; ++i) {
            (bytes32 channelId, uint96 to) = (ends[i].channelId, ends[i].to);
            if (i != 0 && channelId <= previous) revert NotSorted(channelId, previous);
            previous = channelId;
            uint96 from = _moveOne(channelId, to, coveredBy);
            sum += to - from;
            intervals[i] = ChannelInterval(channelId, from, to);
        }
        if (sum != total) revert WrongTotal(total, sum);
    }

    function _moveOne(bytes32 channelId, uint96 to, uint32 coveredBy) private returns (uint96 from) {
        (address payee, uint256 collected) = channels.collectedOf(channelId);
        ChannelState memory c = _channels[channelId];
        from = c.settled;
        if (c.undone == 0) {
            if (payee != msg.sender) revert NotAttester(channelId, msg.sender, payee);
        } else {
            c.undone = _settleAgain(channelId, c, to, payee != msg.sender);
        }
        if (to <= from) revert NothingNew(channelId, to, from);
        if (to > collected) revert BeyondCollected(channelId, to, collected);
        bool third = payee != msg.sender;
        if (c.third || third) {
            address settler = c.third ? _thirdOf[channelId] : payee;
            if (settler != msg.sender) _requireUncovered(channelId, settler, c.coveredBy);
            if (third) _thirdOf[channelId] = msg.sender;
        }
        (c.settled, c.refundAt, c.coveredBy, c.third) = (to, 0, coveredBy, third);
        _channels[channelId] = c;
    }

    /// For a settlement window after the fall only the payee settles again: else a payer could let its channel fall a second
    /// time at once, by a lie of its own, and take back what it spent.
    /// @return undone 0 if everything that fell is settled again with this
    function _settleAgain(bytes32 channelId, ChannelState memory c, uint96 to, bool third) private returns (uint8) {
        if (c.undone > 1) revert FellTwice(channelId);
        Reopened storage fell = _reopened[channelId];
        if (third) {
            uint256 until = c.reopenedAt + parameters.settlementWindowSeconds();
            if (block.timestamp < until) revert PayeeFirst(channelId, until);
            if (to > fell.to) revert BeyondReopened(channelId, to, fell.to);
        }
        fell.again = fell.to;
        return to < fell.to ? c.undone : 0;
    }

    function _reopen(ChannelInterval calldata one, uint32 number, uint40 refundAt) private {
        ChannelState memory c = _channels[one.channelId];
        Reopened storage fell = _reopened[one.channelId];
        c.undone = one.from < fell.again ? 2 : c.undone == 0 ? 1 : c.undone;
        if (one.to > fell.to) fell.to = one.to;
        (c.settled, c.coveredBy, c.refundAt, c.reopenedAt) = (one.from, number, refundAt, uint40(block.timestamp));
        _channels[one.channelId] = c;
    }

    /// None of the settler's pending batches, nor of those that wait to be restored, covers the channel.
    function _requireUncovered(bytes32 channelId, address settler, uint256 below) private view {
        Attester storage a = _attesters[settler];
        uint256 first = _firstPending(settler, a);
        bool nothingLeft = first == a.valid && a.length == a.valid;
        if (first < below && !nothingLeft) revert StillCovered(channelId, settler, below);
    }

    function _refundable(bytes32 channelId, ChannelState storage c)
        private
        view
        returns (address payee, uint256 collected)
    {
        (payee, collected) = channels.collectedOf(channelId);
        if (collected <= c.settled) revert NothingToRefund(channelId, c.settled);
    }
}
