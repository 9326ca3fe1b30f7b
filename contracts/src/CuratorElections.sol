// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {BitMaps} from "@openzeppelin/contracts/utils/structs/BitMaps.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {DatanetRegistry, Example} from "./DatanetRegistry.sol";
import {Signatures} from "./libraries/Signatures.sol";

/// @title Contributors elect who curates their Datanet
/// @notice An owner allows it by making this contract a curator of the Datanet, and opens elections; whoever wins one
/// publishes through this contract for a term. It promises:
/// - One accepted example of a published version, one vote of its contributor, proven from the version's own tree: the
///   electorate is what was published, not what anyone says.
/// - An example votes once in an election. Who has more than half of all examples of the version is elected, at once.
/// - Contributors need no gas: a vote is a signature (EIP-712; EIP-1271 for contracts) that anyone may bring.
/// - An elected curator can do what a curator can, until the term ends, the owner stops allowing it, or the Datanet has
///   another owner.
contract CuratorElections is EIP712 {
    using BitMaps for BitMaps.BitMap;

    struct Election {
        uint256 datanetId;
        bytes32 root;
        /// Who opened it: it binds nobody who owns the Datanet later.
        address owner;
        uint32 version;
        /// Examples of the version, which are its votes.
        uint32 votes;
        /// Votes count until then, seconds.
        uint48 closesAt;
        address elected;
        uint48 termSeconds;
        /// 0 until somebody is elected.
        uint48 termEndsAt;
    }

    error NotOwner(uint256 datanetId, address caller);
    error BadTimes(uint256 closesAt, uint256 termSeconds);
    error UnknownElection(uint256 electionId);
    error Closed(uint256 electionId);
    error NoCandidate();
    error BadSignature(uint256 electionId, address contributor);
    error NoVotes();
    error ProofsMissing(uint256 examples, uint256 proofs);
    error NotTheirs(uint256 index, address contributor);
    error NotInVersion(uint256 index);
    error VotedAlready(uint256 electionId, uint256 index);
    error NotElected(uint256 electionId, address caller);

    event ElectionOpened(
        uint256 indexed electionId,
        uint256 indexed datanetId,
        uint256 version,
        uint256 votes,
        uint256 closesAt,
        uint256 termSeconds
    );
    event Voted(
        uint256 indexed electionId,
        address indexed contributor,
        address indexed candidate,
        uint256 votes,
        uint256 candidateVotes
    );
    event Elected(uint256 indexed electionId, address indexed candidate, uint256 termEndsAt);

    bytes32 public constant VOTE_TYPEHASH = keccak256("Vote(uint256 electionId,address contributor,address candidate)");

    DatanetRegistry public immutable datanets;

    /// @notice Elections opened so far; ids count from 1.
    uint256 public electionCount;

    /// @notice How many votes a candidate has.
    mapping(uint256 electionId => mapping(address candidate => uint256)) public votesOf;

    mapping(uint256 electionId => Election) private _elections;
    mapping(uint256 electionId => BitMaps.BitMap) private _voted;

    constructor(DatanetRegistry datanets_) EIP712("OpenLedger", "1") {
        datanets = datanets_;
    }

    // ---------------------------------------------------------------- elections

    /// @notice Opens an election among the contributors of a published version; only by the Datanet's owner.
    /// @param closesAt votes count until then, seconds
    /// @param termSeconds how long the winner curates, from the vote that elects them
    function open(uint256 datanetId, uint256 version, uint48 closesAt, uint48 termSeconds)
        external
        returns (uint256 electionId)
    {
        if (datanets.ownerOf(datanetId) != msg.sender) revert NotOwner(datanetId, msg.sender);
        if (closesAt <= block.timestamp || termSeconds == 0) revert BadTimes(closesAt, termSeconds);
        DatanetRegistry.Version memory found = datanets.versionOf(datanetId, version);
        electionId = ++electionCount;
        Election storage election = _elections[electionId];
        (election.datanetId, election.root, election.owner) = (datanetId, found.root, msg.sender);
        (election.version, election.votes) = (uint32(version), found.count);
        (election.closesAt, election.termSeconds) = (closesAt, termSeconds);
        emit ElectionOpened(electionId, datanetId, version, found.count, closesAt, termSeconds);
    }

    /// @notice Votes with the caller's examples.
    function vote(uint256 electionId, address candidate, Example[] calldata examples, bytes32[][] calldata proofs)
        external
    {
        _vote(electionId, msg.sender, candidate, examples, proofs);
    }

    /// @notice Brings a contributor's vote, with some of their examples; more may follow under the same signature.
    function voteBySignature(
        uint256 electionId,
        address contributor,
        address candidate,
        Example[] calldata examples,
        bytes32[][] calldata proofs,
        bytes calldata signature
    ) external {
        bytes32 digest = _hashTypedDataV4(keccak256(abi.encode(VOTE_TYPEHASH, electionId, contributor, candidate)));
        if (!Signatures.isFrom(contributor, digest, signature)) revert BadSignature(electionId, contributor);
        _vote(electionId, contributor, candidate, examples, proofs);
    }

    // ---------------------------------------------------------------- elected curators

    /// @notice Publishes a version as the Datanet's curator; see `DatanetRegistry.publishVersion`.
    function publishVersion(
        uint256 electionId,
        bytes32 root,
        uint32 count,
        bytes32 licenseDigest,
        bytes32 metadataDigest
    ) external returns (uint256 version) {
        uint256 datanetId = _onlyElected(electionId);
        return datanets.publishVersion(datanetId, root, count, licenseDigest, metadataDigest);
    }

    /// @notice Names another card for the Datanet.
    function setMetadata(uint256 electionId, bytes32 metadataDigest) external {
        datanets.setMetadata(_onlyElected(electionId), metadataDigest);
    }

    // ---------------------------------------------------------------- views

    function electionOf(uint256 electionId) external view returns (Election memory) {
        return _found(electionId);
    }

    /// @notice Whether an example of the version has voted.
    function hasVoted(uint256 electionId, uint256 index) external view returns (bool) {
        return _voted[electionId].get(index);
    }

    /// @notice Whether the account may publish through this election now.
    function isElected(uint256 electionId, address account) public view returns (bool) {
        Election storage election = _found(electionId);
        return account == election.elected && block.timestamp < election.termEndsAt
            && datanets.ownerOf(election.datanetId) == election.owner
            && datanets.isCurator(election.datanetId, address(this));
    }

    function domainSeparator() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    // ---------------------------------------------------------------- inside

    function _vote(
        uint256 electionId,
        address contributor,
        address candidate,
        Example[] calldata examples,
        bytes32[][] calldata proofs
    ) private {
        Election storage election = _found(electionId);
        if (election.elected != address(0) || block.timestamp >= election.closesAt) revert Closed(electionId);
        if (candidate == address(0)) revert NoCandidate();
        if (examples.length == 0) revert NoVotes();
        if (examples.length != proofs.length) revert ProofsMissing(examples.length, proofs.length);
        for (uint256 i = 0; i < examples.length; ++i) {
            _countOnce(electionId, election, contributor, examples[i], proofs[i]);
        }
        uint256 votes = votesOf[electionId][candidate] + examples.length;
        votesOf[electionId][candidate] = votes;
        emit Voted(electionId, contributor, candidate, examples.length, votes);
        if (2 * votes <= election.votes) return;
        election.elected = candidate;
        election.termEndsAt = uint48(block.timestamp) + election.termSeconds;
        emit Elected(electionId, candidate, election.termEndsAt);
    }

    /// Refuses an example that is another's, is not in the version, or has voted.
    function _countOnce(
        uint256 electionId,
        Election storage election,
        address contributor,
        Example calldata example,
        bytes32[] calldata proof
    ) private {
        uint256 index = example.index;
        if (example.contributor != contributor) revert NotTheirs(index, contributor);
        bytes32 leaf = keccak256(bytes.concat(keccak256(abi.encode(example))));
        // A tree whose publisher numbered beyond its count, or twice, gains no votes by it.
        if (index >= election.votes || !MerkleProof.verifyCalldata(proof, election.root, leaf)) {
            revert NotInVersion(index);
        }
        if (_voted[electionId].get(index)) revert VotedAlready(electionId, index);
        _voted[electionId].set(index);
    }

    function _onlyElected(uint256 electionId) private view returns (uint256 datanetId) {
        if (!isElected(electionId, msg.sender)) revert NotElected(electionId, msg.sender);
        return _elections[electionId].datanetId;
    }

    function _found(uint256 electionId) private view returns (Election storage found) {
        found = _elections[electionId];
        if (found.root == 0) revert UnknownElection(electionId);
    }
}
