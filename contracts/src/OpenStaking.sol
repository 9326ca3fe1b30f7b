// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IERC6372} from "@openzeppelin/contracts/interfaces/IERC6372.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";
import {ProtocolParameters} from "./ProtocolParameters.sol";
import {Pool, Pools, Position} from "./libraries/Pools.sol";

/// Why stake is slashed. A missed deadline is proven by the chain's own clock; the others are judged, and wait for an appeal.
enum Reason {
    MissedDeadline,
    BelowThreshold,
    WrongVerdict,
    WithheldVerdict
}

/// What a slasher reports.
struct Offence {
    uint256 poolId;
    /// Who is answerable: what reporter and harmed get is bounded by what this account itself loses.
    address liable;
    /// Of the pool's stake, bonded and unbonding.
    uint16 bps;
    Reason reason;
    /// Names the evidence: a digest or an id of the slasher.
    bytes32 evidence;
    address reporter;
    address harmed;
    /// What the harmed lost, wei.
    uint96 harm;
}

interface IAgentOwners {
    function ownerOf(uint256 agentId) external view returns (address);
}

/// @title Stake of validators and agents: pools, delegation, rewards, slashing, votes
/// @notice Promises:
/// 1. Stake, unbonding stake, slashes under appeal, unclaimed rewards and credits sum to this contract's balance (less what
///    somebody forced in without a call), to the wei.
/// 2. Rewards are divided without loss: what everyone has earned, plus remainders, is what came in, to the 2⁻¹²⁸ of a wei.
///    Without active stake they are the treasury's. Stake earns from the epoch after the one it came in.
/// 3. Rounding never favours the caller, and a share is never worth more than a wei.
/// 4. Unbonding stake can be slashed like bonded stake. Its claim date is fixed when unbonding starts, and from then on its
///    account can always leave. While a slash of the pool is under appeal, nobody else can make it leave.
/// 5. A judged slash leaves escrow only after the appeal; overturned, it returns to exactly those it was taken from: nobody
///    joins a pool meanwhile, and who leaves it gives up their part, which is the treasury's.
/// 6. A pool that was slashed away is closed for good, once no slash of it is under appeal.
/// 7. Votes at a past time never change, and sum to at most the total at that time.
///
/// `unbondingSeconds` covers window, verdict and appeal: `ProtocolParameters` refuses every value that would not.
contract OpenStaking is ReentrancyGuardTransient, IERC6372 {
    using Checkpoints for Checkpoints.Trace208;
    using Pools for Pool;
    using Pools for Position;
    using SafeCast for uint256;

    enum SlashState {
        None,
        UnderAppeal,
        Executed,
        Overturned
    }

    struct Slash {
        uint256 poolId;
        bytes32 evidence;
        address reporter;
        uint96 amount;
        address harmed;
        uint96 harm;
        /// The part of `amount` that the liable account lost itself, wei.
        uint96 ownLoss;
        /// All shares it was taken from.
        uint112 shares;
        uint48 executableAt;
        Reason reason;
        SlashState state;
    }

    struct Unbonding {
        uint256 poolId;
        uint112 shares;
        uint48 claimAt;
    }

    struct PoolState {
        address operator;
        /// Whether it earns and validates: open, and its operator stakes the minimum.
        bool active;
        bool closed;
        uint256 bonded;
        uint256 unbonding;
        /// The part of `bonded` that earns already.
        uint256 earning;
        uint256 ownStake;
        uint256 commissionBps;
        uint256 nextCommissionBps;
        uint256 nextCommissionAt;
        uint256 slashesUnderAppeal;
        uint256 appealEnds;
    }

    struct PositionState {
        uint256 bonded;
        uint256 unbonding;
        uint256 earning;
        uint256 reward;
    }

    error NotOperator(uint256 poolId, address caller);
    error NotSlasher(uint256 poolId, address caller);
    error NotGovernance(address caller, address governance);
    error UnknownPool(uint256 poolId);
    error PoolExists(uint256 poolId);
    error PoolClosed(uint256 poolId);
    error UnderAppeal(uint256 poolId, uint256 until);
    error NothingToStake();
    error TooManyPools(address account, uint256 most);
    error BeyondStake(uint256 shares, uint256 bonded);
    error NoSuchUnbonding(address account, uint256 index);
    error TooEarly(uint256 claimAt);
    error CommissionTooHigh(uint256 bps, uint256 most);
    error NoSuchSlash(uint256 slashId);
    error NothingToClaim(address account);
    error NotPast(uint256 timestamp, uint256 now_);
    error TransferFailed(address to, uint256 amount);

    event PoolOpened(uint256 indexed poolId, address indexed operator, uint256 commissionBps);
    event PoolClosedForGood(uint256 indexed poolId);
    event Delegated(uint256 indexed poolId, address indexed account, uint256 amount, uint256 shares);
    event Unbonded(
        uint256 indexed poolId, address indexed account, uint256 index, uint256 shares, uint256 amount, uint256 claimAt
    );
    event Withdrawn(uint256 indexed poolId, address indexed account, uint256 index, uint256 amount);
    /// @notice Pool 0 stands for all active stake.
    event Rewarded(uint256 indexed poolId, address indexed from, uint256 amount);
    event RewardClaimed(uint256 indexed poolId, address indexed account, uint256 amount);
    event CommissionAnnounced(uint256 indexed poolId, uint256 bps, uint256 from);
    event CommissionChanged(uint256 indexed poolId, uint256 bps);
    event Slashed(
        uint256 indexed slashId,
        uint256 indexed poolId,
        Reason indexed reason,
        string reasonText,
        uint256 amount,
        bytes32 evidence,
        address reporter,
        uint256 executableAt
    );
    event SlashExecuted(uint256 indexed slashId, uint256 toReporter, uint256 toHarmed, uint256 toTreasury);
    event SlashOverturned(uint256 indexed slashId, uint256 amount);
    event Credited(address indexed account, uint256 amount);
    event CreditWithdrawn(address indexed account, uint256 amount);

    /// @notice An agent's pool is this plus its id; a validator's pool is its address as a number.
    uint256 public constant AGENT_POOLS = 1 << 160;
    /// @notice The most pools one account may be bonded in at a time, so that its votes can be counted in one call.
    uint256 public constant MAX_POOLS = 16;
    /// @notice The highest commission of an operator, basis points of what its pool earns.
    uint256 public constant MAX_COMMISSION_BPS = 5000;
    /// @notice A pool in which a share is worth less than one in this many wei is closed.
    uint256 public constant LEAST_WORTH = 1_000_000;

    ProtocolParameters public immutable parameters;
    /// @notice May slash validators: for verdicts on receipts, and on releases.
    address public immutable verdicts;
    address public immutable releaseVerdicts;
    /// @notice May slash agents, and says whose they are.
    address public immutable agents;

    /// @notice All stake in pools, bonded and unbonding, wei.
    uint256 public staked;
    /// @notice Slashes under appeal, wei.
    uint256 public escrowed;
    /// @notice Rewards that came in and were neither claimed nor credited, wei.
    uint256 public unclaimed;
    /// @notice Σ `creditOf`, wei.
    uint256 public credits;
    /// @notice Commissions and parts of slashes that wait to be withdrawn, wei.
    mapping(address account => uint256) public creditOf;

    /// @notice Epochs in which something happened so far, and when the current one ends, seconds.
    uint32 public epoch;
    uint48 public epochEnds;
    /// Σ of the pools' weights, wei.
    uint256 private _weight;
    uint256 private _pendingWeight;
    uint256 private _remainder;
    /// What one wei of active stake has earned, 2⁻¹²⁸ wei; and at the end of each epoch.
    uint256 private _perWei;
    mapping(uint256 epoch => uint256) private _perWeiAfter;

    uint256[] private _poolIds;
    mapping(uint256 poolId => Pool) private _pools;
    mapping(uint256 poolId => mapping(uint256 epoch => uint256)) private _perShareAfter;
    mapping(uint256 poolId => mapping(address account => Position)) private _positions;
    mapping(address account => Unbonding[]) private _unbondings;

    uint256 public slashCount;
    mapping(uint256 slashId => Slash) private _slashes;

    /// The past, for votes. A slot names the pool it holds, 0 for none; a rate is assets ‖ shares (112 bits).
    mapping(address account => Checkpoints.Trace208[]) private _slots;
    mapping(uint256 poolId => mapping(address account => Checkpoints.Trace208)) private _bondedShares;
    mapping(uint256 poolId => Checkpoints.Trace208) private _rates;
    mapping(uint256 poolId => Checkpoints.Trace208) private _bonded;
    Checkpoints.Trace208 private _bondedTotal;

    constructor(ProtocolParameters parameters_, address verdicts_, address releaseVerdicts_, address agents_) {
        parameters = parameters_;
        (verdicts, releaseVerdicts) = (verdicts_, releaseVerdicts_);
        agents = agents_;
    }

    // ---------------------------------------------------------------- rewards in

    /// @notice A reward for all active stake; without any it is the treasury's.
    receive() external payable {
        _roll();
        emit Rewarded(0, msg.sender, msg.value);
        if (_weight == 0) return _credit(parameters.treasury(), msg.value);
        unclaimed += msg.value;
        uint256 scaled = (msg.value << 128) + _remainder;
        _perWei += scaled / _weight;
        _remainder = scaled % _weight;
    }

    /// @notice A reward for the active stake of one pool; without any it is the treasury's.
    function reward(uint256 poolId) external payable {
        Pool memory p = _settle(poolId);
        emit Rewarded(poolId, msg.sender, msg.value);
        if (p.closed || p.worth(p.active) == 0) {
            _credit(parameters.treasury(), msg.value);
        } else {
            unclaimed += msg.value;
            _payCommission(poolId, p.divide(msg.value));
        }
        _write(poolId, p);
    }

    // ---------------------------------------------------------------- operators

    /// @notice Opens the caller's pool, a validator's or that of an agent it owns, with the value sent as its own stake.
    function open(uint256 poolId, uint16 commissionBps) external payable {
        _onlyOperator(poolId);
        if (_pools[poolId].opened) revert PoolExists(poolId);
        if (commissionBps > MAX_COMMISSION_BPS) revert CommissionTooHigh(commissionBps, MAX_COMMISSION_BPS);
        Pool storage p = _pools[poolId];
        p.opened = true;
        p.commissionBps = commissionBps;
        p.seen = _perWei;
        _poolIds.push(poolId);
        emit PoolOpened(poolId, msg.sender, commissionBps);
        if (msg.value != 0) _join(poolId, msg.sender, msg.value);
    }

    /// @notice Announces another commission; it starts with the first call that touches the pool a whole epoch from now.
    function announceCommission(uint256 poolId, uint16 bps) external {
        _onlyOperator(poolId);
        if (bps > MAX_COMMISSION_BPS) revert CommissionTooHigh(bps, MAX_COMMISSION_BPS);
        Pool memory p = _settle(poolId);
        (p.nextCommissionBps, p.nextCommissionAt) = (bps, uint48(block.timestamp + parameters.epochSeconds()));
        _write(poolId, p);
        emit CommissionAnnounced(poolId, bps, p.nextCommissionAt);
    }

    /// @notice Counts a pool anew: its earnings, its commission, and whether it is active. By anyone. What a pool's
    /// weight depends on outside this contract (the governed minimum, an agent's owner) shows in it from here on.
    function sync(uint256 poolId) external {
        if (!_pools[poolId].opened) return;
        Pool memory p = _settle(poolId);
        _store(poolId, p);
    }

    // ---------------------------------------------------------------- delegators

    /// @notice Adds the value sent to the caller's stake in a pool. It earns from the next epoch on.
    function delegate(uint256 poolId) external payable {
        _join(poolId, msg.sender, msg.value);
    }

    /// @notice Starts to take stake out of a pool; it stops earning and voting, and can still be slashed until claimed.
    /// @param amount wei, or the highest number for all
    /// @return index of the caller's unbonding, for `withdraw`
    function unbond(uint256 poolId, uint256 amount) external returns (uint256 index) {
        Pool memory p = _settle(poolId);
        Position memory q = _settlePosition(poolId, p, msg.sender);
        uint256 bonded = q.active + q.pending;
        uint256 shares = bonded;
        if (amount < p.worth(bonded)) shares = p.sharesTaken(amount);
        else if (amount != type(uint256).max && amount != p.worth(bonded)) revert BeyondStake(amount, p.worth(bonded));
        if (shares == 0) revert BeyondStake(amount, bonded);

        uint256 fromPending = Math.min(shares, q.pending);
        uint256 fromActive = shares - fromPending;
        (q.pending, p.pending) = (q.pending - fromPending, p.pending - fromPending);
        (q.active, p.active) = (q.active - fromActive, p.active - fromActive);
        q.unbonding += shares;
        if (shares == bonded) _push(_slots[msg.sender][q.slot], 0);
        _positions[poolId][msg.sender] = q;
        _push(_bondedShares[poolId][msg.sender], bonded - shares);
        _store(poolId, p);

        index = _unbondings[msg.sender].length;
        uint48 claimAt = uint48(block.timestamp + parameters.unbondingSeconds());
        _unbondings[msg.sender].push(Unbonding({poolId: poolId, shares: uint112(shares), claimAt: claimAt}));
        emit Unbonded(poolId, msg.sender, index, shares, p.worth(shares), claimAt);
    }

    /// @notice Pays an unbonding whose date has come. By anyone, to the account. While a slash of the pool is under appeal only by
    /// the account itself, because it gives up what an overturned slash would return.
    function withdraw(address account, uint256 index) external nonReentrant returns (uint256 amount) {
        Unbonding memory entry = _unbonding(account, index);
        if (block.timestamp < entry.claimAt) revert TooEarly(entry.claimAt);
        Pool memory p = _settle(entry.poolId);
        if (msg.sender != account) _requireNoAppeal(entry.poolId, p);
        delete _unbondings[account][index];
        amount = p.worth(entry.shares);
        p.assets -= amount;
        p.shares -= entry.shares;
        staked -= amount;
        _positions[entry.poolId][account].unbonding -= entry.shares;
        _store(entry.poolId, p);
        emit Withdrawn(entry.poolId, account, index, amount);
        _send(account, amount);
    }

    /// @notice Pays what an account's stake in a pool has earned. By anyone, to the account.
    function claimReward(uint256 poolId, address account) external nonReentrant returns (uint256 amount) {
        Pool memory p = _settle(poolId);
        _write(poolId, p);
        Position memory q = _settlePosition(poolId, p, account);
        amount = q.earned >> 128;
        if (amount == 0) revert NothingToClaim(account);
        q.earned = uint128(q.earned);
        _positions[poolId][account] = q;
        unclaimed -= amount;
        emit RewardClaimed(poolId, account, amount);
        _send(account, amount);
    }

    /// @notice Pays out an account's commissions and parts of slashes. By anyone, to the account.
    function withdrawCredit(address account) external nonReentrant returns (uint256 amount) {
        amount = creditOf[account];
        if (amount == 0) revert NothingToClaim(account);
        creditOf[account] = 0;
        credits -= amount;
        emit CreditWithdrawn(account, amount);
        _send(account, amount);
    }

    // ---------------------------------------------------------------- slashing

    /// @notice Takes a part of a pool's stake, bonded and unbonding alike, rounded up. Only by `verdicts` and `releaseVerdicts` for
    /// validators and by `agents` for agents. What is proven is final at once; what is judged waits for an appeal.
    /// @return slashId 0 if there was nothing to take
    function slash(Offence calldata offence) external returns (uint256 slashId) {
        _requireSlasher(offence.poolId);
        Pool memory p = _settle(offence.poolId);
        uint256 amount = Math.min(p.assets, Math.ceilDiv(p.assets * offence.bps, Pools.WHOLE));
        if (amount == 0) {
            _write(offence.poolId, p);
            return 0;
        }

        Position storage q = _positions[offence.poolId][offence.liable];
        uint256 ownShares = q.active + q.pending + q.unbonding;
        bool proven = offence.reason == Reason.MissedDeadline;
        uint256 executableAt = proven ? block.timestamp : block.timestamp + parameters.appealSeconds();
        slashId = ++slashCount;
        Slash storage s = _slashes[slashId];
        s.poolId = offence.poolId;
        s.evidence = offence.evidence;
        s.reporter = offence.reporter;
        s.amount = uint96(amount);
        s.harmed = offence.harmed;
        s.harm = offence.harm;
        s.ownLoss = uint96(amount * ownShares / p.shares);
        s.shares = uint112(p.shares);
        s.executableAt = uint48(executableAt);
        s.reason = offence.reason;
        s.state = SlashState.UnderAppeal;
        p.assets -= amount;
        p.appeals += 1;
        p.appealEnds = uint48(Math.max(p.appealEnds, executableAt));
        staked -= amount;
        escrowed += amount;
        _store(offence.poolId, p);
        emit Slashed(
            slashId,
            offence.poolId,
            offence.reason,
            reasonText(offence.reason),
            amount,
            offence.evidence,
            offence.reporter,
            executableAt
        );
        if (proven) _execute(slashId, s);
    }

    /// @notice Pays out a slash whose appeal has ended: to the reporter the governed part of what the liable account lost
    /// itself, to the harmed what they lost, both together at most what the liable account lost; the rest to the treasury. So
    /// nobody gains by slashing their own pool, and reporting oneself does not pay for the offence. By anyone.
    function executeSlash(uint256 slashId) external {
        Slash storage s = _underAppeal(slashId);
        if (block.timestamp < s.executableAt) revert TooEarly(s.executableAt);
        _execute(slashId, s);
    }

    /// @notice Returns a slash to the pool it was taken from, before it is executed; only by governance. The part of those who
    /// left meanwhile is the treasury's.
    function overturn(uint256 slashId) external {
        address governance = parameters.owner();
        if (msg.sender != governance) revert NotGovernance(msg.sender, governance);
        Slash storage s = _underAppeal(slashId);
        s.state = SlashState.Overturned;
        Pool memory p = _settle(s.poolId);
        uint256 returned = s.amount * p.shares / s.shares;
        p.assets += returned;
        staked += returned;
        escrowed -= s.amount;
        _endAppeal(s.poolId, p);
        if (returned != s.amount) _credit(parameters.treasury(), s.amount - returned);
        emit SlashOverturned(slashId, returned);
    }

    // ---------------------------------------------------------------- votes

    /// @notice What an account had bonded at a past time, after slashes, wei. It never changes.
    function votesAt(address account, uint256 timestamp) external view returns (uint256 votes) {
        uint48 t = _past(timestamp);
        Checkpoints.Trace208[] storage slots = _slots[account];
        for (uint256 i = 0; i < slots.length; ++i) {
            uint256 poolId = slots[i].upperLookupRecent(t);
            if (poolId == 0) continue;
            uint256 rate = _rates[poolId].upperLookupRecent(t);
            uint256 shares = _bondedShares[poolId][account].upperLookupRecent(t);
            votes += shares * (rate >> 112) / uint112(rate);
        }
    }

    /// @notice What all accounts had bonded at a past time, after slashes, wei.
    function totalVotesAt(uint256 timestamp) external view returns (uint256) {
        return _bondedTotal.upperLookupRecent(_past(timestamp));
    }

    /// @notice What a pool had bonded at a past time, after slashes, wei.
    function stakeAt(uint256 poolId, uint256 timestamp) external view returns (uint256) {
        return _bonded[poolId].upperLookupRecent(_past(timestamp));
    }

    // ---------------------------------------------------------------- views

    /// @notice What a pool has bonded now, wei.
    function stakeOf(uint256 poolId) public view returns (uint256) {
        return _bonded[poolId].latest();
    }

    /// @notice What of all stake earns now, as far as pools were counted, wei.
    function activeStake() external view returns (uint256) {
        return block.timestamp < epochEnds ? _weight : _weight + _pendingWeight;
    }

    /// @notice What of a pool's stake earns and validates now, wei; 0 for an inactive pool.
    function activeStakeOf(uint256 poolId) external view returns (uint256) {
        (Pool memory p,,,) = _settled(poolId);
        return _isActive(poolId, p) ? p.worth(p.active) : 0;
    }

    function isActive(uint256 poolId) external view returns (bool) {
        (Pool memory p,,,) = _settled(poolId);
        return _isActive(poolId, p);
    }

    /// @notice The validator or the agent's owner.
    function operatorOf(uint256 poolId) public view returns (address) {
        return poolId < AGENT_POOLS ? address(uint160(poolId)) : IAgentOwners(agents).ownerOf(poolId - AGENT_POOLS);
    }

    function poolOf(uint256 poolId) external view returns (PoolState memory) {
        (Pool memory p,,,) = _settled(poolId);
        if (!p.opened) revert UnknownPool(poolId);
        uint256 bonded = p.worth(p.active + p.pending);
        return PoolState({
            operator: operatorOf(poolId),
            active: _isActive(poolId, p),
            closed: p.closed,
            bonded: bonded,
            unbonding: p.assets - bonded,
            earning: p.worth(p.active),
            ownStake: _ownStake(poolId, p),
            commissionBps: p.commissionBps,
            nextCommissionBps: p.nextCommissionBps,
            nextCommissionAt: p.nextCommissionAt,
            slashesUnderAppeal: p.appeals,
            appealEnds: p.appealEnds
        });
    }

    function positionOf(uint256 poolId, address account) external view returns (PositionState memory) {
        (Pool memory p, uint256 boundary, bool rolled,) = _settled(poolId);
        Position memory q = _positions[poolId][account];
        _advance(q, p, rolled && q.pendingEpoch == p.pendingEpoch ? boundary : _perShareAfter[poolId][q.pendingEpoch]);
        return PositionState({
            bonded: p.worth(q.active + q.pending),
            unbonding: p.worth(q.unbonding),
            earning: p.worth(q.active),
            reward: q.earned >> 128
        });
    }

    function unbondingCount(address account) external view returns (uint256) {
        return _unbondings[account].length;
    }

    /// @return poolId the pool it leaves
    /// @return amount what it is worth now, wei
    /// @return claimAt from when anyone can withdraw it, seconds: its own date, or the end of the last appeal of a slash; the
    /// account itself can from its own date on
    function unbondingOf(address account, uint256 index)
        external
        view
        returns (uint256 poolId, uint256 amount, uint256 claimAt)
    {
        Unbonding memory entry = _unbonding(account, index);
        (Pool memory p,,,) = _settled(entry.poolId);
        return
            (
                entry.poolId,
                p.worth(entry.shares),
                p.appeals == 0 ? entry.claimAt : Math.max(entry.claimAt, p.appealEnds)
            );
    }

    function slashOf(uint256 slashId) external view returns (Slash memory) {
        if (_slashes[slashId].state == SlashState.None) revert NoSuchSlash(slashId);
        return _slashes[slashId];
    }

    function poolCount() external view returns (uint256) {
        return _poolIds.length;
    }

    /// @notice The id of a pool by its position, the first at 0.
    function poolAt(uint256 position) external view returns (uint256) {
        return _poolIds[position];
    }

    /// @notice What an explorer shows for a reason.
    function reasonText(Reason reason) public pure returns (string memory) {
        if (reason == Reason.MissedDeadline) return "missed the deadline of an order";
        if (reason == Reason.BelowThreshold) return "delivered below the threshold of its terms";
        if (reason == Reason.WrongVerdict) return "judged against the quorum";
        return "withheld a verdict it was drawn for";
    }

    /// @inheritdoc IERC6372
    function clock() external view returns (uint48) {
        return uint48(block.timestamp);
    }

    /// @inheritdoc IERC6372
    function CLOCK_MODE() external pure returns (string memory) {
        return "mode=timestamp";
    }

    // ---------------------------------------------------------------- inside: pools and positions

    /// Ends the epoch if its time has come: what was pending earns from here on.
    function _roll() private {
        if (block.timestamp < epochEnds) return;
        uint256 length = parameters.epochSeconds();
        _perWeiAfter[epoch] = _perWei;
        _weight += _pendingWeight;
        _pendingWeight = 0;
        epoch += 1;
        epochEnds = uint48((block.timestamp / length + 1) * length);
    }

    /// The pool as it is now: with what it earned, and its pending stake active if its epoch has ended.
    /// `boundary` is what a share had earned when that happened, `commission` the operator's part, wei.
    function _settled(uint256 poolId)
        private
        view
        returns (Pool memory p, uint256 boundary, bool rolled, uint256 commission)
    {
        p = _pools[poolId];
        rolled = p.pending != 0 && (p.pendingEpoch < epoch || block.timestamp >= epochEnds);
        if (rolled) {
            commission = p.accrue(p.pendingEpoch < epoch ? _perWeiAfter[p.pendingEpoch] : _perWei);
            boundary = p.perShare;
            p.activate();
        }
        commission += p.accrue(_perWei);
    }

    /// Brings a pool up to date, and starts an announced commission once that is done. The caller MUST write the pool.
    function _settle(uint256 poolId) private returns (Pool memory p) {
        _roll();
        uint256 boundary;
        bool rolled;
        uint256 commission;
        (p, boundary, rolled, commission) = _settled(poolId);
        if (!p.opened) revert UnknownPool(poolId);
        if (rolled) _perShareAfter[poolId][p.pendingEpoch] = boundary;
        _payCommission(poolId, commission);
        if (p.nextCommissionAt != 0 && block.timestamp >= p.nextCommissionAt) {
            (p.commissionBps, p.nextCommissionAt) = (p.nextCommissionBps, 0);
            emit CommissionChanged(poolId, p.commissionBps);
        }
    }

    /// After `_settle` of its pool.
    function _settlePosition(uint256 poolId, Pool memory p, address account) private view returns (Position memory q) {
        q = _positions[poolId][account];
        _advance(q, p, _perShareAfter[poolId][q.pendingEpoch]);
    }

    /// @param boundary what a share had earned when the position's pending shares became active, if they did
    function _advance(Position memory q, Pool memory p, uint256 boundary) private view {
        if (q.pending != 0 && (q.pendingEpoch < epoch || block.timestamp >= epochEnds)) {
            q.accrue(boundary);
            q.active += q.pending;
            q.pending = 0;
        }
        q.accrue(p.perShare);
    }

    function _join(uint256 poolId, address account, uint256 amount) private {
        if (amount == 0) revert NothingToStake();
        Pool memory p = _settle(poolId);
        if (p.closed) revert PoolClosed(poolId);
        _requireNoAppeal(poolId, p);
        Position memory q = _settlePosition(poolId, p, account);
        uint256 shares = p.sharesFor(amount);
        uint256 bonded = q.active + q.pending;
        if (bonded == 0) q.slot = _takeSlot(account, poolId);
        (q.pending, p.pending) = (q.pending + shares, p.pending + shares);
        (q.pendingEpoch, p.pendingEpoch) = (epoch, epoch);
        p.shares += shares;
        p.assets += amount;
        staked += amount;
        _positions[poolId][account] = q;
        _push(_bondedShares[poolId][account], bonded + shares);
        _store(poolId, p);
        emit Delegated(poolId, account, amount, shares);
    }

    /// Writes a pool with the weight it has now, and the checkpoints that votes are counted from.
    function _store(uint256 poolId, Pool memory p) private {
        bool active = _isActive(poolId, p);
        uint256 weight = active ? p.worth(p.active) : 0;
        uint256 pendingWeight = active ? p.worth(p.pending) : 0;
        _weight = _weight - p.weight + weight;
        _pendingWeight = _pendingWeight - p.pendingWeight + pendingWeight;
        (p.weight, p.pendingWeight) = (weight, pendingWeight);
        _write(poolId, p);

        uint256 bonded = p.worth(p.active + p.pending);
        uint256 total = _bondedTotal.latest() - _bonded[poolId].latest() + bonded;
        _push(_rates[poolId], (uint256(p.assets) << 112) | p.shares);
        _push(_bonded[poolId], bonded);
        _push(_bondedTotal, total);
    }

    function _write(uint256 poolId, Pool memory p) private {
        _pools[poolId] = p;
    }

    /// Who has opened a pool and stakes the governed minimum in it is active.
    function _isActive(uint256 poolId, Pool memory p) private view returns (bool) {
        return p.opened && !p.closed && _ownStake(poolId, p) >= parameters.minimumStakeWei();
    }

    function _ownStake(uint256 poolId, Pool memory p) private view returns (uint256) {
        Position storage q = _positions[poolId][operatorOf(poolId)];
        return p.worth(q.active + q.pending);
    }

    function _requireNoAppeal(uint256 poolId, Pool memory p) private pure {
        if (p.appeals != 0) revert UnderAppeal(poolId, p.appealEnds);
    }

    function _onlyOperator(uint256 poolId) private view {
        if (msg.sender != operatorOf(poolId)) revert NotOperator(poolId, msg.sender);
    }

    function _unbonding(address account, uint256 index) private view returns (Unbonding memory entry) {
        if (index >= _unbondings[account].length) revert NoSuchUnbonding(account, index);
        entry = _unbondings[account][index];
        if (entry.shares == 0) revert NoSuchUnbonding(account, index);
    }

    // ---------------------------------------------------------------- inside: slashes

    function _requireSlasher(uint256 poolId) private view {
        bool may = poolId < AGENT_POOLS ? msg.sender == verdicts || msg.sender == releaseVerdicts : msg.sender == agents;
        if (!may) revert NotSlasher(poolId, msg.sender);
    }

    function _underAppeal(uint256 slashId) private view returns (Slash storage s) {
        s = _slashes[slashId];
        if (s.state != SlashState.UnderAppeal) revert NoSuchSlash(slashId);
    }

    function _execute(uint256 slashId, Slash storage s) private {
        s.state = SlashState.Executed;
        _endAppeal(s.poolId, _settle(s.poolId));

        uint256 toReporter = s.reporter == address(0) ? 0 : s.ownLoss * parameters.proverRewardBps() / Pools.WHOLE;
        uint256 toHarmed = s.harmed == address(0) ? 0 : Math.min(s.harm, s.ownLoss - toReporter);
        uint256 toTreasury = s.amount - toReporter - toHarmed;
        escrowed -= s.amount;
        if (toReporter != 0) _credit(s.reporter, toReporter);
        if (toHarmed != 0) _credit(s.harmed, toHarmed);
        if (toTreasury != 0) _credit(parameters.treasury(), toTreasury);
        emit SlashExecuted(slashId, toReporter, toHarmed, toTreasury);
    }

    /// While another slash could still be overturned, nobody can say that the pool was slashed away.
    function _endAppeal(uint256 poolId, Pool memory p) private {
        p.appeals -= 1;
        if (p.appeals == 0 && !p.closed && p.assets * LEAST_WORTH < p.shares) {
            p.closed = true;
            emit PoolClosedForGood(poolId);
        }
        _store(poolId, p);
    }

    // ---------------------------------------------------------------- inside: votes and value

    function _takeSlot(address account, uint256 poolId) private returns (uint8) {
        Checkpoints.Trace208[] storage slots = _slots[account];
        uint256 slot = 0;
        while (slot < slots.length && slots[slot].latest() != 0) ++slot;
        if (slot == MAX_POOLS) revert TooManyPools(account, MAX_POOLS);
        if (slot == slots.length) slots.push();
        _push(slots[slot], poolId);
        return uint8(slot);
    }

    function _push(Checkpoints.Trace208 storage trace, uint256 value) private {
        trace.push(uint48(block.timestamp), value.toUint208());
    }

    function _past(uint256 timestamp) private view returns (uint48) {
        if (timestamp >= block.timestamp) revert NotPast(timestamp, block.timestamp);
        return uint48(timestamp);
    }

    function _payCommission(uint256 poolId, uint256 commission) private {
        if (commission == 0) return;
        unclaimed -= commission;
        _credit(operatorOf(poolId), commission);
    }

    function _credit(address account, uint256 amount) private {
        creditOf[account] += amount;
        credits += amount;
        emit Credited(account, amount);
    }

    function _send(address to, uint256 amount) private {
        (bool sent,) = to.call{value: amount}("");
        if (!sent) revert TransferFailed(to, amount);
    }
}
