// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {ProtocolParameters} from "../ProtocolParameters.sol";
import {Batch} from "../libraries/Batches.sol";
import {Commitment} from "../libraries/Positional.sol";

/// @title Where attesters stand: bonds, the chain of their batches, finality, slashes and what these pay
/// @notice Promises: batches become final in order, none is skipped; what is not final never exceeds the bond, also after a
/// slash; of every slash the treasury gets at least three tenths, so that proving one's own lie always costs; of one by a
/// quorum at least seven tenths of all but the fees that it took.
abstract contract Standing is ReentrancyGuardTransient {
    using SafeCast for uint256;

    /// Amounts fit in 96 bits: the supply of OPEN is 10²⁷ wei, below 2⁹⁰.
    struct Attester {
        uint96 bond;
        /// Batches that count. Those from here to `length` were undone and wait for `restore`.
        uint32 valid;
        uint32 length;
        /// Batches known to be final; more may be by now, see `_advance`.
        uint32 finalised;
        /// How often batches were undone.
        uint32 generation;
        /// Channels of the newest undone batch that are restored already.
        uint16 restored;
        /// Demands this account has open; while there are any, the minimum bond stays.
        uint16 locks;
        /// Paid to payees so far, wei. In the second slot, which only claims need.
        uint96 claimed;
    }

    error BondTooSmall(uint256 bond, uint256 needed);
    error NoSuchBatch(address attester, uint256 number);
    error AlreadyFinal(address attester, uint256 number);
    error NothingToClaim(address payee, uint256 cumulative, uint256 claimed);
    error TransferFailed(address to, uint256 amount);

    event BondDeposited(address indexed attester, uint256 amount, uint256 bond);
    event BondWithdrawn(address indexed attester, uint256 amount, uint256 bond);
    /// @notice Batches from `number` to `end − 1` are undone.
    event BatchesUndone(
        address indexed attester, uint256 indexed number, uint256 end, address indexed prover, uint256 slashed
    );
    /// @notice What a slash credits: to whom proved it, to whom it harmed, and the rest to the treasury. After a quorum's verdict: to
    /// whom accused, to whom had it audited (as `harmed`), and the rest to the treasury.
    event Slashed(
        address indexed account,
        address indexed prover,
        address indexed harmed,
        uint256 amount,
        uint256 reward,
        uint256 compensation,
        address treasury
    );
    /// @notice Batch `number` is final at `finalAt` at the earliest, and so are those after it.
    event FinalityMoved(address indexed attester, uint256 indexed number, uint256 finalAt);
    /// @notice A fee or a refund was credited; what slashes credit is said by `Slashed`.
    event Credited(address indexed account, uint256 amount);
    event CreditWithdrawn(address indexed account, uint256 amount);

    uint256 private constant WHOLE = 10_000;
    uint256 private constant MOST_COMPENSATION_BPS = 4000;

    ProtocolParameters public immutable parameters;

    /// @notice Parts of slashes, refunds and fees that wait to be withdrawn, wei.
    mapping(address account => uint256) public creditOf;

    mapping(address attester => Attester) internal _attesters;
    mapping(address attester => mapping(uint256 number => Batch)) internal _batches;

    constructor(ProtocolParameters parameters_) {
        parameters = parameters_;
    }

    // ---------------------------------------------------------------- bonds and credits

    /// @notice Adds to the caller's bond, which stands behind its unfinalised batches.
    function depositBond() external payable {
        Attester storage a = _attesters[msg.sender];
        a.bond = (uint256(a.bond) + msg.value).toUint96();
        emit BondDeposited(msg.sender, msg.value, a.bond);
    }

    /// @notice Takes back what neither unfinalised batches nor open demands of the caller need.
    function withdrawBond(uint256 amount) external nonReentrant {
        Attester storage a = _attesters[msg.sender];
        _advance(msg.sender, a);
        uint256 needed = _needed(msg.sender, a);
        if (a.bond < needed + amount) revert BondTooSmall(a.bond, needed + amount);
        a.bond -= uint96(amount);
        emit BondWithdrawn(msg.sender, amount, a.bond);
        _send(msg.sender, amount);
    }

    /// @notice Pays out what was credited to an account. By anyone, to the account.
    function withdrawCredit(address account) external nonReentrant returns (uint256 amount) {
        amount = creditOf[account];
        if (amount == 0) revert NothingToClaim(account, 0, 0);
        creditOf[account] = 0;
        emit CreditWithdrawn(account, amount);
        _send(account, amount);
    }

    // ---------------------------------------------------------------- views

    /// @notice A batch that counts. Undone batches are not found.
    function batchOf(address attester, uint256 number) external view returns (Batch memory) {
        return _batch(attester, _attesters[attester], number);
    }

    /// @notice A batch that counts and is not final: reverts otherwise.
    function pendingBatchOf(address attester, uint256 number) external view returns (Batch memory) {
        return _pendingBatch(attester, _attesters[attester], number);
    }

    /// @notice The receipts of a batch that counts and is not final: reverts otherwise.
    function pendingReceiptsOf(address attester, uint256 number) external view returns (Commitment memory) {
        Batch storage batch = _pendingBatch(attester, _attesters[attester], number);
        return Commitment(batch.receiptsRoot, batch.receiptCount);
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

    /// @notice The rest of what the chain keeps of an account.
    /// @return claimed wei paid to payees from its batches
    /// @return generation how often batches of it were undone
    /// @return restored channels of its newest undone batch that are restored already
    /// @return locks demands it has open
    function accountOf(address attester)
        external
        view
        returns (uint256 claimed, uint256 generation, uint256 restored, uint256 locks)
    {
        Attester storage a = _attesters[attester];
        return (a.claimed, a.generation, a.restored, a.locks);
    }

    // ---------------------------------------------------------------- inside: finality

    /// Batches become final in order: the first that is not. There are at most `MAX_PENDING` to look at.
    function _firstPending(address attester, Attester storage a) internal view returns (uint256 first) {
        first = a.finalised;
        uint256 end = a.valid;
        while (first < end && _isDue(_batches[attester][first])) ++first;
    }

    function _isDue(Batch storage batch) private view returns (bool) {
        return block.timestamp >= batch.finalAt && batch.openDemands == 0;
    }

    /// Writes down what has become final; every batch is passed once.
    function _advance(address attester, Attester storage a) internal {
        uint256 first = _firstPending(attester, a);
        if (first != a.finalised) a.finalised = uint32(first);
    }

    /// Puts off the finality of a batch and, because they never come before it, of its successors.
    function _raise(address attester, Attester storage a, uint256 number, uint256 finalAt) internal {
        bool moved;
        for (uint256 i = number; i < a.valid && _batches[attester][i].finalAt < finalAt; ++i) {
            _batches[attester][i].finalAt = uint48(finalAt);
            moved = true;
        }
        if (moved) emit FinalityMoved(attester, number, finalAt);
    }

    function _batch(address attester, Attester storage a, uint256 number) internal view returns (Batch storage) {
        if (number >= a.valid) revert NoSuchBatch(attester, number);
        return _batches[attester][number];
    }

    function _pendingBatch(address attester, Attester storage a, uint256 number)
        internal
        view
        returns (Batch storage batch)
    {
        batch = _batch(attester, a, number);
        bool isFinal = number < a.finalised || (_isDue(batch) && number < _firstPending(attester, a));
        if (isFinal) revert AlreadyFinal(attester, number);
    }

    // ---------------------------------------------------------------- inside: value

    /// Σ of the attester's first `count` batches, wei.
    function _cumulative(address attester, uint256 count) internal view returns (uint256) {
        return count == 0 ? 0 : _batches[attester][count - 1].cumulative;
    }

    /// Σ of the batches that are not final; call after `_advance`.
    function _pending(address attester, Attester storage a) internal view returns (uint256) {
        return _cumulative(attester, a.valid) - _cumulative(attester, a.finalised);
    }

    /// The bond that must stay: what is pending and the minimum on top of it, so that a slash of the minimum leaves the
    /// rest covered; and the minimum for whoever demands. Call after `_advance`.
    function _needed(address attester, Attester storage a) internal view returns (uint256 needed) {
        uint256 pending = _pending(attester, a);
        if (pending == 0 && a.locks == 0) return 0;
        uint256 minimum = parameters.minimumBondWei();
        if (pending != 0) needed = pending + minimum;
        if (a.locks != 0) needed += minimum;
    }

    // ---------------------------------------------------------------- inside: slashing

    /// Undoes batch `number` and all after it after a proof, or silence, and slashes all that falls, so that no small lie, proven by
    /// the liar, lets a large one go free. The prover gets its part, three tenths at most; who was harmed its harm, up to four
    /// tenths; the treasury the rest.
    function _undo(address attester, uint256 number, address prover, address harmed, uint256 harm) internal {
        (Attester storage a, uint256 slashed) = _fall(attester, number, _attesters[attester].valid, prover);
        _slash(attester, a, slashed, prover, harmed, harm);
    }

    /// Undoes batch `number` and all after it after a quorum's verdict, which is nobody's proof and may err: it costs no more than the
    /// batch that was judged. Who accused and who had it audited get back what that cost them, as far as the slash goes, and
    /// the governed part of the rest, three tenths at most: all of it for who accused, or a half each. The rest is the treasury's.
    /// @param auditor zero where no audit had found it
    function _undoJudged(
        address attester,
        uint256 number,
        address accuser,
        uint256 accuserFee,
        address auditor,
        uint256 auditorFee
    ) internal {
        (Attester storage a, uint256 slashed) = _fall(attester, number, number + 1, address(0));
        uint256 toAccuser = Math.min(slashed, accuserFee);
        uint256 toAuditor = Math.min(slashed - toAccuser, auditorFee);
        uint256 reward = (slashed - toAccuser - toAuditor) * parameters.proverRewardBps() / WHOLE;
        uint256 half = auditor == address(0) ? 0 : reward / 2;
        _pay(attester, a, slashed, accuser, toAccuser + reward - half, auditor, toAuditor + half);
    }

    /// Undoes batch `number` and all after it. What is slashed is what the batches before `last` are worth, at least the minimum
    /// bond, but never what stands behind the batches before it.
    function _fall(address attester, uint256 number, uint256 last, address prover)
        private
        returns (Attester storage a, uint256 slashed)
    {
        a = _attesters[attester];
        _pendingBatch(attester, a, number);
        _advance(attester, a);
        uint256 end = a.valid;
        uint256 before = _cumulative(attester, number) - _cumulative(attester, a.finalised);
        uint256 worth = _cumulative(attester, last) - _cumulative(attester, number);
        slashed = Math.min(Math.max(worth, parameters.minimumBondWei()), Math.saturatingSub(a.bond, before));
        a.valid = uint32(number);
        a.generation += 1;
        emit BatchesUndone(attester, number, end, prover, slashed);
    }

    /// Takes an amount from a bond and credits it: the prover's part, three tenths at most; to whom was harmed its harm, up to
    /// four tenths; the rest to the treasury. Rounding favours the treasury.
    /// @param prover zero for nobody
    /// @param harmed zero for nobody
    function _slash(address account, Attester storage a, uint256 amount, address prover, address harmed, uint256 harm)
        internal
    {
        uint256 reward = prover == address(0) ? 0 : amount * parameters.proverRewardBps() / WHOLE;
        uint256 compensation = harmed == address(0) ? 0 : Math.min(harm, amount * MOST_COMPENSATION_BPS / WHOLE);
        _pay(account, a, amount, prover, reward, harmed, compensation);
    }

    function _pay(
        address account,
        Attester storage a,
        uint256 amount,
        address prover,
        uint256 reward,
        address harmed,
        uint256 compensation
    ) private {
        a.bond -= uint96(amount);
        address treasury = parameters.treasury();
        if (reward != 0) creditOf[prover] += reward;
        if (compensation != 0) creditOf[harmed] += compensation;
        creditOf[treasury] += amount - reward - compensation;
        emit Slashed(account, prover, harmed, amount, reward, compensation, treasury);
    }

    function _credit(address account, uint256 amount) internal {
        if (amount == 0) return;
        creditOf[account] += amount;
        emit Credited(account, amount);
    }

    function _send(address to, uint256 amount) internal {
        (bool sent,) = to.call{value: amount}("");
        if (!sent) revert TransferFailed(to, amount);
    }
}
