// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AttributionLedger} from "../src/AttributionLedger.sol";
import {OpenStaking} from "../src/OpenStaking.sol";
import {Verdicts} from "../src/Verdicts.sol";
import {FuzzSelector} from "./StakingFixture.sol";
import {VerdictsFixture} from "./VerdictsFixture.sol";

/// Validators, accusers, reporters and governance, in any order, over batches that an operator settles; with books of who
/// said what, from which every outcome is counted again.
contract VerdictsHandler is VerdictsFixture {
    uint256 public constant VALIDATORS = 6;

    mapping(uint256 drawId => mapping(address => uint8)) public said; // 1 not drawn, 2 right, 3 wrong
    mapping(uint256 drawId => mapping(address => bool)) private _mood;
    mapping(uint256 drawId => bool) public overturned;
    mapping(uint256 drawId => mapping(address => uint256)) public charges;
    uint256 public audits;
    uint256 public accusations;
    uint256 public executions;
    uint256 public settled;
    uint256 public undone;
    uint256 public slashes;
    /// What accusers and those who had it audited got, and what attesters lost.
    uint256 public rewards;
    uint256 public lost;

    function setUp() public override {
        super.setUp();
        seat(VALIDATORS, 1_000_000 ether);
    }

    function settleNext() external {
        (, uint256 pending,, uint256 waiting,) = ledger.attesterOf(operator);
        if (waiting != 0 || pending > 200 ether) return;
        settleFour();
        settled += 1;
    }

    /// A whole draw, from the batch to the count: most end with a quorum, and often somebody stays silent.
    function trial(uint32 receipt, uint8 mood, uint8 silent, bool audits_, bool again) external {
        if (!again) this.settleNext();
        uint256 before = verdicts.drawCount();
        if (audits_) this.openAudit(0);
        else this.openAccusation(0, receipt % RECEIPTS);
        if (verdicts.drawCount() == before) return;
        this.commitAll(0, mood % 3 == 0 ? 63 : mood % 3 == 1 ? mood & 3 : mood, mood % 3 == 1 ? silent & 12 : 0);
        this.answerAll(0, silent);
        vm.warp(verdicts.drawOf(before + 1).revealEnds);
        this.resolve(0);
    }

    /// Goes to the end of an appeal and executes what was found.
    function sentence(uint256 which) external {
        (bool any, uint256 drawId) = _draw(which);
        if (!any || verdicts.drawOf(drawId).outcome != Verdicts.Outcome.Wrong) return;
        uint256 executableAt = verdicts.drawOf(drawId).executableAt;
        if (block.timestamp < executableAt) vm.warp(executableAt);
        this.execute(which);
    }

    function openAudit(uint256 which) external {
        (bool any, uint256 number) = _batch(which);
        if (!any) return;
        vm.deal(address(this), DRAW_FEE);
        (bool done,) = address(verdicts).call{value: DRAW_FEE}(abi.encodeCall(verdicts.audit, (operator, number)));
        if (done) audits += 1;
    }

    function openAccusation(uint256 which, uint32 receipt) external {
        (bool any, uint256 number) = _batch(which);
        if (!any) return;
        vm.deal(address(this), DRAW_FEE);
        (bool done,) = address(verdicts).call{value: DRAW_FEE}(
            abi.encodeCall(verdicts.accuse, (operator, number, receipt % (RECEIPTS + 1)))
        );
        if (done) accusations += 1;
    }

    /// Everyone commits; a mood decides who lies, and who has computed nothing.
    function commitAll(uint256 which, uint8 mood, uint8 lazies) external {
        (bool any, uint256 drawId) = _draw(which);
        if (!any || block.timestamp >= verdicts.drawOf(drawId).commitEnds) return;
        for (uint256 i = 0; i < VALIDATORS; ++i) {
            address who = validator(i);
            if (verdicts.ballotOf(drawId, who).weight == 0 || !_isNext(drawId, who)) continue;
            bool wrong = (mood >> i) & 1 == 1;
            lazySeed[drawId][who] = (lazies >> i) & 1 == 1 ? i + 1 : 0;
            _mood[drawId][who] = wrong;
            commitAs(drawId, who, wrong);
        }
    }

    /// Answers in a draw, as whoever owes it: reveals if drawn, passes if not.
    function answerAll(uint256 which, uint8 silent) external {
        (bool any, uint256 drawId) = _draw(which);
        if (!any) return;
        if (block.timestamp < verdicts.drawOf(drawId).commitEnds) vm.warp(verdicts.drawOf(drawId).commitEnds);
        for (uint256 i = 0; i < VALIDATORS; ++i) {
            if ((silent >> i) & 1 == 1 && silent % 3 == 0) continue;
            _answer(drawId, validator(i));
        }
    }

    function answerOne(uint256 which, uint256 who) external {
        (bool any, uint256 drawId) = _draw(which);
        if (any) _answer(drawId, validator(who % VALIDATORS));
    }

    function resolve(uint256 which) external {
        (bool any, uint256 drawId) = _draw(which);
        if (!any) return;
        Verdicts.Draw memory d = verdicts.drawOf(drawId);
        (bool done,) = address(verdicts).call(abi.encodeCall(verdicts.resolve, (drawId)));
        vm.assertTrue(done == (d.outcome == Verdicts.Outcome.Open && block.timestamp >= d.revealEnds), "resolved");
        if (done) vm.assertEq(uint256(verdicts.drawOf(drawId).quorum), _count(drawId, d), "another quorum");
    }

    function execute(uint256 which) external {
        (bool any, uint256 drawId) = _draw(which);
        if (!any) return;
        Verdicts.Draw memory d = verdicts.drawOf(drawId);
        if (d.receipt == verdicts.AUDIT()) return;
        (uint256 bond_,, uint256 before,,) = ledger.attesterOf(operator);
        (bool done,) = address(verdicts).call(abi.encodeCall(verdicts.execute, (drawId)));
        if (!done) return;
        _book(bond_, d);
        vm.assertEq(_count(drawId, d), uint256(Verdicts.Answer.Wrong), "undone without a quorum");
        vm.assertGe(block.timestamp, d.revealEnds + APPEAL);
        vm.assertFalse(overturned[drawId], "undone although overturned");
        (,, uint256 left, uint256 waiting,) = ledger.attesterOf(operator);
        executions += 1;
        undone += before - left;
        while (waiting != 0) {
            ledger.restore(operator, intervalsOf[left + waiting - 1], 1);
            (,,, waiting,) = ledger.attesterOf(operator);
        }
    }

    function overturn(uint256 which) external {
        (bool any, uint256 drawId) = _draw(which);
        if (!any || which % 5 != 0) return;
        vm.prank(governance);
        (bool done,) = address(verdicts).call(abi.encodeCall(verdicts.overturn, (drawId)));
        if (done) overturned[drawId] = true;
    }

    function chargeSilence(uint256 which, uint256 who) external {
        (bool any, uint256 drawId) = _draw(which);
        if (!any) return;
        address validator_ = validator(who % VALIDATORS);
        (bool done,) = address(verdicts).call(abi.encodeCall(verdicts.chargeSilence, (drawId, validator_)));
        if (!done) return;
        vm.assertEq(said[drawId][validator_], 0, "slashed although it answered");
        vm.assertGe(block.timestamp, verdicts.drawOf(drawId).revealEnds);
        charges[drawId][validator_] += 1;
        slashes += 1;
    }

    function chargeVerdict(uint256 which, uint256 by, uint256 who) external {
        (bool any, uint256 drawId) = _draw(which);
        if (!any) return;
        (, uint256 accusation) = _draw(by);
        address validator_ = validator(who % VALIDATORS);
        (bool done,) = address(verdicts).call(abi.encodeCall(verdicts.chargeVerdict, (drawId, accusation, validator_)));
        if (!done) return;
        Verdicts.Draw memory d = verdicts.drawOf(accusation);
        vm.assertFalse(overturned[accusation], "slashed by an overturned verdict");
        vm.assertTrue(d.receipt != verdicts.AUDIT());
        vm.assertEq(verdicts.ballotOf(drawId, validator_).receipt, d.receipt);
        // A ballot's answer as in `said`: right and wrong are 2 and 3, and the quorum said the other.
        vm.assertEq(uint256(said[drawId][validator_]) + _count(accusation, d), 5, "slashed in agreement");
        charges[drawId][validator_] += 1;
        slashes += 1;
    }

    /// Charged if and only if it called the receipt right, as the quorum did, and made its projection up.
    function chargeProjection(uint256 which, uint256 by, uint256 who) external {
        (bool any, uint256 drawId) = _draw(which);
        if (!any) return;
        (, uint256 accusation) = _draw(by);
        address validator_ = validator(who % VALIDATORS);
        (address[] memory agreed, bytes[] memory shown) = _agreed(accusation);
        bool due = _isLazy(drawId, accusation, validator_, agreed);
        (bool done,) = address(verdicts)
            .call(
                abi.encodeCall(
                    verdicts.chargeProjection,
                    (drawId, accusation, validator_, projectionOf(drawId, validator_), agreed, shown)
                )
            );
        vm.assertTrue(done == due, "charged for what it showed");
        if (!done) return;
        charges[drawId][validator_] += 1;
        slashes += 1;
    }

    function payFee(uint256 which, uint256 who) external {
        (bool any, uint256 drawId) = _draw(which);
        if (!any) return;
        (bool done,) = address(verdicts).call(abi.encodeCall(verdicts.payFee, (drawId, validator(who % VALIDATORS))));
        if (done) vm.assertGe(said[drawId][validator(who % VALIDATORS)], 2);
    }

    function wait_(uint32 seconds_) external {
        vm.warp(block.timestamp + seconds_ % 8 hours);
    }

    function waitForAppeals() external {
        vm.warp(block.timestamp + APPEAL);
    }

    function replace(uint256 who) external {
        address validator_ = validator(who % VALIDATORS);
        Verdicts.Seat memory s = verdicts.seatOf(validator_);
        bool active = staking.activeStakeOf(uint160(validator_)) != 0;
        vm.prank(validator_);
        (bool done,) = address(verdicts).call(abi.encodeCall(verdicts.register, ("new tip", address(0))));
        vm.assertTrue(done == (active && s.assigned == s.answered), "replaced a chain it owes by");
        if (done) registerAs(validator_);
    }

    // ---------------------------------------------------------------- inside

    function _answer(uint256 drawId, address who) private {
        Verdicts.Draw memory d = verdicts.drawOf(drawId);
        Verdicts.Ballot memory b = verdicts.ballotOf(drawId, who);
        if (b.weight == 0 || b.answer != Verdicts.Answer.None || b.charged || !_isNext(drawId, who)) return;
        if (block.timestamp < d.commitEnds || block.timestamp >= d.revealEnds || chains[who].length == 0) return;
        if (!isDrawn(drawId, who).drawn) {
            passAs(drawId, who);
            said[drawId][who] = 1;
        } else if (b.commitment != 0) {
            revealAs(drawId, who, _mood[drawId][who]);
            said[drawId][who] = _mood[drawId][who] ? 3 : 2;
        }
    }

    /// Who found it right, and had looked.
    function _agreed(uint256 drawId) private view returns (address[] memory agreed, bytes[] memory shown) {
        uint256 count;
        for (uint256 i = 0; i < VALIDATORS; ++i) {
            if (said[drawId][validator(i)] == 2 && lazySeed[drawId][validator(i)] == 0) ++count;
        }
        (agreed, shown) = (new address[](count), new bytes[](count));
        for (uint256 i = VALIDATORS; i > 0; --i) {
            address who = validator(i - 1);
            if (said[drawId][who] != 2 || lazySeed[drawId][who] != 0) continue;
            (agreed[--count], shown[count]) = (who, projectionOf(drawId, who));
        }
    }

    function _isLazy(uint256 drawId, uint256 accusation, address who, address[] memory agreed)
        private
        view
        returns (bool)
    {
        Verdicts.Draw memory d = verdicts.drawOf(drawId);
        Verdicts.Draw memory by = verdicts.drawOf(accusation);
        if (by.outcome != Verdicts.Outcome.Right || said[drawId][who] != 2 || lazySeed[drawId][who] == 0) return false;
        if (charges[drawId][who] != 0 || verdicts.ballotOf(drawId, who).receipt != by.receipt) return false;
        uint256 stake;
        for (uint256 i = 0; i < agreed.length; ++i) {
            stake += verdicts.ballotOf(accusation, agreed[i]).weight;
        }
        bool same = drawId == accusation
            || (d.receipt == verdicts.AUDIT() && verdicts.batchIdOf(drawId) == verdicts.batchIdOf(accusation));
        return same && agreed.length >= 3 && stake * 3 >= 2 * (uint256(by.total) - by.notDrawn);
    }

    function _isNext(uint256 drawId, address who) private view returns (bool) {
        return verdicts.ballotOf(drawId, who).sequence == verdicts.seatOf(who).answered + 1;
    }

    /// The fees of the accusation, and of the audit that had found it, then three tenths.
    function _book(uint256 before, Verdicts.Draw memory d) private {
        (uint256 bond_,,,,) = ledger.attesterOf(operator);
        uint256 slashed = before - bond_;
        uint256 fees = d.audit == 0 ? DRAW_FEE : 2 * DRAW_FEE;
        if (d.audit != 0) vm.assertTrue(_foundWrong(d.audit, d.receipt), "an audit that found nothing");
        lost += slashed;
        rewards += fees + (slashed - fees) * 3000 / 10_000;
    }

    function _foundWrong(uint256 drawId, uint32 receipt) private view returns (bool found) {
        for (uint256 i = 0; i < VALIDATORS; ++i) {
            bool same = verdicts.ballotOf(drawId, validator(i)).receipt == receipt;
            if (same && said[drawId][validator(i)] == 3) found = true;
        }
    }

    /// The quorum, by what everyone said.
    function _count(uint256 drawId, Verdicts.Draw memory d) private view returns (uint256) {
        if (d.receipt == verdicts.AUDIT()) return uint256(Verdicts.Answer.None);
        uint256[4] memory stake;
        uint256[4] memory heads;
        for (uint256 i = 0; i < VALIDATORS; ++i) {
            uint256 what = said[drawId][validator(i)];
            stake[what] += verdicts.ballotOf(drawId, validator(i)).weight;
            heads[what] += 1;
        }
        uint256 drawn = stake[0] + stake[2] + stake[3];
        if (heads[3] >= 3 && stake[3] * 3 >= drawn * 2) return uint256(Verdicts.Answer.Wrong);
        if (heads[2] >= 3 && stake[2] * 3 >= drawn * 2) return uint256(Verdicts.Answer.Right);
        return uint256(Verdicts.Answer.None);
    }

    function _batch(uint256 which) private view returns (bool, uint256) {
        (,, uint256 batches,,) = ledger.attesterOf(operator);
        return batches == 0 ? (false, 0) : (true, batches - 1 - which % (batches < 3 ? batches : 3));
    }

    /// One of the last draws.
    function _draw(uint256 which) private view returns (bool, uint256) {
        uint256 count = verdicts.drawCount();
        return count == 0 ? (false, 0) : (true, count - which % (count < 4 ? count : 4));
    }

    function theOperator() external view returns (address) {
        return operator;
    }

    function theContracts() external view returns (Verdicts, OpenStaking, AttributionLedger) {
        return (verdicts, staking, ledger);
    }
}

