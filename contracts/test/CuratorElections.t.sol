// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {CuratorElections} from "../src/CuratorElections.sol";
import {DatanetRegistry, Example} from "../src/DatanetRegistry.sol";
import {Fixture} from "./Fixture.sol";

/// A Datanet version of 64 examples by six contributors, and an election among them.
abstract contract ElectionFixture is Fixture {
    uint256 internal constant COUNT = 64;
    bytes32 internal constant LICENSE = keccak256("CC-BY-4.0");

    CuratorElections internal elections;
    uint256 internal version;
    uint256 internal electionId;
    bytes32[] private _nodes;

    function setUp() public virtual override {
        super.setUp();
        elections = new CuratorElections(datanets);
        _nodes = new bytes32[](2 * COUNT - 1);
        for (uint256 i = 0; i < COUNT; ++i) {
            _nodes[COUNT - 1 + i] = leaf(abi.encode(example(i)));
        }
        for (uint256 i = COUNT - 1; i > 0; --i) {
            (bytes32 a, bytes32 b) = (_nodes[2 * i - 1], _nodes[2 * i]);
            _nodes[i - 1] = keccak256(a < b ? abi.encodePacked(a, b) : abi.encodePacked(b, a));
        }
        vm.startPrank(developer);
        version = datanets.publishVersion(datanetId, _nodes[0], uint32(COUNT), LICENSE, 0);
        datanets.setCurator(datanetId, address(elections), true);
        electionId = elections.open(datanetId, version, uint48(block.timestamp + 1 days), 30 days);
        vm.stopPrank();
    }

    function key(uint256 who) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode("contributor", who % 6)));
    }

    function contributorOf(uint256 index) internal pure returns (address) {
        return vm.addr(key(index));
    }

    function example(uint256 index) internal pure returns (Example memory) {
        return Example(index, keccak256(abi.encode(index)), contributorOf(index), LICENSE, 0);
    }

    function proofOf(uint256 index) internal view returns (bytes32[] memory proof) {
        proof = new bytes32[](6);
        uint256 place = COUNT - 1 + index;
        for (uint256 i = 0; i < 6; ++i) {
            proof[i] = _nodes[place % 2 == 0 ? place - 1 : place + 1];
            place = (place - 1) / 2;
        }
    }

    /// The first `count` examples of a contributor, from their `from`-th on.
    function ballot(uint256 who, uint256 from, uint256 count)
        internal
        view
        returns (Example[] memory examples, bytes32[][] memory proofs)
    {
        examples = new Example[](count);
        proofs = new bytes32[][](count);
        for (uint256 i = 0; i < count; ++i) {
            uint256 index = who % 6 + 6 * (from + i);
            (examples[i], proofs[i]) = (example(index), proofOf(index));
        }
    }

    /// Contributors 0 to 3 have eleven examples, 4 and 5 ten.
    function sizeOf(uint256 who) internal pure returns (uint256) {
        return who % 6 < 4 ? 11 : 10;
    }
}

/// Contributors vote with any examples for any of three candidates, some twice; the handler counts.
contract ElectionHandler is ElectionFixture {
    mapping(uint256 index => bool) private _used;
    mapping(address candidate => uint256) private _votes;
    uint256 public total;

    function vote(uint256 who, uint256 which, uint256 whom, bool signs) external {
        uint256 from = which % sizeOf(who);
        uint256 index = who % 6 + 6 * from;
        address candidate = _favour(whom);
        (Example[] memory examples, bytes32[][] memory proofs) = ballot(who, from, 1);
        bool counts = !_used[index] && elections.electionOf(electionId).elected == address(0)
            && block.timestamp < elections.electionOf(electionId).closesAt;
        bytes memory signature = signed(key(who), digest(contributorOf(who), candidate));
        bytes memory call_ = signs
            ? abi.encodeCall(
                CuratorElections.voteBySignature,
                (electionId, contributorOf(who), candidate, examples, proofs, signature)
            )
            : abi.encodeCall(CuratorElections.vote, (electionId, candidate, examples, proofs));
        vm.prank(signs ? address(this) : contributorOf(who));
        (bool done,) = address(elections).call(call_);
        vm.assertTrue(done == counts, counts ? "a vote was refused" : "a vote counted that may not");
        if (!done) return;
        _used[index] = true;
        ++_votes[candidate];
        ++total;
    }

    function publish(uint256 whom) external {
        address candidate = _favour(whom);
        bool may = _votes[candidate] * 2 > COUNT && block.timestamp < elections.electionOf(electionId).termEndsAt;
        vm.prank(candidate);
        (bool done,) = address(elections)
            .call(abi.encodeCall(CuratorElections.publishVersion, (electionId, keccak256("next"), 1, LICENSE, 0)));
        vm.assertTrue(done == may, "who publishes is not who was elected");
    }

    /// Once decided, or closed, the same people vote anew.
    function again(uint16 time) external {
        vm.warp(block.timestamp + time % 4 hours);
        CuratorElections.Election memory election = elections.electionOf(electionId);
        if (election.elected == address(0) && block.timestamp < election.closesAt) return;
        if (time % 3 != 0) return;
        vm.prank(developer);
        electionId = elections.open(datanetId, version, uint48(block.timestamp + 1 days), 1 days);
        for (uint256 i = 0; i < COUNT; ++i) {
            _used[i] = false;
        }
        for (uint256 i = 0; i < 3; ++i) {
            _votes[candidateOf(i)] = 0;
        }
        total = 0;
    }

    function check() external view {
        uint256 sum;
        uint256 winners;
        for (uint256 i = 0; i < 3; ++i) {
            uint256 votes = elections.votesOf(electionId, candidateOf(i));
            vm.assertEq(votes, _votes[candidateOf(i)]);
            sum += votes;
            if (2 * votes <= COUNT) continue;
            ++winners;
            vm.assertEq(elections.electionOf(electionId).elected, candidateOf(i));
        }
        vm.assertEq(sum, total, "an example voted twice");
        vm.assertLe(sum, COUNT);
        if (winners == 0) vm.assertEq(elections.electionOf(electionId).elected, address(0));
    }

    function candidateOf(uint256 i) public pure returns (address) {
        return address(uint160(0xE000 + i));
    }

    /// The first of three is the favourite, so that elections end.
    function _favour(uint256 whom) private pure returns (address) {
        return candidateOf(whom % 8 < 6 ? 0 : whom % 8 - 5);
    }

    function digest(address contributor, address candidate) public view returns (bytes32) {
        bytes32 hash = keccak256(abi.encode(elections.VOTE_TYPEHASH(), electionId, contributor, candidate));
        return keccak256(abi.encodePacked(hex"1901", elections.domainSeparator(), hash));
    }
}

