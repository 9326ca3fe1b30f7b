// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {Strings} from "@openzeppelin/contracts/utils/Strings.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {CommonPool} from "./CommonPool.sol";
import {ProtocolParameters} from "./ProtocolParameters.sol";
import {Asset} from "./libraries/Asset.sol";
import {Fees} from "./libraries/Fees.sol";
import {Licenses, Permissions} from "./libraries/Licenses.sol";
import {Signatures} from "./libraries/Signatures.sol";

/// What a contributor signs: these examples, to this Datanet, under this licence.
struct Consent {
    uint256 datanetId;
    address contributor;
    bytes32 examplesDigest;
    uint32 exampleCount;
    string license;
    uint64 signedAt;
}

/// One accepted example of a version, the leaf of its tree.
struct Example {
    uint256 index;
    bytes32 exampleDigest;
    address contributor;
    bytes32 licenseDigest;
    bytes32 consentDigest;
}

/// @title Datanets: owners, curators, licences, contribution commitments and version roots
/// @notice Each Datanet is an ERC-721 token with a common pool. It promises:
/// - Versions are append-only: what was published stays, with its licence and what that permitted.
/// - Contributors need no gas: they sign a consent, and its digest is inside the version's leaves. A contribution can be
///   committed before anyone sees its text, by anyone, and the first time counts.
/// - Only the owner and the curators they chose publish; a transfer leaves the old owner's curators behind.
contract DatanetRegistry is Asset, EIP712 {
    struct Datanet {
        bytes32 metadataDigest;
        bytes32 licenseDigest;
        CommonPool pool;
        uint32 versions;
        uint48 createdAt;
        /// What the owner permits, where the licence does.
        Permissions permits;
    }

    struct Version {
        bytes32 root;
        bytes32 licenseDigest;
        bytes32 metadataDigest;
        uint32 count;
        uint48 publishedAt;
        /// What licence and owner permitted when it was published.
        Permissions permits;
    }

    error NotOwner(uint256 datanetId, address caller);
    error NotCurator(uint256 datanetId, address caller);
    error EmptyVersion(uint256 datanetId);
    error UnnamedLicense(bytes32 licenseDigest);
    error UnknownVersion(uint256 datanetId, uint256 version);

    event DatanetCreated(
        uint256 indexed datanetId, address indexed owner, address pool, bytes32 metadataDigest, string license
    );
    event MetadataChanged(uint256 indexed datanetId, bytes32 metadataDigest);
    event CuratorSet(uint256 indexed datanetId, address indexed owner, address indexed curator, bool allowed);
    event LicenseNamed(bytes32 indexed licenseDigest, string license, Permissions permits);
    event PermissionsSet(uint256 indexed datanetId, Permissions permits);
    event ContributionCommitted(uint256 indexed datanetId, bytes32 indexed commitment, address indexed by, uint256 at);
    event VersionPublished(
        uint256 indexed datanetId,
        uint256 indexed version,
        bytes32 root,
        uint256 count,
        bytes32 licenseDigest,
        bytes32 metadataDigest,
        address by
    );

    bytes32 public constant CONSENT_TYPEHASH = keccak256(
        "Consent(uint256 datanetId,address contributor,bytes32 examplesDigest,uint32 exampleCount,string license,uint64 signedAt)"
    );

    ProtocolParameters public immutable parameters;

    /// @notice Datanets created so far; ids count from 1.
    uint256 public datanetCount;

    mapping(uint256 datanetId => Datanet) private _datanets;
    mapping(uint256 datanetId => mapping(uint256 version => Version)) private _versions;
    /// By owner too: a transfer leaves the old owner's curators behind.
    mapping(uint256 datanetId => mapping(address owner => mapping(address curator => bool))) private _curators;
    mapping(uint256 datanetId => mapping(bytes32 commitment => uint256)) private _committedAt;
    mapping(bytes32 licenseDigest => bool) private _isNamed;
    mapping(bytes32 licenseDigest => Permissions) private _permits;

    constructor(ProtocolParameters parameters_) ERC721("OpenLedger Datanet", "DATANET") EIP712("OpenLedger", "1") {
        parameters = parameters_;
    }

    // ---------------------------------------------------------------- owners and curators

    /// @notice Creates a Datanet owned by the caller, with its own common pool. The value sent MUST be the registration fee.
    /// @param metadataDigest JSON digest of the Datanet's card
    /// @param license SPDX identifier
    function create(bytes32 metadataDigest, string calldata license) external payable returns (uint256 datanetId) {
        return create(metadataDigest, license, 0);
    }

    /// @notice The same, with a royalty for the creator.
    /// @param royaltyBps of every later sale's price, basis points, at most 1,000; it can only be lowered
    function create(bytes32 metadataDigest, string calldata license, uint256 royaltyBps)
        public
        payable
        returns (uint256 datanetId)
    {
        bytes32 licenseDigest = nameLicense(license);
        datanetId = ++datanetCount;
        CommonPool pool = new CommonPool(parameters, datanetId);
        _datanets[datanetId] = Datanet({
            metadataDigest: metadataDigest,
            licenseDigest: licenseDigest,
            pool: pool,
            versions: 0,
            createdAt: uint48(block.timestamp),
            permits: Permissions(true, true)
        });
        emit DatanetCreated(datanetId, msg.sender, address(pool), metadataDigest, license);
        _create(msg.sender, datanetId, royaltyBps);
        Fees.payRegistration(parameters);
    }

    /// @notice Names another card for the Datanet. Published versions keep theirs.
    function setMetadata(uint256 datanetId, bytes32 metadataDigest) external {
        _onlyCurator(datanetId);
        _datanets[datanetId].metadataDigest = metadataDigest;
        emit MetadataChanged(datanetId, metadataDigest);
        emit MetadataUpdate(datanetId);
    }

    /// @notice Allows or stops a curator, who may publish versions; only by the owner.
    function setCurator(uint256 datanetId, address curator, bool allowed) external {
        address owner = _onlyOwner(datanetId);
        _curators[datanetId][owner][curator] = allowed;
        emit CuratorSet(datanetId, owner, curator, allowed);
    }

    /// @notice Permits less than the licence does for versions published from now on, or as much again; only by the owner.
    function setPermissions(uint256 datanetId, Permissions calldata permits) external {
        _onlyOwner(datanetId);
        _datanets[datanetId].permits = permits;
        emit PermissionsSet(datanetId, permits);
    }

    /// @notice Makes a licence known by its digest, so that versions may carry it. Anyone may; creating a Datanet names
    /// its own.
    function nameLicense(string calldata license) public returns (bytes32 licenseDigest) {
        licenseDigest = keccak256(bytes(license));
        if (_isNamed[licenseDigest]) return licenseDigest;
        Permissions memory permits = Licenses.permissionsOf(license);
        _isNamed[licenseDigest] = true;
        _permits[licenseDigest] = permits;
        emit LicenseNamed(licenseDigest, license, permits);
    }

    // ---------------------------------------------------------------- contributions and versions

    /// @notice Records when a contribution was committed, before anyone sees its text. Anyone may relay one; the first
    /// time counts, and committing again changes nothing.
    /// @param commitment keccak256(abi.encode(contributor, examplesDigest, salt))
    function commitContribution(uint256 datanetId, bytes32 commitment) external returns (uint256 at) {
        _requireOwned(datanetId);
        at = _committedAt[datanetId][commitment];
        if (at != 0) return at;
        at = block.timestamp;
        _committedAt[datanetId][commitment] = at;
        emit ContributionCommitted(datanetId, commitment, msg.sender, at);
    }

    /// @notice Appends a version; only by the owner or a curator. Versions count from 1.
    /// @param root of the version's tree (docs/protocol.md, section 3)
    /// @param count its leaves
    /// @param licenseDigest keccak256 of the SPDX identifier in force for this version, which MUST have been named
    /// @param metadataDigest JSON digest of what else describes the version
    function publishVersion(
        uint256 datanetId,
        bytes32 root,
        uint32 count,
        bytes32 licenseDigest,
        bytes32 metadataDigest
    ) external returns (uint256 version) {
        _onlyCurator(datanetId);
        if (root == 0 || count == 0) revert EmptyVersion(datanetId);
        if (!_isNamed[licenseDigest]) revert UnnamedLicense(licenseDigest);
        Permissions memory license = _permits[licenseDigest];
        Permissions memory owner = _datanets[datanetId].permits;
        version = ++_datanets[datanetId].versions;
        _versions[datanetId][version] = Version({
            root: root,
            licenseDigest: licenseDigest,
            metadataDigest: metadataDigest,
            count: count,
            publishedAt: uint48(block.timestamp),
            permits: Permissions(license.derivatives && owner.derivatives, license.commercial && owner.commercial)
        });
        emit VersionPublished(datanetId, version, root, count, licenseDigest, metadataDigest, msg.sender);
        emit MetadataUpdate(datanetId);
    }

    // ---------------------------------------------------------------- views

    function datanet(uint256 datanetId) external view returns (Datanet memory) {
        _requireOwned(datanetId);
        return _datanets[datanetId];
    }

    /// @notice Where the Datanet's common part of fees goes.
    function poolOf(uint256 datanetId) external view returns (address) {
        _requireOwned(datanetId);
        return address(_datanets[datanetId].pool);
    }

    /// @notice A published version, from 1 to `datanet(datanetId).versions`.
    function versionOf(uint256 datanetId, uint256 version) public view returns (Version memory found) {
        found = _versions[datanetId][version];
        if (found.root == 0) revert UnknownVersion(datanetId, version);
    }

    function versionExists(uint256 datanetId, uint256 version) external view returns (bool) {
        return _versions[datanetId][version].root != 0;
    }

    /// @notice What a licence permits by its identifier.
    function permissionsOf(string calldata license) external pure returns (Permissions memory) {
        return Licenses.permissionsOf(license);
    }

    function isCurator(uint256 datanetId, address account) public view returns (bool) {
        address owner = _requireOwned(datanetId);
        return account == owner || _curators[datanetId][owner][account];
    }

    /// @notice When the contribution was committed, seconds; 0 if it was not.
    function committedAt(uint256 datanetId, bytes32 commitment) external view returns (uint256) {
        return _committedAt[datanetId][commitment];
    }

    /// @notice Whether the example is a leaf of the version.
    function verifyExample(uint256 datanetId, uint256 version, Example calldata example, bytes32[] calldata proof)
        external
        view
        returns (bool)
    {
        bytes32 leaf = keccak256(bytes.concat(keccak256(abi.encode(example))));
        return MerkleProof.verifyCalldata(proof, versionOf(datanetId, version).root, leaf);
    }

    /// @return The consent's EIP-712 struct hash, named in the leaves it covers.
    function hashConsent(Consent calldata consent) public pure returns (bytes32) {
        return keccak256(
            abi.encode(
                CONSENT_TYPEHASH,
                consent.datanetId,
                consent.contributor,
                consent.examplesDigest,
                consent.exampleCount,
                keccak256(bytes(consent.license)),
                consent.signedAt
            )
        );
    }

    /// @notice Whether the contributor signed the consent: with a key, or as a contract (EIP-1271).
    function verifyConsent(Consent calldata consent, bytes calldata signature) external view returns (bool) {
        return Signatures.isFrom(consent.contributor, _hashTypedDataV4(hashConsent(consent)), signature);
    }

    /// @notice The Datanet's card, licence and number of versions as a JSON data URI.
    function tokenURI(uint256 datanetId) public view override returns (string memory) {
        _requireOwned(datanetId);
        Datanet storage found = _datanets[datanetId];
        return _uri(
            string.concat(
                '{"name":"Datanet ',
                Strings.toString(datanetId),
                '","metadataDigest":"',
                Strings.toHexString(uint256(found.metadataDigest), 32),
                '","licenseDigest":"',
                Strings.toHexString(uint256(found.licenseDigest), 32),
                '","versions":',
                Strings.toString(found.versions),
                "}"
            )
        );
    }

    function domainSeparator() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    // ---------------------------------------------------------------- inside

    function _onlyOwner(uint256 datanetId) private view returns (address owner) {
        owner = _requireOwned(datanetId);
        if (msg.sender != owner) revert NotOwner(datanetId, msg.sender);
    }

    function _onlyCurator(uint256 datanetId) private view {
        if (!isCurator(datanetId, msg.sender)) revert NotCurator(datanetId, msg.sender);
    }
}
