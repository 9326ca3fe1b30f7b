// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {Consent, Example} from "../src/DatanetRegistry.sol";
import {Apportion} from "../src/libraries/Apportion.sol";
import {Commitment, Positional} from "../src/libraries/Positional.sol";
import {Receipt, Receipts} from "../src/libraries/Receipts.sol";
import {Scores} from "../src/libraries/Scores.sol";
import {Fixture} from "./Fixture.sol";

/// The libraries behind external functions, because they read calldata.
contract Libraries {
    function positional(Commitment calldata list, uint256 index, bytes calldata payload, bytes32[] calldata proof)
        external
        pure
        returns (bool)
    {
        return Positional.verify(list, index, keccak256(payload), proof);
    }

    function around(
        Commitment calldata list,
        uint256 boundary,
        bytes32 left,
        bytes32[] calldata leftProof,
        bytes32 right,
        bytes32[] calldata rightProof
    ) external pure returns (bool, bool) {
        return Positional.requireAround(list, boundary, left, leftProof, right, rightProof);
    }

    function dot(bytes calldata row, bytes calldata query) external pure returns (int256) {
        return Scores.dot(row, query);
    }

    function entry(bytes calldata list, uint256 position) external pure returns (uint32, int64) {
        return Scores.entry(list, position);
    }

    function wellFormed(bytes calldata list) external pure returns (bool) {
        return Scores.wellFormed(list);
    }

    function isApportioned(uint256 amount, uint256[] calldata weights, uint256[] calldata parts)
        external
        pure
        returns (bool)
    {
        return Apportion.isRight(amount, weights, parts);
    }

    function hash(Receipt calldata receipt) external pure returns (bytes32) {
        return Receipts.hash(receipt);
    }
}

