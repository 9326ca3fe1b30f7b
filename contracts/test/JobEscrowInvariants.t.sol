// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {JobEscrow} from "../src/JobEscrow.sol";
import {JobFixture} from "./JobEscrow.t.sol";

/// Payers, of whom one cannot always be paid, operators and passers-by, in any order.
contract JobHandler is JobFixture {
    uint256 private constant ACTORS = 6;

    bytes32[] private _ids;
    bytes32[] private _releases;
    /// By the handler's own books.
    mapping(address actor => uint256) public earned;
    mapping(JobEscrow.State state => uint256) public times;

    function place(uint256 who, uint256 whom, uint96 amount, uint32 steps, uint32 seconds_, bool releases) external {
        address from = actor(who);
        amount = 1 + amount % 10 ether;
        vm.deal(from, from.balance + amount);
        vm.prank(from);
        bytes32 id = escrows.open{value: amount}(
            actor(whom),
            keccak256(abi.encode(_ids.length)),
            releases ? wanted : bytes32(0),
            1 + steps % 100,
            uint48(block.timestamp + 1 + seconds_ % 3 days)
        );
        _ids.push(id);
    }

    function release_() external {
        bytes32 id = keccak256(abi.encode("release", _releases.length));
        publish(id);
        _releases.push(id);
    }

    function cancelSome(uint256 who, uint256 which) external {
        if (_ids.length == 0) return;
        (bytes32 id, JobEscrow.Escrow memory e) = _pick(which);
        address caller = _caller(who, e.payer);
        bool may = caller == e.payer && e.state == JobEscrow.State.Open && block.timestamp <= e.deadline;
        _try(caller, abi.encodeCall(escrows.cancel, (id)), may);
    }

    function succeedSome(uint256 who, uint256 which, uint256 release) external {
        if (_ids.length == 0 || _releases.length == 0) return;
        (bytes32 id, JobEscrow.Escrow memory e) = _pick(which);
        address caller = _caller(who, e.operator);
        bytes32 result = _releases[_releases.length - 1 - release % (_releases.length < 4 ? _releases.length : 4)];
        bool may = caller == e.operator && _isLive(e) && block.timestamp <= e.deadline;
        if (e.deliverable == 0) {
            may = may && e.state == JobEscrow.State.Open;
        } else {
            uint256 publishedAt = models.releaseOf(result).publishedAt;
            may = may && publishedAt >= e.openedAt && escrows.escrowOfRelease(result) == 0
                && (e.cancelledAt == 0 || publishedAt <= e.cancelledAt);
        }
        if (!_try(caller, abi.encodeCall(escrows.succeed, (id, result)), may)) return;
        _settled(JobEscrow.State.Succeeded, e, e.amount);
    }

    function failSome(uint256 who, uint256 which) external {
        if (_ids.length == 0 || which % 3 != 0) return;
        (bytes32 id, JobEscrow.Escrow memory e) = _pick(which / 3);
        address caller = _caller(who, e.operator);
        if (!_try(caller, abi.encodeCall(escrows.fail, (id)), caller == e.operator && _isLive(e))) return;
        _settled(JobEscrow.State.Failed, e, 0);
    }

    function stopSome(uint256 who, uint256 which, uint32 done) external {
        if (_ids.length == 0) return;
        (bytes32 id, JobEscrow.Escrow memory e) = _pick(which);
        address caller = _caller(who, e.operator);
        done %= e.steps + 2;
        bool may = caller == e.operator && e.state == JobEscrow.State.Cancelled && block.timestamp <= e.deadline
            && done <= e.steps;
        if (!_try(caller, abi.encodeCall(escrows.stop, (id, done, CHECKPOINT)), may)) return;
        _settled(JobEscrow.State.Stopped, e, uint256(e.amount) * done / e.steps);
    }

    function refundSome(uint256 who, uint256 which) external {
        if (_ids.length == 0) return;
        (bytes32 id, JobEscrow.Escrow memory e) = _pick(which);
        if (!_try(actor(who), abi.encodeCall(escrows.refund, (id)), _isLive(e) && block.timestamp > e.deadline)) {
            return;
        }
        _settled(JobEscrow.State.Refunded, e, 0);
    }

    function withdraw(uint256 who, uint256 whose) external {
        address account = actor(whose);
        bool may = escrows.creditOf(account) != 0 && account.code.length == 0;
        _try(actor(who), abi.encodeCall(escrows.withdrawCredit, (account)), may);
    }

    /// An account that refuses to be paid for a while.
    function refuse(bool refuses) external {
        vm.etch(actor(0), refuses ? bytes(hex"60006000fd") : bytes(""));
    }

    function pass(uint32 seconds_) external {
        vm.warp(block.timestamp + seconds_ % 12 hours);
    }

    function check() external view {
        uint256 live;
        for (uint256 i = 0; i < _ids.length; ++i) {
            JobEscrow.Escrow memory e = escrows.escrowOf(_ids[i]);
            if (_isLive(e)) live += e.amount;
        }
        vm.assertEq(escrows.escrowed(), live, "escrowed");
        uint256 credits;
        for (uint256 i = 0; i < ACTORS; ++i) {
            address who = actor(i);
            credits += escrows.creditOf(who);
            vm.assertEq(who.balance + escrows.creditOf(who), earned[who], "every wei that is due is held or owed");
        }
        vm.assertEq(escrows.credits(), credits, "credits");
        vm.assertEq(address(escrows).balance, live + credits, "it holds exactly what it owes");
    }

    function actor(uint256 who) public pure returns (address) {
        return address(uint160(0xF200 + who % ACTORS));
    }

    function _settled(JobEscrow.State state, JobEscrow.Escrow memory e, uint256 part) private {
        earned[e.operator] += part;
        earned[e.payer] += e.amount - part;
        ++times[state];
    }

    function _isLive(JobEscrow.Escrow memory e) private pure returns (bool) {
        return e.state == JobEscrow.State.Open || e.state == JobEscrow.State.Cancelled;
    }

    /// Of the last eight, so that most are not settled yet.
    function _pick(uint256 which) private view returns (bytes32 id, JobEscrow.Escrow memory e) {
        id = _ids[_ids.length - 1 - which % (_ids.length < 8 ? _ids.length : 8)];
        e = escrows.escrowOf(id);
    }

    /// Three times in four who may, so that much happens; else anyone.
    function _caller(uint256 who, address entitled) private pure returns (address) {
        return who % 4 == 0 ? actor(who / 4) : entitled;
    }

    function _try(address caller, bytes memory data, bool may) private returns (bool done) {
        vm.prank(caller);
        (done,) = address(escrows).call(data);
        vm.assertTrue(done == may, "only who may, when they may");
    }
}

