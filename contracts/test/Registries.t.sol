// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {IERC721Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {CommonPool} from "../src/CommonPool.sol";
import {Consent, DatanetRegistry, Example} from "../src/DatanetRegistry.sol";
import {ModelRegistry, ReleaseIndex, ReleaseInput} from "../src/ModelRegistry.sol";
import {Fees} from "../src/libraries/Fees.sol";
import {Licenses, Permissions} from "../src/libraries/Licenses.sol";
import {Fixture} from "./Fixture.sol";

/// A wallet that accepts one digest.
contract Wallet is IERC1271 {
    bytes32 public accepted;

    function accept(bytes32 digest) external {
        accepted = digest;
    }

    function isValidSignature(bytes32 digest, bytes calldata) external view returns (bytes4) {
        return digest == accepted ? IERC1271.isValidSignature.selector : bytes4(0);
    }
}

/// A treasury that takes no fee.
contract Refuser {}

contract DatanetRegistryTest is Fixture {
    address internal constant other = address(0x70);

    function test_creatingPaysTheFeeAndMakesAPool() public {
        uint256 before = treasury.balance;
        vm.deal(other, 1 ether);
        vm.prank(other);
        uint256 id = datanets.create{value: FEE}(keccak256("card 2"), "MIT");
        vm.assertEq(id, datanetId + 1);
        vm.assertEq(datanets.ownerOf(id), other);
        vm.assertEq(treasury.balance - before, FEE);
        CommonPool pool = CommonPool(payable(datanets.poolOf(id)));
        vm.assertEq(pool.datanetId(), id);
        vm.assertTrue(address(pool) != datanets.poolOf(datanetId));
    }

    function test_creatingWithAnotherFeeIsRefused() public {
        vm.deal(address(this), 1 ether);
        vm.expectRevert(abi.encodeWithSelector(Fees.WrongFee.selector, FEE - 1, FEE));
        datanets.create{value: FEE - 1}(keccak256("card"), "MIT");
        vm.expectRevert(abi.encodeWithSelector(Licenses.BadLicense.selector, ""));
        datanets.create{value: FEE}(keccak256("card"), "");
    }

    function test_aTreasuryThatRefusesStopsTheRegistration() public {
        Refuser refuser = new Refuser();
        vm.prank(governance);
        parameters.set("treasury", uint160(address(refuser)));
        vm.warp(block.timestamp + 1);
        vm.deal(address(this), 1 ether);
        uint256 count = datanets.datanetCount();
        vm.expectRevert(abi.encodeWithSelector(Fees.TreasuryRefused.selector, address(refuser), FEE));
        datanets.create{value: FEE}(keccak256("card"), "MIT");
        vm.assertEq(datanets.datanetCount(), count);
    }

    function test_whatALicensePermitsIsReadFromItsName() public {
        string[6] memory open = ["CC0-1.0", "CC-BY-SA-4.0", "MIT-CMU", "ODbL-1.0", "LicenseRef-Indie", "ncsa OR andy"];
        for (uint256 i = 0; i < open.length; ++i) {
            _assertPermits(datanets.permissionsOf(open[i]), true, true);
        }
        _assertPermits(datanets.permissionsOf("CC-BY-NC-SA-2.0-FR"), true, false);
        _assertPermits(datanets.permissionsOf("PolyForm-Noncommercial-1.0.0"), true, false);
        _assertPermits(datanets.permissionsOf("MIT AND (CC0-1.0 OR cc-by-nc-4.0)"), true, false);
        _assertPermits(datanets.permissionsOf("CC-BY-ND-4.0"), false, true);
        _assertPermits(datanets.permissionsOf("CC-BY-NC-ND"), false, false);
        string[3] memory bad = ["a,b", unicode"é", "a\"b"];
        for (uint256 i = 0; i < bad.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(Licenses.BadLicense.selector, bad[i]));
            datanets.nameLicense(bad[i]);
        }
        string memory long = string(new bytes(129));
        vm.expectRevert(abi.encodeWithSelector(Licenses.BadLicense.selector, long));
        datanets.nameLicense(long);
    }

    function test_aVersionKeepsWhatWasPermittedThen() public {
        vm.startPrank(developer);
        bytes32 digest = keccak256("CC-BY-NC-4.0");
        vm.expectRevert(abi.encodeWithSelector(DatanetRegistry.UnnamedLicense.selector, digest));
        datanets.publishVersion(datanetId, keccak256("2"), 4, digest, 0);
        vm.assertEq(datanets.nameLicense("CC-BY-NC-4.0"), digest);
        datanets.publishVersion(datanetId, keccak256("2"), 4, digest, 0);
        datanets.setPermissions(datanetId, Permissions(false, true));
        datanets.publishVersion(datanetId, keccak256("3"), 4, keccak256("CC-BY-4.0"), 0);
        datanets.setPermissions(datanetId, Permissions(true, true));
        // The owner permits less than the licence, never more.
        datanets.publishVersion(datanetId, keccak256("4"), 4, digest, 0);
        vm.stopPrank();
        _assertPermits(datanets.versionOf(datanetId, 1).permits, true, true);
        _assertPermits(datanets.versionOf(datanetId, 2).permits, true, false);
        _assertPermits(datanets.versionOf(datanetId, 3).permits, false, true);
        _assertPermits(datanets.versionOf(datanetId, 4).permits, true, false);
        vm.expectRevert(abi.encodeWithSelector(DatanetRegistry.NotOwner.selector, datanetId, other));
        vm.prank(other);
        datanets.setPermissions(datanetId, Permissions(true, true));
    }

    function _assertPermits(Permissions memory permits, bool derivatives, bool commercial) private pure {
        vm.assertTrue(permits.derivatives == derivatives, "derivatives");
        vm.assertTrue(permits.commercial == commercial, "commercial");
    }

    function test_versionsAreAppendOnly() public {
        DatanetRegistry.Version memory first = datanets.versionOf(datanetId, 1);
        vm.prank(developer);
        uint256 version = datanets.publishVersion(datanetId, keccak256("next"), 4, keccak256("CC-BY-4.0"), 0);
        vm.assertEq(version, 2);
        vm.assertEq(keccak256(abi.encode(datanets.versionOf(datanetId, 1))), keccak256(abi.encode(first)));
        vm.assertEq(datanets.versionOf(datanetId, 2).count, 4);
        vm.assertEq(datanets.datanet(datanetId).versions, 2);
        vm.assertFalse(datanets.versionExists(datanetId, 3));
        vm.assertFalse(datanets.versionExists(datanetId, 0));
        vm.expectRevert(abi.encodeWithSelector(DatanetRegistry.UnknownVersion.selector, datanetId, 3));
        datanets.versionOf(datanetId, 3);
    }

    function test_onlyOwnerAndCuratorsPublish() public {
        vm.expectRevert(abi.encodeWithSelector(DatanetRegistry.NotCurator.selector, datanetId, other));
        vm.prank(other);
        datanets.publishVersion(datanetId, keccak256("next"), 4, keccak256("CC-BY-4.0"), 0);
        vm.expectRevert(abi.encodeWithSelector(DatanetRegistry.NotOwner.selector, datanetId, other));
        vm.prank(other);
        datanets.setCurator(datanetId, other, true);

        vm.prank(developer);
        datanets.setCurator(datanetId, other, true);
        vm.prank(other);
        datanets.publishVersion(datanetId, keccak256("next"), 4, keccak256("CC-BY-4.0"), 0);

        // A transfer leaves the old owner's curators behind.
        vm.prank(developer);
        datanets.transferFrom(developer, address(0x71), datanetId);
        vm.assertFalse(datanets.isCurator(datanetId, other));
        vm.assertTrue(datanets.isCurator(datanetId, address(0x71)));
    }

    function test_emptyVersionsAndUnknownDatanetsAreRefused() public {
        vm.startPrank(developer);
        vm.expectRevert(abi.encodeWithSelector(DatanetRegistry.EmptyVersion.selector, datanetId));
        datanets.publishVersion(datanetId, keccak256("root"), 0, keccak256("MIT"), 0);
        vm.expectRevert(abi.encodeWithSelector(IERC721Errors.ERC721NonexistentToken.selector, 99));
        datanets.publishVersion(99, keccak256("root"), 1, keccak256("MIT"), 0);
        vm.expectRevert(abi.encodeWithSelector(IERC721Errors.ERC721NonexistentToken.selector, 99));
        datanets.commitContribution(99, keccak256("x"));
    }

    function test_theFirstCommitmentCounts() public {
        uint256 first = datanets.commitContribution(datanetId, keccak256("secret"));
        vm.warp(block.timestamp + 5);
        vm.assertEq(datanets.commitContribution(datanetId, keccak256("secret")), first);
        vm.assertEq(datanets.committedAt(datanetId, keccak256("secret")), first);
        vm.assertEq(datanets.committedAt(datanetId, keccak256("other")), 0);
    }

    function test_consentsOfKeysAndOfContracts() public {
        Consent memory consent = Consent(datanetId, payer, keccak256("examples"), 2, "MIT", 1);
        bytes32 digest = _consentDigest(consent);
        vm.assertTrue(datanets.verifyConsent(consent, signed(payerKey, digest)));
        vm.assertFalse(datanets.verifyConsent(consent, signed(operatorKey, digest)));
        vm.assertFalse(datanets.verifyConsent(consent, hex"00"));
        consent.exampleCount = 3;
        vm.assertFalse(datanets.verifyConsent(consent, signed(payerKey, digest)));

        Wallet wallet = new Wallet();
        consent.contributor = address(wallet);
        vm.assertFalse(datanets.verifyConsent(consent, ""));
        wallet.accept(_consentDigest(consent));
        vm.assertTrue(datanets.verifyConsent(consent, ""));
        consent.contributor = address(0);
        vm.assertFalse(datanets.verifyConsent(consent, hex"00"));
    }

    function test_anAccountThatDelegatesItsCodeStillSignsWithItsKey() public {
        Consent memory consent = Consent(datanetId, payer, keccak256("examples"), 2, "MIT", 1);
        vm.etch(payer, address(new Wallet()).code);
        vm.assertTrue(datanets.verifyConsent(consent, signed(payerKey, _consentDigest(consent))));
    }

    function test_examplesAreProvenAgainstTheirVersion() public {
        string memory json = vectors();
        vm.prank(developer);
        uint256 version = datanets.publishVersion(
            datanetId, vm.parseJsonBytes32(json, ".version.root"), 7, keccak256("CC-BY-4.0"), 0
        );
        string memory leaf = ".version.leaves[3]";
        Example memory example = Example({
            index: 3,
            exampleDigest: vm.parseJsonBytes32(json, string.concat(leaf, ".exampleDigest")),
            contributor: vm.parseJsonAddress(json, string.concat(leaf, ".contributor")),
            licenseDigest: vm.parseJsonBytes32(json, string.concat(leaf, ".licenseDigest")),
            consentDigest: vm.parseJsonBytes32(json, string.concat(leaf, ".consentDigest"))
        });
        bytes32[] memory proof = vm.parseJsonBytes32Array(json, string.concat(leaf, ".proof"));
        vm.assertTrue(datanets.verifyExample(datanetId, version, example, proof));
        vm.assertFalse(datanets.verifyExample(datanetId, 1, example, proof));
        example.contributor = other;
        vm.assertFalse(datanets.verifyExample(datanetId, version, example, proof));
    }

    function test_thePoolPaysOnlyForGovernance() public {
        CommonPool pool = CommonPool(payable(datanets.poolOf(datanetId)));
        vm.deal(address(this), 1 ether);
        (bool paid,) = address(pool).call{value: 1 ether}("");
        vm.assertTrue(paid);
        vm.expectRevert(abi.encodeWithSelector(CommonPool.NotGovernance.selector, developer, governance));
        vm.prank(developer);
        pool.pay(payable(developer), 1);
        vm.prank(governance);
        pool.pay(payable(other), 0.4 ether);
        vm.assertEq(other.balance, 0.4 ether);
        vm.assertEq(address(pool).balance, 0.6 ether);
        vm.expectRevert(abi.encodeWithSelector(CommonPool.PaymentFailed.selector, other, 1 ether));
        vm.prank(governance);
        pool.pay(payable(other), 1 ether);
    }

    function _consentDigest(Consent memory consent) private view returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", datanets.domainSeparator(), datanets.hashConsent(consent)));
    }
}

