// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IERC721} from "@openzeppelin/contracts/interfaces/IERC721.sol";
import {BatchInput, ChannelEnd} from "../src/AttributionLedger.sol";
import {RevenueShares, Terms} from "../src/RevenueShares.sol";
import {MarketFixture} from "./AssetMarket.t.sol";

/// A model's income, claimed from the ledger, goes to whoever owned it when the answer was given: through the market, and
/// through shares.
contract IncomeTest is MarketFixture {
    address internal constant bob = address(0xA2);
    address internal constant cid = address(0xA3);
    uint96 internal constant FEE_EACH = 1 ether;

    bytes32 private _channelId;
    bytes32 private _root;

    function setUp() public override {
        super.setUp();
        bond(operator, 100 ether);
        _channelId = openChannel(0, 10 ether);
        collect(_channelId, 10 ether);
        vm.warp(block.timestamp + 1);
    }

    function test_incomeFollowsTheModelThroughTheMarketAndTheShares() public {
        uint256 first = block.timestamp;
        vm.startPrank(developer);
        models.approve(address(market), modelId);
        uint256 listingId = market.list(models, modelId, 5 ether, uint48(block.timestamp + 1 days));
        vm.stopPrank();
        buy(bob, listingId, 5 ether);
        // An answer in the second of the sale is still the seller's.
        uint256 second = block.timestamp;
        vm.warp(block.timestamp + 1);
        uint256 third = block.timestamp;

        vm.startPrank(bob);
        models.approve(address(factory), modelId);
        RevenueShares shares =
            factory.create(Terms(IERC721(address(models)), modelId, 1000, "Valley", "VALLEY", new bytes4[](0)));
        shares.approve(address(market), 250);
        listingId = market.listShares(address(shares), 250, 1 ether, uint48(block.timestamp + 1 days));
        vm.stopPrank();
        vm.warp(block.timestamp + 1);
        uint256 fourth = block.timestamp;
        buy(cid, listingId, 1 ether);

        uint256 developers = developer.balance;
        vm.assertEq(_claim(0, first), developer);
        vm.assertEq(_claim(1, second), developer);
        vm.assertEq(_claim(2, third), bob);
        vm.assertEq(_claim(3, fourth), address(shares));
        vm.assertEq(developer.balance - developers, 2 * FEE_EACH);
        vm.assertEq(bob.balance, FEE_EACH);
        vm.assertEq(shares.claim(cid), FEE_EACH / 4);
        vm.assertEq(shares.claim(bob), FEE_EACH * 3 / 4);
        vm.assertEq(address(shares).balance, 0);
        vm.assertEq(market.creditOf(developer), 5 ether);
        vm.assertEq(market.creditOf(bob), 1 ether);
    }

    /// Settles an answer long after it was given, and claims it for the model's owner of then.
    function _claim(uint32 number, uint256 issuedAt) private returns (address payee) {
        payee = models.ownerAt(modelId, issuedAt);
        uint96 from = number * FEE_EACH;
        uint256 cumulative = ledger.claimedOf(operator, payee) + FEE_EACH;
        (BatchInput memory batch, ChannelEnd[] memory ends) =
            tinyBatch(number, _root, _channelId, from, from + FEE_EACH, payee, cumulative);
        settle(batch, ends);
        _root = batch.balances.root;
        vm.warp(block.timestamp + WINDOW);
        ledger.claim(operator, number, 0, payee, FEE_EACH, cumulative, new bytes32[](0));
    }
}
