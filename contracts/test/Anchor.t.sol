// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Anchor, Range} from "../src/Anchor.sol";
import {Test} from "./Test.sol";

abstract contract AnchorFixture is Test {
    bytes32 internal constant GENESIS = keccak256("genesis");
    Anchor internal anchor;

    function setUp() public virtual {
        vm.warp(1_790_000_000);
        address[] memory submitters = new address[](3);
        for (uint256 i = 0; i < 3; ++i) {
            submitters[i] = actor(i);
        }
        anchor = new Anchor(161_612, GENESIS, submitters);
    }

    /// The first three submit, the others only try.
    function actor(uint256 who) internal pure returns (address) {
        return address(uint160(0xD000 + who % 12));
    }

    function range(uint64 from, uint64 to) internal pure returns (Range memory) {
        return Range(from, to, keccak256(abi.encode("hash", from, to)), keccak256("state"), keccak256("log"));
    }
}

/// Submitters and others who are none, with ranges that fit and ranges that do not.
contract AnchorHandler is AnchorFixture {
    bytes32[] private _entries;
    bytes32 private _history = GENESIS;
    bytes32 private _hash = GENESIS;
    uint64 public last;
    uint256 public refused;

    function submit(uint256 who, uint64 from, uint16 length, uint8 mood) external {
        Range memory next = range(last + 1, last + 1 + length % 300);
        bytes32 previous = _hash;
        if (mood % 8 == 1) next.fromBlock = from;
        if (mood % 8 == 2) next.toBlock = from;
        if (mood % 8 == 3) previous = keccak256("another history");
        if (mood % 8 == 4) next.stateRoot = 0;
        bool fits = who % 12 < 3 && next.fromBlock == last + 1 && next.toBlock >= next.fromBlock && previous == _hash
            && next.stateRoot != 0 && next.toBlock < last + 1_000_000;
        // A range of astronomical length would be accepted, and leave nothing to test.
        if (!fits && next.toBlock >= last + 1_000_000) return;
        vm.prank(actor(who));
        (bool done,) = address(anchor).call(abi.encodeCall(Anchor.submit, (previous, next)));
        vm.assertTrue(done == fits, fits ? "refused what fits" : "took what does not fit");
        if (!done) {
            ++refused;
            return;
        }
        (last, _hash) = (next.toBlock, next.blockHash);
        _history = keccak256(abi.encode(_history, next));
        _entries.push(keccak256(abi.encode(Anchor.Entry(next, uint48(block.timestamp), actor(who)))));
    }

    function pass(uint16 time) external {
        vm.warp(block.timestamp + time);
    }

    function check() external view {
        vm.assertEq(anchor.count(), _entries.length);
        vm.assertEq(anchor.historyDigest(), _history);
        (uint256 head, bytes32 hash) = anchor.head();
        vm.assertEq(head, last);
        vm.assertEq(hash, _hash);
        uint64 next = 1;
        for (uint256 i = 0; i < _entries.length; ++i) {
            Anchor.Entry memory entry = anchor.entryAt(i);
            vm.assertEq(keccak256(abi.encode(entry)), _entries[i], "an entry changed");
            vm.assertEq(entry.range.fromBlock, next, "a gap or an overlap");
            next = entry.range.toBlock + 1;
            (uint256 first,) = anchor.entryOf(entry.range.fromBlock);
            (uint256 end,) = anchor.entryOf(entry.range.toBlock);
            vm.assertEq(first, i);
            vm.assertEq(end, i);
        }
    }
}

contract AnchorInvariantTest is Test {
    AnchorHandler internal handler;

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function setUp() public {
        handler = new AnchorHandler();
        handler.setUp();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](2);
        (selectors[0], selectors[1]) = (AnchorHandler.submit.selector, AnchorHandler.pass.selector);
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(handler), selectors);
    }

    /// forge-config: default.invariant.runs = 160
    function invariant_oneHistoryWithoutGapsThatNeverChanges() public view {
        handler.check();
    }
}

contract AnchorTest is AnchorFixture {
    function test_rangesFollowOneAnother() public {
        (uint256 head, bytes32 hash) = anchor.head();
        vm.assertEq(head, 0);
        vm.assertEq(hash, GENESIS);
        vm.startPrank(actor(0));
        vm.assertEq(anchor.submit(GENESIS, range(1, 10)), 0);
        bytes32 tip = range(1, 10).blockHash;
        vm.expectRevert(abi.encodeWithSelector(Anchor.NotContiguous.selector, 12, 11));
        anchor.submit(tip, range(12, 13));
        vm.expectRevert(abi.encodeWithSelector(Anchor.NotContiguous.selector, 10, 11));
        anchor.submit(tip, range(10, 13));
        vm.expectRevert(abi.encodeWithSelector(Anchor.EmptyRange.selector, 11, 10));
        anchor.submit(tip, range(11, 10));
        vm.expectRevert(abi.encodeWithSelector(Anchor.OtherHistory.selector, GENESIS, tip));
        anchor.submit(GENESIS, range(11, 12));
        Range memory empty = range(11, 11);
        empty.logDigest = 0;
        vm.expectRevert(Anchor.EmptyDigest.selector);
        anchor.submit(tip, empty);
        vm.assertEq(anchor.submit(tip, range(11, 11)), 1);
    }

    function test_onlySubmittersWrite() public {
        vm.expectRevert(abi.encodeWithSelector(Anchor.NotSubmitter.selector, actor(3)));
        vm.prank(actor(3));
        anchor.submit(GENESIS, range(1, 10));
        vm.expectRevert(Anchor.NoSubmitters.selector);
        new Anchor(1, GENESIS, new address[](0));
        vm.expectRevert(Anchor.EmptyDigest.selector);
        new Anchor(1, 0, new address[](1));
    }

    function testFuzz_everyBlockIsInOneEntry(uint8[16] calldata lengths, uint256 wanted) public {
        uint64 last;
        bytes32 tip = GENESIS;
        for (uint256 i = 0; i < 16; ++i) {
            Range memory next = range(last + 1, last + 1 + lengths[i]);
            vm.prank(actor(i % 3));
            anchor.submit(tip, next);
            (last, tip) = (next.toBlock, next.blockHash);
        }
        wanted = 1 + wanted % last;
        (uint256 index, Anchor.Entry memory entry) = anchor.entryOf(wanted);
        vm.assertLe(entry.range.fromBlock, wanted);
        vm.assertGe(entry.range.toBlock, wanted);
        vm.assertEq(keccak256(abi.encode(entry)), keccak256(abi.encode(anchor.entryAt(index))));
    }

    function test_whatIsNotAnchoredIsSaidSo() public {
        vm.expectRevert(abi.encodeWithSelector(Anchor.NotAnchored.selector, 1, 0));
        anchor.entryOf(1);
        vm.prank(actor(1));
        anchor.submit(GENESIS, range(1, 3));
        vm.expectRevert(abi.encodeWithSelector(Anchor.NotAnchored.selector, 0, 3));
        anchor.entryOf(0);
        vm.expectRevert(abi.encodeWithSelector(Anchor.NotAnchored.selector, 4, 3));
        anchor.entryOf(4);
        vm.expectRevert(abi.encodeWithSelector(Anchor.UnknownEntry.selector, 1, 1));
        anchor.entryAt(1);
    }
}
