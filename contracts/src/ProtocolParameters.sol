// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Ownable, Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {IERC6372} from "@openzeppelin/contracts/interfaces/IERC6372.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";

/// The heads of a fee, basis points of the whole, summing to 10,000; `owners` is the part of the data head that goes to
/// the owners of the Datanets used.
struct FeeSplit {
    uint16 operator;
    uint16 treasury;
    uint16 developer;
    uint16 stakers;
    uint16 data;
    uint16 owners;
}

/// One value a network starts with; an address is its number.
struct Setting {
    bytes32 id;
    uint256 value;
}

/// The address of one protocol contract.
struct Listing {
    bytes32 name;
    address at;
}

/// @title Every number governance may set, and the address of every protocol contract
/// @notice No number lives elsewhere, each has bounds that no vote can cross, and each change is one event. A change takes
/// effect in the second after it, so what was in force at a past time never changes.
contract ProtocolParameters is Ownable2Step, IERC6372 {
    using Checkpoints for Checkpoints.Trace160;

    error UnknownParameter(bytes32 id);
    error OutOfBounds(bytes32 id, uint256 value, uint256 lowest, uint256 highest);
    error NotAWhole(uint256 sumBps);
    error SetTwice(bytes32 id);
    error SettingsMissing(uint256 given, uint256 expected);
    error UnbondingTooShort(uint256 seconds_, uint256 needed);
    error AppealTooShort(uint256 seconds_, uint256 needed);

    /// @notice A value was set; it is in force from the time `effectiveAt`.
    event ParameterChanged(bytes32 indexed id, uint256 previous, uint256 value, uint256 effectiveAt);
    event ContractListed(bytes32 indexed name, address previous, address current);

    uint256 private constant WHOLE = 10_000;

    /// Ids are short strings, so that they can be read in an explorer.
    bytes32 public constant FEE_SPLIT = "feeSplit";
    bytes32 public constant TREASURY = "treasury";
    bytes32 public constant STAKERS_POOL = "stakersPool";
    bytes32 public constant SETTLEMENT_WINDOW = "settlementWindowSeconds";
    bytes32 public constant CLOSE_TIMEOUT = "closeTimeoutSeconds";
    bytes32 public constant MINIMUM_BOND = "minimumBondWei";
    bytes32 public constant REGISTRATION_FEE = "registrationFeeWei";
    bytes32 public constant PROVER_REWARD = "proverRewardBps";
    bytes32 public constant MINIMUM_THRESHOLD = "minimumThresholdMillionths";
    bytes32 public constant DEMAND_FEE = "demandFeeWei";
    bytes32 public constant REFUND_DELAY = "refundDelaySeconds";
    bytes32 public constant RECEIPT_DEADLINE = "receiptDeadlineSeconds";
    bytes32 public constant LATE_RECEIPT_SLASH = "lateReceiptSlashWei";
    bytes32 public constant EPOCH = "epochSeconds";
    bytes32 public constant UNBONDING = "unbondingSeconds";
    bytes32 public constant VERDICT = "verdictSeconds";
    bytes32 public constant APPEAL = "appealSeconds";
    bytes32 public constant MINIMUM_STAKE = "minimumStakeWei";
    bytes32 public constant QUORUM_SLASH = "quorumSlashBps";
    bytes32 public constant DRAWN_VALIDATORS = "drawnValidators";
    bytes32 public constant VOTING_DELAY = "votingDelaySeconds";
    bytes32 public constant VOTING_PERIOD = "votingPeriodSeconds";
    bytes32 public constant TIMELOCK_DELAY = "timelockDelaySeconds";
    bytes32 public constant PROPOSAL_THRESHOLD = "proposalThresholdWei";
    bytes32 public constant QUORUM_TOTAL = "quorumTotalBps";
    bytes32 public constant QUORUM_CIRCULATING = "quorumCirculatingBps";
    bytes32 public constant MINIMUM_TIP = "minimumTipWei";
    bytes32 public constant RELEASE_BOND = "releaseBondWei";
    bytes32 public constant ATTESTATION_REQUIRED = "attestationRequired";

    /// @notice How many values there are besides the fee split.
    uint256 public constant SETTINGS = 28;

    /// @notice The least number of seconds any window or timeout may last: fixed for the life of the network.
    uint64 public immutable leastSeconds;

    mapping(bytes32 id => Checkpoints.Trace160) private _history;
    mapping(bytes32 name => address) private _contracts;

    /// @param owner_ governance: the timelock
    /// @param leastSeconds_ the bound under every window: seconds on a local network, hours on a public one
    /// @param settings every value but the fee split, each once
    /// @param contracts the protocol's contracts, whose addresses are known before they are deployed
    constructor(
        address owner_,
        uint64 leastSeconds_,
        FeeSplit memory split,
        Setting[] memory settings,
        Listing[] memory contracts
    ) Ownable(owner_) {
        leastSeconds = leastSeconds_;
        _push(FEE_SPLIT, _pack(split), block.timestamp);
        if (settings.length != SETTINGS) revert SettingsMissing(settings.length, SETTINGS);
        for (uint256 i = 0; i < settings.length; ++i) {
            if (_history[settings[i].id].length() != 0) revert SetTwice(settings[i].id);
            _push(settings[i].id, settings[i].value, block.timestamp);
        }
        _requireTimeToJudge();
        for (uint256 i = 0; i < contracts.length; ++i) {
            _list(contracts[i].name, contracts[i].at);
        }
    }

    // ---------------------------------------------------------------- governance

    /// @notice Sets one number or address, within its bounds. The fee split has its own function.
    function set(bytes32 id, uint256 next) external onlyOwner {
        if (id == FEE_SPLIT) revert UnknownParameter(id);
        _push(id, next, block.timestamp + 1);
        _requireTimeToJudge();
    }

    /// @notice Sets all heads of the fee at once, because they MUST sum to 10,000 basis points.
    function setFeeSplit(FeeSplit calldata split) external onlyOwner {
        _push(FEE_SPLIT, _pack(split), block.timestamp + 1);
    }

    /// @notice Lists the address of a protocol contract. There are no proxies: an upgrade is a new address here, and
    /// funds in the old contract stay withdrawable there.
    function setContract(bytes32 name, address current) external onlyOwner {
        _list(name, current);
    }

    // ---------------------------------------------------------------- what is in force

    /// @notice The value in force at a time; for a time that has passed it never changes.
    function valueAt(bytes32 id, uint256 timestamp) public view returns (uint256) {
        return _history[id].upperLookupRecent(SafeCast.toUint96(timestamp));
    }

    function value(bytes32 id) public view returns (uint256) {
        return valueAt(id, block.timestamp);
    }

    /// @notice The split that applies to a receipt issued at `timestamp`.
    function feeSplitAt(uint256 timestamp) public view returns (FeeSplit memory) {
        return _unpack(valueAt(FEE_SPLIT, timestamp));
    }

    function feeSplit() external view returns (FeeSplit memory) {
        return feeSplitAt(block.timestamp);
    }

    function treasury() external view returns (address) {
        return address(uint160(value(TREASURY)));
    }

    function stakersPool() external view returns (address) {
        return address(uint160(value(STAKERS_POOL)));
    }

    /// @notice How long a batch may be challenged, seconds.
    function settlementWindowSeconds() external view returns (uint256) {
        return value(SETTLEMENT_WINDOW);
    }

    /// @notice How long a payee may still collect after the payer asked to close or changed the signer, seconds.
    function closeTimeoutSeconds() external view returns (uint256) {
        return value(CLOSE_TIMEOUT);
    }

    /// @notice The least an attester must have at stake, wei.
    function minimumBondWei() external view returns (uint256) {
        return value(MINIMUM_BOND);
    }

    /// @notice What registering a Datanet or a model costs, wei; it goes to the treasury.
    function registrationFeeWei() external view returns (uint256) {
        return value(REGISTRATION_FEE);
    }

    /// @notice The prover's part of a slash, basis points.
    function proverRewardBps() external view returns (uint256) {
        return value(PROVER_REWARD);
    }

    /// @notice The lowest threshold factor a release may carry, millionths.
    function minimumThresholdMillionths() external view returns (uint256) {
        return value(MINIMUM_THRESHOLD);
    }

    /// @notice What a demand for withheld data costs, wei; it pays for the answer.
    function demandFeeWei() external view returns (uint256) {
        return value(DEMAND_FEE);
    }

    /// @notice After how long without settlement a payer takes back what was collected, seconds.
    function refundDelaySeconds() external view returns (uint256) {
        return value(REFUND_DELAY);
    }

    /// @notice How long after its issue a signed receipt MUST be in a batch, seconds.
    function receiptDeadlineSeconds() external view returns (uint256) {
        return value(RECEIPT_DEADLINE);
    }

    /// @notice The least that a receipt beyond its deadline costs the attester, wei.
    function lateReceiptSlashWei() external view returns (uint256) {
        return value(LATE_RECEIPT_SLASH);
    }

    /// @notice Stake earns from the epoch after the one it came in, seconds each.
    function epochSeconds() external view returns (uint256) {
        return value(EPOCH);
    }

    /// @notice How long stake that leaves can still be slashed, seconds.
    function unbondingSeconds() external view returns (uint256) {
        return value(UNBONDING);
    }

    /// @notice How long validators have to commit a verdict, and again to reveal it, seconds.
    function verdictSeconds() external view returns (uint256) {
        return value(VERDICT);
    }

    /// @notice How long governance has to overturn what a quorum decided, seconds.
    function appealSeconds() external view returns (uint256) {
        return value(APPEAL);
    }

    /// @notice The least a validator or agent stakes itself, wei.
    function minimumStakeWei() external view returns (uint256) {
        return value(MINIMUM_STAKE);
    }

    /// @notice What a wrong or withheld verdict costs, basis points of the stake.
    function quorumSlashBps() external view returns (uint256) {
        return value(QUORUM_SLASH);
    }

    /// @notice How many validators a draw is expected to draw.
    function drawnValidators() external view returns (uint256) {
        return value(DRAWN_VALIDATORS);
    }

    /// @notice From a proposal to the start of its vote, seconds.
    function votingDelaySeconds() external view returns (uint256) {
        return value(VOTING_DELAY);
    }

    function votingPeriodSeconds() external view returns (uint256) {
        return value(VOTING_PERIOD);
    }

    /// @notice From a vote's success to its execution at the earliest, seconds.
    function timelockDelaySeconds() external view returns (uint256) {
        return value(TIMELOCK_DELAY);
    }

    /// @notice The votes a proposer needs, wei of OPEN.
    function proposalThresholdWei() external view returns (uint256) {
        return value(PROPOSAL_THRESHOLD);
    }

    /// @notice The quorum's floor, basis points of the whole supply.
    function quorumTotalBps() external view returns (uint256) {
        return value(QUORUM_TOTAL);
    }

    /// @notice The quorum, basis points of what circulates.
    function quorumCirculatingBps() external view returns (uint256) {
        return value(QUORUM_CIRCULATING);
    }

    /// @notice The least tip per gas while the chain is empty, wei; the node doubles it as the chain fills.
    function minimumTipWei() external view returns (uint256) {
        return value(MINIMUM_TIP);
    }

    /// @notice The least that stands behind a release when validators are asked to judge its index, wei.
    function releaseBondWei() external view returns (uint256) {
        return value(RELEASE_BOND);
    }

    /// @notice 1 where a batch may hold only receipts of releases whose index validators attested, else 0.
    function attestationRequired() external view returns (uint256) {
        return value(ATTESTATION_REQUIRED);
    }

    function contractOf(bytes32 name) external view returns (address) {
        return _contracts[name];
    }

    /// @notice What no vote can cross.
    function bounds(bytes32 id) public view returns (uint256 lowest, uint256 highest) {
        if (id == TREASURY || id == STAKERS_POOL) return (1, type(uint160).max);
        if (id == SETTLEMENT_WINDOW || id == CLOSE_TIMEOUT) return (leastSeconds, 30 days);
        if (id == MINIMUM_BOND || id == RELEASE_BOND) return (1, 10_000_000 ether);
        if (id == REGISTRATION_FEE) return (0, 10_000 ether);
        if (id == PROVER_REWARD) return (1, 3000);
        if (id == MINIMUM_THRESHOLD) return (0, 10_000_000);
        if (id == DEMAND_FEE || id == LATE_RECEIPT_SLASH) return (0, 1000 ether);
        if (id == VERDICT) return (leastSeconds, 7 days);
        if (id == EPOCH || id == APPEAL || id == VOTING_DELAY || id == VOTING_PERIOD || id == TIMELOCK_DELAY) {
            return (leastSeconds, 30 days);
        }
        if (id == REFUND_DELAY || id == RECEIPT_DEADLINE || id == UNBONDING) return (leastSeconds, 180 days);
        if (id == MINIMUM_STAKE) return (1, 10_000_000 ether);
        if (id == QUORUM_SLASH) return (1, 5000);
        if (id == DRAWN_VALIDATORS) return (3, 64);
        if (id == PROPOSAL_THRESHOLD) return (1, 1_000_000 ether);
        if (id == QUORUM_TOTAL) return (50, 500);
        if (id == QUORUM_CIRCULATING) return (200, 2000);
        if (id == MINIMUM_TIP) return (0, 1000 gwei);
        if (id == ATTESTATION_REQUIRED) return (0, 1);
        if (id == FEE_SPLIT) return (0, type(uint96).max);
        revert UnknownParameter(id);
    }

    /// @notice The bounds of the fee's heads, in the order of `FeeSplit`, basis points: data never falls below 3,000.
    function feeBounds() public pure returns (uint16[6] memory lowest, uint16[6] memory highest) {
        lowest = [uint16(0), 0, 500, 0, 3000, 0];
        highest = [uint16(4000), 2000, 5000, 3000, 9500, 3000];
    }

    /// @inheritdoc IERC6372
    function clock() external view returns (uint48) {
        return uint48(block.timestamp);
    }

    /// @inheritdoc IERC6372
    function CLOCK_MODE() external pure returns (string memory) {
        return "mode=timestamp";
    }

    // ---------------------------------------------------------------- inside

    function _push(bytes32 id, uint256 value_, uint256 effectiveAt) private {
        (uint256 lowest, uint256 highest) = bounds(id);
        if (value_ < lowest || value_ > highest) revert OutOfBounds(id, value_, lowest, highest);
        (uint160 previous,) = _history[id].push(SafeCast.toUint96(effectiveAt), SafeCast.toUint160(value_));
        emit ParameterChanged(id, previous, value_, effectiveAt);
    }

    function _list(bytes32 name, address current) private {
        emit ContractListed(name, _contracts[name], current);
        _contracts[name] = current;
    }

    /// What is judged MUST leave time to be overturned: for a proposal, its vote with a late quorum, and the timelock. And
    /// stake MUST NOT leave before what it could be slashed for is decided: a window that a demand doubled, a verdict's two
    /// phases, the appeal.
    function _requireTimeToJudge() private view {
        uint256 appeal = _history[APPEAL].latest();
        uint256 overturning = 2 * uint256(_history[VOTING_DELAY].latest()) + _history[VOTING_PERIOD].latest()
            + _history[TIMELOCK_DELAY].latest() + 2 * uint256(leastSeconds);
        if (appeal < overturning) revert AppealTooShort(appeal, overturning);
        uint256 needed =
            2 * uint256(_history[SETTLEMENT_WINDOW].latest()) + 2 * uint256(_history[VERDICT].latest()) + appeal;
        uint256 unbonding = _history[UNBONDING].latest();
        if (unbonding < needed) revert UnbondingTooShort(unbonding, needed);
    }

    /// Checks the heads and packs them, 16 bits each, the operator lowest.
    function _pack(FeeSplit memory split) private pure returns (uint256 packed) {
        uint16[6] memory heads =
            [split.operator, split.treasury, split.developer, split.stakers, split.data, split.owners];
        (uint16[6] memory lowest, uint16[6] memory highest) = feeBounds();
        uint256 sum;
        for (uint256 i = 0; i < 6; ++i) {
            if (heads[i] < lowest[i] || heads[i] > highest[i]) {
                revert OutOfBounds(FEE_SPLIT, heads[i], lowest[i], highest[i]);
            }
            if (i < 5) sum += heads[i];
            packed |= uint256(heads[i]) << (16 * i);
        }
        if (sum != WHOLE) revert NotAWhole(sum);
    }

    function _unpack(uint256 packed) private pure returns (FeeSplit memory) {
        return FeeSplit({
            operator: uint16(packed),
            treasury: uint16(packed >> 16),
            developer: uint16(packed >> 32),
            stakers: uint16(packed >> 48),
            data: uint16(packed >> 64),
            owners: uint16(packed >> 80)
        });
    }
}
