// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {Strings} from "@openzeppelin/contracts/utils/Strings.sol";
import {DatanetRegistry} from "./DatanetRegistry.sol";
import {ProtocolParameters} from "./ProtocolParameters.sol";
import {Asset} from "./libraries/Asset.sol";
import {Fees} from "./libraries/Fees.sol";
import {Permissions} from "./libraries/Licenses.sol";

/// A Datanet version a release was trained on.
struct DatanetVersion {
    uint256 datanetId;
    uint256 version;
}

/// What a developer publishes of a release: enough to prove a wrong score on chain.
struct ReleaseInput {
    /// The manifest's digest.
    bytes32 releaseId;
    bytes32 baseDigest;
    bytes32 adapterDigest;
    /// Root of the pay index and its number of rows: contributors first, then null rows.
    bytes32 indexRoot;
    uint32 indexRows;
    uint32 contributorRows;
    /// Dimensions of a row.
    uint16 k;
    /// The threshold is this many millionths of the highest null score.
    uint32 thresholdMillionths;
    /// The release this one was made from, or zero.
    bytes32 parentRelease;
    uint96 promptWeiPerToken;
    uint96 completionWeiPerToken;
    DatanetVersion[] versions;
}

/// The part of a release that scores are checked against.
struct ReleaseIndex {
    bytes32 root;
    uint32 rows;
    uint32 contributors;
    uint16 k;
    uint32 thresholdMillionths;
}

