// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {AttributionLedger} from "./AttributionLedger.sol";
import {ModelRegistry} from "./ModelRegistry.sol";
import {PaymentChannels} from "./PaymentChannels.sol";
import {Batch, Batches, ChannelInterval} from "./libraries/Batches.sol";
import {BalancesAround, Journals, LinesAround, OpenedBalance, OpenedLine} from "./libraries/Journals.sol";
import {Lies, ScoreEvidence} from "./libraries/Lies.sol";
import {Commitment, Positional} from "./libraries/Positional.sol";
import {OpenedReceipt, Receipt, Receipts} from "./libraries/Receipts.sol";
import {Signatures} from "./libraries/Signatures.sol";
import {Payment, SplitEvidence, Splits} from "./libraries/Splits.sol";
import {Tilings} from "./libraries/Tilings.sol";

/// @title Proofs that a batch lies (docs/protocol.md, section 8)
/// @notice Each function undoes a batch that is not final, and rewards the caller, if the evidence shows one lie: in one receipt
/// or leaf and at most two neighbours. Evidence that is not what was committed reverts, and so does a proof against what is
/// right: an honest batch cannot be hurt. No bond, no appeal. The contract keeps nothing.
contract FraudProofs {
    using Batches for Batch;
    using Positional for Commitment;
    using Receipts for Receipt;

    error SameReceipt(bytes32 receiptId);
    error NotOverlapping();
    error NotSignedByAttester(address by);

    AttributionLedger public immutable ledger;
    ModelRegistry public immutable models;
    PaymentChannels private immutable channels;

    constructor(AttributionLedger ledger_, ModelRegistry models_) {
        (ledger, models, channels) = (ledger_, models_, ledger_.channels());
    }

    // ---------------------------------------------------------------- scores

    /// @notice A receipt lists a wrong score. What counts as wrong is said in `Lies`.
    function proveWrongScore(address attester, uint256 number, ScoreEvidence calldata evidence) external {
        _requireScores(attester, number, evidence);
        (address harmed, uint256 harm) = Lies.requireWrongScore(evidence, models.indexOf(evidence.receipt.releaseId));
        _undo(attester, number, harmed, harm);
    }

    /// @notice A receipt names a wrong threshold.
    /// @param nullRow the null row that the evidence opens: the receipt's own, or one that scores higher
    function proveWrongThreshold(address attester, uint256 number, uint32 nullRow, ScoreEvidence calldata evidence)
        external
    {
        _requireScores(attester, number, evidence);
        Lies.requireWrongThreshold(evidence, models.indexOf(evidence.receipt.releaseId), nullRow);
        _undo(attester, number, address(0), 0);
    }

    /// @notice A receipt leaves out a contributor it should pay.
    /// @param row the contributor's row, which the evidence opens
    function proveOmission(address attester, uint256 number, uint32 row, ScoreEvidence calldata evidence) external {
        _requireScores(attester, number, evidence);
        (address harmed, uint256 harm) = Lies.requireOmission(evidence, models.indexOf(evidence.receipt.releaseId), row);
        _undo(attester, number, harmed, harm);
    }

    // ---------------------------------------------------------------- fees

    /// @notice A receipt's release was not published when it was issued, it was issued after its batch was settled, or its fee is
    /// not the price of its tokens.
    function proveWrongTerms(address attester, uint256 number, uint32 index, OpenedReceipt calldata opened) external {
        Batch memory batch = _batch(attester, number);
        _requireReceipt(batch, index, opened);
        uint256 overpaid = Splits.requireWrongTerms(opened.receipt, batch.settledAt, models);
        _undo(attester, number, overpaid == 0 ? address(0) : _payerOf(opened.receipt.channelId), overpaid);
    }

    /// @notice A receipt's payments are not what its fee, its scores, the price and the owners of that time give.
    function proveWrongSplit(address attester, uint256 number, SplitEvidence calldata evidence) external {
        Batch memory batch = _batch(attester, number);
        Receipt calldata receipt = evidence.receipt;
        batch.receipts().requireLeaf(evidence.receiptIndex, receipt.payloadHash(), evidence.receiptProof);
        Lies.requireDigest(keccak256(evidence.scores), receipt.scoresDigest);
        Lies.requireDigest(keccak256(abi.encode(evidence.payments)), receipt.splitDigest);
        address operator = _operatorOf(receipt.channelId);
        (address harmed, uint256 harm) = Splits.requireWrongSplit(evidence, operator, models);
        _undo(attester, number, harmed, harm);
    }

    // ---------------------------------------------------------------- receipts

    /// @notice Something is wrong at one boundary of the list of receipts: an empty interval, a gap, an overlap, the wrong
    /// order, a channel that is not listed or begins or ends elsewhere than listed, a listed channel without receipts.
    /// @param boundary the position of the right receipt, 0 for before the first, their number for after the last
    /// @param left,right the receipts on both sides; at an end of the list the one that does not exist is ignored
    /// @param intervals as the batch's `BatchSettled` event lists them; none are needed between two receipts of one channel
    function proveWrongTiling(
        address attester,
        uint256 number,
        uint32 boundary,
        OpenedReceipt calldata left,
        OpenedReceipt calldata right,
        ChannelInterval[] calldata intervals
    ) external {
        Batch memory batch = _batch(attester, number);
        (bool hasLeft, bool hasRight) = batch.receipts()
            .requireAround(boundary, left.receipt.payloadHash(), left.proof, right.receipt.payloadHash(), right.proof);
        bool wrong;
        bytes32 channelId = left.receipt.channelId;
        uint256 harm;
        if (hasLeft && hasRight && channelId == right.receipt.channelId) {
            wrong = Tilings.withinChannel(left.receipt, right.receipt);
            harm = Math.saturatingAdd(left.receipt.fee(), right.receipt.fee());
        } else {
            Batches.requireIntervals(intervals, batch.intervalsDigest);
            (wrong, channelId, harm) =
                Tilings.betweenChannels(hasLeft, left.receipt, hasRight, right.receipt, intervals);
        }
        if (!wrong) revert Tilings.TilingIsRight(boundary);
        _undo(attester, number, _payerOf(channelId), harm);
    }

    /// @notice The attester, as the payee of a channel, signed another receipt for an interval that overlaps one it settled.
    /// @dev Not where somebody else settled it: then the payee's second signature would hurt whom it deceived.
    function proveEquivocation(
        address attester,
        uint256 number,
        uint32 index,
        OpenedReceipt calldata opened,
        Receipt calldata other,
        bytes calldata signature
    ) external {
        _requireReceipt(_batch(attester, number), index, opened);
        Receipt calldata settled = opened.receipt;
        (bytes32 id, bytes32 otherId) = (settled.hash(), other.hash());
        if (id == otherId) revert SameReceipt(id);
        bool overlap = other.channelId == settled.channelId && other.from < settled.to && settled.from < other.to
            && other.from < other.to;
        if (!overlap) revert NotOverlapping();
        address operator = _operatorOf(settled.channelId);
        address by = Signatures.signer(MessageHashUtils.toTypedDataHash(ledger.domainSeparator(), otherId), signature);
        if (by == address(0) || by != attester || by != operator) revert NotSignedByAttester(by);
        _undo(attester, number, _payerOf(settled.channelId), settled.fee());
    }

    // ---------------------------------------------------------------- journal

    /// @notice Two neighbouring lines do not ascend, or the right one's running sum is wrong.
    function proveWrongJournal(address attester, uint256 number, LinesAround calldata around) external {
        Batch memory batch = _batch(attester, number);
        (address harmed, uint256 harm) = Journals.requireWrongNeighbours(batch.journal(), around);
        _undo(attester, number, harmed, harm);
    }

    /// @notice A line names no payment: the batch has no such receipt, or the receipt pays it to nobody, another or otherwise.
    /// @param opened the receipt that the line names, and `payments` what it pays; ignored if there is none
    function proveWrongLine(
        address attester,
        uint256 number,
        uint32 index,
        OpenedLine calldata line,
        OpenedReceipt calldata opened,
        Payment[] calldata payments
    ) external {
        Batch memory batch = _batch(attester, number);
        batch.journal().requireLeaf(index, Journals.hash(line.line), line.proof);
        address harmed;
        uint256 harm;
        if (line.line.receiptIndex < batch.receiptCount) {
            _requirePayments(batch, line.line.receiptIndex, opened, payments);
            (harmed, harm) = Journals.requireWrongLine(line.line, index, payments);
        }
        _undo(attester, number, harmed, harm);
    }

    /// @notice A receipt's payment has no line in the journal.
    /// @param around the lines between which it would stand
    function proveMissingLine(
        address attester,
        uint256 number,
        uint32 receiptIndex,
        OpenedReceipt calldata opened,
        Payment[] calldata payments,
        uint32 paymentIndex,
        LinesAround calldata around
    ) external {
        Batch memory batch = _batch(attester, number);
        _requirePayments(batch, receiptIndex, opened, payments);
        if (paymentIndex >= payments.length) revert Positional.BadProof();
        (address harmed, uint256 harm) =
            Journals.requireMissingLine(batch.journal(), around, payments[paymentIndex], receiptIndex, paymentIndex);
        _undo(attester, number, harmed, harm);
    }

    // ---------------------------------------------------------------- balances

    /// @notice Two neighbouring balances do not ascend.
    function proveUnsortedBalances(address attester, uint256 number, BalancesAround calldata around) external {
        Journals.requireUnsorted(_batch(attester, number).balances(), around);
        _undo(attester, number, address(0), 0);
    }

    /// @notice A balance's credit is not what the journal pays its payee.
    /// @param around the lines where the payee's end, or would stand
    function proveWrongCredit(
        address attester,
        uint256 number,
        uint32 index,
        OpenedBalance calldata opened,
        LinesAround calldata around
    ) external {
        Batch memory batch = _batch(attester, number);
        batch.balances().requireLeaf(index, Journals.hash(opened.balance), opened.proof);
        (address harmed, uint256 harm) = Journals.requireWrongCredit(opened.balance, batch.journal(), around);
        _undo(attester, number, harmed, harm);
    }

    /// @notice A cumulative balance is not what the batch before says, plus the credit.
    /// @param around the balances of the batch before where the payee stands, or would stand
    function proveWrongCumulative(
        address attester,
        uint256 number,
        uint32 index,
        OpenedBalance calldata opened,
        BalancesAround calldata around
    ) external {
        Batch memory batch = _batch(attester, number);
        batch.balances().requireLeaf(index, Journals.hash(opened.balance), opened.proof);
        (address harmed, uint256 harm) =
            Journals.requireWrongCumulative(opened.balance, _previous(attester, number), around);
        _undo(attester, number, harmed, harm);
    }

    /// @notice The journal pays somebody who has no balance.
    /// @param around the balances between which it would stand
    function proveMissingBalance(
        address attester,
        uint256 number,
        uint32 lineIndex,
        OpenedLine calldata line,
        BalancesAround calldata around
    ) external {
        Batch memory batch = _batch(attester, number);
        batch.journal().requireLeaf(lineIndex, Journals.hash(line.line), line.proof);
        Journals.requireMissing(batch.balances(), around, line.line.payee);
        _undo(attester, number, line.line.payee, line.line.amount);
    }

    /// @notice Somebody who had a balance in the batch before has none any more.
    /// @param previousIndex its position there
    /// @param around the balances between which it would stand
    function proveDroppedBalance(
        address attester,
        uint256 number,
        uint32 previousIndex,
        OpenedBalance calldata previous,
        BalancesAround calldata around
    ) external {
        Batch memory batch = _batch(attester, number);
        _previous(attester, number).requireLeaf(previousIndex, Journals.hash(previous.balance), previous.proof);
        address payee = previous.balance.payee;
        Journals.requireMissing(batch.balances(), around, payee);
        uint256 claimed = ledger.claimedOf(attester, payee);
        uint256 cumulative = previous.balance.cumulative;
        _undo(attester, number, payee, cumulative > claimed ? cumulative - claimed : 0);
    }

    // ---------------------------------------------------------------- inside

    function _batch(address attester, uint256 number) private view returns (Batch memory) {
        return ledger.pendingBatchOf(attester, number);
    }

    function _operatorOf(bytes32 channelId) private view returns (address operator) {
        (operator,) = channels.collectedOf(channelId);
    }

    function _requireScores(address attester, uint256 number, ScoreEvidence calldata evidence) private view {
        Commitment memory receipts = ledger.pendingReceiptsOf(attester, number);
        receipts.requireLeaf(evidence.receiptIndex, evidence.receipt.payloadHash(), evidence.receiptProof);
        Lies.requireDigest(keccak256(evidence.scores), evidence.receipt.scoresDigest);
    }

    function _requireReceipt(Batch memory batch, uint256 index, OpenedReceipt calldata opened) private pure {
        batch.receipts().requireLeaf(index, opened.receipt.payloadHash(), opened.proof);
    }

    function _requirePayments(
        Batch memory batch,
        uint256 index,
        OpenedReceipt calldata opened,
        Payment[] calldata payments
    ) private pure {
        _requireReceipt(batch, index, opened);
        Lies.requireDigest(keccak256(abi.encode(payments)), opened.receipt.splitDigest);
    }

    /// The balances that the batch is built on; none for the first.
    function _previous(address attester, uint256 number) private view returns (Commitment memory) {
        return number == 0 ? Commitment(0, 0) : ledger.batchOf(attester, number - 1).balances();
    }

    function _payerOf(bytes32 channelId) private view returns (address) {
        return channels.payerOf(channelId);
    }

    function _undo(address attester, uint256 number, address harmed, uint256 harm) private {
        ledger.undo(attester, number, msg.sender, harmed, harm);
    }
}
