// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AgentRegistry} from "../src/AgentRegistry.sol";
import {AttributionLedger, BatchInput, ChannelEnd, ChannelInterval} from "../src/AttributionLedger.sol";
import {Demands} from "../src/Demands.sol";
import {FraudProofs} from "../src/FraudProofs.sol";
import {DatanetRegistry} from "../src/DatanetRegistry.sol";
import {ModelRegistry} from "../src/ModelRegistry.sol";
import {OpenStaking} from "../src/OpenStaking.sol";
import {PaymentChannels} from "../src/PaymentChannels.sol";
import {Listing, ProtocolParameters} from "../src/ProtocolParameters.sol";
import {ReleaseVerdicts} from "../src/ReleaseVerdicts.sol";
import {Verdicts} from "../src/Verdicts.sol";
import {Lottery} from "../src/libraries/Draws.sol";
import {Commitment} from "../src/libraries/Positional.sol";
import {Receipt} from "../src/libraries/Receipts.sol";
import {Fixture} from "./Fixture.sol";

/// The ledger, staking and verdicts, with validators that keep hash chains and an operator that settles batches of four.
abstract contract VerdictsFixture is Fixture {
    uint256 internal constant EPOCH = 1 days;
    uint256 internal constant PHASE = 6 hours;
    uint256 internal constant APPEAL = 17 days;
    uint256 internal constant DRAW_FEE = 0.01 ether;
    uint256 internal constant CHAIN = 96;
    uint32 internal constant RECEIPTS = 4;

    OpenStaking internal staking;
    AgentRegistry internal agents;
    Verdicts internal verdicts;

    mapping(address validator => bytes32[]) internal chains;
    mapping(uint256 number => Receipt[4]) internal receiptsOf;
    mapping(uint256 number => ChannelInterval[]) internal intervalsOf;
    mapping(uint256 number => bytes32) internal balancesOf;
    /// Not 0 where a validator makes its projection up.
    mapping(uint256 drawId => mapping(address validator => uint256)) internal lazySeed;
    uint256 private _channelCount;

    function setUp() public virtual override {
        vm.warp(1_790_000_000);
        parameters = new ProtocolParameters(governance, 1, feeSplit(), settings(), new Listing[](0));
        datanets = new DatanetRegistry(parameters);
        models = new ModelRegistry(parameters, datanets);
        address[8] memory at;
        for (uint256 i = 0; i < 8; ++i) {
            at[i] = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + i);
        }
        channels = new PaymentChannels(parameters, at[1]);
        ledger = new AttributionLedger(parameters, channels, at[2], at[3], at[6], ReleaseVerdicts(at[7]));
        proofs = new FraudProofs(ledger, models);
        demands = new Demands(ledger, models);
        staking = new OpenStaking(parameters, at[6], at[7], at[5]);
        agents = new AgentRegistry(parameters, staking);
        verdicts = new Verdicts(parameters, staking, ledger);
        releaseVerdicts = new ReleaseVerdicts(parameters, staking, verdicts, models, ledger);
        vm.assertEq(address(verdicts), at[6]);
        vm.assertEq(address(releaseVerdicts), at[7]);
        bond(operator, 1000 ether);
    }

    function validator(uint256 i) internal pure returns (address) {
        return address(uint160(0x7000 + i));
    }

    /// `count` validators with a stake of their own each, active from the next epoch on.
    function seat(uint256 count, uint256 stake) internal {
        for (uint256 i = 0; i < count; ++i) {
            stakeAs(validator(i), stake);
        }
        vm.warp((block.timestamp / EPOCH + 1) * EPOCH);
        for (uint256 i = 0; i < count; ++i) {
            registerAs(validator(i));
        }
        vm.warp(block.timestamp + 1);
    }

    function stakeAs(address who, uint256 stake) internal {
        vm.deal(who, who.balance + stake);
        vm.prank(who);
        staking.open{value: stake}(uint160(who), 0);
    }

    function registerAs(address who) internal {
        bytes32 link = keccak256(abi.encode("seed", who, block.timestamp));
        delete chains[who];
        for (uint256 i = 0; i < CHAIN; ++i) {
            chains[who].push(link);
            link = keccak256(abi.encodePacked(link));
        }
        vm.prank(who);
        verdicts.register(link, address(0));
    }

    /// The preimage that the validator shows next.
    function preimage(address who) internal view returns (bytes32) {
        return chains[who][chains[who].length - 1];
    }

    /// Settles four receipts of a new channel as the operator's next batch.
    function settleFour() internal returns (uint256 number) {
        bytes32 id = openChannel(bytes32(++_channelCount), 4 ether);
        collect(id, 4 ether);
        uint256 batches;
        (,, batches,,) = ledger.attesterOf(operator);
        number = batches;
        bytes32[4] memory leaves;
        for (uint256 i = 0; i < 4; ++i) {
            Receipt memory r;
            (r.channelId, r.from, r.to, r.issuedAt) = (id, i * 1 ether, (i + 1) * 1 ether, uint64(block.timestamp));
            receiptsOf[number][i] = r;
            leaves[i] = leaf(abi.encode(hashOf(r)));
        }
        bytes32 previous = number == 0 ? bytes32(0) : balancesOf[number - 1];
        (BatchInput memory batch, ChannelEnd[] memory ends) =
            tinyBatch(uint32(number), previous, id, 0, 4 ether, payer, 4 ether * (number + 1));
        batch.receipts = Commitment(_node(_node(leaves[0], leaves[1]), _node(leaves[2], leaves[3])), RECEIPTS);
        balancesOf[number] = batch.balances.root;
        delete intervalsOf[number];
        intervalsOf[number].push(ChannelInterval(id, 0, 4 ether));
        settle(batch, ends);
    }

    function proofOf(uint256 number, uint256 i) internal view returns (bytes32[] memory proof) {
        proof = new bytes32[](2);
        proof[0] = _leafOf(number, i ^ 1);
        uint256 pair = i < 2 ? 2 : 0;
        proof[1] = _node(_leafOf(number, pair), _leafOf(number, pair + 1));
    }

    function audit(uint256 number) internal returns (uint256) {
        vm.deal(address(this), DRAW_FEE);
        return verdicts.audit{value: DRAW_FEE}(operator, number);
    }

    function accuse(uint256 number, uint32 receipt) internal returns (uint256) {
        vm.deal(address(this), DRAW_FEE);
        return verdicts.accuse{value: DRAW_FEE}(operator, number, receipt);
    }

    function isDrawn(uint256 drawId, address who) internal view returns (Lottery memory) {
        return verdicts.lotteryOf(drawId, who, preimage(who));
    }

    function commitAs(uint256 drawId, address who, bool wrong) internal {
        uint32 receipt = isDrawn(drawId, who).receipt;
        bytes32 commitment = keccak256(
            abi.encode(
                verdicts.batchIdOf(drawId), receipt, wrong, keccak256(projectionOf(drawId, who)), bytes32("salt"), who
            )
        );
        vm.prank(who);
        verdicts.commit(drawId, commitment);
    }

    /// What the validator shows: the gradient's projection, a little off on each machine; of a lazy one something of its own.
    function projectionOf(uint256 drawId, address who) internal view returns (bytes memory) {
        return projected(lazySeed[drawId][who], who);
    }

    /// 64 numbers drawn from a seed, a little off on each machine.
    function projected(uint256 seed, address who) internal pure returns (bytes memory shown) {
        for (uint256 i = 0; i < 64; ++i) {
            int256 value = int256(uint256(keccak256(abi.encode("gradient", seed, i))) % 65_001) - 32_500;
            value += int256(uint256(keccak256(abi.encode("machine", who, i))) % 33) - 16;
            shown = abi.encodePacked(shown, int16(value));
        }
    }

    function revealAs(uint256 drawId, address who, bool wrong) internal {
        bytes32 shown = preimage(who);
        vm.prank(who);
        verdicts.reveal(drawId, wrong, projectionOf(drawId, who), "salt", shown);
        chains[who].pop();
    }

    function passAs(uint256 drawId, address who) internal {
        bytes32 shown = preimage(who);
        vm.prank(who);
        verdicts.pass(drawId, shown);
        chains[who].pop();
    }

    /// Everyone who is drawn votes; the first `wrongs` of them find it wrong. Everyone else passes.
    function vote(uint256 drawId, uint256 count, uint256 wrongs) internal returns (uint256 drawn) {
        bool[] memory lots = new bool[](count);
        for (uint256 i = 0; i < count; ++i) {
            lots[i] = isDrawn(drawId, validator(i)).drawn;
            if (lots[i]) commitAs(drawId, validator(i), drawn++ < wrongs);
            else passAs(drawId, validator(i));
        }
        vm.warp(verdicts.drawOf(drawId).commitEnds);
        uint256 seen;
        for (uint256 i = 0; i < count; ++i) {
            if (lots[i]) revealAs(drawId, validator(i), seen++ < wrongs);
        }
        vm.warp(verdicts.drawOf(drawId).revealEnds);
    }

    function _leafOf(uint256 number, uint256 i) private view returns (bytes32) {
        return leaf(abi.encode(hashOf(receiptsOf[number][i])));
    }

    function _node(bytes32 left, bytes32 right) private pure returns (bytes32) {
        return keccak256(abi.encodePacked(left, right));
    }
}
