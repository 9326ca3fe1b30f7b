// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {AttributionLedger} from "./AttributionLedger.sol";
import {OpenStaking, Reason} from "./OpenStaking.sol";
import {ProtocolParameters} from "./ProtocolParameters.sol";
import {Batch} from "./libraries/Batches.sol";
import {Draws, Lottery} from "./libraries/Draws.sol";
import {Jury} from "./verdicts/Jury.sol";

/// @title Verdicts of validators on what no proof on chain can decide
/// @notice That a receipt's query is the gradient of its answer is checked by running the model again, off chain, and decided
/// here by stake. Anyone opens a draw over a batch that is not final, for the governed fee: an **audit**, in which each drawn
/// validator checks the receipt that its own lot names, or an **accusation**, in which everyone with a seat checks one receipt:
/// an attester chooses the receipts root, and with it the lots of the validators it is friends with, so no lot decides who
/// judges it. A lot is keccak256(next preimage ‖ the batch's receipts root), the preimage being the next of the validator's hash chain:
/// nobody else knows it before it is shown, and the validator cannot choose it. Who is drawn commits to a verdict and reveals
/// it with the preimage; who is not shows the preimage, so that every silence is seen.
///
/// A verdict names the digest of the gradient's projection under a seed made of batch and receipt, which the published query
/// does not yield: so nobody can agree without having run the model. It is revealed with the verdict; where a quorum found a
/// receipt right, whoever shows another one than two thirds of the stake do had not looked.
///
/// Who accuses a receipt that is found wrong gets the fee back and a part of the slash, shared with whoever paid for the audit in
/// which a validator found it before; an accusation that is not upheld costs its fee.
///
/// Promises:
/// 1. Only an accusation that at least two thirds of the seated stake, silent stake included, and at least three validators
///    found wrong undoes a batch, and only after the appeal, in which governance may overturn it.
/// 2. A validator is slashed only for silence, or for a verdict against such a quorum on that very receipt, or for a projection
///    far from those of as many who found it right; once a verdict; and each such slash waits for its own appeal.
/// 3. Nobody judges their own batch, nor one that was settled before they committed to their chain.
/// 4. Preimages are consumed one by one, in the order of the draws; no chain is replaced while its validator owes an answer.
/// 5. This contract holds exactly the fees of draws that were not paid out yet.
contract Verdicts is Jury {
    using SafeCast for uint256;

    enum Outcome {
        Open,
        NoQuorum,
        Right,
        Wrong,
        Executed,
        Overturned
    }

    enum Answer {
        None,
        NotDrawn,
        Right,
        Wrong
    }

    struct Seat {
        /// keccak256 of the next preimage.
        bytes32 tip;
        uint48 registeredAt;
        /// Draws the validator was counted in, and those it has answered or was charged for.
        uint32 assigned;
        uint32 answered;
        /// Its position among the seats, from 1; 0 without a seat.
        uint16 position;
    }

    struct Draw {
        bytes32 receiptsRoot;
        address attester;
        uint32 number;
        uint32 generation;
        uint32 receiptCount;
        /// The one under accusation, or `AUDIT`.
        uint32 receipt;
        uint48 commitEnds;
        uint48 revealEnds;
        uint48 executableAt;
        uint32 seatsDrawn;
        Outcome outcome;
        /// What the quorum found, even if governance overturned it.
        Answer quorum;
        /// Stake of everyone who may be drawn; of those who were not; of those who found it right, and wrong, wei.
        uint96 total;
        uint96 notDrawn;
        uint96 right;
        uint96 wrong;
        uint16 rightCount;
        uint16 wrongCount;
        /// Of an accusation: the audit in which somebody had found that receipt wrong before; 0 for none.
        uint32 audit;
        /// Who opened it, and for what fee, wei.
        address opener;
        uint96 fee;
    }

    struct Ballot {
        uint96 weight;
        /// Its place in the validator's order of draws.
        uint32 sequence;
        uint32 receipt;
        Answer answer;
        bool charged;
        bool paid;
        bytes32 commitment;
        /// Digest of the projection.
        bytes32 projection;
    }

    error NotActive(address validator);
    error NoSeat(address validator);
    error SeatTaken(address validator);
    error StillOwes(address validator, uint256 draws);
    error NoRoom(uint256 seats);
    error ZeroTip();
    error TooLateToOpen(uint256 until);
    error NoSuchReceipt(uint256 receipt, uint256 count);
    error AlreadyDrawn(uint256 drawId);
    error UnknownDraw(uint256 drawId);
    error NotCounted(uint256 drawId, address validator);
    error OutOfOrder(uint256 sequence, uint256 next);
    error WrongPreimage(bytes32 preimage, bytes32 tip);
    error IsDrawn(uint256 drawId, address validator);
    error IsNotDrawn(uint256 drawId, address validator);
    error WrongCommitment(bytes32 given, bytes32 expected);
    error WrongOutcome(uint256 drawId, Outcome outcome);
    error NothingToCharge(uint256 drawId, address validator);
    error NothingToPay(uint256 drawId, address validator);
    error BatchGone(address attester, uint256 number);

    event SeatRegistered(address indexed validator, bytes32 tip);
    event SeatLeft(address indexed validator);
    /// @notice `receipt` is `AUDIT` for an audit.
    event DrawOpened(
        uint256 indexed drawId,
        address indexed attester,
        uint256 indexed number,
        address opener,
        bytes32 receiptsRoot,
        uint256 receipt,
        uint256 commitEnds,
        uint256 revealEnds
    );
    event Committed(uint256 indexed drawId, address indexed validator, bytes32 commitment);
    event NotDrawn(uint256 indexed drawId, address indexed validator, bytes32 preimage);
    event Revealed(
        uint256 indexed drawId,
        address indexed validator,
        uint256 receipt,
        bool wrong,
        bytes projection,
        bytes32 preimage
    );
    event Resolved(
        uint256 indexed drawId, Outcome outcome, uint256 right, uint256 wrong, uint256 drawn, uint256 executableAt
    );
    event Overturned(uint256 indexed drawId);
    /// @notice Who is rewarded for it: who accused, and who opened the audit that found it, or nobody.
    event Executed(uint256 indexed drawId, address indexed accuser, address indexed auditor);
    event Charged(uint256 indexed drawId, address indexed validator, Reason reason, uint256 slashId);

    /// @notice The most validators with a seat, so that a draw fits in a block.
    uint256 public constant MAX_SEATS = 64;
    /// @notice Stands for the receipt of an audit.
    uint32 public constant AUDIT = type(uint32).max;
    /// @notice Stands for the number of validators drawn for an accusation: so many that each is.
    uint32 public constant EVERYONE = type(uint32).max;

    AttributionLedger public immutable ledger;

    /// @notice Draws opened so far; ids count from 1.
    uint256 public drawCount;
    /// @notice Fees that were not paid out yet, wei.
    uint256 public feesHeld;

    address[] private _seats;
    mapping(address validator => Seat) private _seatOf;
    mapping(uint256 drawId => Draw) private _draws;
    mapping(uint256 drawId => mapping(address validator => Ballot)) private _ballots;
    /// The last draw over a batch and receipt.
    mapping(bytes32 subject => uint256) private _lastDraw;
    /// The audit in which somebody found the receipt of a batch wrong.
    mapping(bytes32 subject => uint32) private _foundIn;

    constructor(ProtocolParameters parameters_, OpenStaking staking_, AttributionLedger ledger_)
        Jury(parameters_, staking_)
    {
        ledger = ledger_;
    }

    // ---------------------------------------------------------------- seats

    /// @notice Takes a seat, or replaces the caller's hash chain while it owes nothing. Only for active validators.
    /// @param tip keccak256 of the first preimage; each preimage is the keccak256 of the next
    /// @param instead when all seats are taken: who gives way, having less active stake and owing nothing
    function register(bytes32 tip, address instead) external {
        if (tip == 0) revert ZeroTip();
        uint256 stake = staking.activeStakeOf(uint160(msg.sender));
        if (stake == 0) revert NotActive(msg.sender);
        Seat storage seat = _seatOf[msg.sender];
        _requireOwesNothing(msg.sender, seat);
        if (seat.position == 0) {
            if (_seats.length == MAX_SEATS) {
                if (staking.activeStakeOf(uint160(instead)) >= stake) revert NoRoom(MAX_SEATS);
                _leave(instead);
            }
            _seats.push(msg.sender);
            seat.position = uint16(_seats.length);
        }
        (seat.tip, seat.registeredAt) = (tip, uint48(block.timestamp));
        emit SeatRegistered(msg.sender, tip);
    }

    /// @notice Gives up the caller's seat once it owes nothing.
    function leave() external {
        _leave(msg.sender);
    }

    // ---------------------------------------------------------------- draws

    /// @notice Opens an audit of a batch, within its own window; once. The value sent MUST be the governed fee.
    function audit(address attester, uint256 number) external payable returns (uint256 drawId) {
        return _open(attester, number, AUDIT);
    }

    /// @notice Opens an accusation of one receipt, until two windows after the batch was settled and while it is not final;
    /// again only if the last one found no quorum. The value sent MUST be the governed fee.
    function accuse(address attester, uint256 number, uint32 receipt) external payable returns (uint256 drawId) {
        return _open(attester, number, receipt);
    }

    /// @notice Commits to a verdict, or to another one, while the commit phase lasts.
    /// @param commitment `commitmentOf(…)`
    function commit(uint256 drawId, bytes32 commitment) external {
        Draw storage d = _draw(drawId);
        Ballot storage b = _counted(drawId, msg.sender);
        _requirePhase(0, d.commitEnds);
        b.commitment = commitment;
        emit Committed(drawId, msg.sender, commitment);
    }

    /// @notice Shows that the caller is not drawn, until the reveal phase ends.
    function pass(uint256 drawId, bytes32 preimage) external {
        Draw storage d = _draw(drawId);
        Ballot storage b = _counted(drawId, msg.sender);
        _requirePhase(0, d.revealEnds);
        _consume(b, preimage);
        if (_lottery(d, b, preimage).drawn) revert IsDrawn(drawId, msg.sender);
        b.answer = Answer.NotDrawn;
        d.notDrawn += b.weight;
        emit NotDrawn(drawId, msg.sender, preimage);
    }

    /// @notice Reveals the caller's verdict in the reveal phase, with the preimage that shows it was drawn.
    /// @param wrong whether the receipt's attribution is wrong, or what is needed to check it was withheld
    /// @param projection of the gradient that the caller computed; nothing where it computed none
    function reveal(uint256 drawId, bool wrong, bytes calldata projection, bytes32 salt, bytes32 preimage) external {
        Draw storage d = _draw(drawId);
        Ballot storage b = _counted(drawId, msg.sender);
        _requirePhase(d.commitEnds, d.revealEnds);
        _consume(b, preimage);
        Lottery memory lot = _lottery(d, b, preimage);
        if (!lot.drawn) revert IsNotDrawn(drawId, msg.sender);
        bytes32 digest = _digest(projection);
        bytes32 given = Draws.commitmentOf(_batchId(d), lot.receipt, wrong, digest, salt, msg.sender);
        if (given != b.commitment) revert WrongCommitment(given, b.commitment);
        (b.receipt, b.projection, b.answer) = (lot.receipt, digest, wrong ? Answer.Wrong : Answer.Right);
        if (wrong && d.receipt == AUDIT) _foundIn[_subject(d, lot.receipt)] = uint32(drawId);
        if (wrong) (d.wrong, d.wrongCount) = (d.wrong + b.weight, d.wrongCount + 1);
        else (d.right, d.rightCount) = (d.right + b.weight, d.rightCount + 1);
        emit Revealed(drawId, msg.sender, lot.receipt, wrong, projection, preimage);
    }

    /// @notice Counts a draw whose reveal phase has ended. By anyone. Found wrong, the batch is held until its appeal ends.
    function resolve(uint256 drawId) external nonReentrant {
        Draw storage d = _draw(drawId);
        if (d.outcome != Outcome.Open) revert WrongOutcome(drawId, d.outcome);
        _requirePhase(d.revealEnds, type(uint48).max);
        uint256 drawn = _drawn(d);
        d.quorum = d.receipt == AUDIT ? Answer.None : _quorum(d, drawn);
        d.outcome = Outcome.NoQuorum;
        if (d.quorum == Answer.Right) d.outcome = Outcome.Right;
        if (d.quorum == Answer.Wrong) {
            d.outcome = Outcome.Wrong;
            d.executableAt = uint48(d.revealEnds + parameters.appealSeconds());
            if (_stillPending(d)) _hold(d, d.executableAt);
        }
        emit Resolved(drawId, d.outcome, d.right, d.wrong, drawn, d.executableAt);
        feesHeld -= _payRest(d.fee, _winners(d));
    }

    /// @notice Governance sets aside what a quorum found, before it is executed; nobody can be charged by it any more.
    function overturn(uint256 drawId) external {
        _onlyGovernance();
        Draw storage d = _draw(drawId);
        if (d.outcome != Outcome.Wrong && d.outcome != Outcome.Right) revert WrongOutcome(drawId, d.outcome);
        d.outcome = Outcome.Overturned;
        emit Overturned(drawId);
    }

    /// @notice Undoes a batch that a quorum found wrong, after the appeal. By anyone. Out of what its attester loses, who accused and
    /// who had it audited get their fees back and the governed part; who was harmed by a false query cannot be said.
    function execute(uint256 drawId) external nonReentrant {
        Draw storage d = _draw(drawId);
        if (d.outcome != Outcome.Wrong) revert WrongOutcome(drawId, d.outcome);
        _requirePhase(d.executableAt, type(uint48).max);
        if (!_stillPending(d)) revert BatchGone(d.attester, d.number);
        d.outcome = Outcome.Executed;
        Draw storage audited = _draws[d.audit];
        emit Executed(drawId, d.opener, audited.opener);
        ledger.slashByQuorum(d.attester, d.number, d.opener, d.fee, audited.opener, audited.fee);
    }

    // ---------------------------------------------------------------- charges and fees

    /// @notice Slashes a validator that stayed silent in a draw. By anyone, who is the reporter.
    function chargeSilence(uint256 drawId, address validator) external returns (uint256 slashId) {
        Draw storage d = _draw(drawId);
        Ballot storage b = _counted(drawId, validator);
        if (b.answer != Answer.None || b.charged) revert NothingToCharge(drawId, validator);
        _requirePhase(d.revealEnds, type(uint48).max);
        _next(b, validator);
        return _charge(drawId, validator, Reason.WithheldVerdict, msg.sender);
    }

    /// @notice Slashes a validator whose verdict is against the quorum of an accusation: given in that accusation, or on the
    /// same receipt in an audit of the same batch. By anyone, who is the reporter.
    /// @param drawId where the verdict was given
    /// @param accusation where the quorum was found; the same draw, or one over the receipt that the validator audited
    function chargeVerdict(uint256 drawId, uint256 accusation, address validator) external returns (uint256 slashId) {
        Ballot storage b = _judged(drawId, accusation, validator);
        if (b.answer == _draws[accusation].quorum) revert NothingToCharge(drawId, validator);
        return _charge(drawId, validator, Reason.WrongVerdict, msg.sender);
    }

    /// @notice Slashes a validator that called a receipt right, as a quorum did, and has not computed its gradient: the projection
    /// it showed is far from those of two thirds of the stake. In that accusation, or on the same receipt in an audit of the
    /// same batch. By anyone; the reporter is who opened the accusation, which nothing else pays.
    /// @param drawId where the verdict was given
    /// @param accusation where the quorum was found; the same draw, or one over the receipt that the validator audited
    /// @param shown what the validator revealed
    /// @param agreed validators of the accusation that found the receipt right, ascending
    /// @param projections what they revealed: each is near the first
    function chargeProjection(
        uint256 drawId,
        uint256 accusation,
        address validator,
        bytes calldata shown,
        address[] calldata agreed,
        bytes[] calldata projections
    ) external returns (uint256 slashId) {
        Ballot storage b = _judged(drawId, accusation, validator);
        _requireAgreed(bytes32(accusation), _drawn(_draws[accusation]), agreed, projections);
        if (b.answer != Answer.Right || !_isFar(shown, b.projection, projections[0])) {
            revert NothingToCharge(drawId, validator);
        }
        return _charge(drawId, validator, Reason.WrongVerdict, _draws[accusation].opener);
    }

    /// @notice Pays a validator's part of a draw's fee to its pool: of those who agreed with the quorum; without one, of all who
    /// revealed. By anyone.
    function payFee(uint256 drawId, address validator) external nonReentrant {
        Draw storage d = _draw(drawId);
        Ballot storage b = _counted(drawId, validator);
        bool judged = b.answer == Answer.Right || b.answer == Answer.Wrong;
        bool won = d.quorum == Answer.None ? judged : b.answer == d.quorum;
        if (d.outcome == Outcome.Open || !won || b.paid) revert NothingToPay(drawId, validator);
        uint256 part = d.fee / _winners(d);
        if (part == 0) revert NothingToPay(drawId, validator);
        b.paid = true;
        feesHeld -= part;
        staking.reward{value: part}(uint160(validator));
    }

    // ---------------------------------------------------------------- views

    function drawOf(uint256 drawId) external view returns (Draw memory) {
        return _draw(drawId);
    }

    function ballotOf(uint256 drawId, address validator) external view returns (Ballot memory) {
        return _ballots[drawId][validator];
    }

    function seatOf(address validator) external view returns (Seat memory) {
        return _seatOf[validator];
    }

    function seats() external view returns (address[] memory) {
        return _seats;
    }

    /// @notice What a preimage would mean in a draw: whether the validator is drawn, and the receipt it must check.
    function lotteryOf(uint256 drawId, address validator, bytes32 preimage) external view returns (Lottery memory) {
        return _lottery(_draw(drawId), _counted(drawId, validator), preimage);
    }

    /// @notice keccak256(abi.encode(attester, number, generation, receiptsRoot)): names a batch for good.
    function batchIdOf(uint256 drawId) external view returns (bytes32) {
        return _batchId(_draw(drawId));
    }

    // ---------------------------------------------------------------- inside: opening

    function _open(address attester, uint256 number, uint32 receipt) private returns (uint256 drawId) {
        uint96 fee = _takeFee();
        Batch memory batch = ledger.pendingBatchOf(attester, number);
        uint256 until = batch.settledAt + uint256(batch.window) * (receipt == AUDIT ? 1 : 2);
        if (block.timestamp >= until) revert TooLateToOpen(until);
        if (receipt != AUDIT && receipt >= batch.receiptCount) revert NoSuchReceipt(receipt, batch.receiptCount);

        drawId = ++drawCount;
        Draw storage d = _draws[drawId];
        (d.receiptsRoot, d.attester, d.number) = (batch.receiptsRoot, attester, uint32(number));
        (d.generation, d.receiptCount, d.receipt) = (batch.generation, batch.receiptCount, receipt);
        (d.opener, d.fee, d.seatsDrawn) = (msg.sender, fee, EVERYONE);
        if (receipt == AUDIT) d.seatsDrawn = uint32(parameters.drawnValidators());
        else d.audit = _foundIn[_subject(d, receipt)];
        feesHeld += fee;
        _once(drawId, d);
        _count(drawId, d, batch.settledAt);

        // Draws end in the order they were opened, so that answering in that order is always possible.
        uint256 phase = parameters.verdictSeconds();
        Draw storage previous = _draws[drawId - 1];
        d.commitEnds = uint48(Math.max(block.timestamp + phase, previous.commitEnds));
        d.revealEnds = uint48(Math.max(d.commitEnds + phase, previous.revealEnds));
        _hold(d, d.revealEnds);
        emit DrawOpened(drawId, attester, number, msg.sender, d.receiptsRoot, receipt, d.commitEnds, d.revealEnds);
    }

    /// One draw for each batch and receipt; again only after an accusation without a quorum.
    function _once(uint256 drawId, Draw storage d) private {
        bytes32 subject = _subject(d, d.receipt);
        uint256 last = _lastDraw[subject];
        if (last != 0 && (d.receipt == AUDIT || _draws[last].outcome != Outcome.NoQuorum)) revert AlreadyDrawn(last);
        _lastDraw[subject] = drawId;
    }

    /// Fixes who may be drawn, and each one's weight: active validators with a seat since before the batch, not the attester.
    function _count(uint256 drawId, Draw storage d, uint256 settledAt) private {
        uint256 judges;
        uint256 total;
        for (uint256 i = 0; i < _seats.length; ++i) {
            address validator = _seats[i];
            Seat storage seat = _seatOf[validator];
            if (validator == d.attester || seat.registeredAt >= settledAt) continue;
            uint256 weight = staking.activeStakeOf(uint160(validator));
            if (weight == 0) continue;
            seat.assigned += 1;
            Ballot storage b = _ballots[drawId][validator];
            (b.weight, b.sequence) = (weight.toUint96(), seat.assigned);
            total += weight;
            judges += 1;
        }
        _requireJudges(judges);
        d.total = total.toUint96();
    }

    /// Keeps the batch from being final until a window after `until`, so that what follows can be done; as long as the ledger
    /// allows at most.
    function _hold(Draw storage d, uint256 until) private {
        Batch memory batch = ledger.pendingBatchOf(d.attester, d.number);
        uint256 latest =
            batch.settledAt + 3 * uint256(batch.window) + 2 * parameters.verdictSeconds() + parameters.appealSeconds();
        ledger.hold(d.attester, d.number, Math.min(until + batch.window, latest));
    }

    // ---------------------------------------------------------------- inside: answering

    /// The validator's next preimage, in the order of its draws.
    function _consume(Ballot storage b, bytes32 preimage) private {
        Seat storage seat = _next(b, msg.sender);
        if (b.answer != Answer.None) revert OutOfOrder(b.sequence, seat.answered + 1);
        if (keccak256(abi.encodePacked(preimage)) != seat.tip) revert WrongPreimage(preimage, seat.tip);
        seat.tip = preimage;
    }

    function _next(Ballot storage b, address validator) private returns (Seat storage seat) {
        seat = _seatOf[validator];
        if (b.sequence != seat.answered + 1) revert OutOfOrder(b.sequence, seat.answered + 1);
        seat.answered += 1;
    }

    function _lottery(Draw storage d, Ballot storage b, bytes32 preimage) private view returns (Lottery memory lot) {
        lot = Draws.lottery(preimage, d.receiptsRoot, b.weight, d.total, d.seatsDrawn, d.receiptCount);
        if (d.receipt != AUDIT) lot.receipt = d.receipt;
    }

    function _leave(address validator) private {
        Seat storage seat = _seatOf[validator];
        if (seat.position == 0) revert NoSeat(validator);
        _requireOwesNothing(validator, seat);
        address last = _seats[_seats.length - 1];
        _seats[seat.position - 1] = last;
        _seatOf[last].position = seat.position;
        _seats.pop();
        seat.position = 0;
        emit SeatLeft(validator);
    }

    function _requireOwesNothing(address validator, Seat storage seat) private view {
        if (seat.assigned != seat.answered) revert StillOwes(validator, seat.assigned - seat.answered);
    }

    // ---------------------------------------------------------------- inside: counting

    /// Of the drawn stake.
    function _quorum(Draw storage d, uint256 drawn) private view returns (Answer) {
        if (_decides(d.wrong, d.wrongCount, drawn)) return Answer.Wrong;
        if (_decides(d.right, d.rightCount, drawn)) return Answer.Right;
        return Answer.None;
    }

    /// Among how many the fee is divided: those who agreed with the quorum; without one, all who revealed.
    function _winners(Draw storage d) private view returns (uint256) {
        if (d.quorum == Answer.Right) return d.rightCount;
        if (d.quorum == Answer.Wrong) return d.wrongCount;
        return uint256(d.rightCount) + d.wrongCount;
    }

    /// A verdict that was not charged yet, on the receipt of an accusation whose quorum stands.
    function _judged(uint256 drawId, uint256 accusation, address validator) private view returns (Ballot storage b) {
        Draw storage d = _draw(drawId);
        Draw storage by = _draw(accusation);
        b = _counted(drawId, validator);
        bool found = by.outcome == Outcome.Right || by.outcome == Outcome.Wrong || by.outcome == Outcome.Executed;
        bool judged = b.answer == Answer.Right || b.answer == Answer.Wrong;
        bool same =
            drawId == accusation || (d.receipt == AUDIT && _batchId(d) == _batchId(by) && b.receipt == by.receipt);
        if (!found || !judged || !same || b.charged) revert NothingToCharge(drawId, validator);
    }

    function _foundRight(bytes32 accusation, address validator) internal view override returns (uint256, bytes32) {
        Ballot storage b = _ballots[uint256(accusation)][validator];
        return b.answer == Answer.Right ? (b.weight, b.projection) : (0, bytes32(0));
    }

    /// Who stayed silent counts as drawn, because nobody knows better.
    function _drawn(Draw storage d) private view returns (uint256) {
        return uint256(d.total) - d.notDrawn;
    }

    function _charge(uint256 drawId, address validator, Reason reason, address reporter)
        private
        returns (uint256 slashId)
    {
        _ballots[drawId][validator].charged = true;
        slashId = _slash(validator, reason, bytes32(drawId), reporter);
        emit Charged(drawId, validator, reason, slashId);
    }

    // ---------------------------------------------------------------- inside: finding

    /// Whether the batch that was drawn is still there and not final: it may have been undone by a proof meanwhile.
    function _stillPending(Draw storage d) private view returns (bool) {
        try ledger.pendingBatchOf(d.attester, d.number) returns (Batch memory batch) {
            return batch.generation == d.generation && batch.receiptsRoot == d.receiptsRoot;
        } catch {
            return false;
        }
    }

    function _batchId(Draw storage d) private view returns (bytes32) {
        return keccak256(abi.encode(d.attester, d.number, d.generation, d.receiptsRoot));
    }

    /// A batch and one of its receipts, or `AUDIT`.
    function _subject(Draw storage d, uint32 receipt) private view returns (bytes32) {
        return keccak256(abi.encode(_batchId(d), receipt));
    }

    function _draw(uint256 drawId) private view returns (Draw storage d) {
        d = _draws[drawId];
        if (d.total == 0) revert UnknownDraw(drawId);
    }

    function _counted(uint256 drawId, address validator) private view returns (Ballot storage b) {
        b = _ballots[drawId][validator];
        if (b.weight == 0) revert NotCounted(drawId, validator);
    }
}
