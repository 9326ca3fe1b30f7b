// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Offence, OpenStaking, Reason} from "../src/OpenStaking.sol";
import {FuzzSelector, StakingFixture} from "./StakingFixture.sol";

/// Validators, delegators, slashers and governance, in any order, with books of their own: what each position should have
/// earned by long division, what every account put in and got out, and votes that were read before.
contract StakingHandler is StakingFixture {
    uint256 public constant PEOPLE = 7;
    uint256 public constant POOLS = 3;

    struct Vote {
        address account;
        uint256 at;
        uint256 votes;
        uint256 total;
    }

    /// By pool and account, wei: rewards by the naive division.
    mapping(uint256 poolId => mapping(address => uint256)) public expected;
    mapping(uint256 poolId => mapping(address => uint256)) public claimed;
    uint256 public paidIn;
    uint256 public paidOut;
    uint256 public rewardsIn;
    uint256 public forTreasury;
    uint256 public rewardEvents;
    uint256[] public pendingSlashes;
    mapping(uint256 poolId => bool) public sawClosed;
    Vote[] public votes;
    uint256 public calls;

    function setUp() public override {
        super.setUp();
        for (uint256 i = 0; i < POOLS; ++i) {
            uint256 own = (100 + 50 * i) * 1 ether;
            open(person(i), uint16(700 * i), own);
            paidIn += own;
        }
        nextEpoch();
    }

    function person(uint256 i) public pure returns (address) {
        return address(uint160(0x5000 + i % PEOPLE));
    }

    function pool(uint256 i) public pure returns (uint256) {
        return 0x5000 + i % POOLS;
    }

    // ---------------------------------------------------------------- stake

    function join(uint256 who, uint256 where, uint96 amount) external counted {
        amount = uint96(1 + amount % 1000 ether);
        uint256 poolId = pool(where);
        OpenStaking.PoolState memory p = staking.poolOf(poolId);
        vm.deal(person(who), amount);
        vm.prank(person(who));
        if (p.closed || p.slashesUnderAppeal != 0) {
            (bool joined,) = address(staking).call{value: amount}(abi.encodeCall(staking.delegate, (poolId)));
            vm.assertFalse(joined, "joined a pool that is closed or under appeal");
            return;
        }
        vm.stopPrank();
        uint256 before = staking.positionOf(poolId, person(who)).bonded;
        vm.prank(person(who));
        staking.delegate{value: amount}(poolId);
        uint256 given = staking.positionOf(poolId, person(who)).bonded - before;
        vm.assertLe(given, uint256(amount) + 1); // one wei, if what it had before was rounded down
        vm.assertGe(given + 2, amount);
        paidIn += amount;
    }

    function leave(uint256 who, uint256 where, uint96 amount, bool all) external counted {
        uint256 poolId = pool(where);
        uint256 bonded = staking.positionOf(poolId, person(who)).bonded;
        if (bonded == 0) return;
        vm.prank(person(who));
        staking.unbond(poolId, all ? type(uint256).max : 1 + amount % bonded);
    }

    function withdraw(uint256 who, uint256 which) external counted {
        address account = person(who);
        uint256 count = staking.unbondingCount(account);
        if (count == 0) return;
        (bool open_, bytes memory found) =
            address(staking).staticcall(abi.encodeCall(staking.unbondingOf, (account, which % count)));
        if (!open_) return;
        (, uint256 amount, uint256 claimAt) = abi.decode(found, (uint256, uint256, uint256));
        bool self = which % 3 == 0;
        if (self) vm.prank(account);
        (bool done, bytes memory paid) =
            address(staking).call(abi.encodeCall(staking.withdraw, (account, which % count)));
        (uint256 poolId,,) = abi.decode(found, (uint256, uint256, uint256));
        bool appeal = staking.poolOf(poolId).slashesUnderAppeal != 0;
        if (!done) {
            vm.assertTrue(block.timestamp < claimAt || (appeal && !self), "date not kept");
            return;
        }
        vm.assertTrue(block.timestamp >= claimAt || (appeal && self), "left too early");
        vm.assertEq(abi.decode(paid, (uint256)), amount);
        paidOut += amount;
    }

    // ---------------------------------------------------------------- rewards

    function rewardEveryone(uint96 amount) external counted {
        amount %= 100 ether;
        _syncAll();
        uint256 total;
        for (uint256 i = 0; i < POOLS; ++i) {
            total += staking.activeStakeOf(pool(i));
        }
        vm.assertEq(total, staking.activeStake(), "weights");
        for (uint256 i = 0; i < POOLS && total != 0; ++i) {
            _expect(pool(i), uint256(amount) * staking.activeStakeOf(pool(i)) / total);
        }
        rewardAll(amount);
        if (total != 0) rewardsIn += amount;
        else forTreasury += amount;
        rewardEvents += 1;
    }

    function rewardOne(uint256 where, uint96 amount) external counted {
        amount %= 100 ether;
        uint256 poolId = pool(where);
        uint256 before = staking.creditOf(treasury);
        vm.deal(address(this), amount);
        staking.reward{value: amount}(poolId);
        if (staking.creditOf(treasury) != before) {
            forTreasury += amount;
            return;
        }
        _expect(poolId, amount);
        rewardsIn += amount;
        rewardEvents += 1;
    }

    function claim(uint256 who, uint256 where) external counted {
        address account = person(who);
        uint256 reward = staking.positionOf(pool(where), account).reward;
        if (reward == 0) return;
        vm.assertEq(staking.claimReward(pool(where), account), reward);
        claimed[pool(where)][account] += reward;
        paidOut += reward;
    }

    function withdrawCredits(uint256 who) external counted {
        address[3] memory others = [treasury, address(0x81), address(0x82)];
        address account = who % 10 < 7 ? person(who % 10) : others[who % 10 - 7];
        if (staking.creditOf(account) == 0) return;
        uint256 amount = staking.withdrawCredit(account);
        paidOut += amount;
    }

    function announce(uint256 where, uint16 bps) external counted {
        _syncAll(); // the naive books know no commission that starts between two calls
        vm.prank(person(where % POOLS));
        staking.announceCommission(pool(where), bps % 5001);
    }

    // ---------------------------------------------------------------- slashes

    function slash(uint256 where, uint16 bps, uint8 reason, uint96 harm) external counted {
        Offence memory o = offence(pool(where), bps % 400, Reason(reason % 4));
        if (bps % 97 == 0) (o.bps, o.reason) = (10_000, Reason.MissedDeadline);
        (o.harm, o.reporter) = (harm, person(harm));
        staking.sync(o.poolId);
        uint256[] memory before = _worths(o.poolId);
        (uint256 pool_, uint256 credits, uint256 treasurys) =
            (_assets(o.poolId), staking.credits(), staking.creditOf(treasury));
        vm.prank(verdicts);
        uint256 id = staking.slash(o);
        if (id == 0) return;
        OpenStaking.Slash memory s = staking.slashOf(id);
        uint256[] memory after_ = _worths(o.poolId);
        for (uint256 i = 0; i < before.length; ++i) {
            // Bonded and unbonding alike: each keeps (pool − slash) / pool, to two roundings of a wei.
            uint256 kept = before[i] * (pool_ - s.amount) / pool_;
            vm.assertLe(after_[i], kept + 2, "kept too much");
            vm.assertLe(kept, after_[i] + 2, "lost too much");
        }
        if (s.state == OpenStaking.SlashState.UnderAppeal) pendingSlashes.push(id);
        else _assertDivided(s, credits, treasurys);
    }

    function execute(uint256 which) external counted {
        if (pendingSlashes.length == 0) return;
        uint256 id = pendingSlashes[which % pendingSlashes.length];
        OpenStaking.Slash memory s = staking.slashOf(id);
        staking.sync(s.poolId);
        (uint256 credits, uint256 treasurys) = (staking.credits(), staking.creditOf(treasury));
        (bool done,) = address(staking).call(abi.encodeCall(staking.executeSlash, (id)));
        vm.assertTrue(done == (block.timestamp >= s.executableAt), "appeal not kept");
        if (!done) return;
        _drop(id);
        _assertDivided(s, credits, treasurys);
    }

    function overturn(uint256 which) external counted {
        if (pendingSlashes.length == 0) return;
        uint256 id = pendingSlashes[which % pendingSlashes.length];
        OpenStaking.Slash memory s = staking.slashOf(id);
        uint256 before = _assets(s.poolId);
        staking.sync(s.poolId);
        uint256 credits = staking.credits();
        vm.prank(governance);
        staking.overturn(id);
        // All of it, but for the part of those who left meanwhile.
        vm.assertEq(_assets(s.poolId) + staking.credits(), before + credits + s.amount);
        vm.assertLe(_assets(s.poolId), before + s.amount);
        _drop(id);
    }

    // ---------------------------------------------------------------- time and votes

    function wait_(uint32 seconds_) external counted {
        vm.warp(block.timestamp + seconds_ % 3 days);
    }

    function waitLong() external counted {
        vm.warp(block.timestamp + 10 days);
    }

    function minimum(uint96 wei_) external counted {
        vm.prank(governance);
        parameters.set("minimumStakeWei", 50 ether + wei_ % 100 ether);
        vm.warp(block.timestamp + 1);
    }

    function readVotes(uint256 who, uint32 ago) external counted {
        if (votes.length == 8) return;
        uint256 at = block.timestamp - 1 - ago % 5 days;
        votes.push(Vote(person(who), at, staking.votesAt(person(who), at), staking.totalVotesAt(at)));
    }

    // ---------------------------------------------------------------- inside

    modifier counted() {
        calls += 1;
        _;
        for (uint256 i = 0; i < POOLS; ++i) {
            bool closed = staking.poolOf(pool(i)).closed;
            vm.assertTrue(closed || !sawClosed[pool(i)], "a closed pool came back");
            sawClosed[pool(i)] = closed;
        }
    }

    /// What `amount` for a pool brings each of its positions.
    function _expect(uint256 poolId, uint256 amount) private {
        uint256 commission = amount * staking.poolOf(poolId).commissionBps / 10_000;
        uint256 earning;
        for (uint256 i = 0; i < PEOPLE; ++i) {
            earning += staking.positionOf(poolId, person(i)).earning;
        }
        for (uint256 i = 0; i < PEOPLE && earning != 0; ++i) {
            expected[poolId][person(i)] += (amount - commission) * staking.positionOf(poolId, person(i)).earning
                / earning;
        }
    }

    function _syncAll() private {
        for (uint256 i = 0; i < POOLS; ++i) {
            staking.sync(pool(i));
        }
    }

    function _assets(uint256 poolId) private view returns (uint256) {
        OpenStaking.PoolState memory p = staking.poolOf(poolId);
        return p.bonded + p.unbonding;
    }

    function _worths(uint256 poolId) private view returns (uint256[] memory worths) {
        worths = new uint256[](2 * PEOPLE);
        for (uint256 i = 0; i < PEOPLE; ++i) {
            OpenStaking.PositionState memory q = staking.positionOf(poolId, person(i));
            (worths[2 * i], worths[2 * i + 1]) = (q.bonded, q.unbonding);
        }
    }

    /// All of a slash is credited, and reporter and harmed get no more than the liable account lost.
    function _assertDivided(OpenStaking.Slash memory s, uint256 credits, uint256 treasurys) private view {
        vm.assertEq(staking.credits(), credits + s.amount);
        vm.assertLe(s.amount, staking.creditOf(treasury) - treasurys + s.ownLoss, "slashing paid");
    }

    function _drop(uint256 id) private {
        for (uint256 i = 0; i < pendingSlashes.length; ++i) {
            if (pendingSlashes[i] != id) continue;
            pendingSlashes[i] = pendingSlashes[pendingSlashes.length - 1];
            pendingSlashes.pop();
            return;
        }
    }

    function theStaking() external view returns (OpenStaking) {
        return staking;
    }

    function voteCount() external view returns (uint256) {
        return votes.length;
    }
}

