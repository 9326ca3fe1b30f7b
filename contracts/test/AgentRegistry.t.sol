// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IERC721Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {AgentRegistry, MetadataEntry, Terms} from "../src/AgentRegistry.sol";
import {OpenStaking, Reason} from "../src/OpenStaking.sol";
import {Listing, ProtocolParameters} from "../src/ProtocolParameters.sol";
import {Fees} from "../src/libraries/Fees.sol";
import {FuzzSelector, StakingFixture} from "./StakingFixture.sol";

/// Agents over real staking: one agent with terms that an evaluator judges, and terms that nobody does.
abstract contract AgentFixture is StakingFixture {
    uint256 internal constant OWNER_KEY = 0xA11CE;
    uint256 internal constant WALLET_KEY = 0xB0B;
    uint32 internal constant DEADLINE = 2 days;
    uint16 internal constant SLASH = 1000;

    address internal owner = vm.addr(OWNER_KEY);
    address internal wallet = vm.addr(WALLET_KEY);
    address internal constant client = address(0x6001);
    address internal constant evaluator = address(0x6002);

    AgentRegistry internal registry;
    uint256 internal agentId;
    uint256 internal pool;

    function setUp() public virtual override {
        vm.warp(1_790_000_000);
        parameters = new ProtocolParameters(governance, 1, feeSplit(), settings(), new Listing[](0));
        address at = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 1);
        staking = new OpenStaking(parameters, verdicts, address(0), at);
        registry = new AgentRegistry(parameters, staking);
        vm.assertEq(address(registry), at);

        vm.deal(owner, 1000 ether);
        vm.startPrank(owner);
        agentId = registry.register{value: FEE}("https://agent.example/card.json");
        registry.publishTerms(agentId, Terms("evaluation", evaluator, 800_000, DEADLINE, SLASH));
        registry.publishTerms(agentId, Terms(0, address(0), 0, DEADLINE, SLASH));
        pool = registry.poolOf(agentId);
        staking.open{value: 200 ether}(pool, 0);
        vm.stopPrank();
    }

    function offer(uint32 version, uint256 payment) internal returns (uint256) {
        vm.deal(client, client.balance + payment);
        vm.prank(client);
        return registry.offer{value: payment}(agentId, version, keccak256("task"));
    }

    function accepted(uint32 version, uint256 payment) internal returns (uint256 orderId) {
        orderId = offer(version, payment);
        vm.prank(owner);
        registry.accept(orderId);
    }

    function delivered(uint32 version, uint256 payment) internal returns (uint256 orderId) {
        orderId = accepted(version, payment);
        vm.prank(owner);
        registry.deliver(orderId, keccak256("result"));
    }
}

