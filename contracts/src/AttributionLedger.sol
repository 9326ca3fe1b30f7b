// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {ModelRegistry} from "./ModelRegistry.sol";
import {PaymentChannels} from "./PaymentChannels.sol";
import {ProtocolParameters} from "./ProtocolParameters.sol";
import {Lies, ScoreEvidence} from "./libraries/Lies.sol";
import {Commitment, Positional} from "./libraries/Positional.sol";
import {Receipt, Receipts} from "./libraries/Receipts.sol";

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

/// @title Settlement batches, bonds, fraud proofs and claims
/// @notice An attester (the payee of payment channels) settles what was collected for it: it commits to receipts, to who
/// is paid by them, and to everyone's cumulative balance. For a window anyone may prove a lie; then payees claim.
///
/// Promises: pays out exactly what came in; nothing is claimable before its window ends; a proven lie slashes the attester
/// and undoes its batch and those built on it; a proof against an honest batch reverts. Unfinalised value never exceeds
/// the attester's bond.
contract AttributionLedger is EIP712, ReentrancyGuardTransient {
    using SafeCast for uint256;
    using Positional for Commitment;
    using Receipts for Receipt;

    /// Amounts fit in 96 bits: the supply of OPEN is 10²⁷ wei, below 2⁹⁰.
    struct Attester {
        uint96 bond;
        /// Paid to payees so far, wei.
        uint96 claimed;
        /// Batches that count. Those from here to `length` were undone and wait for `restore`.
        uint32 valid;
        uint32 length;
        /// Batches known to be final; final ones may lie beyond, see `_advance`.
        uint32 finalised;
    }

    struct Batch {
        bytes32 receiptsRoot;
        bytes32 journalRoot;
        bytes32 balancesRoot;
        /// keccak256 of the packed channel intervals, for `restore`.
        bytes32 intervalsDigest;
        uint32 receiptCount;
        uint32 journalCount;
        uint32 balanceCount;
        /// Sum of all batches of this attester up to and including this one, wei.
        uint96 cumulative;
        /// From this time on the batch is final; it never decreases from batch to batch.
        uint48 finalAt;
    }

    error NotChannels(address caller);
    error NotAttester(bytes32 channelId, address caller, address payee);
    error WrongNumber(uint256 number, uint256 next);
    error WrongPrevious(bytes32 given, bytes32 expected);
    error NotRestored(address attester, uint256 undone);
    error EmptyBatch();
    error TooManyChannels(uint256 channels, uint256 most);
    error NothingNew(bytes32 channelId, uint256 to, uint256 settled);
    error BeyondCollected(bytes32 channelId, uint256 to, uint256 collected);
    error WrongTotal(uint256 total, uint256 sum);
    error BondTooSmall(uint256 bond, uint256 needed);
    error NoSuchBatch(address attester, uint256 number);
    error NotFinal(uint256 finalAt);
    error AlreadyFinal(uint256 finalAt);
    error NothingToClaim(address payee, uint256 cumulative, uint256 claimed);
    error MoreThanFinal(uint256 amount, uint256 available);
    error WrongIntervals(bytes32 digest, bytes32 expected);
    error NothingToRestore(address attester);
    error TransferFailed(address to, uint256 amount);

    event BondDeposited(address indexed attester, uint256 amount, uint256 bond);
    event BondWithdrawn(address indexed attester, uint256 amount, uint256 bond);
    event BatchSettled(
        address indexed attester, uint256 indexed number, BatchInput batch, uint256 finalAt, ChannelInterval[] intervals
    );
    event Claimed(
        address indexed attester, address indexed payee, uint256 indexed number, uint256 amount, uint256 cumulative
    );
    /// @notice Batches from `number` to `end − 1` are undone.
    event BatchesUndone(
        address indexed attester, uint256 indexed number, uint256 end, address indexed prover, uint256 slashed
    );
    event ChannelsRestored(address indexed attester, uint256 indexed number);
    event Credited(address indexed account, uint256 amount);
    event CreditWithdrawn(address indexed account, uint256 amount);

    /// @notice The most channels one batch may settle, so that settling and restoring fit in a block.
    uint256 public constant MAX_CHANNELS = 1_024;

    uint256 private constant WHOLE = 10_000;

    ProtocolParameters public immutable parameters;
    ModelRegistry public immutable models;
    /// @notice Made by this contract: only it may send escrow here.
    PaymentChannels public immutable channels;

    /// @notice How far a channel is settled, wei of its cumulative amount.
    mapping(bytes32 channelId => uint256) public settledOf;
    /// @notice What a payee has claimed from an attester's batches, wei.
    mapping(address attester => mapping(address payee => uint256)) public claimedOf;
    /// @notice Parts of slashes that wait to be withdrawn, wei.
    mapping(address account => uint256) public creditOf;

    mapping(address attester => Attester) private _attesters;
    mapping(address attester => mapping(uint256 number => Batch)) private _batches;

    constructor(ProtocolParameters parameters_, ModelRegistry models_) EIP712("OpenLedger", "1") {
        parameters = parameters_;
        models = models_;
        channels = new PaymentChannels(parameters_);
    }

    /// @notice Takes escrow from the payment channels and from nobody else.
    receive() external payable {
        if (msg.sender != address(channels)) revert NotChannels(msg.sender);
    }

    // ---------------------------------------------------------------- bonds

    /// @notice Adds to the caller's bond, which stands behind its unfinalised batches.
    function depositBond() external payable {
        Attester storage a = _attesters[msg.sender];
        a.bond = (uint256(a.bond) + msg.value).toUint96();
        emit BondDeposited(msg.sender, msg.value, a.bond);
    }

    /// @notice Takes back what no unfinalised batch needs.
    function withdrawBond(uint256 amount) external nonReentrant {
        Attester storage a = _attesters[msg.sender];
        _advance(msg.sender, a);
        uint256 needed = _needed(_pending(msg.sender, a));
        if (a.bond < needed + amount) revert BondTooSmall(a.bond, needed + amount);
        a.bond -= uint96(amount);
        emit BondWithdrawn(msg.sender, amount, a.bond);
        _send(msg.sender, amount);
    }

    // ---------------------------------------------------------------- settling and claiming

    /// @notice Commits the caller's next batch. For every channel the receipts MUST tile from its pointer to `to`.
    function settle(BatchInput calldata batch, ChannelEnd[] calldata ends) external {
        Attester storage a = _attesters[msg.sender];
        if (a.length != a.valid) revert NotRestored(msg.sender, a.length - a.valid);
        if (batch.number != a.valid) revert WrongNumber(batch.number, a.valid);
        if (batch.receipts.count == 0 || batch.journal.count == 0 || batch.balances.count == 0) revert EmptyBatch();
        if (ends.length == 0 || ends.length > MAX_CHANNELS) revert TooManyChannels(ends.length, MAX_CHANNELS);

        (uint256 finalAt, uint256 cumulative) = (block.timestamp + parameters.settlementWindowSeconds(), batch.total);
        bytes32 previousRoot;
        if (a.valid != 0) {
            Batch storage previous = _batches[msg.sender][a.valid - 1];
            previousRoot = previous.balancesRoot;
            cumulative += previous.cumulative;
            finalAt = Math.max(finalAt, previous.finalAt);
        }
        if (batch.previousBalancesRoot != previousRoot) revert WrongPrevious(batch.previousBalancesRoot, previousRoot);

        ChannelInterval[] memory intervals = _move(ends, batch.total);
        _batches[msg.sender][a.valid] = Batch({
            receiptsRoot: batch.receipts.root,
            journalRoot: batch.journal.root,
            balancesRoot: batch.balances.root,
            intervalsDigest: keccak256(abi.encode(intervals)),
            receiptCount: batch.receipts.count,
            journalCount: batch.journal.count,
            balanceCount: batch.balances.count,
            cumulative: cumulative.toUint96(),
            finalAt: uint48(finalAt)
        });
        _advance(msg.sender, a);
        a.valid += 1;
        a.length += 1;
        uint256 needed = _needed(_pending(msg.sender, a));
        if (a.bond < needed) revert BondTooSmall(a.bond, needed);
        emit BatchSettled(msg.sender, batch.number, batch, finalAt, intervals);
    }

    /// @notice Pays what a payee's balance in a final batch exceeds what it has claimed. By anyone, to the payee.
    /// @param number a final batch of the attester; the latest pays most
    /// @param index the payee's position among the balances
    /// @param credit what that batch adds to its balance, wei
    /// @param cumulative its balance there, wei
    function claim(
        address attester,
        uint256 number,
        uint256 index,
        address payee,
        uint256 credit,
        uint256 cumulative,
        bytes32[] calldata proof
    ) external nonReentrant returns (uint256 amount) {
        Attester storage a = _attesters[attester];
        _requireFinalBalance(_batch(attester, a, number), index, keccak256(abi.encode(payee, credit, cumulative)), proof);

        uint256 claimed = claimedOf[attester][payee];
        if (cumulative <= claimed) revert NothingToClaim(payee, cumulative, claimed);
        amount = cumulative - claimed;
        _advance(attester, a);
        uint256 available = _cumulative(attester, a.finalised) - a.claimed;
        if (amount > available) revert MoreThanFinal(amount, available);

        claimedOf[attester][payee] = cumulative;
        a.claimed += uint96(amount);
        emit Claimed(attester, payee, number, amount, cumulative);
        _send(payee, amount);
    }

    /// @notice Pays out a part of a slash to whom it was credited. By anyone, to the account.
    function withdrawCredit(address account) external nonReentrant returns (uint256 amount) {
        amount = creditOf[account];
        if (amount == 0) revert NothingToClaim(account, 0, 0);
        creditOf[account] = 0;
        emit CreditWithdrawn(account, amount);
        _send(account, amount);
    }

    // ---------------------------------------------------------------- fraud proofs

    /// @notice Proves that a receipt of an unfinalised batch lists a wrong score, and undoes the batch. What counts as
    /// wrong is said in `Lies`. Evidence that does not match what was committed reverts.
    function proveWrongScore(address attester, uint256 number, ScoreEvidence calldata evidence) external {
        _requireReceipt(attester, number, evidence);
        Lies.requireWrongScore(evidence, models.indexOf(evidence.receipt.releaseId));
        _undo(attester, number);
    }

    /// @notice Proves that a receipt of an unfinalised batch names a wrong threshold, and undoes the batch.
    /// @param nullRow the null row that the evidence opens: the receipt's own, or one that scores higher
    function proveWrongThreshold(address attester, uint256 number, uint32 nullRow, ScoreEvidence calldata evidence)
        external
    {
        _requireReceipt(attester, number, evidence);
        Lies.requireWrongThreshold(evidence, models.indexOf(evidence.receipt.releaseId), nullRow);
        _undo(attester, number);
    }

    /// @notice Proves that a receipt of an unfinalised batch leaves out a contributor it should pay, and undoes the batch.
    /// @param row the contributor's row, which the evidence opens
    function proveOmission(address attester, uint256 number, uint32 row, ScoreEvidence calldata evidence) external {
        _requireReceipt(attester, number, evidence);
        Lies.requireOmission(evidence, models.indexOf(evidence.receipt.releaseId), row);
        _undo(attester, number);
    }

    /// @notice Moves the channels' pointers back to where the last undone batch found them, the newest batch first. Until
    /// every undone batch is restored, its attester cannot settle. By anyone.
    /// @param intervals as the batch's `BatchSettled` event lists them
    function restore(address attester, ChannelInterval[] calldata intervals) external {
        Attester storage a = _attesters[attester];
        if (a.length == a.valid) revert NothingToRestore(attester);
        uint256 number = a.length - 1;
        bytes32 expected = _batches[attester][number].intervalsDigest;
        bytes32 digest = keccak256(abi.encode(intervals));
        if (digest != expected) revert WrongIntervals(digest, expected);
        for (uint256 i = intervals.length; i > 0; --i) {
            settledOf[intervals[i - 1].channelId] = intervals[i - 1].from;
        }
        a.length = uint32(number);
        emit ChannelsRestored(attester, number);
    }

    // ---------------------------------------------------------------- views

    /// @notice A batch that counts. Undone batches are not found.
    function batchOf(address attester, uint256 number) external view returns (Batch memory) {
        return _batch(attester, _attesters[attester], number);
    }

    /// @return bond wei at stake
    /// @return pending wei of batches that are not final
    /// @return batches the number of batches that count; the next batch carries this number
    /// @return undone batches that wait to be restored
    /// @return finalised batches that are final
    function attesterOf(address attester)
        external
        view
        returns (uint256 bond, uint256 pending, uint256 batches, uint256 undone, uint256 finalised)
    {
        Attester storage a = _attesters[attester];
        finalised = _firstPending(attester, a);
        pending = _cumulative(attester, a.valid) - _cumulative(attester, finalised);
        return (a.bond, pending, a.valid, a.length - a.valid, finalised);
    }

    function domainSeparator() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    // ---------------------------------------------------------------- inside: settling

    /// Moves each channel's pointer and returns what was taken; refuses channels of others and value not collected.
    function _move(ChannelEnd[] calldata ends, uint256 total) private returns (ChannelInterval[] memory intervals) {
        intervals = new ChannelInterval[](ends.length);
        uint256 sum;
        for (uint256 i = 0; i < ends.length; ++i) {
            (bytes32 channelId, uint256 to) = (ends[i].channelId, ends[i].to);
            (address payee, uint256 collected) = channels.collectedOf(channelId);
            if (payee != msg.sender) revert NotAttester(channelId, msg.sender, payee);
            uint256 settled = settledOf[channelId];
            if (to <= settled) revert NothingNew(channelId, to, settled);
            if (to > collected) revert BeyondCollected(channelId, to, collected);
            settledOf[channelId] = to;
            sum += to - settled;
            intervals[i] = ChannelInterval(channelId, uint96(settled), uint96(to));
        }
        if (sum != total) revert WrongTotal(total, sum);
    }

    /// The payload is leaf `index` of the balances of a batch that is final.
    function _requireFinalBalance(Batch storage batch, uint256 index, bytes32 payloadHash, bytes32[] calldata proof)
        private
        view
    {
        if (block.timestamp < batch.finalAt) revert NotFinal(batch.finalAt);
        if (!Commitment(batch.balancesRoot, batch.balanceCount).verify(index, payloadHash, proof)) revert Lies.BadProof();
    }

    /// Batches become final in order, because `finalAt` never decreases: the first that is not is found by halving.
    function _firstPending(address attester, Attester storage a) private view returns (uint256 low) {
        low = a.finalised;
        uint256 high = a.valid;
        while (low < high) {
            uint256 middle = (low + high) / 2;
            if (block.timestamp < _batches[attester][middle].finalAt) high = middle;
            else low = middle + 1;
        }
    }

    function _advance(address attester, Attester storage a) private {
        uint256 first = _firstPending(attester, a);
        if (first != a.finalised) a.finalised = uint32(first);
    }

    /// Σ of the attester's first `count` batches, wei.
    function _cumulative(address attester, uint256 count) private view returns (uint256) {
        return count == 0 ? 0 : _batches[attester][count - 1].cumulative;
    }

    /// Σ of the batches that are not final; call after `_advance`.
    function _pending(address attester, Attester storage a) private view returns (uint256) {
        return _cumulative(attester, a.valid) - _cumulative(attester, a.finalised);
    }

    /// The bond that a pending value needs: nothing for none, else at least the governed minimum.
    function _needed(uint256 pending) private view returns (uint256) {
        return pending == 0 ? 0 : Math.max(pending, parameters.minimumBondWei());
    }

    function _batch(address attester, Attester storage a, uint256 number) private view returns (Batch storage) {
        if (number >= a.valid) revert NoSuchBatch(attester, number);
        return _batches[attester][number];
    }

    // ---------------------------------------------------------------- inside: fraud

    /// The receipt is in a batch that is not final, and the list is what it committed to.
    function _requireReceipt(address attester, uint256 number, ScoreEvidence calldata evidence) private view {
        Batch storage batch = _batch(attester, _attesters[attester], number);
        if (block.timestamp >= batch.finalAt) revert AlreadyFinal(batch.finalAt);
        Commitment memory receipts = Commitment(batch.receiptsRoot, batch.receiptCount);
        bytes32 payloadHash = keccak256(abi.encode(evidence.receipt.hash()));
        if (!receipts.verify(evidence.receiptIndex, payloadHash, evidence.receiptProof)) revert Lies.BadProof();
        Lies.requireDigest(keccak256(evidence.scores), evidence.receipt.scoresDigest);
    }

    /// Undoes batch `number` and all after it, slashes the batch's value (at least the minimum bond, at most the bond),
    /// and credits the prover's part and the rest. Rounding favours the treasury.
    function _undo(address attester, uint256 number) private {
        Attester storage a = _attesters[attester];
        uint256 end = a.valid;
        uint256 worth = _cumulative(attester, number + 1) - _cumulative(attester, number);
        uint256 slashed = Math.min(a.bond, Math.max(worth, parameters.minimumBondWei()));
        a.valid = uint32(number);
        a.bond -= uint96(slashed);
        uint256 reward = slashed * parameters.proverRewardBps() / WHOLE;
        _credit(msg.sender, reward);
        _credit(parameters.treasury(), slashed - reward);
        emit BatchesUndone(attester, number, end, msg.sender, slashed);
    }

    function _credit(address account, uint256 amount) private {
        creditOf[account] += amount;
        emit Credited(account, amount);
    }

    function _send(address to, uint256 amount) private {
        (bool sent,) = to.call{value: amount}("");
        if (!sent) revert TransferFailed(to, amount);
    }
}