contract JobEscrowInvariants is JobFixture {
    JobHandler internal handler;

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function setUp() public override {
        handler = new JobHandler();
        handler.setUp();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](11);
        selectors[0] = JobHandler.place.selector;
        selectors[1] = JobHandler.place.selector;
        selectors[2] = JobHandler.release_.selector;
        selectors[3] = JobHandler.cancelSome.selector;
        selectors[4] = JobHandler.succeedSome.selector;
        selectors[5] = JobHandler.failSome.selector;
        selectors[6] = JobHandler.stopSome.selector;
        selectors[7] = JobHandler.refundSome.selector;
        selectors[8] = JobHandler.withdraw.selector;
        selectors[9] = JobHandler.refuse.selector;
        selectors[10] = JobHandler.pass.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(handler), selectors);
    }

    /// forge-config: default.invariant.runs = 100
    /// forge-config: default.invariant.depth = 128
    function invariant_whatCameInIsPaidOwedOrHeldAndOnlyTheEntitledAct() public view {
        handler.check();
    }

    /// The same in one history, long enough that everything happens.
    function test_aLongHistoryReachesEveryEnd() public {
        uint256 r = uint256(keccak256("jobs"));
        for (uint256 i = 0; i < 2500; ++i) {
            r = uint256(keccak256(abi.encode(r)));
            uint256 which = r % 11;
            (uint256 a, uint256 b, uint256 c) = (r >> 16 & 0xffff, r >> 32 & 0xffff, r >> 64 & 0xffffff);
            if (which < 2) handler.place(a, b, uint96(c * 1e9), uint32(r >> 96), uint32(r >> 128), r >> 8 & 3 != 0);
            else if (which == 2) handler.release_();
            else if (which == 3) handler.cancelSome(a, b);
            else if (which == 4) handler.succeedSome(a, b, c);
            else if (which == 5) handler.failSome(a, b);
            else if (which == 6) handler.stopSome(a, b, uint32(c));
            else if (which == 7) handler.refundSome(a, b);
            else if (which == 8) handler.withdraw(a, b);
            else if (which == 9) handler.refuse(a % 3 == 0);
            else handler.pass(uint32(r >> 160));
        }
        handler.check();
        for (uint8 state = uint8(JobEscrow.State.Succeeded); state <= uint8(JobEscrow.State.Refunded); ++state) {
            vm.assertTrue(handler.times(JobEscrow.State(state)) >= 3);
        }
    }
}
