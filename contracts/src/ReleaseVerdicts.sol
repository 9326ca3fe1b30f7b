// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";
import {AttributionLedger} from "./AttributionLedger.sol";
import {ModelRegistry} from "./ModelRegistry.sol";
import {OpenStaking, Reason} from "./OpenStaking.sol";
import {ProtocolParameters} from "./ProtocolParameters.sol";
import {Verdicts} from "./Verdicts.sol";
import {Batch, Batches} from "./libraries/Batches.sol";
import {Commitment, Positional} from "./libraries/Positional.sol";
import {OpenedReceipt, Receipt, Receipts} from "./libraries/Receipts.sol";
import {Jury} from "./verdicts/Jury.sol";

/// @title Verdicts of validators on the index of a release, and the developer's bond behind it
/// @notice That a release's index is made of its data as its manifest says (rows, sums, null rows, threshold, clusters) is checked
/// once, by making it again, off chain, and decided here by stake. The model's owner puts a bond behind the release, and says with
/// it that everything a validator needs is served; then anyone opens a round, for the governed fee. Everyone with a seat in
/// `Verdicts` judges: there is no lot, so nobody chooses the judges. They commit, then reveal.
///
/// A verdict names the digest of a row that nobody publishes, projected under the round's seed (`seedOf`): the validator's witness, which only
/// who made the index again can compute. It is revealed with the verdict; where a quorum found a release right, whoever shows another
/// witness than two thirds of the stake do had not looked.
///
/// Promises:
/// 1. A release is attested, or its bond lost, only by at least two thirds of the stake seated when the round was opened, silent
///    stake included, and at least three validators that agree; its bond only after the appeal.
/// 2. Governance may overturn what a quorum found: an attestation any time, a refutation before the bond is lost.
/// 3. Nobody judges a release of their own model, nor a round that was opened before they had their seat. A validator is slashed
///    only for silence, against a quorum, or for a witness far from those of as many who found it right, once a round, and each
///    such slash waits for its own appeal.
/// 4. A bond is never withdrawn while a round is open or a refutation is under appeal, nor sooner than `unbondingSeconds` after
///    the release was deprecated. An attestation ends with its bond.
/// 5. What was the state at a past time never changes, and an attestation that ends does so a settlement window later: whoever
///    settled in good faith is not caught by it.
/// 6. No batch of an attested release, nor one settled where attestation is not asked for, can be undone here.
/// 7. This contract holds exactly the bonds, the credits, and the fees of rounds that were not paid out yet.
contract ReleaseVerdicts is Jury {
    using Batches for Batch;
    using Checkpoints for Checkpoints.Trace208;
    using Positional for Commitment;
    using Receipts for Receipt;
    using SafeCast for uint256;

    enum Outcome {
        None,
        Open,
        NoQuorum,
        Attested,
        Refuted,
        Executed,
        Overturned,
        /// Attested once; the bond was withdrawn.
        Withdrawn
    }

    enum Answer {
        None,
        Right,
        Wrong
    }

    struct Round {
        address opener;
        uint48 commitEnds;
        uint48 revealEnds;
        uint48 executableAt;
        Outcome outcome;
        /// What the quorum found, even if governance overturned it.
        Answer quorum;
        uint16 rightCount;
        uint16 wrongCount;
        /// Stake of everyone who judges; of those who found it right, and wrong, wei.
        uint96 total;
        uint96 right;
        uint96 wrong;
        /// What opening it cost, wei.
        uint96 fee;
    }

    struct Ballot {
        uint96 weight;
        Answer answer;
        bool charged;
        bool paid;
        bytes32 commitment;
        /// Of the validator's witness.
        bytes32 digest;
    }

    error NotOwner(uint256 modelId, address caller);
    error WrongOutcome(bytes32 releaseId, Outcome outcome);
    error WrongCommitment(bytes32 given, bytes32 expected);
    error BondTooSmall(uint256 bond, uint256 needed);
    error NotDeprecated(bytes32 releaseId);
    error TooEarly(uint256 until);
    error NotCounted(bytes32 releaseId, uint256 round, address validator);
    error AlreadyRevealed(bytes32 releaseId, address validator);
    error NothingToCharge(bytes32 releaseId, uint256 round, address validator);
    error NothingToPay(bytes32 releaseId, uint256 round, address validator);
    error NothingToWithdraw();
    error IsSettleable(bytes32 releaseId);

    event BondDeposited(bytes32 indexed releaseId, address indexed from, uint256 amount, uint256 bond);
    event BondWithdrawn(bytes32 indexed releaseId, address indexed to, uint256 amount);
    event RoundOpened(
        bytes32 indexed releaseId,
        uint256 indexed round,
        address indexed opener,
        uint256 total,
        uint256 commitEnds,
        uint256 revealEnds
    );
    event Committed(bytes32 indexed releaseId, uint256 indexed round, address indexed validator, bytes32 commitment);
    event Revealed(
        bytes32 indexed releaseId, uint256 indexed round, address indexed validator, bool wrong, bytes witness
    );
    event Resolved(
        bytes32 indexed releaseId,
        uint256 indexed round,
        Outcome outcome,
        uint256 right,
        uint256 wrong,
        uint256 total,
        uint256 executableAt
    );
    /// @notice Receipts of the release may be settled from `at` on, or no longer.
    event AttestationChanged(bytes32 indexed releaseId, bool attested, uint256 at);
    event Overturned(bytes32 indexed releaseId, uint256 indexed round);
    event Executed(
        bytes32 indexed releaseId, uint256 indexed round, address opener, uint256 reward, uint256 toTreasury
    );
    event Charged(
        bytes32 indexed releaseId, uint256 indexed round, address indexed validator, Reason reason, uint256 slashId
    );
    event CreditWithdrawn(address indexed account, uint256 amount);

    uint256 private constant WHOLE = 10_000;

    Verdicts public immutable verdicts;
    ModelRegistry public immutable models;
    AttributionLedger public immutable ledger;
    /// @notice When this contract was made, seconds: what was in force before is not asked for.
    uint256 public immutable since;

    /// @notice What stands behind a release, wei.
    mapping(bytes32 releaseId => uint256) public bondOf;
    /// @notice Rounds opened over a release so far; they count from 1, and the last one says how it stands.
    mapping(bytes32 releaseId => uint256) public roundsOf;
    /// @notice Parts of lost bonds that wait to be withdrawn, wei.
    mapping(address account => uint256) public creditOf;

    mapping(bytes32 releaseId => mapping(uint256 round => Round)) private _rounds;
    /// By the round's seed.
    mapping(bytes32 seed => mapping(address validator => Ballot)) private _ballots;
    /// 1 while a release is attested.
    mapping(bytes32 releaseId => Checkpoints.Trace208) private _attested;

    constructor(
        ProtocolParameters parameters_,
        OpenStaking staking_,
        Verdicts verdicts_,
        ModelRegistry models_,
        AttributionLedger ledger_
    ) Jury(parameters_, staking_) {
        (verdicts, models, ledger) = (verdicts_, models_, ledger_);
        since = block.timestamp;
    }

    // ---------------------------------------------------------------- the bond

    /// @notice Adds the value sent to what stands behind a release. Only by the model's owner, who says with it that the release's
    /// data are served to validators: from now on anyone may have it judged, and data that are missing then cost the bond.
    function depositBond(bytes32 releaseId) external payable {
        _requireOwner(releaseId);
        Outcome outcome = _last(releaseId).outcome;
        if (outcome == Outcome.Refuted || outcome == Outcome.Executed) revert WrongOutcome(releaseId, outcome);
        bondOf[releaseId] += msg.value;
        emit BondDeposited(releaseId, msg.sender, msg.value, bondOf[releaseId]);
    }

    /// @notice Pays the bond back to the model's owner, `unbondingSeconds` after the release was deprecated. An attestation
    /// ends with it.
    function withdrawBond(bytes32 releaseId) external nonReentrant returns (uint256 amount) {
        _requireOwner(releaseId);
        Round storage r = _last(releaseId);
        if (r.outcome == Outcome.Open || r.outcome == Outcome.Refuted) revert WrongOutcome(releaseId, r.outcome);
        uint256 deprecatedAt = models.releaseOf(releaseId).deprecatedAt;
        if (deprecatedAt == 0) revert NotDeprecated(releaseId);
        uint256 until = deprecatedAt + parameters.unbondingSeconds();
        if (block.timestamp < until) revert TooEarly(until);
        amount = bondOf[releaseId];
        if (amount == 0) revert NothingToWithdraw();
        bondOf[releaseId] = 0;
        if (r.outcome == Outcome.Attested) {
            r.outcome = Outcome.Withdrawn;
            _end(releaseId);
        }
        emit BondWithdrawn(releaseId, msg.sender, amount);
        _send(msg.sender, amount);
    }

    /// @notice Pays out what was credited to an account. By anyone, to the account.
    function withdrawCredit(address account) external nonReentrant returns (uint256 amount) {
        amount = creditOf[account];
        if (amount == 0) revert NothingToWithdraw();
        creditOf[account] = 0;
        emit CreditWithdrawn(account, amount);
        _send(account, amount);
    }

    // ---------------------------------------------------------------- rounds

    /// @notice Opens a round over a release with its bond. By anyone; one at a time, and no longer once a quorum decided, unless
    /// governance overturned it or the bond was withdrawn. The value sent MUST be the governed fee.
    function open(bytes32 releaseId) external payable returns (uint256 round) {
        uint96 fee = _takeFee();
        (uint256 bond, uint256 needed) = (bondOf[releaseId], parameters.releaseBondWei());
        if (bond < needed) revert BondTooSmall(bond, needed);
        Outcome last = _last(releaseId).outcome;
        bool again =
            last == Outcome.None || last == Outcome.NoQuorum || last == Outcome.Overturned || last == Outcome.Withdrawn;
        if (!again) revert WrongOutcome(releaseId, last);

        round = ++roundsOf[releaseId];
        Round storage r = _rounds[releaseId][round];
        uint256 phase = parameters.verdictSeconds();
        (r.opener, r.outcome, r.fee) = (msg.sender, Outcome.Open, fee);
        (r.commitEnds, r.revealEnds) = (uint48(block.timestamp + phase), uint48(block.timestamp + 2 * phase));
        r.total = _count(releaseId, round).toUint96();
        emit RoundOpened(releaseId, round, msg.sender, r.total, r.commitEnds, r.revealEnds);
    }

    /// @notice Commits to a verdict in the open round, or to another one, while the commit phase lasts.
    /// @param commitment `commitmentOf(…)`
    function commit(bytes32 releaseId, bytes32 commitment) external {
        uint256 round = roundsOf[releaseId];
        Ballot storage b = _counted(releaseId, round, msg.sender);
        _requirePhase(0, _rounds[releaseId][round].commitEnds);
        b.commitment = commitment;
        emit Committed(releaseId, round, msg.sender, commitment);
    }

    /// @notice Reveals the caller's verdict in the reveal phase.
    /// @param wrong whether the index is not what the manifest says, or what is needed to check it was withheld
    /// @param witness of the index that the caller computed, under `seedOf(releaseId, round)`; nothing where it computed none
    function reveal(bytes32 releaseId, bool wrong, bytes calldata witness, bytes32 salt) external {
        uint256 round = roundsOf[releaseId];
        Round storage r = _rounds[releaseId][round];
        Ballot storage b = _counted(releaseId, round, msg.sender);
        _requirePhase(r.commitEnds, r.revealEnds);
        if (b.answer != Answer.None) revert AlreadyRevealed(releaseId, msg.sender);
        bytes32 digest = _digest(witness);
        bytes32 given = commitmentOf(msg.sender, releaseId, round, wrong, digest, salt);
        if (given != b.commitment) revert WrongCommitment(given, b.commitment);
        (b.digest, b.answer) = (digest, wrong ? Answer.Wrong : Answer.Right);
        if (wrong) (r.wrong, r.wrongCount) = (r.wrong + b.weight, r.wrongCount + 1);
        else (r.right, r.rightCount) = (r.right + b.weight, r.rightCount + 1);
        emit Revealed(releaseId, round, msg.sender, wrong, witness);
    }

    /// @notice Counts the round once its reveal phase has ended. By anyone. An attestation counts at once; a refutation waits for
    /// the appeal, which begins here.
    function resolve(bytes32 releaseId) external nonReentrant {
        uint256 round = roundsOf[releaseId];
        Round storage r = _rounds[releaseId][round];
        if (r.outcome != Outcome.Open) revert WrongOutcome(releaseId, r.outcome);
        _requirePhase(r.revealEnds, type(uint48).max);
        r.quorum = _quorum(r);
        r.outcome = Outcome.NoQuorum;
        if (r.quorum == Answer.Right) {
            r.outcome = Outcome.Attested;
            _mark(releaseId, true, block.timestamp);
        }
        if (r.quorum == Answer.Wrong) {
            r.outcome = Outcome.Refuted;
            r.executableAt = uint48(block.timestamp + parameters.appealSeconds());
        }
        emit Resolved(releaseId, round, r.outcome, r.right, r.wrong, r.total, r.executableAt);
        _payRest(r.fee, _winners(r));
    }

    /// @notice Governance sets aside what a quorum found: an attestation, or a refutation whose bond is not lost yet. Nobody can be
    /// charged by it any more, and the release may be judged again.
    function overturn(bytes32 releaseId) external {
        _onlyGovernance();
        Round storage r = _last(releaseId);
        if (r.outcome != Outcome.Attested && r.outcome != Outcome.Refuted) revert WrongOutcome(releaseId, r.outcome);
        if (r.outcome == Outcome.Attested) _end(releaseId);
        r.outcome = Outcome.Overturned;
        emit Overturned(releaseId, roundsOf[releaseId]);
    }

    /// @notice Takes the bond of a refuted release, after the appeal: who opened the round gets its fee back and the governed part,
    /// three tenths at most, of what is left; the rest is for the treasury. So whoever has a release of their own refuted loses
    /// seven tenths of the bond, the fee aside. By anyone.
    function execute(bytes32 releaseId) external {
        Round storage r = _last(releaseId);
        if (r.outcome != Outcome.Refuted) revert WrongOutcome(releaseId, r.outcome);
        _requirePhase(r.executableAt, type(uint48).max);
        r.outcome = Outcome.Executed;
        uint256 bond = bondOf[releaseId];
        uint256 cost = Math.min(bond, r.fee);
        uint256 reward = cost + (bond - cost) * parameters.proverRewardBps() / WHOLE;
        bondOf[releaseId] = 0;
        creditOf[r.opener] += reward;
        creditOf[parameters.treasury()] += bond - reward;
        emit Executed(releaseId, roundsOf[releaseId], r.opener, reward, bond - reward);
    }

    // ---------------------------------------------------------------- what may be settled

    /// @notice Undoes a batch that is not final and holds a receipt of a release that was not attested when it was settled, where
    /// the network asks for that, and rewards the caller as any proof does. Who is harmed cannot be said: the treasury is credited.
    function proveUnattested(address attester, uint256 number, uint32 index, OpenedReceipt calldata opened) external {
        Batch memory batch = ledger.pendingBatchOf(attester, number);
        batch.receipts().requireLeaf(index, opened.receipt.payloadHash(), opened.proof);
        bytes32 releaseId = opened.receipt.releaseId;
        if (settleableAt(releaseId, batch.settledAt)) revert IsSettleable(releaseId);
        ledger.undo(attester, number, msg.sender, address(0), 0);
    }

    /// @notice Whether a batch settled at `timestamp` may hold receipts of the release: it was attested then, or the network did not
    /// ask for that, then or a settlement window before. For a time that has passed the answer never changes.
    function settleableAt(bytes32 releaseId, uint256 timestamp) public view returns (bool) {
        if (_attested[releaseId].upperLookupRecent(timestamp.toUint48()) != 0) return true;
        uint256 window = parameters.valueAt("settlementWindowSeconds", timestamp);
        uint256 before = Math.max(Math.saturatingSub(timestamp, window), since);
        return parameters.valueAt("attestationRequired", timestamp) == 0
            || parameters.valueAt("attestationRequired", before) == 0;
    }

    // ---------------------------------------------------------------- charges and fees

    /// @notice Slashes a validator that stayed silent in a round. By anyone, who is the reporter.
    function chargeSilence(bytes32 releaseId, uint256 round, address validator) external returns (uint256 slashId) {
        Ballot storage b = _counted(releaseId, round, validator);
        if (b.answer != Answer.None) revert NothingToCharge(releaseId, round, validator);
        _requirePhase(_rounds[releaseId][round].revealEnds, type(uint48).max);
        return _charge(releaseId, round, validator, b, Reason.WithheldVerdict);
    }

    /// @notice Slashes a validator whose verdict is against the quorum of its round. By anyone, who is the reporter.
    function chargeVerdict(bytes32 releaseId, uint256 round, address validator) external returns (uint256 slashId) {
        Answer quorum = _standing(releaseId, round);
        Ballot storage b = _counted(releaseId, round, validator);
        if (quorum == Answer.None || b.answer == Answer.None || b.answer == quorum) {
            revert NothingToCharge(releaseId, round, validator);
        }
        return _charge(releaseId, round, validator, b, Reason.WrongVerdict);
    }

    /// @notice Slashes a validator that called a release right, as a quorum did, and has not made its index again: the witness it
    /// showed is far from those of two thirds of the stake. By anyone, who is the reporter.
    /// @param shown what the validator revealed
    /// @param agreed validators that found it right, ascending
    /// @param witnesses what they revealed: each is near the first
    function chargeWitness(
        bytes32 releaseId,
        uint256 round,
        address validator,
        bytes calldata shown,
        address[] calldata agreed,
        bytes[] calldata witnesses
    ) external returns (uint256 slashId) {
        Ballot storage b = _counted(releaseId, round, validator);
        if (b.answer != Answer.Right || _standing(releaseId, round) != Answer.Right) {
            revert NothingToCharge(releaseId, round, validator);
        }
        _requireAgreed(seedOf(releaseId, round), _rounds[releaseId][round].total, agreed, witnesses);
        if (!_isFar(shown, b.digest, witnesses[0])) revert NothingToCharge(releaseId, round, validator);
        return _charge(releaseId, round, validator, b, Reason.WrongVerdict);
    }

    /// @notice Pays a validator's part of a round's fee to its pool: of those who agreed with the quorum; without one, of all who
    /// revealed. By anyone.
    function payFee(bytes32 releaseId, uint256 round, address validator) external nonReentrant {
        Round storage r = _rounds[releaseId][round];
        Ballot storage b = _counted(releaseId, round, validator);
        bool won = b.answer != Answer.None && (r.quorum == Answer.None || b.answer == r.quorum);
        uint256 part = won ? r.fee / _winners(r) : 0;
        if (r.outcome == Outcome.Open || b.paid || part == 0) revert NothingToPay(releaseId, round, validator);
        b.paid = true;
        staking.reward{value: part}(uint160(validator));
    }

    // ---------------------------------------------------------------- views

    /// @notice Whether a quorum attested the release, and nothing ended that since.
    function isAttested(bytes32 releaseId) external view returns (bool) {
        return _last(releaseId).outcome == Outcome.Attested;
    }

    /// @notice How a release stands: of its last round.
    function outcomeOf(bytes32 releaseId) external view returns (Outcome) {
        return _last(releaseId).outcome;
    }

    function roundOf(bytes32 releaseId, uint256 round) external view returns (Round memory) {
        return _rounds[releaseId][round];
    }

    /// @notice A validator's ballot in a round; its weight is 0 if it does not judge.
    function ballotOf(bytes32 releaseId, uint256 round, address validator) external view returns (Ballot memory) {
        return _ballots[seedOf(releaseId, round)][validator];
    }

    /// @notice The seed that witnesses are drawn and projected under in a round; it names the round, too.
    function seedOf(bytes32 releaseId, uint256 round) public pure returns (bytes32) {
        return keccak256(abi.encode(releaseId, round));
    }

    function commitmentOf(address validator, bytes32 releaseId, uint256 round, bool wrong, bytes32 digest, bytes32 salt)
        public
        view
        returns (bytes32)
    {
        return keccak256(abi.encode(block.chainid, address(this), validator, releaseId, round, wrong, digest, salt));
    }

    // ---------------------------------------------------------------- inside

    /// Fixes who judges, and each one's weight: active validators with a seat since before this second, not who owns the model
    /// or owned it when the release was published.
    function _count(bytes32 releaseId, uint256 round) private returns (uint256 total) {
        ModelRegistry.Release memory release = models.releaseOf(releaseId);
        address owner = models.ownerOf(release.modelId);
        address publisher = models.ownerAt(release.modelId, release.publishedAt);
        address[] memory seats = verdicts.seats();
        bytes32 seed = seedOf(releaseId, round);
        uint256 judges;
        for (uint256 i = 0; i < seats.length; ++i) {
            address validator = seats[i];
            if (validator == owner || validator == publisher) continue;
            if (verdicts.seatOf(validator).registeredAt >= block.timestamp) continue;
            uint256 weight = staking.activeStakeOf(uint160(validator));
            if (weight == 0) continue;
            _ballots[seed][validator].weight = weight.toUint96();
            total += weight;
            judges += 1;
        }
        _requireJudges(judges);
    }

    /// Of all stake that judges; who stayed silent counts.
    function _quorum(Round storage r) private view returns (Answer) {
        if (_decides(r.wrong, r.wrongCount, r.total)) return Answer.Wrong;
        if (_decides(r.right, r.rightCount, r.total)) return Answer.Right;
        return Answer.None;
    }

    /// Among how many the fee is divided: those who agreed with the quorum; without one, all who revealed.
    function _winners(Round storage r) private view returns (uint256) {
        if (r.quorum == Answer.Right) return r.rightCount;
        if (r.quorum == Answer.Wrong) return r.wrongCount;
        return uint256(r.rightCount) + r.wrongCount;
    }

    function _charge(bytes32 releaseId, uint256 round, address validator, Ballot storage b, Reason reason)
        private
        returns (uint256 slashId)
    {
        if (b.charged) revert NothingToCharge(releaseId, round, validator);
        b.charged = true;
        slashId = _slash(validator, reason, seedOf(releaseId, round), msg.sender);
        emit Charged(releaseId, round, validator, reason, slashId);
    }

    /// What a quorum found, unless governance overturned it.
    function _standing(bytes32 releaseId, uint256 round) private view returns (Answer) {
        Round storage r = _rounds[releaseId][round];
        return r.outcome == Outcome.Overturned ? Answer.None : r.quorum;
    }

    function _foundRight(bytes32 seed, address validator) internal view override returns (uint256, bytes32) {
        Ballot storage b = _ballots[seed][validator];
        return b.answer == Answer.Right ? (b.weight, b.digest) : (0, bytes32(0));
    }

    /// An attestation ends a settlement window from now, so that no batch under way becomes a lie.
    function _end(bytes32 releaseId) private {
        _mark(releaseId, false, block.timestamp + parameters.settlementWindowSeconds());
    }

    /// Never before what was marked last: what ended and was attested again meanwhile goes on.
    function _mark(bytes32 releaseId, bool attested, uint256 at) private {
        (, uint48 last,) = _attested[releaseId].latestCheckpoint();
        at = Math.max(at, last);
        _attested[releaseId].push(at.toUint48(), attested ? 1 : 0);
        emit AttestationChanged(releaseId, attested, at);
    }

    function _last(bytes32 releaseId) private view returns (Round storage) {
        return _rounds[releaseId][roundsOf[releaseId]];
    }

    function _counted(bytes32 releaseId, uint256 round, address validator) private view returns (Ballot storage b) {
        b = _ballots[seedOf(releaseId, round)][validator];
        if (b.weight == 0) revert NotCounted(releaseId, round, validator);
    }

    function _requireOwner(bytes32 releaseId) private view {
        uint256 modelId = models.releaseOf(releaseId).modelId;
        if (msg.sender != models.ownerOf(modelId)) revert NotOwner(modelId, msg.sender);
    }
}
