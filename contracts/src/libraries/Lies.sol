// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {ReleaseIndex} from "../ModelRegistry.sol";
import {Commitment, Positional} from "./Positional.sol";
import {Receipt, Receipts} from "./Receipts.sol";
import {Scores} from "./Scores.sol";

/// A receipt of a batch with what its digests stand for, and one row of the release's index.
struct ScoreEvidence {
    Receipt receipt;
    uint32 receiptIndex;
    bytes32[] receiptProof;
    /// The listed scores, 12 bytes each.
    bytes scores;
    /// Which of them is wrong; only for a wrong score.
    uint32 position;
    /// q, k big-endian int16.
    bytes query;
    /// The row in question, its payee and its place in the index.
    bytes row;
    address rowPayee;
    bytes32[] rowProof;
}

/// @title What counts as a lie about scores, given rows and the query (docs/protocol.md, section 8)
/// @notice Each function returns if the receipt lies and reverts if it does not, or if the evidence is not what was
/// committed. The receipt itself and its list MUST have been checked against the batch before. What a function returns is
/// the contributor who gets less than is due because of the lie, and at most how much: the receipt's fee.
library Lies {
    using Positional for Commitment;
    using Receipts for Receipt;

    error NotWhatWasHashed(bytes32 digest, bytes32 expected);
    error ScoreIsRight(uint256 row, int256 score);
    error ThresholdIsRight(uint256 row, uint256 threshold);
    error NotOmitted(uint256 row, int256 score);

    /// The digest of the query of an answer whose payer opted out of attribution.
    bytes32 private constant NO_QUERY = keccak256("");
    uint256 private constant MILLIONTHS = 1_000_000;

    /// @notice The list is not whole entries; or its entry `position` names a row that does not ascend or is no
    /// contributor, or a score that is not above the cut (shown without opening its row), or not the dot product of row and query.
    function requireWrongScore(ScoreEvidence calldata evidence, ReleaseIndex memory index)
        internal
        pure
        returns (address harmed, uint256 harm)
    {
        Receipt calldata receipt = evidence.receipt;
        if (_unknown(index) || !Scores.wellFormed(evidence.scores)) return (address(0), 0);
        uint256 position = evidence.position;
        if (position >= evidence.scores.length / Scores.ENTRY) revert Positional.BadProof();
        (uint32 row, int64 score) = Scores.entry(evidence.scores, position);
        if (row >= index.contributors || score <= receipt.threshold) return (address(0), 0);
        // Whoever opens the row says that its score is wrong, and needs no cut: the list may be long.
        if (evidence.row.length == 0 && score <= Scores.cut(evidence.scores, receipt.threshold)) {
            return (address(0), 0);
        }
        if (position != 0) {
            (uint32 before,) = Scores.entry(evidence.scores, position - 1);
            if (row <= before) return (address(0), 0);
        }
        (bool misshapen, int256 exact) = _score(evidence, index, row, true);
        if (misshapen) return (address(0), 0);
        if (exact == score) revert ScoreIsRight(row, score);
        if (exact > score) return (evidence.rowPayee, receipt.fee());
    }

    /// @notice The threshold is negative, or named for a row that is no null row; or it is not what its own row gives; or
    /// another null row gives a higher one. Without attribution, row and threshold are not zero.
    /// @param nullRow the row that the evidence opens; ignored where no row is needed
    function requireWrongThreshold(ScoreEvidence calldata evidence, ReleaseIndex memory index, uint32 nullRow)
        internal
        pure
    {
        Receipt calldata receipt = evidence.receipt;
        if (_unknown(index)) return;
        if (receipt.queryDigest == NO_QUERY) {
            if (receipt.threshold != 0 || receipt.thresholdRow != 0) return;
            revert ThresholdIsRight(0, 0);
        }
        if (receipt.threshold < 0 || !_isNull(index, receipt.thresholdRow)) return;
        if (!_isNull(index, nullRow)) revert Positional.BadProof();
        (bool misshapen, int256 exact) = _score(evidence, index, nullRow, nullRow == receipt.thresholdRow);
        if (misshapen) return;
        uint256 threshold = exact <= 0 ? 0 : uint256(exact) * index.thresholdMillionths / MILLIONTHS;
        uint256 claimed = uint64(receipt.threshold);
        bool wrong = nullRow == receipt.thresholdRow ? threshold != claimed : threshold > claimed;
        if (!wrong) revert ThresholdIsRight(nullRow, threshold);
    }

    /// @notice Contributor `row` scores above the cut and is not listed, although fewer than 256 are, or although
    /// it comes before one that is (a higher score, or the same and a lower row).
    function requireOmission(ScoreEvidence calldata evidence, ReleaseIndex memory index, uint32 row)
        internal
        pure
        returns (address harmed, uint256 harm)
    {
        if (_unknown(index) || !Scores.wellFormed(evidence.scores)) return (address(0), 0);
        if (row >= index.contributors) revert Positional.BadProof();
        if (evidence.receipt.queryDigest == NO_QUERY) revert NotOmitted(row, 0);
        (bool misshapen, int256 exact) = _score(evidence, index, row, false);
        if (misshapen) return (address(0), 0);
        if (exact <= Scores.cut(evidence.scores, evidence.receipt.threshold)) revert NotOmitted(row, exact);

        uint256 count = evidence.scores.length / Scores.ENTRY;
        bool comesBefore = count < Scores.MAX_ENTRIES;
        for (uint256 i = 0; i < count; ++i) {
            (uint32 listed, int64 score) = Scores.entry(evidence.scores, i);
            if (listed == row) revert NotOmitted(row, exact);
            if (exact > score || (exact == score && row < listed)) comesBefore = true;
        }
        if (!comesBefore) revert NotOmitted(row, exact);
        return (evidence.rowPayee, evidence.receipt.fee());
    }

    /// @notice Reverts unless the digest is the one that was committed.
    function requireDigest(bytes32 digest, bytes32 expected) internal pure {
        if (digest != expected) revert NotWhatWasHashed(digest, expected);
    }

    /// A receipt for a release that was never published.
    function _unknown(ReleaseIndex memory index) private pure returns (bool) {
        return index.rows == 0;
    }

    function _isNull(ReleaseIndex memory index, uint32 row) private pure returns (bool) {
        return row >= index.contributors && row < index.rows;
    }

    /// The exact score of a row, after checking query and row against what was committed. A query of another length than
    /// the index's is itself a lie. A row of another length has no score: it is a lie to name one, and none to leave it out.
    /// @param named whether the receipt names a score or a threshold of that row
    function _score(ScoreEvidence calldata evidence, ReleaseIndex memory index, uint32 row, bool named)
        private
        pure
        returns (bool misshapen, int256 exact)
    {
        requireDigest(keccak256(evidence.query), evidence.receipt.queryDigest);
        if (evidence.query.length != 2 * uint256(index.k)) return (true, 0);
        bytes32 payloadHash = keccak256(abi.encode(row, evidence.rowPayee, keccak256(evidence.row)));
        Commitment(index.root, index.rows).requireLeaf(row, payloadHash, evidence.rowProof);
        if (named && evidence.row.length != evidence.query.length) return (true, 0);
        exact = Scores.dot(evidence.row, evidence.query);
    }
}