/// @title Models and their releases
/// @notice Each model is an ERC-721 token with a unique name. It promises:
/// - A release is immutable once published; only a mark that it should no longer be chosen comes and goes.
/// - A release names only Datanet versions that exist and permit models, and it asks a price only if all of them, and
///   those behind the release it was made from, permit that.
///
/// Whoever serves a release MUST check that it belongs to the model they mean: a release id
/// seen in a pending transaction could be published under another model first, which costs its author a new id.
contract ModelRegistry is Asset {
    struct Release {
        uint256 modelId;
        bytes32 baseDigest;
        bytes32 adapterDigest;
        bytes32 parentRelease;
        ReleaseIndex index;
        uint96 promptWeiPerToken;
        uint96 completionWeiPerToken;
        uint48 publishedAt;
        bool deprecated;
        /// Whether every version behind it permits a price.
        bool commercial;
        /// Since when it is deprecated, seconds; 0 while it is not.
        uint48 deprecatedAt;
    }

    error NotOwner(uint256 modelId, address caller);
    error BadName(string name);
    error NameTaken(string name, uint256 modelId);
    error ReleaseExists(bytes32 releaseId);
    error UnknownRelease(bytes32 releaseId);
    error UnknownVersion(uint256 datanetId, uint256 version);
    error BadIndex(uint256 rows, uint256 contributors, uint256 k);
    error ThresholdTooLow(uint256 millionths, uint256 minimum);
    error VersionsOutOfBounds(uint256 count, uint256 most);
    error EmptyDigest();
    error NoDerivatives(uint256 datanetId, uint256 version);
    error NotCommercial(bytes32 releaseId, uint256 promptWeiPerToken, uint256 completionWeiPerToken);

    event ModelRegistered(uint256 indexed modelId, address indexed owner, string name);
    event ReleasePublished(
        uint256 indexed modelId, bytes32 indexed releaseId, bytes32 indexed parentRelease, ReleaseInput release
    );
    event ReleaseDeprecated(uint256 indexed modelId, bytes32 indexed releaseId, bool deprecated);

    uint256 public constant MAX_NAME = 64;
    uint256 public constant MAX_VERSIONS = 64;
    uint256 public constant MAX_DIMENSIONS = 1024;

    ProtocolParameters public immutable parameters;
    DatanetRegistry public immutable datanets;

    /// @notice Models registered so far; ids count from 1.
    uint256 public modelCount;

    /// @notice The model with this name's keccak256; 0 if the name is free.
    mapping(bytes32 nameHash => uint256) public modelOfNameHash;
    mapping(uint256 modelId => string) private _names;
    mapping(uint256 modelId => bytes32[]) private _releasesOf;
    mapping(bytes32 releaseId => Release) private _releases;
    mapping(bytes32 releaseId => DatanetVersion[]) private _versionsOf;

    constructor(ProtocolParameters parameters_, DatanetRegistry datanets_) ERC721("OpenLedger Model", "MODEL") {
        parameters = parameters_;
        datanets = datanets_;
    }

    // ---------------------------------------------------------------- models and releases

    /// @notice Registers a model owned by the caller. The value sent MUST be the registration fee.
    /// @param name 1 to 64 of a–z, 0–9, dot, dash and underscore, starting with a letter or digit
    function register(string calldata name) external payable returns (uint256 modelId) {
        return register(name, 0);
    }

    /// @notice The same, with a royalty for the creator.
    /// @param royaltyBps of every later sale's price, basis points, at most 1,000; it can only be lowered
    function register(string calldata name, uint256 royaltyBps) public payable returns (uint256 modelId) {
        if (!_isName(bytes(name))) revert BadName(name);
        bytes32 nameHash = keccak256(bytes(name));
        if (modelOfNameHash[nameHash] != 0) revert NameTaken(name, modelOfNameHash[nameHash]);
        modelId = ++modelCount;
        modelOfNameHash[nameHash] = modelId;
        _names[modelId] = name;
        emit ModelRegistered(modelId, msg.sender, name);
        _create(msg.sender, modelId, royaltyBps);
        Fees.payRegistration(parameters);
    }

    /// @notice Publishes a release of the caller's model, for good.
    function publishRelease(uint256 modelId, ReleaseInput calldata release) external {
        _onlyOwner(modelId);
        bool commercial = _check(release);
        _releases[release.releaseId] = Release({
            modelId: modelId,
            baseDigest: release.baseDigest,
            adapterDigest: release.adapterDigest,
            parentRelease: release.parentRelease,
            index: ReleaseIndex({
                root: release.indexRoot,
                rows: release.indexRows,
                contributors: release.contributorRows,
                k: release.k,
                thresholdMillionths: release.thresholdMillionths
            }),
            promptWeiPerToken: release.promptWeiPerToken,
            completionWeiPerToken: release.completionWeiPerToken,
            publishedAt: uint48(block.timestamp),
            deprecated: false,
            commercial: commercial,
            deprecatedAt: 0
        });
        for (uint256 i = 0; i < release.versions.length; ++i) {
            _versionsOf[release.releaseId].push(release.versions[i]);
        }
        _releasesOf[modelId].push(release.releaseId);
        emit ReleasePublished(modelId, release.releaseId, release.parentRelease, release);
        emit MetadataUpdate(modelId);
    }

    /// @notice Marks a release as one that should no longer be chosen, or takes the mark back. It stays what it is.
    function setDeprecated(bytes32 releaseId, bool deprecated) external {
        Release storage found = _found(releaseId);
        _onlyOwner(found.modelId);
        if (found.deprecated != deprecated) found.deprecatedAt = deprecated ? uint48(block.timestamp) : 0;
        found.deprecated = deprecated;
        emit ReleaseDeprecated(found.modelId, releaseId, deprecated);
    }

    // ---------------------------------------------------------------- views

    /// @return modelId 0 if no model has this name
    function modelOf(string calldata name) external view returns (uint256 modelId) {
        return modelOfNameHash[keccak256(bytes(name))];
    }

    function nameOf(uint256 modelId) external view returns (string memory) {
        _requireOwned(modelId);
        return _names[modelId];
    }

    function releaseOf(bytes32 releaseId) external view returns (Release memory) {
        return _found(releaseId);
    }

    function releaseExists(bytes32 releaseId) public view returns (bool) {
        return _releases[releaseId].publishedAt != 0;
    }

    /// @notice What scores are checked against; all zero for an unknown release.
    function indexOf(bytes32 releaseId) external view returns (ReleaseIndex memory) {
        return _releases[releaseId].index;
    }

    /// @notice The Datanet versions the release names, in the manifest's order.
    function versionsOf(bytes32 releaseId) external view returns (DatanetVersion[] memory) {
        _found(releaseId);
        return _versionsOf[releaseId];
    }

    function releaseCount(uint256 modelId) external view returns (uint256) {
        return _releasesOf[modelId].length;
    }

    /// @notice Release `position` of the model, the first at 0.
    function releaseAt(uint256 modelId, uint256 position) external view returns (bytes32) {
        return _releasesOf[modelId][position];
    }

    /// @notice The model's name and its releases as a JSON data URI.
    function tokenURI(uint256 modelId) public view override returns (string memory) {
        _requireOwned(modelId);
        bytes32[] storage releases = _releasesOf[modelId];
        bytes32 latest = releases.length == 0 ? bytes32(0) : releases[releases.length - 1];
        return _uri(
            string.concat(
                '{"name":"',
                _names[modelId],
                '","releases":',
                Strings.toString(releases.length),
                ',"latestRelease":"',
                Strings.toHexString(uint256(latest), 32),
                '"}'
            )
        );
    }

    // ---------------------------------------------------------------- inside

    /// @return commercial whether it may ask a price
    function _check(ReleaseInput calldata release) private view returns (bool commercial) {
        if (release.releaseId == 0 || release.baseDigest == 0 || release.adapterDigest == 0 || release.indexRoot == 0) {
            revert EmptyDigest();
        }
        if (releaseExists(release.releaseId)) revert ReleaseExists(release.releaseId);
        commercial = release.parentRelease == 0 || _found(release.parentRelease).commercial;
        if (
            release.contributorRows == 0 || release.indexRows <= release.contributorRows || release.k == 0
                || release.k > MAX_DIMENSIONS
        ) revert BadIndex(release.indexRows, release.contributorRows, release.k);
        uint256 minimum = parameters.minimumThresholdMillionths();
        if (release.thresholdMillionths < minimum) revert ThresholdTooLow(release.thresholdMillionths, minimum);
        uint256 count = release.versions.length;
        if (count == 0 || count > MAX_VERSIONS) revert VersionsOutOfBounds(count, MAX_VERSIONS);
        for (uint256 i = 0; i < count; ++i) {
            DatanetVersion calldata used = release.versions[i];
            if (!datanets.versionExists(used.datanetId, used.version)) {
                revert UnknownVersion(used.datanetId, used.version);
            }
            Permissions memory permits = datanets.versionOf(used.datanetId, used.version).permits;
            if (!permits.derivatives) revert NoDerivatives(used.datanetId, used.version);
            commercial = commercial && permits.commercial;
        }
        if (!commercial && (release.promptWeiPerToken != 0 || release.completionWeiPerToken != 0)) {
            revert NotCommercial(release.releaseId, release.promptWeiPerToken, release.completionWeiPerToken);
        }
    }

    function _found(bytes32 releaseId) private view returns (Release storage found) {
        found = _releases[releaseId];
        if (found.publishedAt == 0) revert UnknownRelease(releaseId);
    }

    function _onlyOwner(uint256 modelId) private view {
        if (msg.sender != _requireOwned(modelId)) revert NotOwner(modelId, msg.sender);
    }

    function _isName(bytes calldata name) private pure returns (bool) {
        if (name.length == 0 || name.length > MAX_NAME) return false;
        for (uint256 i = 0; i < name.length; ++i) {
            bytes1 c = name[i];
            bool alphanumeric = (c >= "a" && c <= "z") || (c >= "0" && c <= "9");
            bool mark = c == "." || c == "-" || c == "_";
            if (!alphanumeric && (!mark || i == 0)) return false;
        }
        return true;
    }
}
