// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {CommonPool} from "../src/CommonPool.sol";
import {DatanetRegistry} from "../src/DatanetRegistry.sol";
import {DatanetVersion, ModelRegistry, ReleaseInput} from "../src/ModelRegistry.sol";
import {Permissions} from "../src/libraries/Licenses.sol";
import {Fixture} from "./Fixture.sol";

/// Owners, curators and strangers publish, permit, hand over and commit in any order. What is on chain once is written
/// down by digest, and whether each call may succeed is decided here from the promises alone.
contract RegistriesHandler is Fixture {
    uint256 public constant ACTORS = 8;
    string[4] private _licenses = ["CC0-1.0", "CC-BY-NC-4.0", "CC-BY-ND-4.0", "Apache-2.0"];

    struct Fact {
        uint256 datanetId;
        uint256 version;
        bytes32 digest;
        Permissions permits;
    }

    Fact[] private _versions;
    bytes32[] private _releases;
    mapping(bytes32 releaseId => bytes32) private _releaseDigests;
    mapping(bytes32 releaseId => bool) private _commercial;
    mapping(bytes32 commitment => uint256) private _committed;
    /// Whose they are, and whom each owner chose.
    address private _owner = actor(0);
    address private _modelOwner = actor(0);
    mapping(address owner => mapping(address curator => bool)) private _curators;
    uint256 private _received;
    uint256 private _paid;

    function setUp() public override {
        super.setUp();
        for (uint256 i = 0; i < 4; ++i) {
            datanets.nameLicense(_licenses[i]);
        }
        vm.prank(developer);
        datanets.transferFrom(developer, actor(0), datanetId);
        vm.prank(developer);
        models.transferFrom(developer, actor(0), modelId);
        _note(1);
    }

    function publish(uint256 who, uint256 license, bytes32 root, uint32 count) external {
        address caller = _caller(who, _owner);
        bool may = (caller == _owner || _curators[_owner][caller]) && root != 0 && count != 0;
        string memory named = _licenses[license % 4];
        Permissions memory owners = datanets.datanet(datanetId).permits;
        (bool done,) = _as(
            caller,
            address(datanets),
            abi.encodeCall(DatanetRegistry.publishVersion, (datanetId, root, count, keccak256(bytes(named)), "card"))
        );
        vm.assertTrue(done == may, "publish");
        if (!done) return;
        _note(datanets.datanet(datanetId).versions);
        Permissions memory permits = _versions[_versions.length - 1].permits;
        vm.assertTrue(permits.derivatives == (owners.derivatives && license % 4 != 2));
        vm.assertTrue(permits.commercial == (owners.commercial && license % 4 != 1));
    }

    function permit(uint256 who, bool derivatives, bool commercial) external {
        address caller = _caller(who, _owner);
        (bool done,) = _as(
            caller,
            address(datanets),
            abi.encodeCall(DatanetRegistry.setPermissions, (datanetId, Permissions(derivatives, commercial)))
        );
        vm.assertTrue(done == (caller == _owner), "permit");
    }

    function curate(uint256 who, uint256 whom, bool allowed) external {
        address caller = _caller(who, _owner);
        bytes memory data = abi.encodeCall(DatanetRegistry.setCurator, (datanetId, actor(whom), allowed));
        (bool done,) = _as(caller, address(datanets), data);
        vm.assertTrue(done == (caller == _owner), "curate");
        if (done) _curators[_owner][actor(whom)] = allowed;
    }

    function handOver(uint256 whom, bool model) external {
        address owner = model ? models.ownerOf(modelId) : datanets.ownerOf(datanetId);
        vm.prank(owner);
        if (model) models.transferFrom(owner, actor(whom), modelId);
        else datanets.transferFrom(owner, actor(whom), datanetId);
        if (model) _modelOwner = actor(whom);
        else _owner = actor(whom);
    }

    function release_(uint256 who, bytes32 id, uint256 which, uint256 parent, bool priced) external {
        address caller = _caller(who, _modelOwner);
        // Ids repeat, so that what exists is met again.
        id = bytes32(uint256(id) % 64);
        Fact memory used = _versions[which % _versions.length];
        ReleaseInput memory input = release(id, keccak256("index"), 10, 4, 16, 1_000_000);
        input.versions[0] = DatanetVersion(used.datanetId, used.version);
        if (!priced) (input.promptWeiPerToken, input.completionWeiPerToken) = (0, 0);
        if (_releases.length != 0 && parent % 3 == 0) input.parentRelease = _releases[parent % _releases.length];
        bool commercial = used.permits.commercial && (input.parentRelease == 0 || _commercial[input.parentRelease]);
        bool may = caller == _modelOwner && id != 0 && _releaseDigests[id] == 0 && used.permits.derivatives
            && (commercial || !priced);
        (bool done,) = _as(caller, address(models), abi.encodeCall(ModelRegistry.publishRelease, (modelId, input)));
        vm.assertTrue(done == may, "release");
        if (!done) return;
        _releases.push(id);
        _releaseDigests[id] = _digestOf(id);
        _commercial[id] = commercial;
    }

    function deprecate(uint256 who, uint256 which, bool deprecated) external {
        address caller = _caller(who, _modelOwner);
        if (_releases.length == 0) return;
        bytes32 id = _releases[which % _releases.length];
        (bool done,) = _as(caller, address(models), abi.encodeCall(ModelRegistry.setDeprecated, (id, deprecated)));
        vm.assertTrue(done == (caller == _modelOwner), "deprecate");
    }

    function commit(uint256 who, uint8 what) external {
        bytes32 commitment = keccak256(abi.encode(what % 32));
        vm.prank(actor(who));
        uint256 at = datanets.commitContribution(datanetId, commitment);
        if (_committed[commitment] == 0) _committed[commitment] = block.timestamp;
        vm.assertEq(at, _committed[commitment], "the first time counts");
    }

    function pool(uint256 who, uint96 amount, bool governs) external {
        address common = datanets.poolOf(datanetId);
        uint256 given = amount % 1 ether;
        vm.deal(address(this), given);
        (bool sent,) = common.call{value: given}("");
        vm.assertTrue(sent);
        _received += given;
        uint256 some = common.balance / 2;
        address payee = address(0xF00D);
        vm.prank(governs ? governance : actor(who));
        (bool done,) = common.call(abi.encodeCall(CommonPool.pay, (payable(payee), some)));
        vm.assertTrue(done == governs, "pool");
        if (done) _paid += some;
    }

    function pass(uint8 time) external {
        vm.warp(block.timestamp + time);
    }

    function check() external view {
        vm.assertEq(datanets.datanet(datanetId).versions, _versions.length);
        for (uint256 i = 0; i < _versions.length; ++i) {
            bytes32 now_ = keccak256(abi.encode(datanets.versionOf(datanetId, i + 1)));
            vm.assertEq(now_, _versions[i].digest, "a version changed");
        }
        vm.assertEq(models.releaseCount(modelId), _releases.length);
        for (uint256 i = 0; i < _releases.length; ++i) {
            vm.assertEq(models.releaseAt(modelId, i), _releases[i]);
            vm.assertEq(_digestOf(_releases[i]), _releaseDigests[_releases[i]], "a release changed");
        }
        address common = datanets.poolOf(datanetId);
        vm.assertEq(common.balance, _received - _paid);
        vm.assertEq(address(0xF00D).balance, _paid);
    }

    function actor(uint256 who) public pure returns (address) {
        return address(uint160(0xF100 + who % ACTORS));
    }

    /// Three times in four the owner, so that much happens; else anyone.
    function _caller(uint256 who, address owner) private pure returns (address) {
        return who % 4 == 0 ? actor(who / 4) : owner;
    }

    function _as(address caller, address target, bytes memory data) private returns (bool, bytes memory) {
        vm.prank(caller);
        return target.call(data);
    }

    function _note(uint256 version) private {
        DatanetRegistry.Version memory found = datanets.versionOf(datanetId, version);
        _versions.push(Fact(datanetId, version, keccak256(abi.encode(found)), found.permits));
    }

    /// All of a release but the mark that comes and goes.
    function _digestOf(bytes32 id) private view returns (bytes32) {
        ModelRegistry.Release memory found = models.releaseOf(id);
        (found.deprecated, found.deprecatedAt) = (false, 0);
        return keccak256(abi.encode(found, models.versionsOf(id)));
    }
}

contract RegistriesInvariantTest is Fixture {
    RegistriesHandler internal handler;

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function setUp() public override {
        handler = new RegistriesHandler();
        handler.setUp();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](11);
        selectors[0] = RegistriesHandler.publish.selector;
        selectors[1] = RegistriesHandler.permit.selector;
        selectors[2] = RegistriesHandler.curate.selector;
        selectors[3] = RegistriesHandler.handOver.selector;
        selectors[4] = RegistriesHandler.release_.selector;
        selectors[5] = RegistriesHandler.deprecate.selector;
        selectors[6] = RegistriesHandler.commit.selector;
        selectors[7] = RegistriesHandler.pool.selector;
        selectors[8] = RegistriesHandler.pass.selector;
        selectors[9] = RegistriesHandler.publish.selector;
        selectors[10] = RegistriesHandler.release_.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(handler), selectors);
    }

    /// forge-config: default.invariant.runs = 80
    /// forge-config: default.invariant.depth = 128
    function invariant_whatWasPublishedStaysAndOnlyTheEntitledPublish() public view {
        handler.check();
    }
}
