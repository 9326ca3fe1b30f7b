// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {AttributionLedger} from "./AttributionLedger.sol";
import {ModelRegistry, ReleaseIndex} from "./ModelRegistry.sol";
import {ProtocolParameters} from "./ProtocolParameters.sol";
import {Batch, Batches} from "./libraries/Batches.sol";
import {Journals, OpenedBalance, OpenedLine} from "./libraries/Journals.sol";
import {Lies} from "./libraries/Lies.sol";
import {Commitment, Positional} from "./libraries/Positional.sol";
import {OpenedReceipt, Receipt, Receipts} from "./libraries/Receipts.sol";
import {Signatures} from "./libraries/Signatures.sol";
import {Payment} from "./libraries/Splits.sol";

/// What may be demanded of a batch: one of its receipts, journal lines or balances, or a row of the index of a release that
/// one of its receipts names.
enum Kind {
    Receipt,
    Line,
    Balance,
    Row
}

/// One item of one batch. The generation tells batches of the same number apart.
struct Item {
    address attester;
    uint32 number;
    uint32 generation;
    Kind kind;
    /// The position in its list, or the row.
    uint32 index;
    /// Only for a row.
    bytes32 releaseId;
}

/// A receipt with its place in the batch and what its digests stand for.
struct ReceiptAnswer {
    Receipt receipt;
    bytes32[] proof;
    bytes scores;
    bytes query;
    Payment[] payments;
    /// The receipt's, by the payee of its channel; needed only if the attester is not that payee.
    bytes signature;
}

/// A row of an index with its place there.
struct RowAnswer {
    address payee;
    bytes content;
    bytes32[] proof;
}

