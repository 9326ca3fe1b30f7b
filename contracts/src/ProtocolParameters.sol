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

/// The values a network starts with.
struct InitialParameters {
    FeeSplit feeSplit;
    address treasury;
    address stakersPool;
    uint64 settlementWindowSeconds;
    uint64 closeTimeoutSeconds;
    uint96 minimumBondWei;
    uint96 registrationFeeWei;
    uint16 proverRewardBps;
    uint32 minimumThresholdMillionths;
}

/// @title Every number governance may set, and the address of every protocol contract
/// @notice No number lives elsewhere, each has bounds that no vote can cross, and each change is one event. A change takes
/// effect in the second after it, so what was in force at a past time never changes.
contract ProtocolParameters is Ownable2Step, IERC6372 {
    using Checkpoints for Checkpoints.Trace160;

    error UnknownParameter(bytes32 id);
    error OutOfBounds(bytes32 id, uint256 value, uint256 lowest, uint256 highest);
    error NotAWhole(uint256 sumBps);

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

    /// @notice The least number of seconds any window or timeout may last: fixed for the life of the network.
    uint64 public immutable leastSeconds;

    mapping(bytes32 id => Checkpoints.Trace160) private _history;
    mapping(bytes32 name => address) private _contracts;

    /// @param owner_ governance: a timelock, or on a local network an account
    /// @param leastSeconds_ the bound under every window: seconds on a local network, hours on a public one
    constructor(address owner_, uint64 leastSeconds_, InitialParameters memory initial) Ownable(owner_) {
        leastSeconds = leastSeconds_;
        _push(FEE_SPLIT, _pack(initial.feeSplit), block.timestamp);
        _push(TREASURY, uint160(initial.treasury), block.timestamp);
        _push(STAKERS_POOL, uint160(initial.stakersPool), block.timestamp);
        _push(SETTLEMENT_WINDOW, initial.settlementWindowSeconds, block.timestamp);
        _push(CLOSE_TIMEOUT, initial.closeTimeoutSeconds, block.timestamp);
        _push(MINIMUM_BOND, initial.minimumBondWei, block.timestamp);
        _push(REGISTRATION_FEE, initial.registrationFeeWei, block.timestamp);
        _push(PROVER_REWARD, initial.proverRewardBps, block.timestamp);
        _push(MINIMUM_THRESHOLD, initial.minimumThresholdMillionths, block.timestamp);
    }

    // ---------------------------------------------------------------- governance

    /// @notice Sets one number or address, within its bounds. The fee split has its own function.
    function set(bytes32 id, uint256 next) external onlyOwner {
        if (id == FEE_SPLIT) revert UnknownParameter(id);
        _push(id, next, block.timestamp + 1);
    }

    /// @notice Sets all heads of the fee at once, because they MUST sum to 10,000 basis points.
    function setFeeSplit(FeeSplit calldata split) external onlyOwner {
        _push(FEE_SPLIT, _pack(split), block.timestamp + 1);
    }

    /// @notice Lists the address of a protocol contract. There are no proxies: an upgrade is a new address here, and
    /// funds in the old contract stay withdrawable there.
    function setContract(bytes32 name, address current) external onlyOwner {
        emit ContractListed(name, _contracts[name], current);
        _contracts[name] = current;
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

    function contractOf(bytes32 name) external view returns (address) {
        return _contracts[name];
    }

    /// @notice What no vote can cross.
    function bounds(bytes32 id) public view returns (uint256 lowest, uint256 highest) {
        if (id == TREASURY || id == STAKERS_POOL) return (1, type(uint160).max);
        if (id == SETTLEMENT_WINDOW || id == CLOSE_TIMEOUT) return (leastSeconds, 30 days);
        if (id == MINIMUM_BOND) return (1, 10_000_000 ether);
        if (id == REGISTRATION_FEE) return (0, 10_000 ether);
        if (id == PROVER_REWARD) return (1, 3_000);
        if (id == MINIMUM_THRESHOLD) return (0, 10_000_000);
        if (id == FEE_SPLIT) return (0, type(uint96).max);
        revert UnknownParameter(id);
    }

    /// @notice The bounds of the fee's heads, in the order of `FeeSplit`, basis points: data never falls below 3,000.
    function feeBounds() public pure returns (uint16[6] memory lowest, uint16[6] memory highest) {
        lowest = [uint16(0), 0, 500, 0, 3_000, 0];
        highest = [uint16(4_000), 2_000, 5_000, 3_000, 9_500, 3_000];
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
