// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {PaymentChannels} from "./PaymentChannels.sol";
import {ProtocolParameters} from "./ProtocolParameters.sol";
import {ReleaseVerdicts} from "./ReleaseVerdicts.sol";
import {ChannelState, Pointers} from "./ledger/Pointers.sol";
import {Standing} from "./ledger/Standing.sol";
import {Batch, BatchInput, ChannelEnd, ChannelInterval} from "./libraries/Batches.sol";
import {Commitment, Positional} from "./libraries/Positional.sol";
import {Receipt, Receipts} from "./libraries/Receipts.sol";
import {Signatures} from "./libraries/Signatures.sol";

/// @title Settlement batches, bonds, claims, and what happens to a batch that lied
/// @notice An attester settles what was collected for payment channels: it commits to receipts, to who is paid by them, and
/// to everyone's balance. For a window anyone may prove a lie (`FraudProofs`) or ask for what was withheld (`Demands`); then
/// payees claim. Who settles is the payee of the channels; where a batch fell, anyone bonded may settle its receipts again.
///
/// Promises: pays out exactly what came in; nothing is claimable before it is final; a lie or silence slashes the attester
/// and undoes its batch and those built on it; unfinalised value never exceeds the attester's bond; what nobody settles
/// goes back to the payer. Nobody has a right here but the contracts named below, for good.
contract AttributionLedger is Pointers, EIP712 {
    using SafeCast for uint256;
    using Positional for Commitment;
    using Receipts for Receipt;

    error NotChannels(address caller);
    error NotAllowed(address caller);
    error WrongNumber(uint256 number, uint256 next);
    error WrongPrevious(bytes32 given, bytes32 expected);
    error NotRestored(address attester, uint256 undone);
    error EmptyBatch();
    error TooManyChannels(uint256 channels, uint256 most);
    error TooManyPending(uint256 pending, uint256 most);
    error NotFinal(uint256 finalAt);
    error MoreThanFinal(uint256 amount, uint256 available);
    error DemandTooLate(uint256 until);
    error TooManyDemands(uint256 open, uint256 most);
    error HoldTooLong(uint256 until, uint256 latest);
    error NotSigned(bytes32 receiptId, address by);
    error NotLate(bytes32 receiptId, uint256 deadline);

    event BatchSettled(
        address indexed attester, uint256 indexed number, BatchInput batch, uint256 finalAt, ChannelInterval[] intervals
    );
    event Claimed(
        address indexed attester, address indexed payee, uint256 indexed number, uint256 amount, uint256 cumulative
    );
    event ReceiptReportedLate(
        address indexed operator, bytes32 indexed channelId, bytes32 indexed receiptId, address prover, uint256 slashed
    );

    /// @notice The most channels one batch may settle.
    uint256 public constant MAX_CHANNELS = 1024;
    /// @notice The most batches of one attester that may wait to be final, so that each of them can be put off in a block.
    uint256 public constant MAX_PENDING = 128;
    /// @notice The most demands that may be open against one batch.
    uint256 public constant MAX_OPEN_DEMANDS = 512;

    address public immutable fraudProofs;
    address public immutable demands;
    address public immutable verdicts;
    ReleaseVerdicts public immutable releaseVerdicts;

    /// @notice What a payee has claimed from an attester's batches, wei.
    mapping(address attester => mapping(address payee => uint256)) public claimedOf;
    /// @notice Receipts that were reported late: each costs its operator once.
    mapping(bytes32 receiptId => bool) public reportedOf;

    constructor(
        ProtocolParameters parameters_,
        PaymentChannels channels_,
        address fraudProofs_,
        address demands_,
        address verdicts_,
        ReleaseVerdicts releaseVerdicts_
    ) Standing(parameters_) Pointers(channels_) EIP712("OpenLedger", "1") {
        (fraudProofs, demands, verdicts, releaseVerdicts) = (fraudProofs_, demands_, verdicts_, releaseVerdicts_);
    }

    modifier only(address caller) {
        if (msg.sender != caller) revert NotAllowed(msg.sender);
        _;
    }

    /// @notice Takes escrow from the payment channels and from nobody else.
    receive() external payable {
        if (msg.sender != address(channels)) revert NotChannels(msg.sender);
    }

    // ---------------------------------------------------------------- settling and claiming

    /// @notice Commits the caller's next batch. For every channel the receipts MUST tile from its pointer to `to`.
    /// @param ends strictly ascending by channel
    function settle(BatchInput calldata batch, ChannelEnd[] calldata ends) external {
        Attester storage a = _attesters[msg.sender];
        if (a.length != a.valid) revert NotRestored(msg.sender, a.length - a.valid);
        if (batch.number != a.valid) revert WrongNumber(batch.number, a.valid);
        if (batch.receipts.count == 0 || batch.journal.count == 0 || batch.balances.count == 0) revert EmptyBatch();
        if (ends.length == 0 || ends.length > MAX_CHANNELS) revert TooManyChannels(ends.length, MAX_CHANNELS);
        _advance(msg.sender, a);
        if (a.valid - a.finalised >= MAX_PENDING) revert TooManyPending(a.valid - a.finalised, MAX_PENDING);

        uint256 window = parameters.settlementWindowSeconds();
        (uint256 finalAt, uint256 cumulative) = (block.timestamp + window, batch.total);
        bytes32 previousRoot;
        if (a.valid != 0) {
            Batch storage previous = _batches[msg.sender][a.valid - 1];
            previousRoot = previous.balancesRoot;
            cumulative += previous.cumulative;
            finalAt = Math.max(finalAt, previous.finalAt);
        }
        if (batch.previousBalancesRoot != previousRoot) revert WrongPrevious(batch.previousBalancesRoot, previousRoot);

        ChannelInterval[] memory intervals = _move(ends, batch.total, batch.number + 1);
        _batches[msg.sender][batch.number] = Batch({
            receiptsRoot: batch.receipts.root,
            journalRoot: batch.journal.root,
            balancesRoot: batch.balances.root,
            intervalsDigest: keccak256(abi.encode(intervals)),
            receiptCount: batch.receipts.count,
            journalCount: batch.journal.count,
            balanceCount: batch.balances.count,
            cumulative: cumulative.toUint96(),
            settledAt: uint48(block.timestamp),
            finalAt: uint48(finalAt),
            window: uint32(window),
            generation: a.generation,
            openDemands: 0
        });
        a.valid += 1;
        a.length += 1;
        uint256 needed = _needed(msg.sender, a);
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
        _requireFinalBalance(attester, a, number, index, keccak256(abi.encode(payee, credit, cumulative)), proof);
        uint256 claimed = claimedOf[attester][payee];
        if (cumulative <= claimed) revert NothingToClaim(payee, cumulative, claimed);
        amount = cumulative - claimed;
        uint256 available = _cumulative(attester, a.finalised) - a.claimed;
        if (amount > available) revert MoreThanFinal(amount, available);

        claimedOf[attester][payee] = cumulative;
        a.claimed += uint96(amount);
        emit Claimed(attester, payee, number, amount, cumulative);
        _send(payee, amount);
    }

    // ---------------------------------------------------------------- receipts that never came

    /// @notice Shows a receipt that the payee of a channel signed and did not settle by its deadline: slashes its free bond
    /// by the fee, at least the governed amount, once a receipt. Nothing is undone. Not where a batch over the channel fell,
    /// until the payee settles it again, nor where its release could not be settled yet that long ago.
    function reportLate(Receipt calldata receipt, bytes calldata signature) external {
        bytes32 receiptId = receipt.hash();
        address operator = _requireLate(receipt, receiptId, signature);
        reportedOf[receiptId] = true;
        Attester storage a = _attesters[operator];
        _advance(operator, a);
        uint256 free = a.bond - _pending(operator, a);
        uint256 slashed = Math.min(free, Math.max(receipt.fee(), parameters.lateReceiptSlashWei()));
        if (slashed == 0) revert BondTooSmall(a.bond, a.bond + 1);
        emit ReceiptReportedLate(operator, receipt.channelId, receiptId, msg.sender, slashed);
        _slash(operator, a, slashed, msg.sender, channels.payerOf(receipt.channelId), _paid(receipt));
    }

    // ---------------------------------------------------------------- for the contracts that judge

    /// @notice Undoes a batch that is not final. Only for `FraudProofs` and `ReleaseVerdicts`, after a proof, and `Demands`, after
    /// silence.
    function undo(address attester, uint256 number, address prover, address harmed, uint256 harm) external {
        bool may = msg.sender == fraudProofs || msg.sender == demands || msg.sender == address(releaseVerdicts);
        if (!may) revert NotAllowed(msg.sender);
        _undo(attester, number, prover, harmed, harm);
    }

    /// @notice Undoes a batch that a quorum found wrong, after the appeal. Only for `Verdicts`.
    /// @param accuser who opened the accusation, for `accuserFee` wei
    /// @param auditor who opened the audit that had found it, for `auditorFee` wei; zero for nobody
    function slashByQuorum(
        address attester,
        uint256 number,
        address accuser,
        uint256 accuserFee,
        address auditor,
        uint256 auditorFee
    ) external only(verdicts) {
        _undoJudged(attester, number, accuser, accuserFee, auditor, auditorFee);
    }

    /// @notice Keeps a batch from being final before `until`, while a verdict or an appeal is under way. Only for `Verdicts`.
    /// @dev MUST NOT be later than three windows, both phases of a verdict and the appeal after the settlement.
    function hold(address attester, uint256 number, uint256 until) external only(verdicts) {
        Attester storage a = _attesters[attester];
        Batch storage batch = _pendingBatch(attester, a, number);
        uint256 latest =
            batch.settledAt + 3 * uint256(batch.window) + 2 * parameters.verdictSeconds() + parameters.appealSeconds();
        if (until > latest) revert HoldTooLong(until, latest);
        _raise(attester, a, number, until);
    }

    /// @notice Counts a demand against a batch and locks the demander's minimum bond. Demands are taken during a batch's own
    /// window; the first makes it twice as long, so that whoever is answered still has half a window for a proof. Only for
    /// `Demands`.
    /// @return generation names the batch for good, together with its number
    /// @return open demands against it before this one
    /// @return deadline when the answer is late, half a window from now
    function openDemand(address attester, uint256 number, address demander)
        external
        only(demands)
        returns (uint256 generation, uint256 open, uint256 deadline)
    {
        Attester storage a = _attesters[attester];
        Batch storage batch = _pendingBatch(attester, a, number);
        (uint256 start, uint256 window) = (batch.settledAt, batch.window);
        if (block.timestamp >= start + window) revert DemandTooLate(start + window);
        (generation, open) = (batch.generation, batch.openDemands);
        if (open >= MAX_OPEN_DEMANDS) revert TooManyDemands(open, MAX_OPEN_DEMANDS);
        batch.openDemands = uint16(open + 1);
        _raise(attester, a, number, start + 2 * window);
        deadline = block.timestamp + window - window / 2;

        Attester storage d = _attesters[demander];
        _advance(demander, d);
        d.locks += 1;
        uint256 needed = _needed(demander, d);
        if (d.bond < needed) revert BondTooSmall(d.bond, needed);
    }

    /// @notice Takes a demand off its batch, if that still counts, and off its demander. Only for `Demands`.
    function closeDemand(address attester, uint256 number, uint256 generation, address demander)
        external
        only(demands)
    {
        if (isSame(attester, number, generation)) _batches[attester][number].openDemands -= 1;
        _attesters[demander].locks -= 1;
    }

    /// @notice Credits an account with the value sent. Only for `Demands`: a fee, or one that is given back.
    function creditFor(address account) external payable only(demands) {
        _credit(account, msg.value);
    }

    // ---------------------------------------------------------------- views

    /// @notice Whether batch `number` counts and is still the one of that generation.
    function isSame(address attester, uint256 number, uint256 generation) public view returns (bool) {
        return number < _attesters[attester].valid && _batches[attester][number].generation == generation;
    }

    function domainSeparator() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    // ---------------------------------------------------------------- inside

    /// @return operator the payee of the receipt's channel, who signed it
    function _requireLate(Receipt calldata receipt, bytes32 receiptId, bytes calldata signature)
        private
        view
        returns (address operator)
    {
        (operator,) = channels.collectedOf(receipt.channelId);
        address by = Signatures.signer(_hashTypedDataV4(receiptId), signature);
        if (by == address(0) || by != operator) revert NotSigned(receiptId, by);
        ChannelState memory c = _channels[receipt.channelId];
        uint256 grace = parameters.receiptDeadlineSeconds();
        uint256 deadline = receipt.issuedAt + grace;
        bool late = block.timestamp >= deadline && receipt.to > c.settled && c.undone == 0 && !c.third;
        late = late && releaseVerdicts.settleableAt(receipt.releaseId, block.timestamp - grace);
        if (!late || reportedOf[receiptId]) revert NotLate(receiptId, deadline);
    }

    /// What the payer paid for a receipt, wei: what was not collected it still has.
    function _paid(Receipt calldata receipt) private view returns (uint256) {
        (, uint256 collected) = channels.collectedOf(receipt.channelId);
        return receipt.to > collected ? 0 : receipt.fee();
    }

    /// The payload is leaf `index` of the balances of a batch that is final.
    function _requireFinalBalance(
        address attester,
        Attester storage a,
        uint256 number,
        uint256 index,
        bytes32 payloadHash,
        bytes32[] calldata proof
    ) private {
        Batch storage batch = _batch(attester, a, number);
        _advance(attester, a);
        if (number >= a.finalised) revert NotFinal(batch.finalAt);
        Positional.requireLeaf(Commitment(batch.balancesRoot, batch.balanceCount), index, payloadHash, proof);
    }
}
