// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {Offence, OpenStaking, Reason} from "./OpenStaking.sol";
import {ProtocolParameters} from "./ProtocolParameters.sol";
import {Asset} from "./libraries/Asset.sol";
import {Fees} from "./libraries/Fees.sol";
import {Signatures} from "./libraries/Signatures.sol";

/// One entry of an agent's metadata (ERC-8004).
struct MetadataEntry {
    string metadataKey;
    bytes metadataValue;
}

/// What an agent can be slashed for. Published once, then fixed.
struct Terms {
    /// Digest of the evaluation that scores a result; zero if there is none.
    bytes32 evaluationDigest;
    /// Who runs it; the zero address if nobody does: then only a missed deadline is slashable.
    address evaluator;
    /// The least score of a result, millionths.
    uint32 thresholdMillionths;
    /// From the acceptance of an order to its delivery.
    uint32 deadlineSeconds;
    /// Of the agent's stake, for a missed deadline or a result below the threshold.
    uint16 slashBps;
}

/// @title Agents: identity, terms, and orders of work with payment in escrow
/// @notice Each agent is an ERC-721 token with the identity functions of ERC-8004 and, in `OpenStaking`, a pool with the id
/// 2¹⁶⁰ + agentId. Promises:
/// 1. What an agent can be slashed for stands in the terms its order names; terms are only ever added, never changed, and
///    nobody but the agent's own side accepts an order.
/// 2. This contract holds exactly the payments of the orders that are not closed and the credits of clients, and each payment
///    is paid once: to the agent's owner at delivery for a result that is accepted, else back to the client.
/// 3. Only an order that was accepted can be slashed, once: for a deadline that the chain saw pass, or by the evaluator's
///    word within the review, which waits for an appeal.
/// 4. An order is accepted only while the agent's stake outlives it: unbonding takes longer than deadline and review.
contract AgentRegistry is Asset, EIP712, ReentrancyGuardTransient {
    using SafeCast for uint256;

    enum OrderState {
        None,
        Offered,
        Accepted,
        Delivered,
        Paid,
        Refunded
    }

    struct Order {
        uint256 agentId;
        address client;
        uint96 payment;
        bytes32 taskDigest;
        bytes32 resultDigest;
        /// Who owned the agent when it accepted: who is answerable.
        address liable;
        uint32 termsVersion;
        OrderState state;
        /// Who owned the agent when it delivered: who is paid.
        address payee;
        uint48 deadline;
        uint48 reviewEnds;
    }

    error NotAuthorised(uint256 agentId, address caller);
    error NotClient(uint256 orderId, address caller);
    error NotEvaluator(uint256 orderId, address caller);
    error TooLong(uint256 length, uint256 most);
    error ReservedKey(string key);
    error SignatureExpired(uint256 deadline);
    error BadSignature(address signer);
    error BadTerms();
    error UnknownTerms(uint256 agentId, uint256 version);
    error UnknownOrder(uint256 orderId);
    error WrongState(uint256 orderId, OrderState state, OrderState expected);
    error AgentInactive(uint256 agentId);
    error OutlivesStake(uint256 seconds_, uint256 unbondingSeconds);
    error TooLate(uint256 until);
    error TooEarly(uint256 from);
    error EmptyDigest();
    error NothingToClaim(address account);
    error TransferFailed(address to, uint256 amount);

    // ERC-8004
    event Registered(uint256 indexed agentId, string agentURI, address indexed owner);
    event URIUpdated(uint256 indexed agentId, string newURI, address indexed updatedBy);
    event MetadataSet(
        uint256 indexed agentId, string indexed indexedMetadataKey, string metadataKey, bytes metadataValue
    );

    event ServiceChanged(uint256 indexed agentId, string endpoint, bytes32[] models);
    event TermsPublished(uint256 indexed agentId, uint256 indexed version, Terms terms);
    event OrderOffered(
        uint256 indexed orderId,
        uint256 indexed agentId,
        address indexed client,
        uint256 termsVersion,
        uint256 payment,
        bytes32 taskDigest
    );
    event OrderAccepted(uint256 indexed orderId, address indexed liable, uint256 deadline);
    event OrderDelivered(uint256 indexed orderId, bytes32 resultDigest, uint256 reviewEnds);
    event OrderPaid(uint256 indexed orderId, address indexed payee, uint256 amount);
    event OrderRefunded(uint256 indexed orderId, address indexed client, uint256 amount);
    event CreditWithdrawn(address indexed account, uint256 amount);
    event OrderJudged(uint256 indexed orderId, uint256 scoreMillionths, bool accepted, bytes32 evidence);

    bytes32 public constant WALLET_TYPEHASH =
        keccak256("AgentWalletSet(uint256 agentId,address newWallet,address owner,uint256 deadline)");
    bytes32 public constant ACCEPT_TYPEHASH = keccak256("AcceptOrder(uint256 orderId,bytes32 orderDigest)");

    uint256 public constant MAX_URI = 8192;
    uint256 public constant MAX_ENTRIES = 32;
    uint256 public constant MAX_KEY = 64;
    uint256 public constant MAX_VALUE = 1024;
    uint256 public constant MAX_MODELS = 16;

    bytes32 private constant WALLET_KEY = keccak256("agentWallet");
    uint256 private constant MILLIONTHS = 1_000_000;

    ProtocolParameters public immutable parameters;
    OpenStaking public immutable staking;

    /// @notice Agents registered so far; ids count from 1.
    uint256 public agentCount;
    /// @notice Orders offered so far; ids count from 1.
    uint256 public orderCount;
    /// @notice Payments of orders that are not closed, wei.
    uint256 public escrowed;
    /// @notice Σ `creditOf`, wei.
    uint256 public credits;
    /// @notice Refunds after a slash wait to be withdrawn, so that no client can put off a slash by refusing them, wei.
    mapping(address client => uint256) public creditOf;

    mapping(uint256 agentId => string) private _uris;
    mapping(uint256 agentId => mapping(bytes32 keyHash => bytes)) private _metadata;
    mapping(uint256 agentId => address) private _wallets;
    mapping(uint256 agentId => string) private _endpoints;
    mapping(uint256 agentId => bytes32[]) private _models;
    mapping(uint256 agentId => Terms[]) private _terms;
    mapping(uint256 orderId => Order) private _orders;

    constructor(ProtocolParameters parameters_, OpenStaking staking_)
        ERC721("OpenLedger Agent", "AGENT")
        EIP712("OpenLedger", "1")
    {
        parameters = parameters_;
        staking = staking_;
    }

    // ---------------------------------------------------------------- identity (ERC-8004)

    /// @notice Registers an agent owned by the caller. The value sent MUST be the registration fee.
    /// @param agentURI where the agent's registration file lies
    /// @param royaltyBps of every later sale's price, basis points, at most 1,000; it can only be lowered
    function register(string memory agentURI, MetadataEntry[] memory metadata, uint256 royaltyBps)
        public
        payable
        returns (uint256 agentId)
    {
        _requireLength(metadata.length, MAX_ENTRIES);
        agentId = ++agentCount;
        _create(msg.sender, agentId, royaltyBps);
        emit Registered(agentId, agentURI, msg.sender);
        _setURI(agentId, agentURI);
        _setWallet(agentId, msg.sender);
        for (uint256 i = 0; i < metadata.length; ++i) {
            _setMetadata(agentId, metadata[i].metadataKey, metadata[i].metadataValue);
        }
        Fees.payRegistration(parameters);
    }

    function register(string calldata agentURI, MetadataEntry[] calldata metadata)
        external
        payable
        returns (uint256 agentId)
    {
        return register(agentURI, metadata, 0);
    }

    function register(string calldata agentURI) external payable returns (uint256 agentId) {
        return register(agentURI, new MetadataEntry[](0), 0);
    }

    function register() external payable returns (uint256 agentId) {
        return register("", new MetadataEntry[](0), 0);
    }

    function setAgentURI(uint256 agentId, string calldata newURI) external {
        _onlyOwner(agentId);
        _setURI(agentId, newURI);
        emit URIUpdated(agentId, newURI, msg.sender);
        emit MetadataUpdate(agentId);
    }

    /// @notice Sets one entry. The key `agentWallet` is reserved.
    function setMetadata(uint256 agentId, string calldata metadataKey, bytes calldata metadataValue) external {
        _onlyOwner(agentId);
        _setMetadata(agentId, metadataKey, metadataValue);
    }

    /// @notice Names the key that acts and is paid for the agent elsewhere. It MUST sign `AgentWalletSet`, by key or EIP-1271.
    function setAgentWallet(uint256 agentId, address newWallet, uint256 deadline, bytes calldata signature) external {
        _onlyOwner(agentId);
        if (block.timestamp > deadline) revert SignatureExpired(deadline);
        bytes32 structHash = keccak256(abi.encode(WALLET_TYPEHASH, agentId, newWallet, ownerOf(agentId), deadline));
        if (!Signatures.isFrom(newWallet, _hashTypedDataV4(structHash), signature)) revert BadSignature(newWallet);
        _setWallet(agentId, newWallet);
    }

    function unsetAgentWallet(uint256 agentId) external {
        _onlyOwner(agentId);
        _setWallet(agentId, address(0));
    }

    /// @notice At first the owner, after a transfer nobody, until one is set.
    function getAgentWallet(uint256 agentId) external view returns (address) {
        _requireOwned(agentId);
        return _wallets[agentId];
    }

    function getMetadata(uint256 agentId, string calldata metadataKey) external view returns (bytes memory) {
        _requireOwned(agentId);
        bytes32 keyHash = keccak256(bytes(metadataKey));
        return keyHash == WALLET_KEY ? abi.encodePacked(_wallets[agentId]) : _metadata[agentId][keyHash];
    }

    function tokenURI(uint256 agentId) public view override returns (string memory) {
        _requireOwned(agentId);
        return _uris[agentId];
    }

    // ---------------------------------------------------------------- service and terms

    /// @notice Where the agent is reached, and what it runs: ids of releases, or of models as numbers.
    function setService(uint256 agentId, string calldata endpoint, bytes32[] calldata models) external {
        _onlyOwner(agentId);
        _requireLength(bytes(endpoint).length, MAX_VALUE);
        _requireLength(models.length, MAX_MODELS);
        _endpoints[agentId] = endpoint;
        _models[agentId] = models;
        emit ServiceChanged(agentId, endpoint, models);
    }

    function serviceOf(uint256 agentId) external view returns (string memory endpoint, bytes32[] memory models) {
        _requireOwned(agentId);
        return (_endpoints[agentId], _models[agentId]);
    }

    /// @notice Adds terms that orders can name from now on. Versions count from 1 and stay what they are.
    function publishTerms(uint256 agentId, Terms calldata terms) external returns (uint256 version) {
        _onlyOwner(agentId);
        bool evaluated = terms.evaluator != address(0) && terms.evaluationDigest != 0 && terms.thresholdMillionths != 0;
        bool unevaluated =
            terms.evaluator == address(0) && terms.evaluationDigest == 0 && terms.thresholdMillionths == 0;
        if (
            (!evaluated && !unevaluated) || terms.thresholdMillionths > MILLIONTHS || terms.deadlineSeconds == 0
                || terms.slashBps > 10_000
        ) revert BadTerms();
        _terms[agentId].push(terms);
        version = _terms[agentId].length;
        emit TermsPublished(agentId, version, terms);
    }

    function termsCount(uint256 agentId) external view returns (uint256) {
        return _terms[agentId].length;
    }

    function termsOf(uint256 agentId, uint256 version) public view returns (Terms memory) {
        if (version == 0 || version > _terms[agentId].length) revert UnknownTerms(agentId, version);
        return _terms[agentId][version - 1];
    }

    // ---------------------------------------------------------------- orders

    /// @notice Offers work under one version of an agent's terms, with the value sent as its payment.
    /// @param taskDigest of what is to be done
    function offer(uint256 agentId, uint32 termsVersion, bytes32 taskDigest)
        external
        payable
        returns (uint256 orderId)
    {
        termsOf(agentId, termsVersion);
        if (taskDigest == 0) revert EmptyDigest();
        orderId = ++orderCount;
        Order storage o = _orders[orderId];
        (o.agentId, o.client, o.payment) = (agentId, msg.sender, msg.value.toUint96());
        (o.taskDigest, o.termsVersion, o.state) = (taskDigest, termsVersion, OrderState.Offered);
        escrowed += msg.value;
        emit OrderOffered(orderId, agentId, msg.sender, termsVersion, msg.value, taskDigest);
    }

    /// @notice Takes an offer back before the agent accepts it; only by the client.
    function cancel(uint256 orderId) external nonReentrant {
        Order storage o = _in(orderId, OrderState.Offered);
        if (msg.sender != o.client) revert NotClient(orderId, msg.sender);
        _refund(orderId, o);
        _send(o.client, o.payment);
    }

    /// @notice Accepts an order: from now on the agent's stake stands behind it. By the agent's owner or wallet.
    function accept(uint256 orderId) external {
        Order storage o = _in(orderId, OrderState.Offered);
        _onlyAgent(o.agentId);
        _accept(orderId, o);
    }

    /// @notice The same with the signature `AcceptOrder` of the agent's owner or wallet, by anyone.
    function acceptBySignature(uint256 orderId, bytes calldata signature) external {
        Order storage o = _in(orderId, OrderState.Offered);
        bytes32 digest = _hashTypedDataV4(keccak256(abi.encode(ACCEPT_TYPEHASH, orderId, orderDigest(orderId))));
        address owner = ownerOf(o.agentId);
        if (!Signatures.isFrom(owner, digest, signature) && !Signatures.isFrom(_wallets[o.agentId], digest, signature))
        {
            revert BadSignature(owner);
        }
        _accept(orderId, o);
    }

    /// @notice Delivers a result in time. By the agent's owner or wallet.
    function deliver(uint256 orderId, bytes32 resultDigest) external {
        Order storage o = _in(orderId, OrderState.Accepted);
        _onlyAgent(o.agentId);
        if (resultDigest == 0) revert EmptyDigest();
        if (block.timestamp > o.deadline) revert TooLate(o.deadline);
        o.resultDigest = resultDigest;
        o.payee = ownerOf(o.agentId);
        o.reviewEnds = uint48(block.timestamp + parameters.settlementWindowSeconds());
        o.state = OrderState.Delivered;
        emit OrderDelivered(orderId, resultDigest, o.reviewEnds);
    }

    /// @notice Pays for a result: by the client at once, by anyone when the review has ended.
    function complete(uint256 orderId) external nonReentrant {
        Order storage o = _in(orderId, OrderState.Delivered);
        if (msg.sender != o.client && block.timestamp < o.reviewEnds) revert TooEarly(o.reviewEnds);
        _pay(orderId, o);
    }

    /// @notice Says how a result scored; only by the evaluator of the terms, within the review. Below the threshold the client
    /// is credited its payment and the agent slashed, subject to appeal; else the agent is paid.
    /// @param evidence digest of what the evaluation wrote down
    function judge(uint256 orderId, uint256 scoreMillionths, bytes32 evidence) external nonReentrant {
        Order storage o = _in(orderId, OrderState.Delivered);
        Terms memory terms = termsOf(o.agentId, o.termsVersion);
        if (msg.sender != terms.evaluator) revert NotEvaluator(orderId, msg.sender);
        if (block.timestamp >= o.reviewEnds) revert TooLate(o.reviewEnds);
        bool accepted = scoreMillionths >= terms.thresholdMillionths;
        emit OrderJudged(orderId, scoreMillionths, accepted, evidence);
        if (accepted) return _pay(orderId, o);
        _slash(orderId, o, terms.slashBps, Reason.BelowThreshold, address(0));
    }

    /// @notice Shows that a deadline passed without a result: slashes the agent and credits the client its payment. By anyone.
    function missed(uint256 orderId) external nonReentrant {
        Order storage o = _in(orderId, OrderState.Accepted);
        if (block.timestamp <= o.deadline) revert TooEarly(uint256(o.deadline) + 1);
        _slash(orderId, o, termsOf(o.agentId, o.termsVersion).slashBps, Reason.MissedDeadline, msg.sender);
    }

    /// @notice Pays out a client's refunds. By anyone, to the client.
    function withdrawCredit(address client) external nonReentrant returns (uint256 amount) {
        amount = creditOf[client];
        if (amount == 0) revert NothingToClaim(client);
        creditOf[client] = 0;
        credits -= amount;
        emit CreditWithdrawn(client, amount);
        _send(client, amount);
    }

    // ---------------------------------------------------------------- views

    function orderOf(uint256 orderId) external view returns (Order memory) {
        if (_orders[orderId].state == OrderState.None) revert UnknownOrder(orderId);
        return _orders[orderId];
    }

    /// @notice What an acceptance binds to besides the order's id.
    function orderDigest(uint256 orderId) public view returns (bytes32) {
        Order storage o = _orders[orderId];
        return keccak256(abi.encode(o.agentId, o.client, o.payment, o.termsVersion, o.taskDigest));
    }

    /// @notice The agent's pool in `OpenStaking`.
    function poolOf(uint256 agentId) public view returns (uint256) {
        return staking.AGENT_POOLS() + agentId;
    }

    function domainSeparator() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    // ---------------------------------------------------------------- inside

    function _accept(uint256 orderId, Order storage o) private {
        if (!staking.isActive(poolOf(o.agentId))) revert AgentInactive(o.agentId);
        uint256 deadlineSeconds = termsOf(o.agentId, o.termsVersion).deadlineSeconds;
        uint256 needed = deadlineSeconds + parameters.settlementWindowSeconds();
        uint256 unbonding = parameters.unbondingSeconds();
        if (needed > unbonding) revert OutlivesStake(needed, unbonding);
        o.liable = ownerOf(o.agentId);
        o.deadline = uint48(block.timestamp + deadlineSeconds);
        o.state = OrderState.Accepted;
        emit OrderAccepted(orderId, o.liable, o.deadline);
    }

    /// Slashes the agent, and credits the client its payment.
    function _slash(uint256 orderId, Order storage o, uint16 bps, Reason reason, address reporter) private {
        _refund(orderId, o);
        creditOf[o.client] += o.payment;
        credits += o.payment;
        staking.slash(
            Offence({
                poolId: poolOf(o.agentId),
                liable: o.liable,
                bps: bps,
                reason: reason,
                evidence: bytes32(orderId),
                reporter: reporter,
                harmed: o.client,
                harm: o.payment
            })
        );
    }

    function _pay(uint256 orderId, Order storage o) private {
        o.state = OrderState.Paid;
        escrowed -= o.payment;
        emit OrderPaid(orderId, o.payee, o.payment);
        _send(o.payee, o.payment);
    }

    function _refund(uint256 orderId, Order storage o) private {
        o.state = OrderState.Refunded;
        escrowed -= o.payment;
        emit OrderRefunded(orderId, o.client, o.payment);
    }

    /// A transfer clears the wallet (ERC-8004), and the pool's commission until now stays the old owner's.
    function _update(address to, uint256 agentId, address auth) internal override returns (address from) {
        bool transfer = _ownerOf(agentId) != address(0);
        if (transfer) staking.sync(poolOf(agentId));
        from = super._update(to, agentId, auth);
        if (!transfer) return from;
        staking.sync(poolOf(agentId));
        if (_wallets[agentId] != address(0)) _setWallet(agentId, address(0));
    }

    function _setURI(uint256 agentId, string memory uri) private {
        _requireLength(bytes(uri).length, MAX_URI);
        _uris[agentId] = uri;
    }

    function _setWallet(uint256 agentId, address wallet) private {
        _wallets[agentId] = wallet;
        emit MetadataSet(agentId, "agentWallet", "agentWallet", abi.encodePacked(wallet));
    }

    function _setMetadata(uint256 agentId, string memory key, bytes memory value) private {
        bytes32 keyHash = keccak256(bytes(key));
        if (keyHash == WALLET_KEY) revert ReservedKey(key);
        _requireLength(bytes(key).length, MAX_KEY);
        _requireLength(value.length, MAX_VALUE);
        _metadata[agentId][keyHash] = value;
        emit MetadataSet(agentId, key, key, value);
    }

    function _requireLength(uint256 length, uint256 most) private pure {
        if (length > most) revert TooLong(length, most);
    }

    /// The owner, or whom it approved (ERC-721).
    function _onlyOwner(uint256 agentId) private view {
        if (!_isAuthorized(_requireOwned(agentId), msg.sender, agentId)) revert NotAuthorised(agentId, msg.sender);
    }

    function _onlyAgent(uint256 agentId) private view {
        if (msg.sender != ownerOf(agentId) && msg.sender != _wallets[agentId]) {
            revert NotAuthorised(agentId, msg.sender);
        }
    }

    function _in(uint256 orderId, OrderState expected) private view returns (Order storage o) {
        o = _orders[orderId];
        if (o.state == OrderState.None) revert UnknownOrder(orderId);
        if (o.state != expected) revert WrongState(orderId, o.state, expected);
    }

    function _send(address to, uint256 amount) private {
        if (amount == 0) return;
        (bool sent,) = to.call{value: amount}("");
        if (!sent) revert TransferFailed(to, amount);
    }
}