contract StakingInvariants is StakingFixture {
    StakingHandler private handler;

    function setUp() public override {
        handler = new StakingHandler();
        handler.setUp();
        staking = handler.theStaking();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        bytes4[] memory s = new bytes4[](17);
        s[0] = StakingHandler.join.selector;
        s[1] = StakingHandler.join.selector;
        s[2] = StakingHandler.leave.selector;
        s[3] = StakingHandler.withdraw.selector;
        s[4] = StakingHandler.withdraw.selector;
        s[5] = StakingHandler.rewardEveryone.selector;
        s[6] = StakingHandler.rewardOne.selector;
        s[7] = StakingHandler.claim.selector;
        s[8] = StakingHandler.withdrawCredits.selector;
        s[9] = StakingHandler.announce.selector;
        s[10] = StakingHandler.slash.selector;
        s[11] = StakingHandler.execute.selector;
        s[12] = StakingHandler.overturn.selector;
        s[13] = StakingHandler.wait_.selector;
        s[14] = StakingHandler.waitLong.selector;
        s[15] = StakingHandler.readVotes.selector;
        s[16] = StakingHandler.minimum.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(handler), s);
    }

    /// Promises 1 and 3: every wei has one owner, and what came out is what came in less what is inside.
    /// forge-config: default.invariant.runs = 54
    function invariant_everyWeiHasOneOwner() public view {
        assertBalanced();
        uint256 positions;
        for (uint256 i = 0; i < handler.POOLS(); ++i) {
            OpenStaking.PoolState memory p = staking.poolOf(handler.pool(i));
            uint256 inPool;
            for (uint256 j = 0; j < handler.PEOPLE(); ++j) {
                OpenStaking.PositionState memory q = staking.positionOf(handler.pool(i), handler.person(j));
                inPool += q.bonded + q.unbonding;
            }
            vm.assertLe(inPool, p.bonded + p.unbonding, "positions hold more than their pool");
            vm.assertLe(p.bonded + p.unbonding, inPool + 2 * handler.PEOPLE(), "a pool holds what nobody owns");
            positions += p.bonded + p.unbonding;
        }
        vm.assertEq(positions, staking.staked());
        vm.assertEq(
            address(staking).balance,
            handler.paidIn() + handler.rewardsIn() + handler.forTreasury() - handler.paidOut(),
            "in less out"
        );
    }

    /// Promise 2: what everyone earned is what came in, and what each earned is what long division says.
    /// forge-config: default.invariant.runs = 54
    function invariant_rewardsAreDividedWithoutLoss() public {
        uint256 earned;
        for (uint256 i = 0; i < handler.POOLS(); ++i) {
            uint256 poolId = handler.pool(i);
            staking.sync(poolId);
            for (uint256 j = 0; j < handler.PEOPLE(); ++j) {
                address account = handler.person(j);
                uint256 reward = staking.positionOf(poolId, account).reward;
                earned += reward;
                uint256 has = reward + handler.claimed(poolId, account);
                uint256 should = handler.expected(poolId, account);
                // The naive books round each division to a wei of stake or reward; 10⁻¹⁵ of it all.
                uint256 near = 4 * handler.rewardEvents() + should / 1e15 + handler.rewardsIn() / 1e15;
                vm.assertLe(has, should + near, "earned too much");
                vm.assertLe(should, has + near, "earned too little");
            }
        }
        vm.assertLe(earned, staking.unclaimed());
        // Less than a wei for each position and each pool, and one for all.
        vm.assertLe(staking.unclaimed(), earned + handler.POOLS() * (handler.PEOPLE() + 1) + 1, "lost");
    }

    /// Promise 7: votes that were read once read the same for ever, and sum to at most the total.
    /// forge-config: default.invariant.runs = 54
    function invariant_pastVotesNeverChange() public view {
        for (uint256 i = 0; i < handler.voteCount(); ++i) {
            (address account, uint256 at, uint256 votes, uint256 total) = handler.votes(i);
            vm.assertEq(staking.votesAt(account, at), votes, "votes changed");
            vm.assertEq(staking.totalVotesAt(at), total, "total changed");
            uint256 sum;
            for (uint256 j = 0; j < handler.PEOPLE(); ++j) {
                sum += staking.votesAt(handler.person(j), at);
            }
            vm.assertLe(sum, total);
            vm.assertLe(total, sum + 2 * handler.POOLS() * handler.PEOPLE());
        }
    }
}
