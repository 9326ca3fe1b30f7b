// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {DatanetRegistry} from "../DatanetRegistry.sol";
import {DatanetVersion, ModelRegistry, ReleaseIndex} from "../ModelRegistry.sol";
import {FeeSplit, ProtocolParameters} from "../ProtocolParameters.sol";
import {Apportion} from "./Apportion.sol";
import {Commitment, Positional} from "./Positional.sol";
import {Receipt, Receipts} from "./Receipts.sol";
import {Scores} from "./Scores.sol";

/// One payment of an answer; a receipt commits to keccak256(abi.encode(Payment[])).
struct Payment {
    address payee;
    uint256 amount;
}

/// A receipt of a batch with its payments and scores, and the right parts of each division of its fee.
struct SplitEvidence {
    Receipt receipt;
    uint32 receiptIndex;
    bytes32[] receiptProof;
    /// The listed scores, 12 bytes each.
    bytes scores;
    Payment[] payments;
    /// Operator, treasury, developer, stakers, data.
    uint256[] heads;
    /// One part for each Datanet version of the release.
    uint256[] owners;
    /// One part for each listed score or, if none is listed, for each Datanet version.
    uint256[] influence;
    /// The payment whose payee was harmed.
    uint32 position;
    /// Opens that payment's row of the index, if a contributor's payee is wrong; no proof for none.
    bytes32 rowDigest;
    address rowPayee;
    bytes32[] rowProof;
}

