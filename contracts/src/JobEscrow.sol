// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {ModelRegistry} from "./ModelRegistry.sol";
import {Jobs} from "./libraries/Jobs.sol";

/// @title Payment for fine-tuning jobs, held until what becomes of them is known
/// @notice A payer puts OPEN behind one job of one operator. Nobody has a right over this contract. It promises
/// 1. to everyone: it holds exactly the amounts of the escrows that are not settled and the credits; each escrow is settled
///    once, and what its two sides get sums to its amount;
/// 2. to the payer: the whole amount goes to the operator only for a release that `ModelRegistry` has, that was published
///    after the payment and before any cancellation, says what was ordered (`Jobs.deliverable`), and pays for no other job.
///    Only an escrow that was opened without a deliverable, for a job that releases nothing, is paid on the operator's word;
/// 3. to the payer: a failure, which the operator may state at any time, gives everything back; so does silence until the
///    deadline, after which the operator is paid nothing, and anyone may give everything back to the payer;
/// 4. to the operator: only the payer can cancel, and after that the operator still states how many of the steps agreed on
///    were done, at most all of them, with the digest of a checkpoint, and is paid that part, rounded down. How many is the
///    operator's word: a payer who does not believe it SHOULD wait for the deadline instead of cancelling;
/// 5. to both: no refusal to be paid keeps the other side from being paid. Who cannot be paid has a credit.
contract JobEscrow is ReentrancyGuardTransient {
    using SafeCast for uint256;

    enum State {
        None,
        /// Paid for, and not settled.
        Open,
        /// Cancelled by the payer; the operator has until the deadline to say how far it was.
        Cancelled,
        /// All to the operator.
        Succeeded,
        /// All to the payer.
        Failed,
        /// Divided by steps.
        Stopped,
        /// All to the payer, after the deadline.
        Refunded
    }

    struct Escrow {
        address payer;
        uint96 amount;
        address operator;
        uint48 openedAt;
        uint48 deadline;
        bytes32 deliverable;
        /// What the job takes at most: the whole of a division.
        uint32 steps;
        /// Of them, said by the operator.
        uint32 done;
        /// 0 unless cancelled.
        uint48 cancelledAt;
        State state;
    }

    error UnknownEscrow(bytes32 escrowId);
    error EscrowExists(bytes32 escrowId);
    error NothingPaid();
    error NoOperator();
    error NoSteps();
    error EmptyDigest();
    error BadDeadline(uint256 deadline, uint256 earliest, uint256 latest);
    error NotPayer(bytes32 escrowId, address caller);
    error NotOperator(bytes32 escrowId, address caller);
    error WrongState(bytes32 escrowId, State state, State expected);
    error TooLate(bytes32 escrowId, uint256 deadline);
    error TooEarly(bytes32 escrowId, uint256 deadline);
    error TooManySteps(uint256 done, uint256 steps);
    error PublishedOutside(bytes32 releaseId, uint256 publishedAt, uint256 from, uint256 to);
    error OtherDeliverable(bytes32 releaseId, bytes32 deliverable, bytes32 expected);
    error ReleaseSpent(bytes32 releaseId, bytes32 escrowId);
    error NothingToWithdraw(address account);
    error TransferFailed(address to, uint256 amount);

    event EscrowOpened(
        bytes32 indexed escrowId,
        address indexed payer,
        address indexed operator,
        bytes32 jobDigest,
        bytes32 deliverable,
        uint256 amount,
        uint256 steps,
        uint256 deadline
    );
    event EscrowCancelled(bytes32 indexed escrowId, uint256 cancelledAt);
    /// `evidence`: the release, the result of a job without one, or the checkpoint at which it was stopped; else zero.
    event EscrowSettled(
        bytes32 indexed escrowId,
        State state,
        uint256 operatorAmount,
        uint256 payerAmount,
        uint256 done,
        bytes32 evidence
    );
    event CreditAdded(address indexed account, uint256 amount);
    event CreditWithdrawn(address indexed account, uint256 amount);

    /// @notice No deadline is farther away, so that nothing is locked by a slip.
    uint256 public constant MAX_SECONDS = 180 days;
    /// @notice For being paid. Who needs more takes it as a credit.
    uint256 public constant PAYMENT_GAS = 30_000;

    ModelRegistry public immutable models;

    /// @notice Σ amounts of the escrows that are not settled, wei.
    uint256 public escrowed;
    /// @notice Σ `creditOf`, wei.
    uint256 public credits;
    /// @notice What could not be paid when it was due, wei.
    mapping(address account => uint256) public creditOf;
    /// @notice The escrow that a release has paid out; zero if none.
    mapping(bytes32 releaseId => bytes32) public escrowOfRelease;
    mapping(bytes32 escrowId => Escrow) private _escrows;

    constructor(ModelRegistry models_) {
        models = models_;
    }

    // ---------------------------------------------------------------- the payer

    /// @notice Pays the value sent for a job. The same payer pays the same operator for the same job once.
    /// @param jobDigest of the plan: what is trained, on what, how, and what it costs; MUST name the job
    /// @param deliverable what the release has to say; zero for a job that releases nothing
    /// @param steps that the job takes at most
    /// @param deadline until which the operator can be paid, seconds
    function open(address operator, bytes32 jobDigest, bytes32 deliverable, uint32 steps, uint48 deadline)
        external
        payable
        returns (bytes32 escrowId)
    {
        if (msg.value == 0) revert NothingPaid();
        if (operator == address(0)) revert NoOperator();
        if (jobDigest == 0) revert EmptyDigest();
        if (steps == 0) revert NoSteps();
        if (deadline <= block.timestamp || deadline > block.timestamp + MAX_SECONDS) {
            revert BadDeadline(deadline, block.timestamp + 1, block.timestamp + MAX_SECONDS);
        }
        escrowId = Jobs.escrowId(msg.sender, operator, jobDigest);
        Escrow storage e = _escrows[escrowId];
        if (e.state != State.None) revert EscrowExists(escrowId);
        (e.payer, e.amount, e.operator) = (msg.sender, msg.value.toUint96(), operator);
        (e.openedAt, e.deadline, e.deliverable) = (uint48(block.timestamp), deadline, deliverable);
        (e.steps, e.state) = (steps, State.Open);
        escrowed += msg.value;
        emit EscrowOpened(escrowId, msg.sender, operator, jobDigest, deliverable, msg.value, steps, deadline);
    }

    /// @notice Wants no more of a job, for good. What was released before still counts as delivered.
    function cancel(bytes32 escrowId) external {
        Escrow storage e = _unsettled(escrowId);
        if (msg.sender != e.payer) revert NotPayer(escrowId, msg.sender);
        if (e.state != State.Open) revert WrongState(escrowId, e.state, State.Open);
        _requireInTime(escrowId, e);
        (e.cancelledAt, e.state) = (uint48(block.timestamp), State.Cancelled);
        emit EscrowCancelled(escrowId, block.timestamp);
    }

    /// @notice Gives the payer everything back after the deadline; by anyone.
    function refund(bytes32 escrowId) external nonReentrant {
        Escrow storage e = _unsettled(escrowId);
        if (block.timestamp <= e.deadline) revert TooEarly(escrowId, e.deadline);
        _settle(escrowId, e, State.Refunded, 0, 0);
    }

    // ---------------------------------------------------------------- the operator

    /// @notice Takes the whole amount for what was ordered.
    /// @param result the release, or the digest of the result of a job that releases nothing
    function succeed(bytes32 escrowId, bytes32 result) external nonReentrant {
        Escrow storage e = _unsettled(escrowId);
        _requireOperator(escrowId, e);
        _requireInTime(escrowId, e);
        if (e.deliverable != 0) {
            _requireDelivered(e, result);
            if (escrowOfRelease[result] != 0) revert ReleaseSpent(result, escrowOfRelease[result]);
            escrowOfRelease[result] = escrowId;
        } else if (result == 0) {
            revert EmptyDigest();
        } else if (e.state != State.Open) {
            revert WrongState(escrowId, e.state, State.Open);
        }
        e.done = e.steps;
        _settle(escrowId, e, State.Succeeded, e.amount, result);
    }

    /// @notice Gives everything back: the job failed, or will not be done. At any time.
    function fail(bytes32 escrowId) external nonReentrant {
        Escrow storage e = _unsettled(escrowId);
        _requireOperator(escrowId, e);
        _settle(escrowId, e, State.Failed, 0, 0);
    }

    /// @notice Takes the part of a cancelled job that was done.
    /// @param done of the steps agreed on
    /// @param checkpoint the digest of what they gave: it can be made again from the job's plan, so that a wrong number can be shown
    function stop(bytes32 escrowId, uint32 done, bytes32 checkpoint) external nonReentrant {
        Escrow storage e = _unsettled(escrowId);
        _requireOperator(escrowId, e);
        if (e.state != State.Cancelled) revert WrongState(escrowId, e.state, State.Cancelled);
        _requireInTime(escrowId, e);
        if (done > e.steps) revert TooManySteps(done, e.steps);
        if (done != 0 && checkpoint == 0) revert EmptyDigest();
        e.done = done;
        _settle(escrowId, e, State.Stopped, Jobs.share(e.amount, done, e.steps), checkpoint);
    }

    // ---------------------------------------------------------------- credits

    /// @notice Sends an account its credit; by anyone, with as much gas as it takes.
    function withdrawCredit(address account) external nonReentrant {
        uint256 amount = creditOf[account];
        if (amount == 0) revert NothingToWithdraw(account);
        creditOf[account] = 0;
        credits -= amount;
        emit CreditWithdrawn(account, amount);
        (bool sent,) = account.call{value: amount}("");
        if (!sent) revert TransferFailed(account, amount);
    }

    // ---------------------------------------------------------------- views

    function escrowOf(bytes32 escrowId) external view returns (Escrow memory e) {
        e = _escrows[escrowId];
        if (e.state == State.None) revert UnknownEscrow(escrowId);
    }

    /// @notice What a release delivers, to be compared with what was ordered.
    function deliverableOf(bytes32 releaseId) public view returns (bytes32) {
        return _deliverable(releaseId, models.releaseOf(releaseId));
    }

    // ---------------------------------------------------------------- inside

    function _unsettled(bytes32 escrowId) private view returns (Escrow storage e) {
        e = _escrows[escrowId];
        if (e.state == State.None) revert UnknownEscrow(escrowId);
        if (e.state > State.Cancelled) revert WrongState(escrowId, e.state, State.Open);
    }

    function _requireOperator(bytes32 escrowId, Escrow storage e) private view {
        if (msg.sender != e.operator) revert NotOperator(escrowId, msg.sender);
    }

    function _requireInTime(bytes32 escrowId, Escrow storage e) private view {
        if (block.timestamp > e.deadline) revert TooLate(escrowId, e.deadline);
    }

    function _requireDelivered(Escrow storage e, bytes32 releaseId) private view {
        ModelRegistry.Release memory release = models.releaseOf(releaseId);
        uint256 to = e.cancelledAt == 0 ? block.timestamp : e.cancelledAt;
        if (release.publishedAt < e.openedAt || release.publishedAt > to) {
            revert PublishedOutside(releaseId, release.publishedAt, e.openedAt, to);
        }
        bytes32 delivered = _deliverable(releaseId, release);
        if (delivered != e.deliverable) revert OtherDeliverable(releaseId, delivered, e.deliverable);
    }

    function _deliverable(bytes32 releaseId, ModelRegistry.Release memory release) private view returns (bytes32) {
        return Jobs.deliverable(
            keccak256(bytes(models.nameOf(release.modelId))),
            release.baseDigest,
            release.promptWeiPerToken,
            release.completionWeiPerToken,
            models.versionsOf(releaseId)
        );
    }

    /// The operator's part to the operator, all else to the payer.
    function _settle(bytes32 escrowId, Escrow storage e, State state, uint256 operatorAmount, bytes32 evidence)
        private
    {
        uint256 payerAmount = e.amount - operatorAmount;
        e.state = state;
        escrowed -= e.amount;
        emit EscrowSettled(escrowId, state, operatorAmount, payerAmount, e.done, evidence);
        _pay(e.operator, operatorAmount);
        _pay(e.payer, payerAmount);
    }

    /// Neither refusing nor wasting gas nor answering at length keeps others from what is theirs.
    function _pay(address to, uint256 amount) private {
        if (amount == 0) return;
        bool sent;
        uint256 gasLimit = PAYMENT_GAS;
        assembly ("memory-safe") {
            sent := call(gasLimit, to, amount, 0, 0, 0, 0)
        }
        if (sent) return;
        creditOf[to] += amount;
        credits += amount;
        emit CreditAdded(to, amount);
    }
}
