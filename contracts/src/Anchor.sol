// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IERC6372} from "@openzeppelin/contracts/interfaces/IERC6372.sol";

/// A range of the OPEN chain's blocks, and what came of it.
struct Range {
    uint64 fromBlock;
    uint64 toBlock;
    /// Of the last block, which its header ties to every block before it.
    bytes32 blockHash;
    /// Of the last block.
    bytes32 stateRoot;
    /// keccak256(d_from ‖ … ‖ d_to), with d = keccak256(abi.encode(uint64 timestamp, bytes[] rawTransactions)) of a block:
    /// all that is needed to execute the range again.
    bytes32 logDigest;
}

/// @title The OPEN chain's history, written down on another chain
/// @notice Deployed on a chain that others keep, an L1, with the OPEN chain's genesis. It promises:
/// - Append-only: what was anchored never changes.
/// - Monotonic and contiguous: each range begins after the one before, names its last block's hash, and leaves no gap.
/// - Re-executable by anyone: from the log that a range's digest commits to, its block hash and state root follow. This
///   contract does not execute it: a range that does not follow shows, for good, who said so.
/// - Only the submitters named at deployment write.
contract Anchor is IERC6372 {
    struct Entry {
        Range range;
        uint48 anchoredAt;
        address by;
    }

    error NoSubmitters();
    error NotSubmitter(address caller);
    error NotContiguous(uint256 fromBlock, uint256 expected);
    error EmptyRange(uint256 fromBlock, uint256 toBlock);
    error OtherHistory(bytes32 previousHash, bytes32 expected);
    error EmptyDigest();
    error NotAnchored(uint256 blockNumber, uint256 anchored);
    error UnknownEntry(uint256 index, uint256 count);

    event Anchored(uint256 indexed index, address indexed by, Range range, bytes32 historyDigest);

    /// @notice Which chain's blocks these are.
    uint256 public immutable chainIdAnchored;
    bytes32 public immutable genesisHash;

    mapping(address account => bool) public isSubmitter;

    /// @notice One value for the whole history: keccak256(abi.encode(the value before, range)), from the genesis hash on.
    bytes32 public historyDigest;

    Entry[] private _entries;

    /// @param genesisHash_ the hash of block 0, which needs no anchoring
    constructor(uint256 chainIdAnchored_, bytes32 genesisHash_, address[] memory submitters) {
        if (submitters.length == 0) revert NoSubmitters();
        if (genesisHash_ == 0) revert EmptyDigest();
        chainIdAnchored = chainIdAnchored_;
        genesisHash = genesisHash_;
        historyDigest = genesisHash_;
        for (uint256 i = 0; i < submitters.length; ++i) {
            isSubmitter[submitters[i]] = true;
        }
    }

    // ---------------------------------------------------------------- submitters

    /// @notice Appends a range that begins after the last anchored block.
    /// @param previousHash the last anchored block's hash: it guards the submitter against another history
    function submit(bytes32 previousHash, Range calldata range) external returns (uint256 index) {
        if (!isSubmitter[msg.sender]) revert NotSubmitter(msg.sender);
        (uint256 last, bytes32 lastHash) = head();
        if (range.fromBlock != last + 1) revert NotContiguous(range.fromBlock, last + 1);
        if (range.toBlock < range.fromBlock) revert EmptyRange(range.fromBlock, range.toBlock);
        if (previousHash != lastHash) revert OtherHistory(previousHash, lastHash);
        if (range.blockHash == 0 || range.stateRoot == 0 || range.logDigest == 0) revert EmptyDigest();
        index = _entries.length;
        _entries.push(Entry(range, uint48(block.timestamp), msg.sender));
        historyDigest = keccak256(abi.encode(historyDigest, range));
        emit Anchored(index, msg.sender, range, historyDigest);
    }

    // ---------------------------------------------------------------- views

    /// @notice The last anchored block; block 0 with the genesis hash before the first range.
    function head() public view returns (uint256 blockNumber, bytes32 blockHash) {
        uint256 length = _entries.length;
        if (length == 0) return (0, genesisHash);
        Range storage range = _entries[length - 1].range;
        return (range.toBlock, range.blockHash);
    }

    function count() external view returns (uint256) {
        return _entries.length;
    }

    /// @notice Entry `index`, the first at 0.
    function entryAt(uint256 index) external view returns (Entry memory) {
        if (index >= _entries.length) revert UnknownEntry(index, _entries.length);
        return _entries[index];
    }

    /// @notice The entry whose range holds the block.
    function entryOf(uint256 blockNumber) external view returns (uint256 index, Entry memory entry) {
        (uint256 last,) = head();
        if (blockNumber == 0 || blockNumber > last) revert NotAnchored(blockNumber, last);
        (uint256 low, uint256 high) = (0, _entries.length - 1);
        while (low < high) {
            uint256 middle = (low + high) / 2;
            if (_entries[middle].range.toBlock < blockNumber) low = middle + 1;
            else high = middle;
        }
        return (low, _entries[low]);
    }

    /// @inheritdoc IERC6372
    function clock() external view returns (uint48) {
        return uint48(block.timestamp);
    }

    /// @inheritdoc IERC6372
    function CLOCK_MODE() external pure returns (string memory) {
        return "mode=timestamp";
    }
}