contract VerdictsInvariants is VerdictsFixture {
    VerdictsHandler private handler;

    function setUp() public override {
        handler = new VerdictsHandler();
        handler.setUp();
        (verdicts, staking, ledger) = handler.theContracts();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        bytes4[] memory s = new bytes4[](23);
        s[0] = VerdictsHandler.settleNext.selector;
        s[1] = VerdictsHandler.openAudit.selector;
        s[2] = VerdictsHandler.openAccusation.selector;
        s[3] = VerdictsHandler.commitAll.selector;
        s[4] = VerdictsHandler.commitAll.selector;
        s[5] = VerdictsHandler.answerAll.selector;
        s[6] = VerdictsHandler.answerAll.selector;
        s[7] = VerdictsHandler.answerOne.selector;
        s[8] = VerdictsHandler.resolve.selector;
        s[9] = VerdictsHandler.execute.selector;
        s[10] = VerdictsHandler.execute.selector;
        s[11] = VerdictsHandler.overturn.selector;
        s[12] = VerdictsHandler.chargeSilence.selector;
        s[13] = VerdictsHandler.chargeVerdict.selector;
        s[14] = VerdictsHandler.payFee.selector;
        s[15] = VerdictsHandler.wait_.selector;
        s[16] = VerdictsHandler.waitForAppeals.selector;
        s[17] = VerdictsHandler.replace.selector;
        s[18] = VerdictsHandler.trial.selector;
        s[19] = VerdictsHandler.trial.selector;
        s[20] = VerdictsHandler.sentence.selector;
        s[21] = VerdictsHandler.chargeProjection.selector;
        s[22] = VerdictsHandler.chargeProjection.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(handler), s);
    }

    /// Promises 1, 2, 4 and 5. What each call may do is checked in the handler; here, what holds between calls.
    /// forge-config: default.invariant.runs = 160
    function invariant_verdicts() public view {
        vm.assertEq(address(verdicts).balance, verdicts.feesHeld());
        vm.assertEq(staking.slashCount(), handler.slashes());
        vm.assertEq(verdicts.drawCount(), handler.audits() + handler.accusations());
        (,, uint256 batches,,) = ledger.attesterOf(handler.theOperator());
        vm.assertEq(batches, handler.settled() - handler.undone(), "undone by something else");
        (uint256 bond_,,,,) = ledger.attesterOf(handler.theOperator());
        uint256 rewarded = ledger.creditOf(address(handler));
        vm.assertEq(rewarded, handler.rewards(), "another reward");
        vm.assertEq(ledger.creditOf(treasury), handler.lost() - rewarded, "the rest is the treasury's");
        vm.assertEq(bond_, 1000 ether - handler.lost());
        for (uint256 i = 0; i < handler.VALIDATORS(); ++i) {
            Verdicts.Seat memory s = verdicts.seatOf(validator(i));
            vm.assertLe(s.answered, s.assigned);
            for (uint256 drawId = 1; drawId <= verdicts.drawCount(); ++drawId) {
                vm.assertLe(handler.charges(drawId, validator(i)), 1, "charged twice");
            }
        }
    }
}