contract ModelRegistryTest is Fixture {
    bytes32 internal constant ID = keccak256("release");

    function test_namesAreUniqueAndPlain() public {
        vm.deal(address(this), 10 ether);
        vm.expectRevert(abi.encodeWithSelector(ModelRegistry.NameTaken.selector, "valley-1", modelId));
        models.register{value: FEE}("valley-1");
        string[7] memory bad = ["", "Valley", "-a", ".a", "a b", unicode"é", "a/b"];
        for (uint256 i = 0; i < bad.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(ModelRegistry.BadName.selector, bad[i]));
            models.register{value: FEE}(bad[i]);
        }
        uint256 id = models.register{value: FEE}("0.a_b-c");
        vm.assertEq(models.modelOf("0.a_b-c"), id);
        vm.assertEq(keccak256(bytes(models.nameOf(id))), keccak256("0.a_b-c"));
        vm.assertEq(models.modelOf("free"), 0);
        vm.expectRevert(abi.encodeWithSelector(Fees.WrongFee.selector, 0, FEE));
        models.register("free");
    }

    function test_aReleaseIsPublishedOnceAndStays() public {
        ReleaseInput memory input = release(ID, keccak256("index"), 10, 4, 16, 1_000_000);
        vm.prank(developer);
        models.publishRelease(modelId, input);
        ReleaseIndex memory index = models.indexOf(ID);
        vm.assertEq(index.root, keccak256("index"));
        vm.assertEq(index.rows, 10);
        vm.assertEq(index.contributors, 4);
        vm.assertEq(index.k, 16);
        vm.assertEq(index.thresholdMillionths, 1_000_000);
        vm.assertEq(models.releaseAt(modelId, models.releaseCount(modelId) - 1), ID);
        vm.assertEq(models.versionsOf(ID)[0].datanetId, datanetId);
        vm.assertEq(models.releaseOf(ID).promptWeiPerToken, 1);

        vm.prank(developer);
        vm.expectRevert(abi.encodeWithSelector(ModelRegistry.ReleaseExists.selector, ID));
        models.publishRelease(modelId, input);
    }

    function test_onlyTheOwnerPublishesAndDeprecates() public {
        ReleaseInput memory input = release(ID, keccak256("index"), 10, 4, 16, 1_000_000);
        vm.expectRevert(abi.encodeWithSelector(ModelRegistry.NotOwner.selector, modelId, address(this)));
        models.publishRelease(modelId, input);
        vm.prank(developer);
        models.publishRelease(modelId, input);
        vm.expectRevert(abi.encodeWithSelector(ModelRegistry.NotOwner.selector, modelId, address(this)));
        models.setDeprecated(ID, true);
        vm.prank(developer);
        models.setDeprecated(ID, true);
        vm.assertTrue(models.releaseOf(ID).deprecated);
        vm.expectRevert(abi.encodeWithSelector(ModelRegistry.UnknownRelease.selector, keccak256("nothing")));
        models.setDeprecated(keccak256("nothing"), true);
    }

    function test_onlyWhatExistsCanBeNamed() public {
        vm.startPrank(developer);
        ReleaseInput memory input = release(ID, keccak256("index"), 10, 4, 16, 1_000_000);
        input.versions[0].version = 2;
        vm.expectRevert(abi.encodeWithSelector(ModelRegistry.UnknownVersion.selector, datanetId, 2));
        models.publishRelease(modelId, input);
        input.versions[0].version = 1;
        input.parentRelease = keccak256("nothing");
        vm.expectRevert(abi.encodeWithSelector(ModelRegistry.UnknownRelease.selector, keccak256("nothing")));
        models.publishRelease(modelId, input);
    }

    function test_aReleaseAsksOnlyWhatItsDataPermits() public {
        vm.startPrank(developer);
        datanets.nameLicense("CC-BY-NC-4.0");
        datanets.nameLicense("CC-BY-ND-4.0");
        datanets.publishVersion(datanetId, keccak256("2"), 4, keccak256("CC-BY-NC-4.0"), 0);
        datanets.publishVersion(datanetId, keccak256("3"), 4, keccak256("CC-BY-ND-4.0"), 0);

        ReleaseInput memory input = release(ID, keccak256("index"), 10, 4, 16, 1_000_000);
        input.versions[0].version = 3;
        vm.expectRevert(abi.encodeWithSelector(ModelRegistry.NoDerivatives.selector, datanetId, 3));
        models.publishRelease(modelId, input);
        input.versions[0].version = 2;
        vm.expectRevert(abi.encodeWithSelector(ModelRegistry.NotCommercial.selector, ID, 1, 2));
        models.publishRelease(modelId, input);
        input.promptWeiPerToken = 0;
        vm.expectRevert(abi.encodeWithSelector(ModelRegistry.NotCommercial.selector, ID, 0, 2));
        models.publishRelease(modelId, input);
        input.completionWeiPerToken = 0;
        models.publishRelease(modelId, input);
        vm.assertFalse(models.releaseOf(ID).commercial);

        // What was made from it is bound alike.
        bytes32 child = keccak256("child");
        input = release(child, keccak256("index"), 10, 4, 16, 1_000_000);
        input.parentRelease = ID;
        vm.expectRevert(abi.encodeWithSelector(ModelRegistry.NotCommercial.selector, child, 1, 2));
        models.publishRelease(modelId, input);
        input.parentRelease = 0;
        models.publishRelease(modelId, input);
        vm.assertTrue(models.releaseOf(child).commercial);
    }

    function test_anIndexThatCannotBeCheckedIsRefused() public {
        vm.startPrank(developer);
        uint32[3][5] memory bad =
            [[uint32(4), 4, 16], [uint32(4), 5, 16], [uint32(4), 0, 16], [uint32(4), 2, 0], [uint32(4), 2, 1025]];
        for (uint256 i = 0; i < bad.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(ModelRegistry.BadIndex.selector, bad[i][0], bad[i][1], bad[i][2]));
            models.publishRelease(
                modelId, release(ID, keccak256("index"), bad[i][0], bad[i][1], uint16(bad[i][2]), 1_000_000)
            );
        }
        vm.expectRevert(abi.encodeWithSelector(ModelRegistry.ThresholdTooLow.selector, 99_999, 100_000));
        models.publishRelease(modelId, release(ID, keccak256("index"), 4, 2, 16, 99_999));
        vm.expectRevert(ModelRegistry.EmptyDigest.selector);
        models.publishRelease(modelId, release(ID, 0, 4, 2, 16, 1_000_000));
    }
}
