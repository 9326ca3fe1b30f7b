// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {OpenStaking} from "../src/OpenStaking.sol";
import {ReleaseVerdicts} from "../src/ReleaseVerdicts.sol";
import {ReleaseVerdictsFixture} from "./ReleaseVerdictsFixture.sol";
import {FuzzSelector} from "./StakingFixture.sol";

/// A developer, validators, reporters and governance, in any order, over two releases; with books of who said what, from which
/// every outcome is counted again, and of every wei that came in and went out.
contract ReleaseVerdictsHandler is ReleaseVerdictsFixture {
    uint256 public constant VALIDATORS = 5;

    bytes32[2] public releases = [RELEASE, bytes32("second")];
    mapping(bytes32 releaseId => mapping(uint256 round => mapping(address => uint8))) public said; // 1 right, 2 wrong
    mapping(bytes32 releaseId => mapping(uint256 round => mapping(address => uint8))) private _mood;
    mapping(bytes32 releaseId => mapping(uint256 round => mapping(address => uint256))) public charges;
    /// Seconds since when it is deprecated, as the handler did it.
    mapping(bytes32 releaseId => uint256) private _deprecatedAt;
    /// What the contract said of a past second.
    mapping(bytes32 releaseId => mapping(uint256 time => bool)) private _was;
    mapping(bytes32 releaseId => uint256[]) private _seen;
    uint256 public slashes;
    uint256 public bondsIn;
    uint256 public bondsOut;
    uint256 public attestations;
    uint256 public lost;
    /// What who opened the rounds gets of it.
    uint256 public rewards;

    function setUp() public override {
        super.setUp();
        publish(releases[1]);
        seat(VALIDATORS, 1_000_000 ether);
        requireAttestation(1);
        vm.warp(block.timestamp + 2 * WINDOW);
    }

    function deposit(uint256 which, uint96 amount) external {
        bytes32 id = releases[which % 2];
        uint256 value = amount % 200 ether;
        vm.deal(developer, developer.balance + value);
        vm.prank(developer);
        (bool done,) = address(releaseVerdicts).call{value: value}(abi.encodeCall(releaseVerdicts.depositBond, (id)));
        if (done) bondsIn += value;
    }

    /// A whole round, from the bond to the count: some end with a quorum, and often somebody stays silent.
    function trial(uint256 which, uint16 votes) external {
        bytes32 id = releases[which % 2];
        if (releaseVerdicts.bondOf(id) < RELEASE_BOND) this.deposit(which, uint96(RELEASE_BOND));
        this.openOne(which);
        this.commitAll(which, votes % 3 == 0 ? 0x155 : votes % 3 == 1 ? 0x2aa : votes);
        this.revealAll(which);
        this.resolve(which);
    }

    function openOne(uint256 which) external {
        bytes32 id = releases[which % 2];
        vm.deal(address(this), DRAW_FEE);
        (bool done,) = address(releaseVerdicts).call{value: DRAW_FEE}(abi.encodeCall(releaseVerdicts.open, (id)));
        if (done) vm.assertGe(releaseVerdicts.bondOf(id), RELEASE_BOND);
    }

    function commitAll(uint256 which, uint16 votes) external {
        bytes32 id = releases[which % 2];
        uint256 round = releaseVerdicts.roundsOf(id);
        if (round == 0 || block.timestamp >= releaseVerdicts.roundOf(id, round).commitEnds) return;
        for (uint256 i = 0; i < VALIDATORS; ++i) {
            uint256 vote_ = (votes >> (2 * i)) & 3;
            if (vote_ == 0 || vote_ == 3 || releaseVerdicts.ballotOf(id, round, validator(i)).weight == 0) continue;
            _mood[id][round][validator(i)] = uint8(vote_);
            commitRelease(id, validator(i), vote_ == 2);
        }
    }

    function revealAll(uint256 which) external {
        bytes32 id = releases[which % 2];
        uint256 round = releaseVerdicts.roundsOf(id);
        if (round == 0 || releaseVerdicts.outcomeOf(id) != ReleaseVerdicts.Outcome.Open) return;
        ReleaseVerdicts.Round memory r = releaseVerdicts.roundOf(id, round);
        if (block.timestamp >= r.revealEnds) return;
        if (block.timestamp < r.commitEnds) vm.warp(r.commitEnds);
        for (uint256 i = 0; i < VALIDATORS; ++i) {
            uint8 mood = _mood[id][round][validator(i)];
            if (mood == 0 || said[id][round][validator(i)] != 0) continue;
            revealRelease(id, validator(i), mood == 2);
            said[id][round][validator(i)] = mood;
        }
        vm.warp(r.revealEnds);
    }

    function resolve(uint256 which) external {
        bytes32 id = releases[which % 2];
        uint256 round = releaseVerdicts.roundsOf(id);
        ReleaseVerdicts.Outcome before = releaseVerdicts.outcomeOf(id);
        uint256 revealEnds = releaseVerdicts.roundOf(id, round).revealEnds;
        (bool done,) = address(releaseVerdicts).call(abi.encodeCall(releaseVerdicts.resolve, (id)));
        vm.assertTrue(done == (before == ReleaseVerdicts.Outcome.Open && block.timestamp >= revealEnds), "resolved");
        if (!done) return;
        ReleaseVerdicts.Outcome after_ = releaseVerdicts.outcomeOf(id);
        uint256 expected = _count(id, round);
        vm.assertEq(uint256(releaseVerdicts.roundOf(id, round).quorum), expected, "another quorum");
        if (expected == 1) attestations += 1;
        vm.assertEq(
            uint256(after_),
            uint256(
                expected == 1
                    ? ReleaseVerdicts.Outcome.Attested
                    : expected == 2 ? ReleaseVerdicts.Outcome.Refuted : ReleaseVerdicts.Outcome.NoQuorum
            )
        );
    }

    function execute(uint256 which) external {
        bytes32 id = releases[which % 2];
        uint256 bond = releaseVerdicts.bondOf(id);
        uint256 round = releaseVerdicts.roundsOf(id);
        (bool done,) = address(releaseVerdicts).call(abi.encodeCall(releaseVerdicts.execute, (id)));
        if (!done) return;
        vm.assertEq(_count(id, round), 2, "lost without a quorum");
        vm.assertGe(block.timestamp, releaseVerdicts.roundOf(id, round).revealEnds + APPEAL);
        vm.assertEq(releaseVerdicts.bondOf(id), 0);
        lost += bond;
        rewards += DRAW_FEE + (bond - DRAW_FEE) * 3000 / 10_000;
    }

    function overturn(uint256 which) external {
        if (which % 4 > 1) return;
        vm.prank(governance);
        (bool done,) = address(releaseVerdicts).call(abi.encodeCall(releaseVerdicts.overturn, (releases[which % 2])));
        if (done) requireOutcome(releases[which % 2], ReleaseVerdicts.Outcome.Overturned);
    }

    function setDeprecated(uint256 which, bool deprecated) external {
        bytes32 id = releases[which % 2];
        deprecate(id, deprecated);
        if (!deprecated) _deprecatedAt[id] = 0;
        else if (_deprecatedAt[id] == 0) _deprecatedAt[id] = block.timestamp;
    }

    function withdraw(uint256 which) external {
        bytes32 id = releases[which % 2];
        ReleaseVerdicts.Outcome before = releaseVerdicts.outcomeOf(id);
        uint256 balance = developer.balance;
        vm.prank(developer);
        (bool done,) = address(releaseVerdicts).call(abi.encodeCall(releaseVerdicts.withdrawBond, (id)));
        if (!done) return;
        bondsOut += developer.balance - balance;
        vm.assertTrue(
            before != ReleaseVerdicts.Outcome.Open && before != ReleaseVerdicts.Outcome.Refuted, "left while judged"
        );
        vm.assertTrue(_deprecatedAt[id] != 0 && block.timestamp >= _deprecatedAt[id] + 21 days, "left too early");
        vm.assertFalse(releaseVerdicts.isAttested(id));
    }

    function chargeSilence(uint256 which, uint256 round, uint256 who) external {
        (bytes32 id, uint256 n, address validator_) = _pick(which, round, who);
        (bool done,) = address(releaseVerdicts).call(abi.encodeCall(releaseVerdicts.chargeSilence, (id, n, validator_)));
        if (!done) return;
        vm.assertEq(said[id][n][validator_], 0, "slashed although it answered");
        vm.assertGe(block.timestamp, releaseVerdicts.roundOf(id, n).revealEnds);
        charges[id][n][validator_] += 1;
        slashes += 1;
    }

    function chargeVerdict(uint256 which, uint256 round, uint256 who) external {
        (bytes32 id, uint256 n, address validator_) = _pick(which, round, who);
        (bool done,) = address(releaseVerdicts).call(abi.encodeCall(releaseVerdicts.chargeVerdict, (id, n, validator_)));
        if (!done) return;
        vm.assertEq(said[id][n][validator_] + _count(id, n), 3, "slashed in agreement");
        vm.assertTrue(releaseVerdicts.roundOf(id, n).outcome != ReleaseVerdicts.Outcome.Overturned);
        charges[id][n][validator_] += 1;
        slashes += 1;
    }

    function payFee(uint256 which, uint256 round, uint256 who) external {
        (bytes32 id, uint256 n, address validator_) = _pick(which, round, who);
        (bool done,) = address(releaseVerdicts).call(abi.encodeCall(releaseVerdicts.payFee, (id, n, validator_)));
        if (!done) return;
        uint256 quorum = _count(id, n);
        vm.assertTrue(said[id][n][validator_] != 0 && (quorum == 0 || said[id][n][validator_] == quorum), "paid");
    }

    /// Writes down what may be settled now; the invariant asks again later.
    function look(uint256 which) external {
        bytes32 id = releases[which % 2];
        vm.warp(block.timestamp + 1); // the second is over
        uint256 time = block.timestamp - 1;
        _was[id][time] = releaseVerdicts.settleableAt(id, time);
        if (_seen[id].length < 8) _seen[id].push(time);
        else _seen[id][time % 8] = time;
    }

    function wait_(uint32 seconds_) external {
        vm.warp(block.timestamp + seconds_ % 8 hours);
    }

    function waitForAppeals() external {
        vm.warp(block.timestamp + 22 days);
    }

    // ---------------------------------------------------------------- what holds between calls

    function held() external view returns (uint256 sum) {
        sum = releaseVerdicts.creditOf(address(this)) + releaseVerdicts.creditOf(treasury);
        for (uint256 w = 0; w < 2; ++w) {
            bytes32 id = releases[w];
            sum += releaseVerdicts.bondOf(id);
            for (uint256 n = 1; n <= releaseVerdicts.roundsOf(id); ++n) {
                ReleaseVerdicts.Round memory r = releaseVerdicts.roundOf(id, n);
                uint256 quorum = _count(id, n);
                if (r.outcome == ReleaseVerdicts.Outcome.Open) {
                    sum += r.fee;
                } else {
                    uint256 winners;
                    for (uint256 i = 0; i < VALIDATORS; ++i) {
                        uint256 what = said[id][n][validator(i)];
                        if (what != 0 && (quorum == 0 || what == quorum)) ++winners;
                    }
                    for (uint256 i = 0; i < VALIDATORS; ++i) {
                        uint256 what = said[id][n][validator(i)];
                        bool won = what != 0 && (quorum == 0 || what == quorum);
                        if (won && !releaseVerdicts.ballotOf(id, n, validator(i)).paid) sum += r.fee / winners;
                    }
                }
            }
        }
    }

    function requireBooks() external view {
        uint256 bonds = releaseVerdicts.bondOf(releases[0]) + releaseVerdicts.bondOf(releases[1]);
        vm.assertEq(bonds + bondsOut + lost, bondsIn);
        vm.assertEq(releaseVerdicts.creditOf(address(this)) + releaseVerdicts.creditOf(treasury), lost);
        vm.assertEq(releaseVerdicts.creditOf(address(this)), rewards);
        for (uint256 w = 0; w < 2; ++w) {
            bytes32 id = releases[w];
            for (uint256 i = 0; i < _seen[id].length; ++i) {
                uint256 time = _seen[id][i];
                vm.assertTrue(releaseVerdicts.settleableAt(id, time) == _was[id][time], "the past changed");
            }
            if (attestations == 0) vm.assertFalse(releaseVerdicts.settleableAt(id, block.timestamp));
            if (releaseVerdicts.isAttested(id)) {
                vm.assertTrue(releaseVerdicts.settleableAt(id, block.timestamp));
                vm.assertGe(releaseVerdicts.bondOf(id), RELEASE_BOND);
                vm.assertEq(_count(id, releaseVerdicts.roundsOf(id)), 1);
            }
        }
    }

    function theContracts() external view returns (ReleaseVerdicts, OpenStaking) {
        return (releaseVerdicts, staking);
    }

    // ---------------------------------------------------------------- inside

    /// The quorum by what everyone said: 0 none, 1 right, 2 wrong.
    function _count(bytes32 id, uint256 round) private view returns (uint256) {
        uint256[3] memory stake;
        uint256[3] memory heads;
        for (uint256 i = 0; i < VALIDATORS; ++i) {
            uint256 what = said[id][round][validator(i)];
            stake[what] += releaseVerdicts.ballotOf(id, round, validator(i)).weight;
            heads[what] += 1;
        }
        uint256 total = stake[0] + stake[1] + stake[2];
        if (total == 0 || releaseVerdicts.roundOf(id, round).outcome == ReleaseVerdicts.Outcome.Open) return 0;
        if (heads[2] >= 3 && stake[2] * 3 >= total * 2) return 2;
        if (heads[1] >= 3 && stake[1] * 3 >= total * 2) return 1;
        return 0;
    }

    function _pick(uint256 which, uint256 round, uint256 who) private view returns (bytes32, uint256, address) {
        bytes32 id = releases[which % 2];
        uint256 rounds = releaseVerdicts.roundsOf(id);
        return (id, rounds == 0 ? 0 : rounds - round % (rounds < 3 ? rounds : 3), validator(who % VALIDATORS));
    }
}