/// @title Demands for what a batch was made from
/// @notice A proof needs receipts, lines and rows; who withholds them could lie unseen. So anyone bonded may demand an item of
/// a batch that is not final, for a fee, and the attester publishes it within half a window or loses the batch and its bond's
/// part. An answer earns the fee: whoever only wants to annoy pays for it.
///
/// Promises: an item is demanded once; an answer that is late or not what was committed does not count; a demand's fee goes to
/// who answered it, or back to who paid it; the contract holds the fees of open demands and nothing else.
contract Demands {
    using Batches for Batch;
    using Positional for Commitment;
    using Receipts for Receipt;

    struct Demand {
        address demander;
        /// What was paid, wei, and how much of it is for the attester.
        uint96 price;
        uint96 fee;
        /// The answer MUST come before, seconds.
        uint48 deadline;
        Status status;
    }

    enum Status {
        None,
        Open,
        Answered,
        Enforced,
        Returned
    }

    error NoSuchItem(uint256 index, uint256 count);
    error AlreadyDemanded(bytes32 itemId, Status status);
    error NotOpen(bytes32 itemId, Status status);
    error TooManyOpen(address demander, uint256 most);
    error PriceTooLow(uint256 sent, uint256 price);
    error TooLate(bytes32 itemId, uint256 deadline);
    error TooEarly(bytes32 itemId, uint256 deadline);
    error BatchStands(address attester, uint256 number);
    error NotSignedByPayee(address by, address payee);

    event Demanded(bytes32 indexed itemId, address indexed demander, Item item, uint256 price, uint256 deadline);
    event ReceiptPublished(
        bytes32 indexed itemId, address indexed attester, uint256 indexed number, uint256 index, ReceiptAnswer answer
    );
    event LinePublished(
        bytes32 indexed itemId, address indexed attester, uint256 indexed number, uint256 index, OpenedLine opened
    );
    event BalancePublished(
        bytes32 indexed itemId, address indexed attester, uint256 indexed number, uint256 index, OpenedBalance opened
    );
    event RowPublished(
        bytes32 indexed itemId,
        address indexed attester,
        uint256 indexed number,
        bytes32 releaseId,
        uint256 row,
        RowAnswer answer
    );
    event Enforced(bytes32 indexed itemId, address indexed attester, uint256 indexed number);
    event Returned(bytes32 indexed itemId, address indexed demander, uint256 price);

    /// @notice The most demands one account may have open.
    uint256 public constant MAX_OPEN = 8;
    /// @notice The price doubles with this many open demands against a batch.
    uint256 public constant DOUBLES_EVERY = 32;

    AttributionLedger public immutable ledger;
    ModelRegistry public immutable models;
    ProtocolParameters public immutable parameters;

    mapping(bytes32 itemId => Demand) private _demands;
    /// @notice Demands an account has open.
    mapping(address demander => uint256) public openOf;

    constructor(AttributionLedger ledger_, ModelRegistry models_) {
        (ledger, models) = (ledger_, models_);
        parameters = models_.parameters();
    }

    // ---------------------------------------------------------------- demanding

    /// @notice Demands a receipt, a line or a balance of a batch that is in its window. The caller MUST have a free minimum
    /// bond in the ledger, which stays there while the demand is open. What is sent beyond the price is credited to it.
    function demand(address attester, uint32 number, Kind kind, uint32 index) external payable returns (bytes32) {
        Batch memory batch = _batch(attester, number);
        uint256 count = kind == Kind.Receipt
            ? batch.receiptCount
            : kind == Kind.Line ? batch.journalCount : kind == Kind.Balance ? batch.balanceCount : 0;
        if (index >= count) revert NoSuchItem(index, count);
        return _demand(Item(attester, number, batch.generation, kind, index, 0));
    }

    /// @notice Demands a row of the index of a release that a receipt of the batch names.
    function demandRow(address attester, uint32 number, uint32 receiptIndex, OpenedReceipt calldata opened, uint32 row)
        external
        payable
        returns (bytes32)
    {
        Batch memory batch = _batch(attester, number);
        batch.receipts().requireLeaf(receiptIndex, opened.receipt.payloadHash(), opened.proof);
        bytes32 releaseId = opened.receipt.releaseId;
        uint256 rows = models.indexOf(releaseId).rows;
        if (row >= rows) revert NoSuchItem(row, rows);
        return _demand(Item(attester, number, batch.generation, Kind.Row, row, releaseId));
    }

    // ---------------------------------------------------------------- answering

    /// @notice Publishes a demanded receipt with everything its digests stand for. By anyone; the attester earns the fee.
    function answerReceipt(address attester, uint32 number, uint32 index, ReceiptAnswer calldata answer) external {
        Batch memory batch = _batch(attester, number);
        batch.receipts().requireLeaf(index, answer.receipt.payloadHash(), answer.proof);
        Lies.requireDigest(keccak256(answer.scores), answer.receipt.scoresDigest);
        Lies.requireDigest(keccak256(answer.query), answer.receipt.queryDigest);
        Lies.requireDigest(keccak256(abi.encode(answer.payments)), answer.receipt.splitDigest);
        _requireSigned(attester, answer.receipt, answer.signature);
        bytes32 id = _answer(Item(attester, number, batch.generation, Kind.Receipt, index, 0));
        emit ReceiptPublished(id, attester, number, index, answer);
    }

    /// @notice Publishes a demanded line of the journal.
    function answerLine(address attester, uint32 number, uint32 index, OpenedLine calldata opened) external {
        Batch memory batch = _batch(attester, number);
        batch.journal().requireLeaf(index, Journals.hash(opened.line), opened.proof);
        bytes32 id = _answer(Item(attester, number, batch.generation, Kind.Line, index, 0));
        emit LinePublished(id, attester, number, index, opened);
    }

    /// @notice Publishes a demanded balance.
    function answerBalance(address attester, uint32 number, uint32 index, OpenedBalance calldata opened) external {
        Batch memory batch = _batch(attester, number);
        batch.balances().requireLeaf(index, Journals.hash(opened.balance), opened.proof);
        bytes32 id = _answer(Item(attester, number, batch.generation, Kind.Balance, index, 0));
        emit BalancePublished(id, attester, number, index, opened);
    }

    /// @notice Publishes a demanded row of a release's index.
    function answerRow(address attester, uint32 number, bytes32 releaseId, uint32 row, RowAnswer calldata answer)
        external
    {
        Batch memory batch = _batch(attester, number);
        ReleaseIndex memory index = models.indexOf(releaseId);
        bytes32 payloadHash = keccak256(abi.encode(row, answer.payee, keccak256(answer.content)));
        Commitment(index.root, index.rows).requireLeaf(row, payloadHash, answer.proof);
        bytes32 id = _answer(Item(attester, number, batch.generation, Kind.Row, row, releaseId));
        emit RowPublished(id, attester, number, releaseId, row, answer);
    }

    // ---------------------------------------------------------------- after the deadline

    /// @notice Undoes a batch for a demand that was not answered in time: the prover's reward is the demander's, and so is what
    /// it paid. By anyone.
    function enforce(Item calldata item) external {
        bytes32 id = idOf(item);
        Demand storage d = _open(id);
        if (block.timestamp < d.deadline) revert TooEarly(id, d.deadline);
        if (!ledger.isSame(item.attester, item.number, item.generation)) revert NotOpen(id, d.status);
        (address demander, uint256 price) = (d.demander, d.price);
        emit Enforced(id, item.attester, item.number);
        // First of all: without its last open demand the batch might be final.
        ledger.undo(item.attester, item.number, demander, address(0), 0);
        _close(d, item, Status.Enforced);
        ledger.creditFor{value: price}(demander);
    }

    /// @notice Gives back what a demand cost whose batch fell for another reason. By anyone.
    function returnFee(Item calldata item) external {
        bytes32 id = idOf(item);
        Demand storage d = _open(id);
        if (ledger.isSame(item.attester, item.number, item.generation)) revert BatchStands(item.attester, item.number);
        (address demander, uint256 price) = (d.demander, d.price);
        _close(d, item, Status.Returned);
        emit Returned(id, demander, price);
        ledger.creditFor{value: price}(demander);
    }

    // ---------------------------------------------------------------- views

    function idOf(Item memory item) public pure returns (bytes32) {
        return keccak256(abi.encode(item));
    }

    function demandOf(bytes32 itemId) external view returns (Demand memory) {
        return _demands[itemId];
    }

    /// @notice What the next demand against a batch costs, wei: the governed fee, and twice that for every `DOUBLES_EVERY`
    /// demands open against it, so that keeping others out by demands of one's own costs more than they pay to come in.
    function priceOf(address attester, uint256 number) external view returns (uint256) {
        return _price(parameters.demandFeeWei(), ledger.batchOf(attester, number).openDemands);
    }

    // ---------------------------------------------------------------- inside

    function _batch(address attester, uint256 number) private view returns (Batch memory) {
        return ledger.pendingBatchOf(attester, number);
    }

    function _demand(Item memory item) private returns (bytes32 id) {
        id = idOf(item);
        Demand storage d = _demands[id];
        if (d.status != Status.None) revert AlreadyDemanded(id, d.status);
        if (openOf[msg.sender] >= MAX_OPEN) revert TooManyOpen(msg.sender, MAX_OPEN);
        openOf[msg.sender] += 1;
        (, uint256 open, uint256 deadline) = ledger.openDemand(item.attester, item.number, msg.sender);
        uint256 fee = parameters.demandFeeWei();
        uint256 price = _price(fee, open);
        if (msg.value < price) revert PriceTooLow(msg.value, price);
        _demands[id] = Demand(msg.sender, uint96(price), uint96(fee), uint48(deadline), Status.Open);
        emit Demanded(id, msg.sender, item, price, deadline);
        if (msg.value != price) ledger.creditFor{value: msg.value - price}(msg.sender);
    }

    /// The attester gets the plain fee; what crowding added goes to the treasury, so that nobody crowds itself for free.
    function _answer(Item memory item) private returns (bytes32 id) {
        id = idOf(item);
        Demand storage d = _open(id);
        if (block.timestamp >= d.deadline) revert TooLate(id, d.deadline);
        (uint256 price, uint256 fee) = (d.price, d.fee);
        _close(d, item, Status.Answered);
        ledger.creditFor{value: fee}(item.attester);
        if (price != fee) ledger.creditFor{value: price - fee}(parameters.treasury());
    }

    function _open(bytes32 id) private view returns (Demand storage d) {
        d = _demands[id];
        if (d.status != Status.Open) revert NotOpen(id, d.status);
    }

    function _close(Demand storage d, Item memory item, Status status) private {
        d.status = status;
        openOf[d.demander] -= 1;
        ledger.closeDemand(item.attester, item.number, item.generation, d.demander);
    }

    function _price(uint256 fee, uint256 open) private pure returns (uint256) {
        return fee << (open / DOUBLES_EVERY);
    }

    function _requireSigned(address attester, Receipt calldata receipt, bytes calldata signature) private view {
        (address payee,) = ledger.channels().collectedOf(receipt.channelId);
        if (payee == attester) return;
        bytes32 digest = MessageHashUtils.toTypedDataHash(ledger.domainSeparator(), receipt.hash());
        address by = Signatures.signer(digest, signature);
        if (by == address(0) || by != payee) revert NotSignedByPayee(by, payee);
    }
}