/// @title Lies about how a fee was divided (docs/protocol.md, section 5)
/// @notice The divisions come as parts, which `Apportion` checks to be the only right ones; the payments that follow from
/// them are compared with those committed to, one by one.
library Splits {
    using Receipts for Receipt;
    using Positional for Commitment;

    /// A payment that has to be made.
    struct Due {
        address payee;
        uint256 amount;
        /// The contributor's row, if it is a contributor's: then only the index knows the payee.
        bool isContributor;
        uint32 row;
    }

    /// What a release says about whom its answers pay.
    struct Terms {
        uint256 modelId;
        address operator;
        DatanetVersion[] versions;
        /// Accepted examples of each version.
        uint256[] examples;
    }

    error SplitIsRight();
    error TermsAreRight();
    error WrongParts();

    uint256 private constant WHOLE = 10_000;

    /// @notice The release was never published or only later, the receipt was issued after its batch was settled, or the fee is
    /// not the price of its tokens.
    /// @return overpaid what the payer paid too much, wei
    function requireWrongTerms(Receipt calldata receipt, uint256 settledAt, ModelRegistry models)
        internal
        view
        returns (uint256 overpaid)
    {
        if (!models.releaseExists(receipt.releaseId)) return receipt.fee();
        ModelRegistry.Release memory release = models.releaseOf(receipt.releaseId);
        if (receipt.issuedAt > settledAt || receipt.issuedAt < release.publishedAt) return 0;
        uint256 price = uint256(receipt.promptTokens) * release.promptWeiPerToken + uint256(receipt.completionTokens)
            * release.completionWeiPerToken;
        uint256 fee = receipt.fee();
        if (fee == price) revert TermsAreRight();
        return fee > price ? fee - price : 0;
    }

    /// @notice The payments are not those that section 5 gives for the fee, the scores and the owners at the time of issue.
    /// The receipt, its scores and its payments MUST have been checked against the batch.
    /// @return harmed who was paid too little at the named position, zero for nobody
    function requireWrongSplit(SplitEvidence calldata evidence, address operator, ModelRegistry models)
        internal
        view
        returns (address harmed, uint256 harm)
    {
        uint256 fee = evidence.receipt.fee();
        bool isNone = fee == 0 || fee > type(uint96).max || !Scores.wellFormed(evidence.scores);
        // More payments than any answer has: said first, so that a list too long for the rest of the proof is no way out.
        isNone = isNone || evidence.payments.length > 4 + models.MAX_VERSIONS() + Scores.MAX_ENTRIES;
        if (isNone || !models.releaseExists(evidence.receipt.releaseId)) return (address(0), 0);
        (bool impossible, Due[] memory dues) = _dues(evidence, fee, operator, models);
        if (impossible) return (address(0), 0);

        bool wrong = evidence.payments.length != dues.length;
        for (uint256 i = 0; i < dues.length && !wrong; ++i) {
            Payment calldata paid = evidence.payments[i];
            wrong = paid.amount != dues[i].amount || (!dues[i].isContributor && paid.payee != dues[i].payee);
        }
        bool wrongThere;
        (wrongThere, harmed, harm) = _at(evidence, dues, models);
        if (!wrong && !wrongThere) revert SplitIsRight();
    }

    // ---------------------------------------------------------------- inside

    /// Every payment that has to be made, in order, zeros left out.
    function _dues(SplitEvidence calldata evidence, uint256 fee, address operator, ModelRegistry models)
        private
        view
        returns (bool impossible, Due[] memory dues)
    {
        Terms memory terms = _terms(evidence.receipt.releaseId, operator, models);
        uint256 listed = evidence.scores.length / Scores.ENTRY;
        uint256 versions = terms.versions.length;
        dues = new Due[](4 + versions + (listed == 0 ? versions : listed));
        uint256 influence = _headsAndOwners(evidence, fee, terms, models, dues);
        uint256 at = 4 + versions;
        if (listed == 0) {
            DatanetRegistry datanets = models.datanets();
            _requireParts(influence, terms.examples, evidence.influence);
            for (uint256 i = 0; i < versions; ++i) {
                dues[at + i].payee = datanets.poolOf(terms.versions[i].datanetId);
                dues[at + i].amount = evidence.influence[i];
            }
        } else {
            uint256[] memory weights = _weights(evidence.scores, evidence.receipt.threshold);
            if (weights.length == 0) return (true, dues);
            _requireParts(influence, weights, evidence.influence);
            for (uint256 i = 0; i < listed; ++i) {
                (dues[at + i].row,) = Scores.entry(evidence.scores, i);
                (dues[at + i].isContributor, dues[at + i].amount) = (true, evidence.influence[i]);
            }
        }
        _dropZeros(dues);
    }

    /// What each listed score has above the cut; none if one of them has nothing.
    function _weights(bytes calldata scores, int64 threshold) private pure returns (uint256[] memory weights) {
        int256 cut = Scores.cut(scores, threshold);
        weights = new uint256[](scores.length / Scores.ENTRY);
        for (uint256 i = 0; i < weights.length; ++i) {
            (, int64 score) = Scores.entry(scores, i);
            if (score <= cut) return new uint256[](0);
            weights[i] = uint256(score - cut);
        }
    }

    function _terms(bytes32 releaseId, address operator, ModelRegistry models)
        private
        view
        returns (Terms memory terms)
    {
        DatanetRegistry datanets = models.datanets();
        terms.modelId = models.releaseOf(releaseId).modelId;
        terms.operator = operator;
        terms.versions = models.versionsOf(releaseId);
        terms.examples = new uint256[](terms.versions.length);
        for (uint256 i = 0; i < terms.versions.length; ++i) {
            DatanetVersion memory used = terms.versions[i];
            terms.examples[i] = datanets.versionOf(used.datanetId, used.version).count;
        }
    }

    /// @return influence what is left for contributors or pools, wei
    function _headsAndOwners(
        SplitEvidence calldata evidence,
        uint256 fee,
        Terms memory terms,
        ModelRegistry models,
        Due[] memory dues
    ) private view returns (uint256 influence) {
        ProtocolParameters parameters = models.parameters();
        DatanetRegistry datanets = models.datanets();
        uint256 at = evidence.receipt.issuedAt;
        FeeSplit memory split = parameters.feeSplitAt(at);
        uint256[] memory weights = new uint256[](5);
        (weights[0], weights[1], weights[2]) = (split.operator, split.treasury, split.developer);
        (weights[3], weights[4]) = (split.stakers, split.data);
        _requireParts(fee, weights, evidence.heads);
        dues[0].payee = terms.operator;
        dues[1].payee = address(uint160(parameters.valueAt(parameters.TREASURY(), at)));
        dues[2].payee = models.ownerAt(terms.modelId, at);
        dues[3].payee = address(uint160(parameters.valueAt(parameters.STAKERS_POOL(), at)));
        for (uint256 i = 0; i < 4; ++i) {
            dues[i].amount = evidence.heads[i];
        }
        uint256 owners = evidence.heads[4] * split.owners / WHOLE;
        _requireParts(owners, terms.examples, evidence.owners);
        for (uint256 i = 0; i < terms.versions.length; ++i) {
            dues[4 + i].payee = datanets.ownerAt(terms.versions[i].datanetId, at);
            dues[4 + i].amount = evidence.owners[i];
        }
        return evidence.heads[4] - owners;
    }

    /// Whether the payment at the named position goes to somebody else than its row says, and what that payee lacks.
    function _at(SplitEvidence calldata evidence, Due[] memory dues, ModelRegistry models)
        private
        view
        returns (bool wrong, address harmed, uint256 harm)
    {
        if (evidence.position >= dues.length) return (false, address(0), 0);
        Due memory due = dues[evidence.position];
        if (due.isContributor) {
            if (evidence.rowProof.length == 0) return (false, address(0), 0);
            ReleaseIndex memory index = models.indexOf(evidence.receipt.releaseId);
            bytes32 payloadHash = keccak256(abi.encode(due.row, evidence.rowPayee, evidence.rowDigest));
            Commitment(index.root, index.rows).requireLeaf(due.row, payloadHash, evidence.rowProof);
            due.payee = evidence.rowPayee;
        }
        uint256 paid;
        if (evidence.position < evidence.payments.length) {
            Payment calldata payment = evidence.payments[evidence.position];
            wrong = payment.payee != due.payee;
            if (!wrong) paid = payment.amount;
        }
        return paid < due.amount ? (wrong, due.payee, due.amount - paid) : (wrong, address(0), 0);
    }

    function _requireParts(uint256 amount, uint256[] memory weights, uint256[] calldata parts) private pure {
        if (!Apportion.isRight(amount, weights, parts)) revert WrongParts();
    }

    function _dropZeros(Due[] memory dues) private pure {
        uint256 kept;
        for (uint256 i = 0; i < dues.length; ++i) {
            if (dues[i].amount == 0) continue;
            dues[kept] = dues[i];
            ++kept;
        }
        assembly ("memory-safe") {
            mstore(dues, kept)
        }
    }
}
