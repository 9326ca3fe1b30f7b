// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {BatchInput, ChannelEnd, ChannelInterval} from "../src/AttributionLedger.sol";
import {DatanetVersion, ReleaseInput} from "../src/ModelRegistry.sol";
import {Balance, BalancesAround, Line, LinesAround, OpenedBalance, OpenedLine} from "../src/libraries/Journals.sol";
import {Commitment} from "../src/libraries/Positional.sol";
import {OpenedReceipt, Receipt} from "../src/libraries/Receipts.sol";
import {Payment, SplitEvidence} from "../src/libraries/Splits.sol";
import {ScoreEvidence} from "../src/libraries/Lies.sol";
import {Fixture} from "./Fixture.sol";

/// A batch before it is committed: tests change one thing and build again what follows from it.
struct Draft {
    Receipt[] receipts;
    bytes[] scores;
    bytes[] queries;
    Payment[][] payments;
    Line[] lines;
    Balance[] balances;
    ChannelInterval[] intervals;
}

/// The right parts of a fee.
struct Parts {
    uint256[] heads;
    uint256[] owners;
    uint256[] influence;
}

/// Builds honest batches of a small release, the slow and obvious way: docs/protocol.md, sections 2 and 5 to 7, once more.
abstract contract Honest is Fixture {
    uint256 internal constant CONTRIBUTORS = 3;
    bytes32 internal constant RELEASE = "honest";

    /// Three contributors, two null rows.
    bytes[] internal rows;
    address[] internal rowPayees;
    uint256 internal secondDatanet;
    /// Two channels from the payer to the operator, sorted.
    bytes32[] internal ids;
    uint64 internal issuedAt;

    function setUp() public virtual override {
        super.setUp();
        rows.push(_row(900, 20, -7, 3));
        rows.push(_row(5, 700, 11, 1));
        rows.push(_row(300, 300, 300, 2));
        rows.push(_row(40, 1, 2, 3));
        rows.push(_row(2, 50, 1, -9));
        rowPayees = [address(0x301), address(0x302), address(0x303), address(0), address(0)];
        address other = address(0x304);
        vm.deal(other, 1 ether);
        vm.startPrank(other);
        secondDatanet = datanets.create{value: FEE}(keccak256("second"), "CC-BY-4.0");
        datanets.publishVersion(secondDatanet, keccak256("root"), 7, keccak256("CC-BY-4.0"), keccak256("version"));
        vm.stopPrank();
        ReleaseInput memory input = release(RELEASE, _root(_rowHashes()), 5, uint32(CONTRIBUTORS), 4, 1_000_000);
        input.promptWeiPerToken = 1_000_003;
        input.completionWeiPerToken = 3_000_001;
        input.versions = new DatanetVersion[](2);
        input.versions[0] = DatanetVersion(datanetId, 1);
        input.versions[1] = DatanetVersion(secondDatanet, 1);
        vm.prank(developer);
        models.publishRelease(modelId, input);
        issuedAt = uint64(block.timestamp);

        ids.push(openChannel("a", 10 ether));
        ids.push(openChannel("b", 10 ether));
        ids = sorted(ids);
        collect(ids[0], 1 ether);
        collect(ids[1], 1 ether);
        bond(operator, 10 ether);
    }

    // ---------------------------------------------------------------- drafting

    /// The first batch: one receipt a channel.
    function firstDraft() internal view returns (Draft memory d) {
        d = _draft(2);
        _add(d, 0, ids[0], 0, 10, _row(1, 2, 3, 4));
        _add(d, 1, ids[1], 0, 20, _row(4, 1, 0, 0));
        finish(d, new Balance[](0));
    }

    /// The second: three receipts of the first channel and two of the second, the last without attribution.
    function secondDraft(Draft memory before) internal view returns (Draft memory d) {
        d = _draft(5);
        _add(d, 0, ids[0], before.intervals[0].to, 7, _row(0, 9, 1, 1));
        _add(d, 1, ids[0], d.receipts[0].to, 31, _row(5, 5, 5, 5));
        _add(d, 2, ids[0], d.receipts[1].to, 2, _row(-1, -1, -1, 0));
        _add(d, 3, ids[1], before.intervals[1].to, 11, _row(100, 3, 0, 0));
        _add(d, 4, ids[1], d.receipts[3].to, 5, "");
        finish(d, before.balances);
    }

    /// Everything that follows from receipts and payments.
    function finish(Draft memory d, Balance[] memory previous) internal pure {
        d.lines = linesOf(d.payments);
        d.balances = balancesOf(d.lines, previous);
        d.intervals = intervalsOf(d.receipts);
    }

    function linesOf(Payment[][] memory payments) internal pure returns (Line[] memory lines) {
        uint256 count;
        for (uint256 i = 0; i < payments.length; ++i) {
            count += payments[i].length;
        }
        uint256[] memory keys = new uint256[](count);
        count = 0;
        for (uint256 i = 0; i < payments.length; ++i) {
            for (uint256 j = 0; j < payments[i].length; ++j) {
                keys[count++] = uint256(uint160(payments[i][j].payee)) << 64 | i << 32 | j;
            }
        }
        keys = vm.sort(keys);
        lines = new Line[](count);
        for (uint256 n = 0; n < count; ++n) {
            (uint32 i, uint32 j) = (uint32(keys[n] >> 32), uint32(keys[n]));
            lines[n] = Line(payments[i][j].payee, i, j, payments[i][j].amount, 0);
        }
        sum(lines);
    }

    /// Running sums from the amounts.
    function sum(Line[] memory lines) internal pure {
        for (uint256 n = 0; n < lines.length; ++n) {
            bool same = n != 0 && lines[n - 1].payee == lines[n].payee;
            lines[n].runningSum = lines[n].amount + (same ? lines[n - 1].runningSum : 0);
        }
    }

    function balancesOf(Line[] memory lines, Balance[] memory previous) internal pure returns (Balance[] memory all) {
        all = new Balance[](lines.length + previous.length);
        (uint256 count, uint256 n, uint256 p) = (0, 0, 0);
        while (n < lines.length || p < previous.length) {
            bool isNew = p == previous.length || (n < lines.length && lines[n].payee < previous[p].payee);
            Balance memory one = isNew ? Balance(lines[n].payee, 0, 0) : Balance(previous[p].payee, 0, 0);
            if (!isNew) one.cumulative = previous[p++].cumulative;
            for (; n < lines.length && lines[n].payee == one.payee; ++n) {
                one.credit = lines[n].runningSum;
            }
            one.cumulative += one.credit;
            all[count++] = one;
        }
        assembly ("memory-safe") {
            mstore(all, count)
        }
    }

    function intervalsOf(Receipt[] memory receipts) internal pure returns (ChannelInterval[] memory intervals) {
        intervals = new ChannelInterval[](receipts.length);
        uint256 count;
        for (uint256 i = 0; i < receipts.length; ++i) {
            Receipt memory r = receipts[i];
            if (count == 0 || intervals[count - 1].channelId != r.channelId) {
                intervals[count++] = ChannelInterval(r.channelId, uint96(r.from), 0);
            }
            intervals[count - 1].to = uint96(r.to);
        }
        assembly ("memory-safe") {
            mstore(intervals, count)
        }
    }

    // ---------------------------------------------------------------- dividing

    /// The payments of an answer, and the parts they come from; zeros are left out of the payments only.
    function payout(uint256 fee, bytes memory scores, int64 threshold)
        internal
        view
        returns (Payment[] memory payments, Parts memory parts)
    {
        uint256[] memory bps = new uint256[](5);
        (bps[0], bps[1], bps[2], bps[3], bps[4]) = (1500, 500, 2000, 1000, 5000);
        uint256[] memory examples = new uint256[](2);
        (examples[0], examples[1]) = (3, 7);
        parts.heads = apportion(fee, bps);
        uint256 owners = parts.heads[4] / 10;
        parts.owners = apportion(owners, examples);
        uint256 listed = scores.length / 12;
        parts.influence =
            apportion(parts.heads[4] - owners, listed == 0 ? examples : _weights(scores, threshold));

        payments = new Payment[](6 + parts.influence.length);
        uint256 count;
        address[6] memory payees =
            [operator, treasury, developer, stakersPool, developer, datanets.ownerOf(secondDatanet)];
        for (uint256 i = 0; i < 6; ++i) {
            uint256 amount = i < 4 ? parts.heads[i] : parts.owners[i - 4];
            if (amount != 0) payments[count++] = Payment(payees[i], amount);
        }
        for (uint256 i = 0; i < parts.influence.length; ++i) {
            if (parts.influence[i] == 0) continue;
            address payee;
            if (listed == 0) {
                payee = datanets.poolOf(i == 0 ? datanetId : secondDatanet);
            } else {
                (uint256 row,) = _entry(scores, i);
                payee = rowPayees[row];
            }
            payments[count++] = Payment(payee, parts.influence[i]);
        }
        assembly ("memory-safe") {
            mstore(payments, count)
        }
    }

    /// Largest remainder by repeated search.
    function apportion(uint256 amount, uint256[] memory weights) internal pure returns (uint256[] memory parts) {
        uint256 total;
        for (uint256 i = 0; i < weights.length; ++i) {
            total += weights[i];
        }
        parts = new uint256[](weights.length);
        bool[] memory given = new bool[](weights.length);
        uint256 left = amount;
        for (uint256 i = 0; i < weights.length; ++i) {
            parts[i] = amount * weights[i] / total;
            left -= parts[i];
        }
        for (; left > 0; --left) {
            uint256 best = weights.length;
            for (uint256 i = 0; i < weights.length; ++i) {
                bool larger = best == weights.length || amount * weights[i] % total > amount * weights[best] % total;
                if (!given[i] && larger) best = i;
            }
            given[best] = true;
            ++parts[best];
        }
    }

    // ---------------------------------------------------------------- committing and opening

    function commit(Draft memory d, uint32 number, bytes32 previousRoot)
        internal
        pure
        returns (BatchInput memory batch, ChannelEnd[] memory ends)
    {
        uint256 total;
        for (uint256 i = 0; i < d.intervals.length; ++i) {
            total += d.intervals[i].to - d.intervals[i].from;
        }
        batch = BatchInput({
            number: number,
            previousBalancesRoot: previousRoot,
            receipts: Commitment(_root(receiptHashes(d)), uint32(d.receipts.length)),
            journal: Commitment(_root(lineHashes(d)), uint32(d.lines.length)),
            balances: Commitment(_root(balanceHashes(d)), uint32(d.balances.length)),
            total: uint96(total)
        });
        ends = endsOf(d.intervals);
    }

    function settleDraft(Draft memory d, uint32 number, Draft memory before) internal {
        bytes32 previous = number == 0 ? bytes32(0) : _root(balanceHashes(before));
        (BatchInput memory batch, ChannelEnd[] memory ends) = commit(d, number, previous);
        settle(batch, ends);
    }

    function receiptHashes(Draft memory d) internal pure returns (bytes32[] memory hashes) {
        hashes = new bytes32[](d.receipts.length);
        for (uint256 i = 0; i < hashes.length; ++i) {
            hashes[i] = keccak256(abi.encode(hashOf(d.receipts[i])));
        }
    }

    function lineHashes(Draft memory d) internal pure returns (bytes32[] memory hashes) {
        hashes = new bytes32[](d.lines.length);
        for (uint256 i = 0; i < hashes.length; ++i) {
            hashes[i] = keccak256(abi.encode(d.lines[i]));
        }
    }

    function balanceHashes(Draft memory d) internal pure returns (bytes32[] memory hashes) {
        hashes = new bytes32[](d.balances.length);
        for (uint256 i = 0; i < hashes.length; ++i) {
            hashes[i] = keccak256(abi.encode(d.balances[i]));
        }
    }

    function openReceipt(Draft memory d, uint256 i) internal pure returns (OpenedReceipt memory opened) {
        if (i < d.receipts.length) opened = OpenedReceipt(d.receipts[i], proofOf(receiptHashes(d), i));
    }

    function openLine(Draft memory d, uint256 i) internal pure returns (OpenedLine memory opened) {
        if (i < d.lines.length) opened = OpenedLine(d.lines[i], proofOf(lineHashes(d), i));
    }

    function openBalance(Draft memory d, uint256 i) internal pure returns (OpenedBalance memory opened) {
        if (i < d.balances.length) opened = OpenedBalance(d.balances[i], proofOf(balanceHashes(d), i));
    }

    /// What stands before and after `boundary`.
    function linesAround(Draft memory d, uint256 boundary) internal pure returns (LinesAround memory around) {
        around.boundary = uint32(boundary);
        if (boundary != 0) around.left = openLine(d, boundary - 1);
        around.right = openLine(d, boundary);
    }

    function balancesAround(Draft memory d, uint256 boundary) internal pure returns (BalancesAround memory around) {
        around.boundary = uint32(boundary);
        if (boundary != 0) around.left = openBalance(d, boundary - 1);
        around.right = openBalance(d, boundary);
    }

    function splitEvidence(Draft memory d, uint256 i, uint256 position)
        internal
        view
        returns (SplitEvidence memory evidence)
    {
        OpenedReceipt memory opened = openReceipt(d, i);
        (evidence.receipt, evidence.receiptProof) = (opened.receipt, opened.proof);
        (evidence.receiptIndex, evidence.position) = (uint32(i), uint32(position));
        (evidence.scores, evidence.payments) = (d.scores[i], d.payments[i]);
        (, Parts memory parts) = payout(opened.receipt.to - opened.receipt.from, d.scores[i], opened.receipt.threshold);
        (evidence.heads, evidence.owners, evidence.influence) = (parts.heads, parts.owners, parts.influence);
    }

    /// The same with a row of the index opened.
    function withRow(SplitEvidence memory evidence, uint256 row) internal view returns (SplitEvidence memory) {
        (evidence.rowDigest, evidence.rowPayee) = (keccak256(rows[row]), rowPayees[row]);
        evidence.rowProof = proofOf(_rowHashes(), row);
        return evidence;
    }

    function scoreEvidence(Draft memory d, uint256 i, uint32 position, uint256 row)
        internal
        view
        returns (ScoreEvidence memory)
    {
        OpenedReceipt memory opened = openReceipt(d, i);
        return ScoreEvidence({
            receipt: opened.receipt,
            receiptIndex: uint32(i),
            receiptProof: opened.proof,
            scores: d.scores[i],
            position: position,
            query: d.queries[i],
            row: rows[row],
            rowPayee: rowPayees[row],
            rowProof: proofOf(_rowHashes(), row)
        });
    }

    function sign(uint256 key, Receipt memory receipt) internal view returns (bytes memory) {
        return signed(key, keccak256(abi.encodePacked(hex"1901", ledger.domainSeparator(), hashOf(receipt))));
    }

    /// A proof of a positional tree, from the leaves' payload hashes.
    function proofOf(bytes32[] memory payloadHashes, uint256 index) internal pure returns (bytes32[] memory proof) {
        (, proof) = _climb(payloadHashes, index);
    }

    // ---------------------------------------------------------------- inside

    function _draft(uint256 count) private pure returns (Draft memory d) {
        d.receipts = new Receipt[](count);
        d.scores = new bytes[](count);
        d.queries = new bytes[](count);
        d.payments = new Payment[][](count);
    }

    function _add(Draft memory d, uint256 i, bytes32 id, uint256 from, uint32 tokens, bytes memory query) private view {
        Receipt memory r = d.receipts[i];
        (r.channelId, r.from, r.releaseId, r.issuedAt) = (id, from, RELEASE, issuedAt);
        (r.promptTokens, r.completionTokens) = (tokens, 2 * tokens + 1);
        r.to = from + price(r);
        r.requestDigest = keccak256(abi.encode("request", from));
        d.queries[i] = query;
        r.queryDigest = keccak256(query);
        if (query.length != 0) {
            (r.thresholdRow, r.threshold) = _threshold(query);
            d.scores[i] = _list(query, r.threshold);
        }
        r.scoresDigest = keccak256(d.scores[i]);
        (d.payments[i],) = payout(r.to - from, d.scores[i], r.threshold);
        r.splitDigest = keccak256(abi.encode(d.payments[i]));
    }

    function price(Receipt memory r) internal pure returns (uint256) {
        return uint256(r.promptTokens) * 1_000_003 + uint256(r.completionTokens) * 3_000_001;
    }

    function _threshold(bytes memory query) private view returns (uint32 row, int64 threshold) {
        int256 highest = type(int256).min;
        for (uint256 i = CONTRIBUTORS; i < rows.length; ++i) {
            int256 score = slowDot(rows[i], query);
            if (score > highest) (highest, row) = (score, uint32(i));
        }
        threshold = highest > 0 ? int64(highest) : int64(0);
    }

    /// What each score has above the cut. A list that lies may hold what is not above it; no payment follows from that.
    function _weights(bytes memory scores, int64 threshold) private pure returns (uint256[] memory weights) {
        weights = new uint256[](scores.length / 12);
        uint256 cut;
        for (uint256 i = 0; i < weights.length; ++i) {
            (, weights[i]) = _entry(scores, i);
            if (weights[i] / 5 > cut) cut = weights[i] / 5;
        }
        if (threshold > 0 && uint64(threshold) > cut) cut = uint64(threshold);
        for (uint256 i = 0; i < weights.length; ++i) {
            weights[i] = weights[i] > cut ? weights[i] - cut : 1;
        }
    }

    function _list(bytes memory query, int64 threshold) private view returns (bytes memory list) {
        int256 cut = threshold;
        for (uint256 i = 0; i < CONTRIBUTORS; ++i) {
            int256 part = slowDot(rows[i], query) / 5;
            if (part > cut) cut = part;
        }
        for (uint32 i = 0; i < CONTRIBUTORS; ++i) {
            int256 score = slowDot(rows[i], query);
            if (score > cut) list = bytes.concat(list, abi.encodePacked(i, int64(score)));
        }
    }

    function _entry(bytes memory list, uint256 i) private pure returns (uint256 row, uint256 score) {
        for (uint256 b = 0; b < 12; ++b) {
            if (b < 4) row = row << 8 | uint8(list[12 * i + b]);
            else score = score << 8 | uint8(list[12 * i + b]);
        }
    }

    function _row(int16 a, int16 b, int16 c, int16 d) internal pure returns (bytes memory) {
        return abi.encodePacked(a, b, c, d);
    }

    function _rowHashes() internal view returns (bytes32[] memory hashes) {
        hashes = new bytes32[](rows.length);
        for (uint32 i = 0; i < hashes.length; ++i) {
            hashes[i] = keccak256(abi.encode(i, rowPayees[i], keccak256(rows[i])));
        }
    }

    function _root(bytes32[] memory payloadHashes) internal pure returns (bytes32 root) {
        (root,) = _climb(payloadHashes, 0);
    }

    function _climb(bytes32[] memory payloadHashes, uint256 index)
        private
        pure
        returns (bytes32 root, bytes32[] memory proof)
    {
        uint256 depth;
        while ((1 << depth) < payloadHashes.length) ++depth;
        bytes32[] memory nodes = new bytes32[](1 << depth);
        for (uint256 i = 0; i < payloadHashes.length; ++i) {
            nodes[i] = keccak256(abi.encode(payloadHashes[i]));
        }
        proof = new bytes32[](depth);
        for (uint256 height = 0; height < depth; ++height) {
            proof[height] = nodes[(index >> height) ^ 1];
            for (uint256 i = 0; i < nodes.length >> (height + 1); ++i) {
                nodes[i] = keccak256(abi.encodePacked(nodes[2 * i], nodes[2 * i + 1]));
            }
        }
        root = nodes[0];
    }
}