contract AgentRegistryTest is AgentFixture {
    // ---------------------------------------------------------------- identity

    function test_registersAsTheStandardSays() public {
        MetadataEntry[] memory metadata = new MetadataEntry[](1);
        metadata[0] = MetadataEntry("role", "planner");
        vm.deal(client, 2 * FEE);
        vm.prank(client);
        uint256 id = registry.register{value: FEE}("ipfs://card", metadata);
        vm.assertEq(id, 2);
        vm.assertEq(registry.ownerOf(id), client);
        vm.assertEq(registry.ownerAt(id, block.timestamp), client);
        vm.assertEq(bytes(registry.tokenURI(id)), "ipfs://card");
        vm.assertEq(registry.getMetadata(id, "role"), "planner");
        vm.assertEq(registry.getMetadata(id, "agentWallet"), abi.encodePacked(client));
        vm.assertEq(registry.getAgentWallet(id), client);
        vm.assertEq(treasury.balance, 2 * FEE);
        vm.expectRevert(abi.encodeWithSelector(Fees.WrongFee.selector, 0, FEE));
        registry.register();
        vm.expectRevert(abi.encodeWithSelector(AgentRegistry.ReservedKey.selector, "agentWallet"));
        vm.prank(client);
        registry.setMetadata(id, "agentWallet", abi.encodePacked(owner));
        vm.prank(client);
        registry.setAgentURI(id, "ipfs://other");
        vm.assertEq(bytes(registry.tokenURI(id)), "ipfs://other");
    }

    function test_onlyTheOwnerChangesAnAgent() public {
        bytes memory denied = abi.encodeWithSelector(AgentRegistry.NotAuthorised.selector, agentId, client);
        vm.startPrank(client);
        vm.expectRevert(denied);
        registry.setAgentURI(agentId, "");
        vm.expectRevert(denied);
        registry.setMetadata(agentId, "a", "b");
        vm.expectRevert(denied);
        registry.unsetAgentWallet(agentId);
        vm.expectRevert(denied);
        registry.setService(agentId, "", new bytes32[](0));
        vm.expectRevert(denied);
        registry.publishTerms(agentId, Terms(0, address(0), 0, 1, 1));
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(IERC721Errors.ERC721NonexistentToken.selector, 9));
        registry.tokenURI(9);
    }

    function test_aWalletProvesItselfAndATransferClearsIt() public {
        uint256 until = block.timestamp + 1;
        bytes32 structHash = keccak256(abi.encode(registry.WALLET_TYPEHASH(), agentId, wallet, owner, until));
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", registry.domainSeparator(), structHash));
        bytes memory wrong = signed(OWNER_KEY, digest);
        vm.startPrank(owner);
        vm.expectRevert(abi.encodeWithSelector(AgentRegistry.BadSignature.selector, wallet));
        registry.setAgentWallet(agentId, wallet, until, wrong);
        registry.setAgentWallet(agentId, wallet, until, signed(WALLET_KEY, digest));
        vm.assertEq(registry.getAgentWallet(agentId), wallet);
        vm.warp(until + 1);
        bytes memory right = signed(WALLET_KEY, digest);
        vm.expectRevert(abi.encodeWithSelector(AgentRegistry.SignatureExpired.selector, until));
        registry.setAgentWallet(agentId, wallet, until, right);
        registry.transferFrom(owner, client, agentId);
        vm.stopPrank();
        vm.assertEq(registry.getAgentWallet(agentId), address(0));
        vm.assertEq(registry.ownerAt(agentId, block.timestamp), owner);
        vm.assertEq(registry.ownerAt(agentId, block.timestamp + 1), client);
    }

    function test_serviceIsBoundedAndReadable() public {
        bytes32[] memory models = new bytes32[](17);
        vm.expectRevert(abi.encodeWithSelector(AgentRegistry.TooLong.selector, 17, 16));
        vm.prank(owner);
        registry.setService(agentId, "https://agent.example/mcp", models);
        models = new bytes32[](1);
        models[0] = bytes32(uint256(7));
        vm.prank(owner);
        registry.setService(agentId, "https://agent.example/mcp", models);
        (string memory endpoint, bytes32[] memory found) = registry.serviceOf(agentId);
        vm.assertEq(bytes(endpoint), "https://agent.example/mcp");
        vm.assertEq(uint256(found[0]), 7);
        vm.expectRevert(abi.encodeWithSelector(AgentRegistry.TooLong.selector, 8193, 8192));
        vm.prank(owner);
        registry.setAgentURI(agentId, string(new bytes(8193)));
    }

    function test_theOldOwnerKeepsTheCommissionUntilTheTransfer() public {
        vm.startPrank(owner);
        staking.announceCommission(pool, 1000);
        vm.warp(block.timestamp + EPOCH);
        staking.sync(pool);
        vm.stopPrank();
        rewardAll(10 ether);
        vm.prank(owner);
        registry.transferFrom(owner, client, agentId);
        assertEarned(staking.creditOf(owner), 1 ether);
        vm.assertEq(staking.creditOf(client), 0);
        vm.assertFalse(staking.isActive(pool)); // the new owner has no stake of its own
        vm.assertEq(staking.activeStake(), 0);
        delegate(client, pool, 100 ether);
        vm.assertTrue(staking.isActive(pool));
    }

    // ---------------------------------------------------------------- orders

    function test_aDeliveredResultIsPaidByTheClientOrAfterTheReview() public {
        uint256 first = delivered(2, 3 ether);
        uint256 second = delivered(2, 4 ether);
        uint256 before = owner.balance;
        vm.prank(client);
        registry.complete(first);
        vm.assertEq(owner.balance, before + 3 ether);
        uint256 ends = block.timestamp + WINDOW;
        vm.warp(ends - 1);
        vm.expectRevert(abi.encodeWithSelector(AgentRegistry.TooEarly.selector, ends));
        registry.complete(second);
        vm.warp(ends);
        registry.complete(second);
        vm.assertEq(owner.balance, before + 7 ether);
        vm.expectRevert(
            abi.encodeWithSelector(
                AgentRegistry.WrongState.selector,
                second,
                AgentRegistry.OrderState.Paid,
                AgentRegistry.OrderState.Delivered
            )
        );
        registry.complete(second);
        vm.assertEq(address(registry).balance, 0);
    }

    function test_anOfferIsTheClientsUntilItIsAccepted() public {
        uint256 orderId = offer(1, 3 ether);
        vm.expectRevert(abi.encodeWithSelector(AgentRegistry.NotAuthorised.selector, agentId, client));
        vm.prank(client);
        registry.accept(orderId);
        vm.expectRevert(abi.encodeWithSelector(AgentRegistry.NotClient.selector, orderId, owner));
        vm.prank(owner);
        registry.cancel(orderId);
        vm.prank(client);
        registry.cancel(orderId);
        vm.assertEq(client.balance, 3 ether);
        vm.expectRevert(abi.encodeWithSelector(AgentRegistry.UnknownTerms.selector, agentId, 3));
        registry.offer(agentId, 3, keccak256("task"));
    }

    function test_anAcceptanceCanBeSigned() public {
        uint256 orderId = offer(1, 1 ether);
        bytes32 structHash = keccak256(abi.encode(registry.ACCEPT_TYPEHASH(), orderId, registry.orderDigest(orderId)));
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", registry.domainSeparator(), structHash));
        bytes memory wrong = signed(WALLET_KEY, digest);
        vm.expectRevert(abi.encodeWithSelector(AgentRegistry.BadSignature.selector, owner));
        registry.acceptBySignature(orderId, wrong);
        registry.acceptBySignature(orderId, signed(OWNER_KEY, digest));
        vm.assertEq(registry.orderOf(orderId).liable, owner);
    }

    function test_aMissedDeadlineSlashesTheTermsAndRefunds() public {
        delegate(address(0x6009), pool, 200 ether);
        uint256 orderId = accepted(1, 5 ether);
        uint256 deadline = block.timestamp + DEADLINE;
        vm.warp(deadline);
        vm.expectRevert(abi.encodeWithSelector(AgentRegistry.TooEarly.selector, deadline + 1));
        registry.missed(orderId);
        vm.warp(deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(AgentRegistry.TooLate.selector, deadline));
        vm.prank(owner);
        registry.deliver(orderId, keccak256("late"));
        vm.prank(address(0x6008));
        registry.missed(orderId);
        // 10 % of 400; half of it the owner's own loss: 30 % of that to the reporter, 5 (the payment) to the client.
        vm.assertEq(staking.staked(), 360 ether);
        vm.assertEq(staking.creditOf(address(0x6008)), 6 ether);
        vm.assertEq(staking.creditOf(client), 5 ether);
        vm.assertEq(staking.creditOf(treasury), 29 ether);
        vm.assertEq(client.balance, 0);
        registry.withdrawCredit(client);
        vm.assertEq(client.balance, 5 ether);
        assertBalanced();
    }

    function test_aClientThatRefusesMoneyCannotPutOffASlash() public {
        uint256 orderId = accepted(1, 1 ether);
        vm.etch(client, hex"60006000fd"); // takes nothing
        vm.warp(block.timestamp + DEADLINE + 1);
        registry.missed(orderId);
        vm.assertEq(staking.slashCount(), 1);
        vm.assertEq(registry.creditOf(client), 1 ether);
        vm.expectRevert(abi.encodeWithSelector(AgentRegistry.TransferFailed.selector, client, 1 ether));
        registry.withdrawCredit(client);
        vm.etch(client, "");
        registry.withdrawCredit(client);
        vm.assertEq(client.balance, 1 ether);
        vm.expectRevert(abi.encodeWithSelector(AgentRegistry.NothingToClaim.selector, client));
        registry.withdrawCredit(client);
    }

    function test_theEvaluatorJudgesWithinTheReviewAndTheSlashWaits() public {
        uint256 good = delivered(1, 1 ether);
        uint256 bad = delivered(1, 2 ether);
        uint256 late = delivered(1, 4 ether);
        vm.expectRevert(abi.encodeWithSelector(AgentRegistry.NotEvaluator.selector, good, client));
        vm.prank(client);
        registry.judge(good, 0, 0);
        uint256 before = owner.balance;
        vm.startPrank(evaluator);
        registry.judge(good, 800_000, "report");
        vm.assertEq(owner.balance, before + 1 ether);
        registry.judge(bad, 799_999, "report");
        registry.withdrawCredit(client);
        vm.assertEq(client.balance, 2 ether);
        vm.assertEq(staking.escrowed(), 20 ether);
        vm.assertEq(uint256(staking.slashOf(1).reason), uint256(Reason.BelowThreshold));
        uint256 ends = block.timestamp + WINDOW;
        vm.warp(ends);
        vm.expectRevert(abi.encodeWithSelector(AgentRegistry.TooLate.selector, ends));
        registry.judge(late, 0, 0);
        vm.stopPrank();
        vm.prank(governance);
        staking.overturn(1);
        vm.assertEq(staking.stakeOf(pool), 200 ether);
    }

    function test_termsWithoutAnEvaluatorAreSlashableForTheDeadlineOnly() public {
        uint256 orderId = delivered(2, 1 ether);
        vm.expectRevert(abi.encodeWithSelector(AgentRegistry.NotEvaluator.selector, orderId, evaluator));
        vm.prank(evaluator);
        registry.judge(orderId, 0, 0);
        vm.expectPartialRevert(AgentRegistry.WrongState.selector);
        registry.missed(orderId);
        vm.startPrank(owner);
        vm.expectRevert(AgentRegistry.BadTerms.selector);
        registry.publishTerms(agentId, Terms("evaluation", address(0), 800_000, DEADLINE, SLASH));
        vm.expectRevert(AgentRegistry.BadTerms.selector);
        registry.publishTerms(agentId, Terms(0, address(0), 0, DEADLINE, 10_001));
        vm.expectRevert(AgentRegistry.BadTerms.selector);
        registry.publishTerms(agentId, Terms(0, address(0), 0, 0, SLASH));
        vm.stopPrank();
    }

    function test_anOrderNeedsActiveStakeThatOutlivesIt() public {
        vm.prank(owner);
        uint256 version = registry.publishTerms(agentId, Terms(0, address(0), 0, uint32(UNBONDING), SLASH));
        uint256 orderId = offer(uint32(version), 1 ether);
        vm.expectRevert(abi.encodeWithSelector(AgentRegistry.OutlivesStake.selector, UNBONDING + WINDOW, UNBONDING));
        vm.prank(owner);
        registry.accept(orderId);
        vm.prank(owner);
        staking.unbond(pool, 150 ether);
        orderId = offer(1, 1 ether);
        vm.expectRevert(abi.encodeWithSelector(AgentRegistry.AgentInactive.selector, agentId));
        vm.prank(owner);
        registry.accept(orderId);
    }

    function test_whoLeavesOrSellsAfterAcceptingStaysAnswerable() public {
        uint256 orderId = accepted(1, 50 ether);
        vm.startPrank(owner);
        staking.unbond(pool, type(uint256).max);
        registry.transferFrom(owner, address(0x6007), agentId);
        vm.stopPrank();
        vm.warp(block.timestamp + DEADLINE + 1);
        vm.prank(client);
        registry.missed(orderId);
        vm.assertEq(staking.creditOf(client), 20 ether); // 10 % of the 200 that are leaving: 6 as reporter, 14 as harmed
    }

    function test_payingCannotBeReentered() public {
        ReentrantClient thief = new ReentrantClient(registry);
        vm.deal(address(thief), 2 ether);
        thief.offerTwice(agentId);
        thief.cancelBoth();
        vm.assertTrue(thief.stopped());
        vm.assertEq(registry.escrowed(), 1 ether);
        vm.assertEq(address(registry).balance, 1 ether);
    }
}

