// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IERC721} from "@openzeppelin/contracts/interfaces/IERC721.sol";
import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {ModelRegistry} from "../src/ModelRegistry.sol";
import {RevenueShares, Terms} from "../src/RevenueShares.sol";
import {RevenueSharesFactory} from "../src/RevenueSharesFactory.sol";
import {Fixture} from "./Fixture.sol";

/// The model of the fixture, divided.
abstract contract SharesFixture is Fixture {
    RevenueSharesFactory internal factory;
    RevenueShares internal shares;

    function divide(uint256 supply) internal {
        factory = new RevenueSharesFactory();
        vm.startPrank(developer);
        models.approve(address(factory), modelId);
        shares = factory.create(terms(supply));
        vm.stopPrank();
    }

    function terms(uint256 supply) internal view returns (Terms memory) {
        bytes4[] memory managed = new bytes4[](2);
        managed[0] = ModelRegistry.publishRelease.selector;
        managed[1] = ModelRegistry.setDeprecated.selector;
        return Terms(IERC721(address(models)), modelId, supply, "Valley shares", "VALLEY", managed);
    }

    function earn(uint256 amount) internal {
        vm.deal(address(this), amount);
        (bool paid,) = address(shares).call{value: amount, gas: 2300}("");
        vm.assertTrue(paid);
    }
}

/// Holders of awkward numbers of shares trade, earn and claim in any order, and everyone's part is kept as a fraction that
/// is exact: in 1/supply of a wei.
contract SharesHandler is SharesFixture {
    uint256 public constant SUPPLY = 1_000_003;
    uint256 public constant ACTORS = 12;

    uint256 public received;
    uint256 public paid;
    bool public redeemed;
    mapping(address account => uint256) private _due;
    mapping(address account => uint256) private _claimed;

    function setUp() public override {
        super.setUp();
        divide(SUPPLY);
        for (uint256 i = 0; i < ACTORS; ++i) {
            vm.prank(developer);
            require(shares.transfer(actor(i), SUPPLY / 13 + i));
        }
    }

    function income(uint96 amount, bool small) external {
        uint256 some = small ? amount % 1000 : amount % 1000 ether;
        earn(some);
        received += some;
        if (redeemed) {
            _due[shares.redeemer()] += some * SUPPLY;
            return;
        }
        for (uint256 i = 0; i <= ACTORS; ++i) {
            _due[actor(i)] += some * shares.balanceOf(actor(i));
        }
    }

    function trade(uint256 from, uint256 to, uint256 amount, bool all) external {
        (address seller, address buyer) = (actor(from), actor(to));
        uint256 held = shares.balanceOf(seller);
        (uint256 sellers, uint256 buyers) = (shares.claimable(seller), shares.claimable(buyer));
        vm.prank(seller);
        require(shares.transfer(buyer, all ? held : amount % (held + 1)));
        vm.assertEq(shares.claimable(seller), sellers, "income left with the shares");
        vm.assertEq(shares.claimable(buyer), buyers, "income came with the shares");
    }

    function claim(uint256 who) external {
        address account = actor(who);
        uint256 before = account.balance;
        uint256 due = shares.claimable(account);
        vm.assertEq(shares.claim(account), due);
        vm.assertEq(account.balance - before, due);
        vm.assertEq(shares.claimable(account), 0, "claimed twice");
        _claimed[account] += due;
        paid += due;
    }

    /// Once in a while somebody gathers every share.
    function gather(uint256 who, uint8 chance) external {
        if (redeemed || chance > 20) return;
        for (uint256 i = 0; i <= ACTORS; ++i) {
            uint256 held = shares.balanceOf(actor(i));
            vm.prank(actor(i));
            require(shares.transfer(actor(who), held));
        }
        vm.prank(actor(who));
        shares.redeem();
        redeemed = true;
        vm.assertEq(models.ownerOf(modelId), actor(who));
    }

    /// The last one is the developer, who holds the rest.
    function actor(uint256 who) public pure returns (address) {
        who %= ACTORS + 1;
        return who == ACTORS ? developer : address(uint160(0xB000 + who));
    }

    function check() external view {
        uint256 claimable;
        for (uint256 i = 0; i <= ACTORS; ++i) {
            uint256 one = shares.claimable(actor(i));
            claimable += one;
            // Kept to 2⁻¹²⁸ wei, so at most the last wei waits for the remainder.
            uint256 exact = _due[actor(i)] / SUPPLY;
            uint256 got = _claimed[actor(i)] + one;
            vm.assertTrue(got == exact || got + 1 == exact, "not one's own part");
        }
        vm.assertEq(shares.received(), received);
        vm.assertEq(shares.claimed(), paid);
        vm.assertEq(address(shares).balance, received - paid);
        vm.assertLe(paid + claimable, received, "owes more than it has");
        // What is not claimable yet are fractions of a wei, one for each holder at most, and the remainder's.
        vm.assertLe(received - paid - claimable, ACTORS + 1);
        vm.assertEq(shares.totalSupply(), redeemed ? 0 : SUPPLY);
        if (!redeemed) vm.assertEq(models.ownerOf(modelId), address(shares));
    }
}