contract ElectionInvariantTest is Fixture {
    ElectionHandler internal handler;

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function setUp() public override {
        handler = new ElectionHandler();
        handler.setUp();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](5);
        selectors[0] = ElectionHandler.vote.selector;
        selectors[1] = ElectionHandler.publish.selector;
        selectors[2] = ElectionHandler.again.selector;
        selectors[3] = ElectionHandler.vote.selector;
        selectors[4] = ElectionHandler.vote.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(handler), selectors);
    }

    /// forge-config: default.invariant.runs = 40
    /// forge-config: default.invariant.depth = 256
    function invariant_oneExampleOneVoteAndAMajorityElects() public view {
        handler.check();
    }
}

contract CuratorElectionsTest is ElectionFixture {
    address internal constant ann = address(0xE1);

    function test_aMajorityElectsAtOnceForATerm() public {
        for (uint256 i = 0; i < 2; ++i) {
            _voteAll(i, ann);
        }
        _vote(2, 0, 10, ann);
        vm.assertEq(elections.votesOf(electionId, ann), 32);
        vm.expectRevert(abi.encodeWithSelector(CuratorElections.NotElected.selector, electionId, ann));
        vm.prank(ann);
        elections.publishVersion(electionId, keccak256("next"), 1, LICENSE, 0);
        // 32 of 64 are no majority; one more is.
        _vote(2, 10, 1, ann);
        vm.assertTrue(elections.isElected(electionId, ann));
        vm.startPrank(ann);
        vm.assertEq(elections.publishVersion(electionId, keccak256("next"), 1, LICENSE, 0), version + 1);
        elections.setMetadata(electionId, keccak256("card 2"));
        vm.stopPrank();
        vm.assertEq(datanets.datanet(datanetId).metadataDigest, keccak256("card 2"));
        (Example[] memory examples, bytes32[][] memory proofs) = ballot(3, 0, 1);
        vm.expectRevert(abi.encodeWithSelector(CuratorElections.Closed.selector, electionId));
        vm.prank(contributorOf(3));
        elections.vote(electionId, ann, examples, proofs);
        vm.warp(block.timestamp + 30 days);
        vm.assertFalse(elections.isElected(electionId, ann));
    }

    function test_itEndsWithTheOwnersConsentAndWithTheirOwnership() public {
        for (uint256 i = 0; i < 3; ++i) {
            _voteAll(i, ann);
        }
        vm.startPrank(developer);
        datanets.setCurator(datanetId, address(elections), false);
        vm.assertFalse(elections.isElected(electionId, ann));
        datanets.setCurator(datanetId, address(elections), true);
        vm.assertTrue(elections.isElected(electionId, ann));
        datanets.transferFrom(developer, payer, datanetId);
        vm.stopPrank();
        // The next owner may allow elections too: this one was not theirs.
        vm.prank(payer);
        datanets.setCurator(datanetId, address(elections), true);
        vm.expectRevert(abi.encodeWithSelector(CuratorElections.NotElected.selector, electionId, ann));
        vm.prank(ann);
        elections.publishVersion(electionId, keccak256("next"), 1, LICENSE, 0);
    }

    function test_onlyOnesOwnExamplesOfTheVersionVoteAndOnce() public {
        (Example[] memory examples, bytes32[][] memory proofs) = ballot(0, 0, 2);
        address voter = contributorOf(0);
        vm.expectRevert(abi.encodeWithSelector(CuratorElections.NotTheirs.selector, 0, ann));
        vm.prank(ann);
        elections.vote(electionId, ann, examples, proofs);

        vm.startPrank(voter);
        vm.expectRevert(CuratorElections.NoCandidate.selector);
        elections.vote(electionId, address(0), examples, proofs);
        vm.expectRevert(CuratorElections.NoVotes.selector);
        elections.vote(electionId, ann, new Example[](0), new bytes32[][](0));
        vm.expectRevert(abi.encodeWithSelector(CuratorElections.ProofsMissing.selector, 2, 1));
        elections.vote(electionId, ann, examples, new bytes32[][](1));
        examples[1] = examples[0];
        proofs[1] = proofs[0];
        vm.expectRevert(abi.encodeWithSelector(CuratorElections.VotedAlready.selector, electionId, 0));
        elections.vote(electionId, ann, examples, proofs);
        examples[1].exampleDigest = keccak256("never given");
        vm.expectRevert(abi.encodeWithSelector(CuratorElections.NotInVersion.selector, 0));
        elections.vote(electionId, ann, examples, proofs);
        vm.assertFalse(elections.hasVoted(electionId, 0));
        vm.stopPrank();
    }

    /// A publisher who numbers a leaf beyond the count it stated gets no extra vote for it.
    function test_aLeafBeyondTheCountDoesNotVote() public {
        Example memory only = Example(1, keccak256("x"), ann, LICENSE, 0);
        vm.startPrank(developer);
        uint256 small = datanets.publishVersion(datanetId, leaf(abi.encode(only)), 1, LICENSE, 0);
        uint256 id = elections.open(datanetId, small, uint48(block.timestamp + 1), 1);
        vm.stopPrank();
        Example[] memory examples = new Example[](1);
        examples[0] = only;
        vm.expectRevert(abi.encodeWithSelector(CuratorElections.NotInVersion.selector, 1));
        vm.prank(ann);
        elections.vote(id, ann, examples, new bytes32[][](1));
    }

    function test_aSignatureVotesForOneCandidateInOneElection() public {
        (Example[] memory examples, bytes32[][] memory proofs) = ballot(1, 0, 2);
        address voter = contributorOf(1);
        bytes32 hash = keccak256(abi.encode(elections.VOTE_TYPEHASH(), electionId, voter, ann));
        bytes memory signature =
            signed(key(1), keccak256(abi.encodePacked(hex"1901", elections.domainSeparator(), hash)));
        vm.expectRevert(abi.encodeWithSelector(CuratorElections.BadSignature.selector, electionId, voter));
        elections.voteBySignature(electionId, voter, payer, examples, proofs, signature);
        elections.voteBySignature(electionId, voter, ann, examples, proofs, signature);
        vm.assertEq(elections.votesOf(electionId, ann), 2);
        vm.prank(developer);
        uint256 next = elections.open(datanetId, version, uint48(block.timestamp + 1), 1);
        vm.expectRevert(abi.encodeWithSelector(CuratorElections.BadSignature.selector, next, voter));
        elections.voteBySignature(next, voter, ann, examples, proofs, signature);
    }

    function test_onlyTheOwnerOpensAndNothingCountsAfterTheClose() public {
        vm.expectRevert(abi.encodeWithSelector(CuratorElections.NotOwner.selector, datanetId, ann));
        vm.prank(ann);
        elections.open(datanetId, version, uint48(block.timestamp + 1), 1);
        vm.startPrank(developer);
        vm.expectRevert(abi.encodeWithSelector(CuratorElections.BadTimes.selector, block.timestamp, 1));
        elections.open(datanetId, version, uint48(block.timestamp), 1);
        vm.expectRevert(abi.encodeWithSelector(DatanetRegistry.UnknownVersion.selector, datanetId, 9));
        elections.open(datanetId, 9, uint48(block.timestamp + 1), 1);
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(CuratorElections.UnknownElection.selector, 9));
        elections.electionOf(9);
        vm.warp(block.timestamp + 1 days);
        (Example[] memory examples, bytes32[][] memory proofs) = ballot(0, 0, 1);
        vm.expectRevert(abi.encodeWithSelector(CuratorElections.Closed.selector, electionId));
        vm.prank(contributorOf(0));
        elections.vote(electionId, ann, examples, proofs);
    }

    function _voteAll(uint256 who, address candidate) private {
        _vote(who, 0, sizeOf(who), candidate);
    }

    function _vote(uint256 who, uint256 from, uint256 count, address candidate) private {
        (Example[] memory examples, bytes32[][] memory proofs) = ballot(who, from, count);
        vm.prank(contributorOf(who));
        elections.vote(electionId, candidate, examples, proofs);
    }
}