contract ReleaseVerdictsInvariants is ReleaseVerdictsFixture {
    ReleaseVerdictsHandler private handler;

    function setUp() public override {
        handler = new ReleaseVerdictsHandler();
        handler.setUp();
        (releaseVerdicts, staking) = handler.theContracts();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        bytes4[] memory s = new bytes4[](18);
        s[0] = ReleaseVerdictsHandler.deposit.selector;
        s[1] = ReleaseVerdictsHandler.trial.selector;
        s[2] = ReleaseVerdictsHandler.trial.selector;
        s[3] = ReleaseVerdictsHandler.openOne.selector;
        s[4] = ReleaseVerdictsHandler.commitAll.selector;
        s[5] = ReleaseVerdictsHandler.revealAll.selector;
        s[6] = ReleaseVerdictsHandler.resolve.selector;
        s[7] = ReleaseVerdictsHandler.execute.selector;
        s[8] = ReleaseVerdictsHandler.overturn.selector;
        s[9] = ReleaseVerdictsHandler.setDeprecated.selector;
        s[10] = ReleaseVerdictsHandler.withdraw.selector;
        s[11] = ReleaseVerdictsHandler.chargeSilence.selector;
        s[12] = ReleaseVerdictsHandler.chargeVerdict.selector;
        s[13] = ReleaseVerdictsHandler.payFee.selector;
        s[14] = ReleaseVerdictsHandler.look.selector;
        s[15] = ReleaseVerdictsHandler.wait_.selector;
        s[16] = ReleaseVerdictsHandler.waitForAppeals.selector;
        s[17] = ReleaseVerdictsHandler.payFee.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(handler), s);
    }

    /// Promises 1 to 4: what each call may do is checked in the handler; here, that nothing else slashed.
    function invariant_slashes() public view {
        vm.assertEq(staking.slashCount(), handler.slashes());
        for (uint256 w = 0; w < 2; ++w) {
            bytes32 id = handler.releases(w);
            for (uint256 n = 1; n <= releaseVerdicts.roundsOf(id); ++n) {
                for (uint256 i = 0; i < handler.VALIDATORS(); ++i) {
                    vm.assertLe(handler.charges(id, n, validator(i)), 1, "charged twice");
                }
            }
        }
    }

    /// Promises 4 and 5: bonds in are bonds held, paid back or lost; an attestation has its bond; the past stays what it was.
    function invariant_bondsAndThePast() public view {
        handler.requireBooks();
    }

    /// Promise 7.
    function invariant_balance() public view {
        vm.assertEq(address(releaseVerdicts).balance, handler.held());
    }
}