contract RevenueSharesInvariantTest is Fixture {
    SharesHandler internal handler;

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function setUp() public override {
        handler = new SharesHandler();
        handler.setUp();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](4);
        selectors[0] = SharesHandler.income.selector;
        selectors[1] = SharesHandler.trade.selector;
        selectors[2] = SharesHandler.claim.selector;
        selectors[3] = SharesHandler.gather.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(handler), selectors);
    }

    /// forge-config: default.invariant.runs = 160
    function invariant_whatCameInIsOwedToWhoHeldThen() public view {
        handler.check();
    }
}

/// Holds shares, and answers a payment by claiming again, trading or refusing.
contract Holder {
    RevenueShares public shares;
    uint8 public mood;
    uint256 public payments;
    bool public nested;

    function set(RevenueShares shares_, uint8 mood_) external {
        (shares, mood) = (shares_, mood_);
    }

    receive() external payable {
        ++payments;
        if (mood == 1) (nested,) = address(shares).call(abi.encodeCall(RevenueShares.claim, (address(this))));
        if (mood == 2) nested = shares.transfer(address(0x99), shares.balanceOf(address(this)));
        if (mood == 3) revert("no, thank you");
        if (mood == 4) (nested,) = address(shares).call{value: msg.value / 2}("");
    }
}

