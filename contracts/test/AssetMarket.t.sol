// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IERC721} from "@openzeppelin/contracts/interfaces/IERC721.sol";
import {IERC20Errors, IERC721Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {AssetMarket} from "../src/AssetMarket.sol";
import {RevenueShares, Terms} from "../src/RevenueShares.sol";
import {RevenueSharesFactory} from "../src/RevenueSharesFactory.sol";
import {Asset} from "../src/libraries/Asset.sol";
import {Fixture} from "./Fixture.sol";

abstract contract MarketFixture is Fixture {
    RevenueSharesFactory internal factory;
    AssetMarket internal market;

    function setUp() public virtual override {
        super.setUp();
        factory = new RevenueSharesFactory();
        Asset[] memory assets = new Asset[](2);
        (assets[0], assets[1]) = (datanets, models);
        market = new AssetMarket(assets, factory);
    }

    function mint(address to, uint256 royaltyBps) internal returns (uint256 id) {
        vm.deal(to, to.balance + FEE);
        vm.prank(to);
        return datanets.create{value: FEE}(keccak256("card"), "MIT", royaltyBps);
    }

    function offer(address seller, uint256 id, uint96 price) internal returns (uint256 listingId) {
        vm.startPrank(seller);
        datanets.approve(address(market), id);
        listingId = market.list(datanets, id, price, uint48(block.timestamp + 1 days));
        vm.stopPrank();
    }

    function buy(address buyer, uint256 listingId, uint256 value) internal {
        vm.deal(buyer, buyer.balance + value);
        vm.prank(buyer);
        market.buy{value: value}(listingId);
    }

    function divide(address owner, uint256 id) internal returns (RevenueShares shares) {
        vm.startPrank(owner);
        datanets.approve(address(factory), id);
        shares = factory.create(Terms(IERC721(address(datanets)), id, 1000, "Shares", "S", new bytes4[](0)));
        vm.stopPrank();
    }
}

/// Sellers, buyers and people who give things away, in any order. It writes down for every listing whether it is still
/// good, by counting every move of its token, and for everybody what they are owed.
contract MarketHandler is MarketFixture {
    struct Offer {
        address seller;
        uint256 token;
        uint256 price;
        uint256 expiresAt;
        uint256 moves;
        bool isLot;
        bool closed;
    }

    uint256 public constant ACTORS = 10;
    uint256 public constant TOKENS = 4;

    Offer[] private _offers;
    RevenueShares public lots;
    uint256[] public tokens;
    uint256 public spent;
    uint256 public sales;
    uint256 public refusals;
    mapping(uint256 token => uint256) private _moves;
    mapping(uint256 token => uint256) private _newest;
    mapping(address account => uint256) private _credit;

    function setUp() public override {
        super.setUp();
        for (uint256 i = 0; i < TOKENS; ++i) {
            tokens.push(mint(actor(i), 250 * i));
        }
        lots = divide(actor(0), mint(actor(0), 0));
        for (uint256 i = 1; i < ACTORS; ++i) {
            vm.prank(actor(0));
            require(lots.transfer(actor(i), 100));
        }
        vm.warp(block.timestamp + 1);
    }

    function offerToken(uint256 which, uint64 price, uint8 hours_, bool approved) external {
        uint256 id = tokens[which % TOKENS];
        address seller = datanets.ownerOf(id);
        uint256 expiresAt = block.timestamp + 1 + uint256(hours_) * 60;
        vm.startPrank(seller);
        if (datanets.ownedSince(id) > block.timestamp) {
            vm.expectPartialRevert(AssetMarket.OwnedTooShortly.selector);
            market.list(datanets, id, uint96(price) + 1, uint48(expiresAt));
            vm.stopPrank();
            return;
        }
        if (approved) datanets.approve(address(market), id);
        uint256 listingId = market.list(datanets, id, uint96(price) + 1, uint48(expiresAt));
        vm.stopPrank();
        _offers.push(Offer(seller, id, uint256(price) + 1, expiresAt, _moves[id], false, false));
        _newest[id] = listingId;
        vm.assertEq(listingId, _offers.length);
    }

    function offerLot(uint256 who, uint8 amount, uint64 price, bool allowed) external {
        address seller = actor(who);
        vm.startPrank(seller);
        if (allowed) lots.approve(address(market), type(uint256).max);
        market.listShares(address(lots), uint256(amount) + 1, uint96(price) + 1, uint48(block.timestamp + 1 hours));
        vm.stopPrank();
        _offers.push(Offer(seller, uint256(amount) + 1, uint256(price) + 1, block.timestamp + 1 hours, 0, true, false));
    }

    /// Anyone tries any listing: it is sold if and only if it is good.
    function take(uint256 which, uint256 who) public {
        if (_offers.length == 0) return;
        uint256 listingId = 1 + which % _offers.length;
        Offer storage it = _offers[listingId - 1];
        address buyer = actor(who);
        vm.deal(buyer, buyer.balance + it.price);
        uint256 before = it.isLot ? lots.balanceOf(buyer) : 0;
        bool good = _isGood(listingId, it);
        (address receiver, uint256 royalty) = it.isLot ? (address(0), 0) : datanets.royaltyInfo(it.token, it.price);

        vm.prank(buyer);
        (bool sold,) = address(market).call{value: it.price}(abi.encodeCall(AssetMarket.buy, (listingId)));
        vm.assertTrue(sold == good, good ? "a good offer was refused" : "a bad offer was sold");
        if (!sold) {
            ++refusals;
            return;
        }
        ++sales;
        it.closed = true;
        spent += it.price;
        _credit[it.seller] += it.price - royalty;
        _credit[receiver] += royalty;
        if (it.isLot) {
            vm.assertEq(lots.balanceOf(buyer), buyer == it.seller ? before : before + it.token);
        } else {
            ++_moves[it.token];
            vm.assertEq(datanets.ownerOf(it.token), buyer);
            vm.assertEq(market.listingOf(address(datanets), it.token), 0);
        }
    }

    /// Mostly the newest listing is tried, so that sales happen.
    function takeNewest(uint256 which, uint256 who) external {
        uint256 listingId = _newest[tokens[which % TOKENS]];
        if (listingId != 0) take(listingId - 1, who);
    }

    function cancel(uint256 which) external {
        if (_offers.length == 0) return;
        Offer storage it = _offers[which % _offers.length];
        if (it.closed) return;
        vm.prank(it.seller);
        market.cancel(1 + which % _offers.length);
        it.closed = true;
    }

    function give(uint256 which, uint256 who, bool back) external {
        uint256 id = tokens[which % TOKENS];
        address owner = datanets.ownerOf(id);
        vm.prank(owner);
        datanets.transferFrom(owner, actor(who), id);
        ++_moves[id];
        if (!back) return;
        vm.startPrank(actor(who));
        datanets.transferFrom(actor(who), owner, id);
        vm.stopPrank();
        vm.prank(owner);
        datanets.approve(address(market), id);
        ++_moves[id];
    }

    function withdraw(uint256 who) external {
        uint256 due = _credit[actor(who)];
        if (due == 0) return;
        uint256 before = actor(who).balance;
        vm.assertEq(market.withdraw(actor(who)), due);
        vm.assertEq(actor(who).balance - before, due);
        spent -= due;
        _credit[actor(who)] = 0;
    }

    function pass(uint16 time) external {
        vm.warp(block.timestamp + time % 1800);
    }

    function check() external view {
        uint256 owed;
        for (uint256 i = 0; i < ACTORS; ++i) {
            vm.assertEq(market.creditOf(actor(i)), _credit[actor(i)]);
            owed += market.creditOf(actor(i));
        }
        vm.assertEq(address(market).balance, owed, "holds what it owes");
        vm.assertEq(owed, spent, "the buyers' price, to the wei");
        vm.assertEq(datanets.balanceOf(address(market)), 0);
        vm.assertEq(lots.balanceOf(address(market)), 0);
    }

    function actor(uint256 who) public pure returns (address) {
        return address(uint160(0xC000 + who % ACTORS));
    }

    function _isGood(uint256 listingId, Offer storage it) private view returns (bool) {
        if (it.closed || block.timestamp >= it.expiresAt) return false;
        if (it.isLot) {
            return lots.balanceOf(it.seller) >= it.token && lots.allowance(it.seller, address(market)) >= it.token;
        }
        return _newest[it.token] == listingId && _moves[it.token] == it.moves
            && datanets.getApproved(it.token) == address(market);
    }
}

contract AssetMarketInvariantTest is Fixture {
    MarketHandler internal handler;

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function setUp() public override {
        handler = new MarketHandler();
        handler.setUp();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](8);
        selectors[0] = MarketHandler.offerToken.selector;
        selectors[1] = MarketHandler.offerLot.selector;
        selectors[2] = MarketHandler.take.selector;
        selectors[3] = MarketHandler.takeNewest.selector;
        selectors[4] = MarketHandler.cancel.selector;
        selectors[5] = MarketHandler.give.selector;
        selectors[6] = MarketHandler.withdraw.selector;
        selectors[7] = MarketHandler.pass.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(handler), selectors);
    }

    /// forge-config: default.invariant.runs = 160
    function invariant_soldIfAndOnlyIfGoodAndPaidToTheWei() public view {
        handler.check();
    }
}