/// What TypeScript wrote, Solidity reads the same way.
contract VectorsTest is Fixture {
    Libraries internal libraries = new Libraries();
    string internal json = vectors();

    function test_positionalTrees() public view {
        for (uint256 i = 0; vm.keyExistsJson(json, at(".positional", i)); ++i) {
            string memory tree = at(".positional", i);
            Commitment memory list = Commitment(
                vm.parseJsonBytes32(json, string.concat(tree, ".root")),
                uint32(vm.parseJsonUint(json, string.concat(tree, ".count")))
            );
            if (list.count == 0) vm.assertEq(list.root, bytes32(0));
            for (uint256 j = 0; vm.keyExistsJson(json, at(string.concat(tree, ".proofs"), j)); ++j) {
                string memory one = at(string.concat(tree, ".proofs"), j);
                uint256 index = vm.parseJsonUint(json, string.concat(one, ".index"));
                bytes32[] memory proof = vm.parseJsonBytes32Array(json, string.concat(one, ".proof"));
                vm.assertTrue(libraries.positional(list, index, abi.encode(index), proof), one);
                vm.assertFalse(libraries.positional(list, index, abi.encode(index + 1), proof), one);
                vm.assertFalse(libraries.positional(list, index ^ 1, abi.encode(index), proof), one);
                vm.assertFalse(libraries.positional(list, index + (1 << proof.length), abi.encode(index), proof), one);
                list.count -= uint32(list.count - index);
                vm.assertFalse(libraries.positional(list, index, abi.encode(index), proof), "beyond the count");
                list.count = uint32(vm.parseJsonUint(json, string.concat(tree, ".count")));
            }
        }
    }

    function test_adjacency() public {
        string memory tree = ".positional[6]";
        Commitment memory list = Commitment(vm.parseJsonBytes32(json, string.concat(tree, ".root")), 1000);
        // Vectors hold 498 and 499, 511 and 512, 998 and 999 of a thousand leaves.
        for (uint256 j = 6; j < 12; j += 2) {
            string memory one = at(string.concat(tree, ".proofs"), j);
            string memory next = at(string.concat(tree, ".proofs"), j + 1);
            uint256 index = vm.parseJsonUint(json, string.concat(one, ".index"));
            bytes32[] memory first = vm.parseJsonBytes32Array(json, string.concat(one, ".proof"));
            bytes32[] memory second = vm.parseJsonBytes32Array(json, string.concat(next, ".proof"));
            (bytes32 a, bytes32 b) = (keccak256(abi.encode(index)), keccak256(abi.encode(index + 1)));
            libraries.around(list, index + 1, a, first, b, second);
            vm.expectRevert(Positional.BadProof.selector);
            libraries.around(list, index + 1, a, first, a, first);
            vm.expectRevert(Positional.BadProof.selector);
            libraries.around(list, index + 1, b, second, a, first);
            vm.expectRevert(Positional.BadProof.selector);
            libraries.around(list, index, a, first, b, second);
        }
    }

    function test_endsHaveOneNeighbour() public {
        Commitment memory list = Commitment(keccak256(abi.encode(keccak256("only"))), 1);
        bytes32 only = keccak256("only");
        bytes32[] memory none = new bytes32[](0);
        (bool left, bool right) = libraries.around(list, 0, 0, none, only, none);
        vm.assertTrue(!left && right);
        (left, right) = libraries.around(list, 1, only, none, 0, none);
        vm.assertTrue(left && !right);
        vm.expectRevert(Positional.BadProof.selector);
        libraries.around(list, 2, only, none, 0, none);
        (left, right) = libraries.around(Commitment(0, 0), 0, 0, none, 0, none);
        vm.assertFalse(left || right);
    }

    function test_versionTree() public view {
        bytes32 root = vm.parseJsonBytes32(json, ".version.root");
        for (uint256 i = 0; i < 7; ++i) {
            string memory leaf = at(".version.leaves", i);
            Example memory example = Example({
                index: i,
                exampleDigest: vm.parseJsonBytes32(json, string.concat(leaf, ".exampleDigest")),
                contributor: vm.parseJsonAddress(json, string.concat(leaf, ".contributor")),
                licenseDigest: vm.parseJsonBytes32(json, string.concat(leaf, ".licenseDigest")),
                consentDigest: vm.parseJsonBytes32(json, string.concat(leaf, ".consentDigest"))
            });
            bytes32 leafHash = keccak256(bytes.concat(keccak256(abi.encode(example))));
            vm.assertEq(leafHash, vm.parseJsonBytes32(json, string.concat(leaf, ".leafHash")));
            bytes32[] memory proof = vm.parseJsonBytes32Array(json, string.concat(leaf, ".proof"));
            vm.assertTrue(MerkleProof.verify(proof, root, leafHash));
        }
    }

    function test_consent() public view {
        string memory path = ".signatures.consent";
        Consent memory consent = Consent({
            datanetId: vm.parseJsonUint(json, string.concat(path, ".message.datanetId")),
            contributor: vm.parseJsonAddress(json, string.concat(path, ".message.contributor")),
            examplesDigest: vm.parseJsonBytes32(json, string.concat(path, ".message.examplesDigest")),
            exampleCount: uint32(vm.parseJsonUint(json, string.concat(path, ".message.exampleCount"))),
            license: vm.parseJsonString(json, string.concat(path, ".message.license")),
            signedAt: uint64(vm.parseJsonUint(json, string.concat(path, ".message.signedAt")))
        });
        _checkSignature(path, datanets.hashConsent(consent));
    }

    function test_voucher() public view {
        string memory path = ".signatures.voucher";
        bytes32 channelId = vm.parseJsonBytes32(json, string.concat(path, ".message.channelId"));
        uint256 cumulative = vm.parseJsonUint(json, string.concat(path, ".message.cumulative"));
        vm.assertEq(
            channelId,
            channels.channelIdOf(
                vm.parseJsonAddress(json, string.concat(path, ".payer")),
                vm.parseJsonAddress(json, string.concat(path, ".payee")),
                vm.parseJsonBytes32(json, string.concat(path, ".salt"))
            )
        );
        _checkSignature(path, keccak256(abi.encode(channels.VOUCHER_TYPEHASH(), channelId, cumulative)));
    }

    function test_receipt() public view {
        string memory path = ".signatures.receipt";
        _checkSignature(path, libraries.hash(receiptAt(json, string.concat(path, ".message"))));
    }

    function test_domainsAreTheOnesTypeScriptSignsFor() public view {
        vm.assertEq(datanets.domainSeparator(), _separator(block.chainid, address(datanets)));
        vm.assertEq(channels.domainSeparator(), _separator(block.chainid, address(channels)));
        vm.assertEq(ledger.domainSeparator(), _separator(block.chainid, address(ledger)));
    }

    function test_scores() public view {
        for (uint256 i = 0; vm.keyExistsJson(json, at(".rows", i)); ++i) {
            string memory one = at(".rows", i);
            bytes memory row = vm.parseJsonBytes(json, string.concat(one, ".row"));
            bytes memory query = vm.parseJsonBytes(json, string.concat(one, ".q"));
            int256 score = vm.parseJsonInt(json, string.concat(one, ".score"));
            vm.assertEq(libraries.dot(row, query), score, one);
            vm.assertEq(libraries.dot(query, row), score, one);
        }
    }

    function test_scoreLists() public view {
        for (uint256 i = 0; vm.keyExistsJson(json, at(".scoreLists", i)); ++i) {
            string memory list = at(".scoreLists", i);
            bytes memory encoded = vm.parseJsonBytes(json, string.concat(list, ".bytes"));
            vm.assertEq(keccak256(encoded), vm.parseJsonBytes32(json, string.concat(list, ".digest")));
            vm.assertTrue(libraries.wellFormed(encoded));
            for (uint256 j = 0; vm.keyExistsJson(json, at(string.concat(list, ".entries"), j)); ++j) {
                string memory one = at(string.concat(list, ".entries"), j);
                (uint32 row, int64 score) = libraries.entry(encoded, j);
                vm.assertEq(row, vm.parseJsonUint(json, string.concat(one, ".row")));
                vm.assertEq(score, vm.parseJsonInt(json, string.concat(one, ".score")));
            }
        }
    }

    /// The dot product in assembly against a plain loop, for any length, aligned or not.
    function testFuzz_dot(bytes calldata seed, uint8 length) public view {
        uint256 k = uint256(length) % 70 + 1;
        bytes memory row = new bytes(2 * k);
        bytes memory query = new bytes(2 * k);
        int256 expected;
        for (uint256 i = 0; i < k; ++i) {
            bytes32 noise = keccak256(abi.encode(seed, i));
            (row[2 * i], row[2 * i + 1], query[2 * i], query[2 * i + 1]) = (noise[0], noise[1], noise[2], noise[3]);
            expected += int256(int16(uint16(bytes2(noise)))) * int256(int16(uint16(bytes2(noise << 16))));
        }
        vm.assertEq(libraries.dot(row, query), expected);
    }

    function test_dotRefusesDifferentLengths() public {
        vm.expectRevert(abi.encodeWithSelector(Scores.DifferentLengths.selector, 2, 4));
        libraries.dot(hex"0001", hex"00010002");
    }

    function test_apportionment() public view {
        for (uint256 i = 0; vm.keyExistsJson(json, at(".apportion", i)); ++i) {
            string memory one = at(".apportion", i);
            uint256 amount = vm.parseJsonUint(json, string.concat(one, ".amount"));
            uint256[] memory weights = vm.parseJsonUintArray(json, string.concat(one, ".weights"));
            uint256[] memory parts = vm.parseJsonUintArray(json, string.concat(one, ".parts"));
            _onlyTheseParts(amount, weights, parts);
        }
    }

    function test_feeSplits() public view {
        string[5] memory names = ["operator", "treasury", "developer", "stakers", "data"];
        for (uint256 i = 0; vm.keyExistsJson(json, at(".splits", i)); ++i) {
            string memory one = at(".splits", i);
            (uint256[] memory bps, uint256[] memory heads) = (new uint256[](5), new uint256[](5));
            for (uint256 head = 0; head < 5; ++head) {
                bps[head] = vm.parseJsonUint(json, string.concat(one, ".split.", names[head]));
                if (head < 4) heads[head] = vm.parseJsonUint(json, string.concat(one, ".heads.", names[head]));
            }
            uint256 owners = vm.parseJsonUint(json, string.concat(one, ".heads.owners"));
            heads[4] = owners + vm.parseJsonUint(json, string.concat(one, ".heads.influence"));
            vm.assertEq(owners, heads[4] * vm.parseJsonUint(json, string.concat(one, ".split.owners")) / 10_000);
            _onlyTheseParts(vm.parseJsonUint(json, string.concat(one, ".fee")), bps, heads);
        }
    }

    /// The rule made by repeated search is the rule checked in one pass, and one wei moved anywhere breaks it.
    function testFuzz_apportionment(uint96 amount, uint40[7] calldata seeds) public view {
        uint256[] memory weights = new uint256[](7);
        uint256 total;
        for (uint256 i = 0; i < 7; ++i) {
            weights[i] = seeds[i] % 3 == 0 ? seeds[i] : seeds[i] % 4;
            total += weights[i];
        }
        vm.assume(total != 0);
        uint256[] memory parts = new uint256[](7);
        uint256 left = amount;
        for (uint256 i = 0; i < 7; ++i) {
            parts[i] = amount * weights[i] / total;
            left -= parts[i];
        }
        bool[7] memory given;
        for (; left > 0; --left) {
            uint256 best = 7;
            for (uint256 i = 0; i < 7; ++i) {
                bool larger = best == 7 || amount * weights[i] % total > amount * weights[best] % total;
                if (!given[i] && larger) best = i;
            }
            given[best] = true;
            ++parts[best];
        }
        _onlyTheseParts(amount, weights, parts);
    }

    function test_apportionmentNeedsAWeightAndAPartEach() public {
        vm.expectRevert(abi.encodeWithSelector(Apportion.NoWeight.selector, 2));
        libraries.isApportioned(1, new uint256[](2), new uint256[](2));
        vm.expectRevert(abi.encodeWithSelector(Apportion.DifferentLengths.selector, 2, 1));
        libraries.isApportioned(1, new uint256[](2), new uint256[](1));
    }

    function _onlyTheseParts(uint256 amount, uint256[] memory weights, uint256[] memory parts) private view {
        vm.assertTrue(libraries.isApportioned(amount, weights, parts));
        for (uint256 from = 0; from < parts.length; ++from) {
            for (uint256 to = 0; to < parts.length; ++to) {
                if (from == to || parts[from] == 0) continue;
                --parts[from];
                ++parts[to];
                vm.assertFalse(libraries.isApportioned(amount, weights, parts));
                ++parts[from];
                --parts[to];
            }
        }
    }

    function test_listsAreWholeEntriesAndAtMost256() public view {
        vm.assertTrue(libraries.wellFormed(new bytes(256 * 12)));
        vm.assertFalse(libraries.wellFormed(new bytes(257 * 12)));
        vm.assertFalse(libraries.wellFormed(new bytes(13)));
    }

    function _checkSignature(string memory path, bytes32 structHash) private view {
        vm.assertEq(structHash, vm.parseJsonBytes32(json, string.concat(path, ".structHash")));
        bytes32 separator =
            _separator(vm.parseJsonUint(json, ".chainId"), vm.parseJsonAddress(json, string.concat(path, ".contract")));
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", separator, structHash));
        vm.assertEq(digest, vm.parseJsonBytes32(json, string.concat(path, ".digest")));
        bytes memory signature = vm.parseJsonBytes(json, string.concat(path, ".signature"));
        vm.assertEq(signature.length, 65);
        (bytes32 r, bytes32 s, uint8 v) = (_word(signature, 0), _word(signature, 32), uint8(signature[64]));
        vm.assertEq(ecrecover(digest, v, r, s), vm.parseJsonAddress(json, string.concat(path, ".signer")));
    }

    function _word(bytes memory data, uint256 from) private pure returns (bytes32 word) {
        assembly ("memory-safe") {
            word := mload(add(add(data, 32), from))
        }
    }

    function _separator(uint256 chainId, address verifyingContract) private pure returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("OpenLedger"),
                keccak256("1"),
                chainId,
                verifyingContract
            )
        );
    }
}