contract RevenueSharesTest is SharesFixture {
    address internal constant ann = address(0x90);
    address internal constant bob = address(0x91);

    function setUp() public override {
        super.setUp();
        divide(1000);
    }

    function test_onlyTheOwnerDividesAToken() public {
        vm.assertEq(models.ownerOf(modelId), address(shares));
        vm.assertTrue(factory.isShares(address(shares)));
        vm.assertEq(shares.balanceOf(developer), 1000);
        vm.assertEq(shares.manager(), developer);
        vm.expectRevert(
            abi.encodeWithSelector(RevenueSharesFactory.NotOwner.selector, address(models), modelId, developer)
        );
        vm.prank(developer);
        factory.create(terms(1));
    }

    function test_boundsOfTheSupply() public {
        uint256 most = type(uint128).max;
        vm.expectRevert(abi.encodeWithSelector(RevenueShares.SupplyOutOfBounds.selector, 0, most));
        new RevenueShares(terms(0), developer);
        vm.expectRevert(abi.encodeWithSelector(RevenueShares.SupplyOutOfBounds.selector, most + 1, most));
        new RevenueShares(terms(most + 1), developer);
    }

    function test_incomeBeforeATransferStaysBehind() public {
        earn(1 ether);
        vm.prank(developer);
        shares.transfer(ann, 250);
        earn(1 ether);
        vm.assertEq(shares.claimable(developer), 1.75 ether);
        vm.assertEq(shares.claimable(ann), 0.25 ether);
        shares.claim(ann);
        vm.assertEq(ann.balance, 0.25 ether);
        vm.assertEq(shares.claim(ann), 0);
        vm.assertEq(shares.claim(bob), 0);
        vm.assertEq(shares.received(), 2 ether);
        vm.assertEq(shares.claimed(), 0.25 ether);
    }

    /// A wei among a thousand shares is owed to nobody yet, and lost to nobody.
    function test_fractionsOfAWeiAddUp() public {
        vm.prank(developer);
        shares.transfer(ann, 1);
        for (uint256 i = 0; i < 1000; ++i) {
            earn(1);
            // Settles both, as often as anyone likes: nothing is rounded away.
            vm.prank(ann);
            shares.transfer(developer, 0);
        }
        // 1000 parts of 1/1000 wei, each kept to 2⁻¹²⁸ wei.
        vm.assertLe(999 - shares.claimable(developer), 1);
        earn(1);
        vm.assertEq(shares.claimable(developer), 999);
        vm.assertEq(shares.claimable(ann), 1);
    }

    function test_theSmallestAndTheLargestSupply() public {
        vm.prank(developer);
        shares.redeem();
        divide(1);
        earn(7);
        vm.assertEq(shares.claimable(developer), 7);
        vm.prank(developer);
        shares.redeem();
        divide(type(uint128).max);
        earn(10 ** 27);
        vm.assertLe(10 ** 27 - shares.claimable(developer), 1);
        vm.prank(developer);
        shares.transfer(ann, type(uint128).max / 2);
        earn(10 ** 27);
        vm.assertLe(5 * 10 ** 26 - shares.claimable(ann), 1);
    }

    /// Half a wei does not divide among so many: without the remainder it would be lost every time.
    function test_whatDoesNotDivideIsCarriedOver() public {
        vm.prank(developer);
        shares.redeem();
        divide(2 ** 127 + 1);
        for (uint256 i = 0; i < 100; ++i) {
            earn(1);
            vm.prank(developer);
            shares.transfer(ann, 1);
        }
        vm.assertGe(shares.claimable(developer), 99);
        vm.assertEq(shares.claimable(ann), 0);
    }

    function testFuzz_aPartIsItsShareRoundedDown(uint128 supply, uint128 part, uint96 amount) public {
        vm.assume(supply != 0);
        vm.prank(developer);
        shares.redeem();
        divide(supply);
        part = uint128(uint256(part) % (uint256(supply) + 1));
        vm.prank(developer);
        shares.transfer(ann, part);
        earn(amount);
        uint256 exact = uint256(amount) * part / supply;
        vm.assertLe(shares.claimable(ann), exact);
        vm.assertLe(exact - shares.claimable(ann), 1);
        vm.assertLe(shares.claimable(ann) + shares.claimable(developer), amount);
    }

    function test_onlyWhoHasEveryShareTakesTheTokenBack() public {
        vm.prank(developer);
        shares.transfer(ann, 1);
        earn(1 ether);
        vm.expectRevert(abi.encodeWithSelector(RevenueShares.NotWhole.selector, developer, 999, 1000));
        vm.prank(developer);
        shares.redeem();
        vm.expectRevert(abi.encodeWithSelector(RevenueShares.NotWhole.selector, bob, 0, 1000));
        vm.prank(bob);
        shares.redeem();
        vm.prank(developer);
        shares.transfer(ann, 999);
        vm.prank(ann);
        shares.redeem();
        vm.assertEq(models.ownerOf(modelId), ann);
        vm.assertEq(shares.totalSupply(), 0);

        // What was earned before is whose it was; what still arrives is hers who gave every share.
        earn(2 ether);
        vm.assertEq(shares.claimable(developer), 0.999 ether);
        vm.assertEq(shares.claimable(ann), 2.001 ether);
        shares.claim(ann);
        shares.claim(developer);
        vm.assertEq(ann.balance, 2.001 ether);
        vm.assertLe(address(shares).balance, 1);
        vm.expectRevert(abi.encodeWithSelector(RevenueShares.NotWhole.selector, bob, 0, 0));
        vm.prank(bob);
        shares.redeem();
        vm.expectRevert(abi.encodeWithSelector(RevenueShares.NotMajority.selector, ann, 0, 0));
        vm.prank(ann);
        shares.appoint(ann);
    }

    function test_sharesCannotBeSentToThemselves() public {
        vm.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InvalidReceiver.selector, address(shares)));
        vm.prank(developer);
        shares.transfer(address(shares), 1);
    }

    function test_whatArrivesBeforeTheSharesIsTheFirstHolders() public {
        address next = vm.computeCreateAddress(address(factory), vm.getNonce(address(factory)));
        vm.deal(next, 5);
        vm.startPrank(developer);
        shares.redeem();
        models.approve(address(factory), modelId);
        shares = factory.create(terms(5));
        vm.stopPrank();
        vm.assertEq(address(shares), next);
        vm.assertEq(shares.claimable(developer), 5);
    }

    function test_holdersThatReenterGainNothing() public {
        for (uint8 mood = 1; mood <= 4; ++mood) {
            Holder holder = new Holder();
            holder.set(shares, mood);
            vm.prank(developer);
            shares.transfer(address(holder), 100);
            uint256 before = shares.claimable(developer);
            uint256 held = shares.balanceOf(developer);
            earn(1 ether);
            if (mood == 3) {
                // It stops nobody but itself.
                vm.expectRevert(
                    abi.encodeWithSelector(RevenueShares.PaymentFailed.selector, address(holder), 0.1 ether)
                );
                shares.claim(address(holder));
                vm.assertEq(shares.claimable(address(holder)), 0.1 ether);
            } else {
                vm.assertEq(shares.claim(address(holder)), 0.1 ether);
                vm.assertEq(holder.payments(), 1);
                vm.assertTrue(holder.nested() == (mood != 1));
                vm.assertEq(address(holder).balance, mood == 4 ? 0.05 ether : 0.1 ether);
            }
            uint256 back = mood == 4 ? 0.05 ether * held / 1000 : 0;
            vm.assertLe(before + 1 ether * held / 1000 + back - shares.claimable(developer), 1);
        }
    }

    function test_theManagerManagesAndCannotTakeTheToken() public {
        bytes memory publish = abi.encodeCall(
            ModelRegistry.publishRelease, (modelId, release(keccak256("r"), keccak256("index"), 10, 4, 16, 1_000_000))
        );
        vm.expectRevert(abi.encodeWithSelector(RevenueShares.NotManager.selector, ann, developer));
        vm.prank(ann);
        shares.manage(publish);
        vm.prank(developer);
        shares.manage(publish);
        vm.assertTrue(models.releaseExists(keccak256("r")));

        vm.expectRevert(abi.encodeWithSelector(RevenueShares.NotManageable.selector, bytes4(0x42842e0e)));
        vm.prank(developer);
        shares.manage(abi.encodeWithSelector(0x42842e0e, shares, developer, modelId));
        bytes4[5] memory moving = [
            IERC721.transferFrom.selector,
            IERC721.approve.selector,
            IERC721.setApprovalForAll.selector,
            bytes4(0x42842e0e),
            bytes4(0xb88d4fde)
        ];
        for (uint256 i = 0; i < moving.length; ++i) {
            Terms memory bad = terms(1);
            bad.managed[1] = moving[i];
            vm.expectRevert(abi.encodeWithSelector(RevenueShares.NotManageable.selector, moving[i]));
            new RevenueShares(bad, developer);
        }
    }

    function test_aMajorityNamesTheManager() public {
        vm.prank(developer);
        shares.transfer(ann, 500);
        vm.expectRevert(abi.encodeWithSelector(RevenueShares.NotMajority.selector, ann, 500, 1000));
        vm.prank(ann);
        shares.appoint(bob);
        vm.prank(developer);
        shares.transfer(ann, 1);
        vm.prank(ann);
        shares.appoint(bob);
        vm.assertEq(shares.manager(), bob);
    }

    function test_sharesMoveByPermit() public {
        vm.prank(developer);
        shares.transfer(payer, 10);
        bytes32 permit = keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        bytes32 digest = keccak256(
            abi.encodePacked(
                hex"1901", shares.DOMAIN_SEPARATOR(), keccak256(abi.encode(permit, payer, ann, 10, 0, block.timestamp))
            )
        );
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(payerKey, digest);
        shares.permit(payer, ann, 10, block.timestamp, v, r, s);
        vm.prank(ann);
        shares.transferFrom(payer, ann, 10);
        vm.assertEq(shares.balanceOf(ann), 10);
    }

    /// The developer's part of an answer follows the model: to its owner then, and through the shares to their holders.
    function test_incomeFollowsTheModelIntoTheSharesAndOutAgain() public {
        uint256 divided = block.timestamp;
        vm.assertEq(models.ownerAt(modelId, divided), developer);
        vm.warp(divided + 10);
        vm.assertEq(models.ownerAt(modelId, divided + 1), address(shares));
        vm.prank(developer);
        shares.transfer(ann, 1000);
        vm.prank(ann);
        shares.redeem();
        vm.warp(divided + 20);
        vm.assertEq(models.ownerAt(modelId, divided + 10), address(shares));
        vm.assertEq(models.ownerAt(modelId, divided + 11), ann);
        // An answer from the shares' time, claimed after they are gone.
        vm.deal(address(this), 1 ether);
        (bool paid,) = models.ownerAt(modelId, divided + 10).call{value: 1 ether}("");
        vm.assertTrue(paid);
        shares.claim(ann);
        vm.assertEq(ann.balance, 1 ether);
    }
}