contract ReentrantClient {
    AgentRegistry private immutable _registry;
    uint256 private _first;
    bool public stopped;

    constructor(AgentRegistry registry) {
        _registry = registry;
    }

    function offerTwice(uint256 agentId) external {
        _first = _registry.offer{value: 1 ether}(agentId, 1, keccak256("task"));
        _registry.offer{value: 1 ether}(agentId, 1, keccak256("task"));
    }

    function cancelBoth() external {
        _registry.cancel(_first);
    }

    receive() external payable {
        try _registry.cancel(_first + 1) {}
        catch {
            stopped = true;
        }
    }
}

/// Clients, an agent's owner and buyer, its evaluator and delegators, in any order.
contract AgentHandler is AgentFixture {
    uint256 public offered;
    uint256 public closed;
    mapping(uint256 orderId => uint256) public slashesOf;

    function place(uint96 payment, bool evaluated) external {
        payment %= 10 ether;
        offer(evaluated ? 1 : 2, payment);
        offered += payment;
    }

    function cancelSome(uint256 which) external {
        uint256 id = _pick(which);
        if (id == 0 || registry.orderOf(id).state != AgentRegistry.OrderState.Offered) return;
        vm.prank(client);
        registry.cancel(id);
        closed += registry.orderOf(id).payment;
    }

    function acceptSome(uint256 which) external {
        uint256 id = _pick(which);
        if (id == 0 || registry.orderOf(id).state != AgentRegistry.OrderState.Offered) return;
        vm.prank(registry.ownerOf(agentId));
        (bool done,) = address(registry).call(abi.encodeCall(registry.accept, (id)));
        vm.assertTrue(done == staking.isActive(pool), "accepted without stake");
    }

    function deliverSome(uint256 which) external {
        uint256 id = _pick(which);
        if (id == 0 || registry.orderOf(id).state != AgentRegistry.OrderState.Accepted) return;
        vm.prank(registry.ownerOf(agentId));
        (bool done,) = address(registry).call(abi.encodeCall(registry.deliver, (id, keccak256("result"))));
        vm.assertTrue(done == (block.timestamp <= registry.orderOf(id).deadline), "deadline not kept");
    }

    function completeSome(uint256 which, bool byClient) external {
        uint256 id = _pick(which);
        if (id == 0) return;
        AgentRegistry.Order memory o = registry.orderOf(id);
        uint256 before = o.payee.balance;
        vm.prank(byClient ? client : address(this));
        (bool done,) = address(registry).call(abi.encodeCall(registry.complete, (id)));
        bool may = o.state == AgentRegistry.OrderState.Delivered && (byClient || block.timestamp >= o.reviewEnds);
        vm.assertTrue(done == may, "paid at the wrong time");
        if (!done) return;
        vm.assertEq(o.payee.balance, before + o.payment);
        closed += o.payment;
    }

    function judgeSome(uint256 which, uint256 score) external {
        uint256 id = _pick(which);
        if (id == 0) return;
        AgentRegistry.Order memory o = registry.orderOf(id);
        uint256 slashes = staking.slashCount();
        vm.prank(evaluator);
        (bool done,) = address(registry).call(abi.encodeCall(registry.judge, (id, score % 1_000_001, bytes32(0))));
        bool may =
            o.state == AgentRegistry.OrderState.Delivered && o.termsVersion == 1 && block.timestamp < o.reviewEnds;
        vm.assertTrue(done == may, "judged out of its terms");
        if (!done) return;
        slashesOf[id] += staking.slashCount() - slashes;
        closed += o.payment;
    }

    function missSome(uint256 which) external {
        uint256 id = _pick(which);
        if (id == 0) return;
        AgentRegistry.Order memory o = registry.orderOf(id);
        uint256 slashes = staking.slashCount();
        (bool done,) = address(registry).call(abi.encodeCall(registry.missed, (id)));
        bool may = o.state == AgentRegistry.OrderState.Accepted && block.timestamp > o.deadline;
        vm.assertTrue(done == may, "slashed without a missed deadline");
        if (!done) return;
        slashesOf[id] += staking.slashCount() - slashes;
        closed += o.payment;
    }

    function stake(uint96 amount) external {
        if (staking.poolOf(pool).slashesUnderAppeal != 0 || staking.poolOf(pool).closed) return;
        delegate(registry.ownerOf(agentId), pool, 1 + amount % 200 ether);
    }

    function sell(bool back) external {
        address from = registry.ownerOf(agentId);
        address to = back ? owner : address(0x6007);
        if (from == to) return;
        vm.prank(from);
        registry.transferFrom(from, to, agentId);
    }

    function settleAppeal(uint256 id, bool overturn) external {
        if (staking.slashCount() == 0) return;
        id = 1 + id % staking.slashCount();
        OpenStaking.Slash memory s = staking.slashOf(id);
        if (s.state != OpenStaking.SlashState.UnderAppeal) return;
        if (overturn) {
            vm.prank(governance);
            staking.overturn(id);
        } else if (block.timestamp >= s.executableAt) {
            staking.executeSlash(id);
        }
    }

    function wait_(uint32 seconds_) external {
        vm.warp(block.timestamp + seconds_ % 3 days);
        if (registry.creditOf(client) != 0) registry.withdrawCredit(client);
    }

    function _pick(uint256 which) private view returns (uint256) {
        uint256 count = registry.orderCount();
        return count == 0 ? 0 : count - which % (count < 6 ? count : 6);
    }

    function theRegistry() external view returns (AgentRegistry, OpenStaking, uint256) {
        return (registry, staking, agentId);
    }
}

