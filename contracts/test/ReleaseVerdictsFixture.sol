// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {ReleaseVerdicts} from "../src/ReleaseVerdicts.sol";
import {VerdictsFixture} from "./VerdictsFixture.sol";

/// A developer with a model and one release, and validators that judge its index.
abstract contract ReleaseVerdictsFixture is VerdictsFixture {
    bytes32 internal constant RELEASE = "release";

    function setUp() public virtual override {
        super.setUp();
        vm.deal(developer, 1000 ether);
        vm.startPrank(developer);
        datanetId = datanets.create{value: FEE}(keccak256("card"), "CC-BY-4.0");
        datanets.publishVersion(datanetId, keccak256("root"), 3, keccak256("CC-BY-4.0"), keccak256("version"));
        modelId = models.register{value: FEE}("valley-1");
        vm.stopPrank();
        publish(RELEASE);
    }

    function publish(bytes32 releaseId) internal {
        vm.prank(developer);
        models.publishRelease(modelId, release(releaseId, "index", 10, 4, 16, 1_000_000));
    }

    function back(bytes32 releaseId, uint256 amount) internal {
        vm.deal(developer, developer.balance + amount);
        vm.prank(developer);
        releaseVerdicts.depositBond{value: amount}(releaseId);
    }

    function openRound(bytes32 releaseId) internal returns (uint256) {
        vm.deal(address(this), DRAW_FEE);
        return releaseVerdicts.open{value: DRAW_FEE}(releaseId);
    }

    /// What the validator shows: the round's witness, a little off on each machine; of a lazy one something of its own.
    function witnessOf(bytes32 releaseId, uint256 round, address who) internal view returns (bytes memory) {
        bytes32 seed = releaseVerdicts.seedOf(releaseId, round);
        return projected(uint256(seed) ^ lazySeed[uint256(seed)][who], who);
    }

    function digestOf(bytes32 releaseId, uint256 round, address who) internal view returns (bytes32) {
        return keccak256(witnessOf(releaseId, round, who));
    }

    function commitRelease(bytes32 releaseId, address who, bool wrong) internal {
        uint256 round = releaseVerdicts.roundsOf(releaseId);
        bytes32 digest = digestOf(releaseId, round, who);
        bytes32 commitment = keccak256(
            abi.encode(block.chainid, address(releaseVerdicts), who, releaseId, round, wrong, digest, bytes32("salt"))
        );
        vm.prank(who);
        releaseVerdicts.commit(releaseId, commitment);
    }

    function revealRelease(bytes32 releaseId, address who, bool wrong) internal {
        bytes memory witness = witnessOf(releaseId, releaseVerdicts.roundsOf(releaseId), who);
        vm.prank(who);
        releaseVerdicts.reveal(releaseId, wrong, witness, "salt");
    }

    /// The first `judges` validators vote, the first `wrongs` of them "wrong"; the others stay silent.
    function judge(bytes32 releaseId, uint256 judges, uint256 wrongs) internal {
        for (uint256 i = 0; i < judges; ++i) {
            commitRelease(releaseId, validator(i), i < wrongs);
        }
        uint256 round = releaseVerdicts.roundsOf(releaseId);
        vm.warp(releaseVerdicts.roundOf(releaseId, round).commitEnds);
        for (uint256 i = 0; i < judges; ++i) {
            revealRelease(releaseId, validator(i), i < wrongs);
        }
        vm.warp(releaseVerdicts.roundOf(releaseId, round).revealEnds);
    }

    /// A whole round, up to its count.
    function round_(bytes32 releaseId, uint256 judges, uint256 wrongs) internal returns (uint256 round) {
        round = openRound(releaseId);
        judge(releaseId, judges, wrongs);
        releaseVerdicts.resolve(releaseId);
    }

    function deprecate(bytes32 releaseId, bool deprecated) internal {
        vm.prank(developer);
        models.setDeprecated(releaseId, deprecated);
    }

    function requireAttestation(uint256 value) internal {
        vm.prank(governance);
        parameters.set("attestationRequired", value);
    }

    function requireOutcome(bytes32 releaseId, ReleaseVerdicts.Outcome expected) internal view {
        vm.assertEq(uint256(releaseVerdicts.outcomeOf(releaseId)), uint256(expected));
        vm.assertTrue(releaseVerdicts.isAttested(releaseId) == (expected == ReleaseVerdicts.Outcome.Attested));
    }
}