/// An ERC-721 in name only: it says whatever suits it.
contract Pretender {
    address private _owner = msg.sender;
    address public approved;
    bool public honest = true;

    function pretend() external {
        honest = false;
    }

    function ownerOf(uint256) external view returns (address) {
        return _owner;
    }

    function getApproved(uint256) external view returns (address) {
        return approved;
    }

    function transferFrom(address, address to, uint256) external {
        if (honest) _owner = to;
    }

    function lend(address to) external {
        _owner = to;
    }

    function permit(address to) external {
        approved = to;
    }
}

contract PretenderTest is Fixture {
    Pretender internal token = new Pretender();
    RevenueSharesFactory internal factory = new RevenueSharesFactory();

    function test_sharesWithoutTheirTokenAreNotMade() public {
        token.pretend();
        vm.expectRevert(abi.encodeWithSelector(RevenueSharesFactory.TokenNotReceived.selector, token, 1));
        factory.create(_terms());
    }

    function test_whateverTheManagerCallsTheTokenIsStillThere() public {
        RevenueShares shares = factory.create(_terms());
        vm.expectRevert(abi.encodeWithSelector(RevenueShares.TokenLeft.selector, payer, address(0)));
        shares.manage(abi.encodeCall(Pretender.lend, (payer)));
        vm.expectRevert(abi.encodeWithSelector(RevenueShares.TokenLeft.selector, shares, payer));
        shares.manage(abi.encodeCall(Pretender.permit, (payer)));
        vm.assertEq(token.ownerOf(1), address(shares));
    }

    function _terms() private view returns (Terms memory) {
        bytes4[] memory managed = new bytes4[](2);
        managed[0] = Pretender.lend.selector;
        managed[1] = Pretender.permit.selector;
        return Terms(IERC721(address(token)), 1, 100, "None", "NONE", managed);
    }
}