contract AgentInvariants is StakingFixture {
    AgentHandler private handler;
    AgentRegistry private registry;
    uint256 private agentId;
    bytes32 private termsAtStart;

    function setUp() public override {
        handler = new AgentHandler();
        handler.setUp();
        (registry, staking, agentId) = handler.theRegistry();
        termsAtStart = keccak256(abi.encode(registry.termsOf(agentId, 1), registry.termsOf(agentId, 2)));
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        bytes4[] memory s = new bytes4[](11);
        s[0] = AgentHandler.place.selector;
        s[1] = AgentHandler.cancelSome.selector;
        s[2] = AgentHandler.acceptSome.selector;
        s[3] = AgentHandler.deliverSome.selector;
        s[4] = AgentHandler.completeSome.selector;
        s[5] = AgentHandler.judgeSome.selector;
        s[6] = AgentHandler.missSome.selector;
        s[7] = AgentHandler.stake.selector;
        s[8] = AgentHandler.sell.selector;
        s[9] = AgentHandler.settleAppeal.selector;
        s[10] = AgentHandler.wait_.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(handler), s);
    }

    /// Promises 1 to 3: escrow is the payments of open orders; terms stand; an order is slashed at most once, and only
    /// when its payment went back.
    /// forge-config: default.invariant.runs = 160
    function invariant_escrowTermsAndSlashes() public view {
        vm.assertEq(address(registry).balance, registry.escrowed() + registry.credits());
        vm.assertEq(registry.escrowed(), handler.offered() - handler.closed());
        vm.assertEq(keccak256(abi.encode(registry.termsOf(agentId, 1), registry.termsOf(agentId, 2))), termsAtStart);
        uint256 open_;
        for (uint256 id = 1; id <= registry.orderCount(); ++id) {
            AgentRegistry.Order memory o = registry.orderOf(id);
            bool done = o.state == AgentRegistry.OrderState.Paid || o.state == AgentRegistry.OrderState.Refunded;
            if (!done) open_ += o.payment;
            uint256 slashes = handler.slashesOf(id);
            vm.assertLe(slashes, o.state == AgentRegistry.OrderState.Refunded && o.liable != address(0) ? 1 : 0);
        }
        vm.assertEq(open_, registry.escrowed());
        assertBalanced();
    }
}
