// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {ProtocolParameters} from "./ProtocolParameters.sol";
import {Signatures} from "./libraries/Signatures.sol";

/// What a payer signs: all that may have been collected from the channel so far.
struct Voucher {
    bytes32 channelId;
    uint256 cumulative;
}

/// @title Unidirectional payment channels in OPEN
/// @notice A payer deposits and signs cumulative vouchers off chain. What is collected goes to the attribution ledger as
/// escrow for the channel, never to the payee: the ledger pays it to those whom the receipts name.
///
/// Promises: a payer can always leave, after a timeout in which the payee may still collect; what was signed can always be
/// collected until then; nothing is collected twice; collected ≤ deposit, always.
///
/// A payer that is a contract (EIP-1271) can take its signatures back at any time: a payee that accepts one SHOULD
/// collect before it serves.
contract PaymentChannels is EIP712, ReentrancyGuardTransient {
    using SafeCast for uint256;

    struct Channel {
        address payer;
        uint96 deposit;
        address payee;
        uint96 collected;
        /// Who may sign besides the payer, and up to which cumulative amount.
        address signer;
        uint96 signerLimit;
        /// The signer before, whose vouchers count until `previousUntil`.
        address previousSigner;
        uint96 previousLimit;
        uint48 previousUntil;
        /// When the payer may close, seconds; 0 while nobody asked.
        uint48 closesAt;
        bool closed;
    }

    error ChannelExists(bytes32 channelId);
    error UnknownChannel(bytes32 channelId);
    error ChannelClosed(bytes32 channelId);
    error NoPayee();
    error NotPayer(bytes32 channelId, address caller);
    error NotMonotonic(bytes32 channelId, uint256 cumulative, uint256 collected);
    error BeyondDeposit(bytes32 channelId, uint256 cumulative, uint256 deposit);
    error BadSignature(bytes32 channelId, uint256 cumulative);
    error SignerChangePending(bytes32 channelId, uint256 until);
    error CloseNotRequested(bytes32 channelId);
    error TooEarly(bytes32 channelId, uint256 closesAt);
    error NothingToCollect();
    error SignaturesMissing(uint256 vouchers, uint256 signatures);
    error TransferFailed(address to, uint256 amount);

    event ChannelOpened(
        bytes32 indexed channelId,
        address indexed payer,
        address indexed payee,
        uint256 deposit,
        address signer,
        uint256 signerLimit,
        bytes32 salt
    );
    event ToppedUp(bytes32 indexed channelId, uint256 amount, uint256 deposit);
    event SignerSet(bytes32 indexed channelId, address indexed signer, uint256 signerLimit, uint256 previousUntil);
    event Collected(bytes32 indexed channelId, address indexed payee, uint256 from, uint256 to);
    event CloseRequested(bytes32 indexed channelId, uint256 closesAt);
    event ChannelClosedFor(bytes32 indexed channelId, address indexed payer, uint256 refund);

    bytes32 public constant VOUCHER_TYPEHASH = keccak256("Voucher(bytes32 channelId,uint256 cumulative)");

    /// @notice Where collected value goes: the `AttributionLedger`, which names this contract in its own constructor.
    address public immutable ledger;
    ProtocolParameters public immutable parameters;

    mapping(bytes32 channelId => Channel) private _channels;

    /// @param ledger_ takes value only from the channels it names: paired wrongly, nothing can be collected
    constructor(ProtocolParameters parameters_, address ledger_) EIP712("OpenLedger", "1") {
        ledger = ledger_;
        parameters = parameters_;
    }

    // ---------------------------------------------------------------- payer

    /// @notice Opens a channel from the caller with the value sent as its deposit.
    /// @param payee who may collect, settle and close: the operator
    /// @param signer a key that may sign vouchers too, or zero
    /// @param signerLimit the highest cumulative amount it may sign, wei
    /// @param salt makes the id unique: `channelId = keccak256(abi.encode(payer, payee, salt))`
    function open(address payee, address signer, uint96 signerLimit, bytes32 salt)
        external
        payable
        returns (bytes32 channelId)
    {
        if (payee == address(0)) revert NoPayee();
        channelId = keccak256(abi.encode(msg.sender, payee, salt));
        Channel storage c = _channels[channelId];
        if (c.payer != address(0)) revert ChannelExists(channelId);
        c.payer = msg.sender;
        c.deposit = msg.value.toUint96();
        c.payee = payee;
        c.signer = signer;
        c.signerLimit = signerLimit;
        emit ChannelOpened(channelId, msg.sender, payee, msg.value, signer, signerLimit, salt);
    }

    /// @notice Adds to the deposit. Anyone may pay for someone else's channel; the refund is the payer's.
    function topUp(bytes32 channelId) external payable {
        Channel storage c = _open(channelId);
        c.deposit = (uint256(c.deposit) + msg.value).toUint96();
        emit ToppedUp(channelId, msg.value, c.deposit);
    }

    /// @notice Names another session signer or limit; only by the payer. What the signer before may have signed stays
    /// collectable for the close timeout, so a payee loses nothing; until then the signer cannot be changed again.
    /// Raising the limit of the same signer takes nothing away and needs no waiting.
    function setSigner(bytes32 channelId, address signer, uint96 signerLimit) external {
        Channel storage c = _open(channelId);
        _onlyPayer(c, channelId);
        bool raises = c.signer == address(0) || (c.signer == signer && signerLimit >= c.signerLimit);
        if (!raises) {
            if (block.timestamp < c.previousUntil) revert SignerChangePending(channelId, c.previousUntil);
            c.previousSigner = c.signer;
            c.previousLimit = c.signerLimit;
            c.previousUntil = uint48(block.timestamp + parameters.closeTimeoutSeconds());
        }
        c.signer = signer;
        c.signerLimit = signerLimit;
        emit SignerSet(channelId, signer, signerLimit, c.previousUntil);
    }

    /// @notice Asks to close; only by the payer. The payee SHOULD collect before `closesAt`. Asking again changes nothing.
    function requestClose(bytes32 channelId) external {
        Channel storage c = _open(channelId);
        _onlyPayer(c, channelId);
        if (c.closesAt != 0) return;
        c.closesAt = uint48(block.timestamp + parameters.closeTimeoutSeconds());
        emit CloseRequested(channelId, c.closesAt);
    }

    /// @notice Closes the channel and refunds to the payer what was not collected: by the payee at once, by anyone after
    /// the timeout that the payer started.
    function close(bytes32 channelId) external nonReentrant {
        Channel storage c = _open(channelId);
        if (msg.sender != c.payee) {
            if (c.closesAt == 0) revert CloseNotRequested(channelId);
            if (block.timestamp < c.closesAt) revert TooEarly(channelId, c.closesAt);
        }
        uint256 refund = c.deposit - c.collected;
        c.deposit = c.collected;
        c.closed = true;
        emit ChannelClosedFor(channelId, c.payer, refund);
        if (refund != 0) _send(c.payer, refund);
    }

    // ---------------------------------------------------------------- collecting

    /// @notice Moves what the voucher adds to the ledger's escrow. By anyone: the signature decides.
    function collect(bytes32 channelId, uint256 cumulative, bytes calldata signature) external nonReentrant {
        _send(ledger, _collect(channelId, cumulative, signature));
    }

    /// @notice Collects from many channels with one transfer; all or nothing.
    function collectMany(Voucher[] calldata vouchers, bytes[] calldata signatures) external nonReentrant {
        if (vouchers.length != signatures.length) revert SignaturesMissing(vouchers.length, signatures.length);
        uint256 amount;
        for (uint256 i = 0; i < vouchers.length; ++i) {
            amount += _collect(vouchers[i].channelId, vouchers[i].cumulative, signatures[i]);
        }
        if (amount == 0) revert NothingToCollect();
        _send(ledger, amount);
    }

    // ---------------------------------------------------------------- views

    function channel(bytes32 channelId) external view returns (Channel memory) {
        return _channels[channelId];
    }

    /// @notice Who settles the channel and how much was collected for it; one storage slot.
    function collectedOf(bytes32 channelId) external view returns (address payee, uint96 collected) {
        Channel storage c = _channels[channelId];
        return (c.payee, c.collected);
    }

    function payerOf(bytes32 channelId) external view returns (address) {
        return _channels[channelId].payer;
    }

    function channelIdOf(address payer, address payee, bytes32 salt) external pure returns (bytes32) {
        return keccak256(abi.encode(payer, payee, salt));
    }

    function domainSeparator() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    // ---------------------------------------------------------------- inside

    function _collect(bytes32 channelId, uint256 cumulative, bytes calldata signature)
        private
        returns (uint256 amount)
    {
        Channel storage c = _open(channelId);
        (uint256 collected, uint256 deposit) = (c.collected, c.deposit);
        if (cumulative <= collected) revert NotMonotonic(channelId, cumulative, collected);
        if (cumulative > deposit) revert BeyondDeposit(channelId, cumulative, deposit);
        bytes32 digest = _hashTypedDataV4(keccak256(abi.encode(VOUCHER_TYPEHASH, channelId, cumulative)));
        if (!_authorised(c, digest, cumulative, signature)) revert BadSignature(channelId, cumulative);
        c.collected = uint96(cumulative);
        emit Collected(channelId, c.payee, collected, cumulative);
        return cumulative - collected;
    }

    function _authorised(Channel storage c, bytes32 digest, uint256 cumulative, bytes calldata signature)
        private
        view
        returns (bool)
    {
        address by = Signatures.signer(digest, signature);
        if (by != address(0)) {
            if (by == c.payer) return true;
            if (by == c.signer && cumulative <= c.signerLimit) return true;
            if (by == c.previousSigner && cumulative <= c.previousLimit && block.timestamp < c.previousUntil) {
                return true;
            }
        }
        return Signatures.isFromContract(c.payer, digest, signature);
    }

    function _open(bytes32 channelId) private view returns (Channel storage c) {
        c = _channels[channelId];
        if (c.payer == address(0)) revert UnknownChannel(channelId);
        if (c.closed) revert ChannelClosed(channelId);
    }

    function _onlyPayer(Channel storage c, bytes32 channelId) private view {
        if (msg.sender != c.payer) revert NotPayer(channelId, msg.sender);
    }

    function _send(address to, uint256 amount) private {
        (bool sent,) = to.call{value: amount}("");
        if (!sent) revert TransferFailed(to, amount);
    }
}