/// Sells, receives royalties and buys, and tries to buy again whenever it is paid.
contract Trader {
    AssetMarket private _market;
    uint256 private _listingId;
    bool public refuses;
    bool public nested;

    function attack(AssetMarket market, uint256 listingId, bool refuses_) external {
        (_market, _listingId, refuses) = (market, listingId, refuses_);
    }

    function run(address target, uint256 value, bytes calldata data) external payable {
        (bool done, bytes memory answer) = target.call{value: value}(data);
        if (!done) assembly ("memory-safe") { revert(add(answer, 32), mload(answer)) }
    }

    receive() external payable {
        if (refuses) revert("no, thank you");
        if (address(_market) == address(0)) return;
        (bool bought,) = address(_market).call{value: msg.value}(abi.encodeCall(AssetMarket.buy, (_listingId)));
        (bool withdrawn,) = address(_market).call(abi.encodeCall(AssetMarket.withdraw, (address(this))));
        nested = nested || bought || withdrawn;
    }
}

contract AssetMarketTest is MarketFixture {
    address internal constant ann = address(0xA1);
    address internal constant bob = address(0xA2);
    address internal constant cid = address(0xA3);
    uint256 internal token;

    function setUp() public override {
        super.setUp();
        token = mint(ann, 1000);
    }

    function test_aSaleIsASwap() public {
        vm.prank(ann);
        datanets.transferFrom(ann, bob, token);
        vm.warp(block.timestamp + 1);
        uint256 listingId = offer(bob, token, 1 ether);
        vm.assertEq(market.listingOf(address(datanets), token), listingId);
        vm.assertEq(datanets.ownerOf(token), bob);
        buy(cid, listingId, 1 ether);
        vm.assertEq(datanets.ownerOf(token), cid);
        vm.assertEq(market.creditOf(bob), 0.9 ether);
        vm.assertEq(market.creditOf(ann), 0.1 ether);
        vm.assertEq(market.withdraw(bob), 0.9 ether);
        vm.assertEq(bob.balance, 0.9 ether);
        vm.expectRevert(abi.encodeWithSelector(AssetMarket.NothingToWithdraw.selector, bob));
        market.withdraw(bob);
        vm.expectRevert(abi.encodeWithSelector(AssetMarket.NotListed.selector, listingId));
        buy(cid, listingId, 1 ether);
    }

    function test_incomeFollowsTheSaleFromTheNextSecond() public {
        uint256 listingId = offer(ann, token, 1 ether);
        uint256 sold = block.timestamp + 100;
        vm.warp(sold);
        buy(bob, listingId, 1 ether);
        vm.assertEq(datanets.ownerAt(token, sold), ann);
        vm.assertEq(datanets.ownerAt(token, sold + 1), bob);
    }

    function test_onlyTheOwnerOffersAndOnlyWhatIsTraded() public {
        uint48 later = uint48(block.timestamp + 1);
        vm.expectRevert(abi.encodeWithSelector(AssetMarket.NotOwner.selector, address(datanets), token, address(this)));
        market.list(datanets, token, 1, later);
        vm.expectRevert(abi.encodeWithSelector(AssetMarket.NotTraded.selector, address(ledger)));
        market.list(Asset(address(ledger)), token, 1, later);
        vm.expectRevert(abi.encodeWithSelector(AssetMarket.NotTraded.selector, address(datanets)));
        market.listShares(address(datanets), 1, 1, later);
        vm.startPrank(ann);
        vm.expectRevert(abi.encodeWithSelector(AssetMarket.BadPrice.selector, 0));
        market.list(datanets, token, 0, later);
        vm.expectRevert(abi.encodeWithSelector(AssetMarket.BadExpiry.selector, block.timestamp, block.timestamp));
        market.list(datanets, token, 1, uint48(block.timestamp));
    }

    function test_theBuyerPaysThePriceExactly(uint96 value) public {
        vm.assume(value != 1 ether);
        uint256 listingId = offer(ann, token, 1 ether);
        vm.expectRevert(abi.encodeWithSelector(AssetMarket.WrongPrice.selector, value, 1 ether));
        this.buyAs(bob, listingId, value);
    }

    /// A seller who lists anew at another price makes another id: the buyer's call finds the old one void.
    function test_aPriceCannotChangeUnderABuyer() public {
        uint256 first = offer(ann, token, 1 ether);
        uint256 second = offer(ann, token, 2 ether);
        vm.expectRevert(abi.encodeWithSelector(AssetMarket.Stale.selector, first));
        this.buyAs(bob, first, 1 ether);
        // Cancelling what is void leaves the newer one alone.
        vm.prank(ann);
        market.cancel(first);
        vm.assertEq(market.listingOf(address(datanets), token), second);
        buy(bob, second, 2 ether);
    }

    function test_aTokenThatReturnsDoesNotReviveItsListing() public {
        uint256 listingId = offer(ann, token, 1 ether);
        vm.prank(ann);
        datanets.transferFrom(ann, bob, token);
        vm.expectRevert(abi.encodeWithSelector(AssetMarket.Stale.selector, listingId));
        this.buyAs(cid, listingId, 1 ether);
        vm.prank(bob);
        datanets.transferFrom(bob, ann, token);
        vm.startPrank(ann);
        datanets.approve(address(market), token);
        // In the second of its return the token cannot be offered: its ownership has not begun.
        vm.expectRevert(
            abi.encodeWithSelector(AssetMarket.OwnedTooShortly.selector, block.timestamp + 1, block.timestamp)
        );
        market.list(datanets, token, 1, uint48(block.timestamp + 1));
        vm.stopPrank();
        vm.warp(block.timestamp + 10);
        vm.expectRevert(abi.encodeWithSelector(AssetMarket.Stale.selector, listingId));
        this.buyAs(cid, listingId, 1 ether);
    }

    function test_withoutApprovalOrAfterExpiryNothingIsSold() public {
        vm.prank(ann);
        uint256 listingId = market.list(datanets, token, 1 ether, uint48(block.timestamp + 10));
        vm.expectRevert(
            abi.encodeWithSelector(IERC721Errors.ERC721InsufficientApproval.selector, address(market), token)
        );
        this.buyAs(bob, listingId, 1 ether);
        vm.prank(ann);
        datanets.approve(address(market), token);
        vm.warp(block.timestamp + 10);
        vm.expectRevert(abi.encodeWithSelector(AssetMarket.Expired.selector, listingId, block.timestamp));
        this.buyAs(bob, listingId, 1 ether);
        vm.assertEq(address(market).balance, 0);
    }

    function test_onlyTheSellerCancels() public {
        uint256 listingId = offer(ann, token, 1 ether);
        vm.expectRevert(abi.encodeWithSelector(AssetMarket.NotSeller.selector, listingId, bob));
        vm.prank(bob);
        market.cancel(listingId);
        vm.prank(ann);
        market.cancel(listingId);
        vm.assertEq(market.listingOf(address(datanets), token), 0);
        vm.expectRevert(abi.encodeWithSelector(AssetMarket.NotListed.selector, listingId));
        market.listing(listingId);
    }

    function testFuzz_sellerAndCreatorHaveThePriceBetweenThem(uint96 price, uint16 bps) public {
        vm.assume(price != 0);
        bps %= 1001;
        vm.prank(ann);
        datanets.changeRoyalty(token, cid, bps);
        buy(bob, offer(ann, token, price), price);
        vm.assertEq(market.creditOf(cid), uint256(price) * bps / 10_000);
        vm.assertEq(market.creditOf(ann) + market.creditOf(cid), price);
    }

    function test_sharesAreSoldInLotsWithoutTheirPastIncome() public {
        RevenueShares shares = divide(ann, token);
        vm.deal(address(this), 2 ether);
        (bool paid,) = address(shares).call{value: 1 ether}("");
        vm.startPrank(ann);
        shares.approve(address(market), 300);
        uint48 later = uint48(block.timestamp + 1);
        vm.expectRevert(AssetMarket.EmptyLot.selector);
        market.listShares(address(shares), 0, 1, later);
        uint256 first = market.listShares(address(shares), 200, 5 ether, later);
        uint256 second = market.listShares(address(shares), 200, 5 ether, later);
        vm.stopPrank();
        buy(bob, first, 5 ether);
        vm.assertEq(market.creditOf(ann), 5 ether);
        vm.assertEq(shares.balanceOf(bob), 200);
        vm.assertEq(shares.claimable(bob), 0);
        (paid,) = address(shares).call{value: 1 ether}("");
        vm.assertTrue(paid);
        vm.assertEq(shares.claimable(bob), 0.2 ether);
        vm.expectRevert(
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, address(market), 100, 200)
        );
        this.buyAs(bob, second, 5 ether);
    }

    function test_nobodyPaidCanReenterOrStopASale() public {
        Trader creator = new Trader();
        Trader seller = new Trader();
        Trader buyer = new Trader();
        vm.deal(address(creator), 1 ether);
        creator.run(address(datanets), FEE, abi.encodeWithSignature("create(bytes32,string,uint256)", 1, "MIT", 1000));
        uint256 id = datanets.datanetCount();
        creator.run(address(datanets), 0, abi.encodeCall(IERC721.transferFrom, (address(creator), address(seller), id)));
        vm.warp(block.timestamp + 1);
        seller.run(address(datanets), 0, abi.encodeCall(IERC721.approve, (address(market), id)));
        uint48 later = uint48(block.timestamp + 1);
        seller.run(address(market), 0, abi.encodeCall(AssetMarket.list, (datanets, id, 1 ether, later)));
        uint256 listingId = market.listingCount();
        uint256 other = offer(ann, token, 0.9 ether);

        creator.attack(market, other, true);
        seller.attack(market, other, false);
        buyer.attack(market, other, false);
        vm.deal(address(this), 1 ether);
        buyer.run{value: 1 ether}(address(market), 1 ether, abi.encodeCall(AssetMarket.buy, (listingId)));
        vm.assertEq(datanets.ownerOf(id), address(buyer));

        // A refusal keeps the credit where it is; a payment that reenters finds the door shut.
        vm.expectRevert(abi.encodeWithSelector(AssetMarket.PaymentFailed.selector, address(creator), 0.1 ether));
        market.withdraw(address(creator));
        vm.assertEq(market.withdraw(address(seller)), 0.9 ether);
        vm.assertFalse(seller.nested());
        vm.assertEq(datanets.ownerOf(token), ann);
        vm.assertEq(address(market).balance, market.creditOf(address(creator)));
        vm.assertEq(market.creditOf(address(creator)), 0.1 ether);
    }

    function buyAs(address buyer, uint256 listingId, uint256 value) external {
        buy(buyer, listingId, value);
    }
}
