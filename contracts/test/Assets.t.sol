// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IERC721Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {DatanetRegistry} from "../src/DatanetRegistry.sol";
import {ModelRegistry} from "../src/ModelRegistry.sol";
import {Asset} from "../src/libraries/Asset.sol";
import {Fixture} from "./Fixture.sol";

/// Mints and moves models among many owners as time passes, and writes its own history: who held each at the start of
/// every second.
contract AssetHandler is Fixture {
    struct Era {
        uint256 from;
        address owner;
    }

    uint256[] public ids;
    mapping(uint256 id => Era[]) private _eras;

    function theModels() external view returns (ModelRegistry) {
        return models;
    }

    function count() external view returns (uint256) {
        return ids.length;
    }

    function mint(uint256 who) external {
        if (ids.length == 6) return;
        address to = actor(who);
        vm.deal(to, FEE);
        vm.prank(to);
        uint256 id = models.register{value: FEE}(string.concat("model-", vm.toString(ids.length)), 1000);
        ids.push(id);
        _eras[id].push(Era(block.timestamp, to));
    }

    function move(uint256 which, uint256 who) external {
        if (ids.length == 0) return;
        uint256 id = ids[which % ids.length];
        address from = models.ownerOf(id);
        address to = actor(who);
        vm.prank(from);
        models.transferFrom(from, to, id);
        Era[] storage eras = _eras[id];
        if (eras[eras.length - 1].from == block.timestamp + 1) eras.pop();
        eras.push(Era(block.timestamp + 1, to));
    }

    function lower(uint256 which, uint256 who, uint16 bps) external {
        if (ids.length == 0) return;
        uint256 id = ids[which % ids.length];
        (address receiver, uint256 most) = models.royaltyInfo(id, 10_000);
        vm.prank(receiver);
        models.changeRoyalty(id, actor(who), bps % (most + 1));
        (, uint256 left) = models.royaltyInfo(id, 10_000);
        vm.assertLe(left, most, "a royalty rose");
    }

    function pass(uint8 time) external {
        vm.warp(block.timestamp + time % 4);
    }

    /// Every era of every model, at its first and last second, and the second before the mint.
    function check() external view {
        for (uint256 i = 0; i < ids.length; ++i) {
            Era[] storage eras = _eras[ids[i]];
            vm.assertEq(models.ownerAt(ids[i], eras[0].from - 1), address(0));
            for (uint256 j = 0; j < eras.length; ++j) {
                if (eras[j].from > block.timestamp) break;
                uint256 last = j + 1 == eras.length ? block.timestamp : eras[j + 1].from - 1;
                vm.assertEq(models.ownerAt(ids[i], eras[j].from), eras[j].owner);
                vm.assertEq(models.ownerAt(ids[i], last), eras[j].owner);
            }
            vm.assertEq(models.ownerAt(ids[i], block.timestamp + 1), models.ownerOf(ids[i]));
        }
    }

    function actor(uint256 who) public pure returns (address) {
        return address(uint160(0xA000 + who % 12));
    }
}

contract AssetInvariantTest is Fixture {
    AssetHandler internal handler;

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function setUp() public override {
        handler = new AssetHandler();
        handler.setUp();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](5);
        selectors[0] = AssetHandler.mint.selector;
        selectors[1] = AssetHandler.move.selector;
        selectors[2] = AssetHandler.lower.selector;
        selectors[3] = AssetHandler.pass.selector;
        selectors[4] = AssetHandler.move.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(handler), selectors);
    }

    /// forge-config: default.invariant.runs = 160
    function invariant_whoOwnedItThenNeverChanges() public view {
        handler.check();
    }
}

contract AssetTest is Fixture {
    address internal constant buyer = address(0x80);

    event MetadataUpdate(uint256 tokenId);

    function test_aMintCountsAtOnceAndATransferFromTheNextSecond() public {
        uint256 born = block.timestamp;
        vm.assertEq(models.ownerAt(modelId, born - 1), address(0));
        vm.assertEq(models.ownerAt(modelId, born), developer);
        vm.assertEq(models.ownerAt(99, born), address(0));
        vm.prank(developer);
        models.transferFrom(developer, buyer, modelId);
        vm.assertEq(models.ownerOf(modelId), buyer);
        vm.assertEq(models.ownerAt(modelId, born), developer);
        vm.assertEq(models.ownerAt(modelId, born + 1), buyer);
        vm.prank(buyer);
        models.transferFrom(buyer, payer, modelId);
        vm.warp(born + 1);
        vm.assertEq(models.ownerAt(modelId, born + 1), payer);
        vm.assertEq(models.ownerAt(modelId, born), developer);
    }

    function test_theRoyaltyIsTheCreatorsAndOnlyFalls() public {
        vm.deal(buyer, 1 ether);
        vm.startPrank(buyer);
        vm.expectRevert(abi.encodeWithSelector(Asset.RoyaltyTooHigh.selector, 1001, 1000));
        datanets.create{value: FEE}(keccak256("card"), "MIT", 1001);
        uint256 id = datanets.create{value: FEE}(keccak256("card"), "MIT", 1000);
        (address receiver, uint256 amount) = datanets.royaltyInfo(id, 1 ether);
        vm.assertEq(receiver, buyer);
        vm.assertEq(amount, 0.1 ether);
        datanets.transferFrom(buyer, payer, id);
        vm.stopPrank();

        // The new owner has no say in it.
        vm.prank(payer);
        vm.expectRevert(abi.encodeWithSelector(Asset.NotRoyaltyReceiver.selector, id, payer, buyer));
        datanets.changeRoyalty(id, payer, 0);
        vm.startPrank(buyer);
        vm.expectRevert(abi.encodeWithSelector(Asset.RoyaltyTooHigh.selector, 1001, 1000));
        datanets.changeRoyalty(id, buyer, 1001);
        datanets.changeRoyalty(id, operator, 300);
        vm.stopPrank();
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSelector(Asset.RoyaltyTooHigh.selector, 301, 300));
        datanets.changeRoyalty(id, operator, 301);
        (receiver, amount) = datanets.royaltyInfo(id, 1 ether);
        vm.assertEq(receiver, operator);
        vm.assertEq(amount, 0.03 ether);
    }

    function test_withoutARoyaltyNobodyCanAskForOne() public {
        (address receiver, uint256 amount) = datanets.royaltyInfo(datanetId, 1 ether);
        vm.assertEq(receiver, address(0));
        vm.assertEq(amount, 0);
        vm.prank(developer);
        vm.expectRevert(abi.encodeWithSelector(Asset.NotRoyaltyReceiver.selector, datanetId, developer, address(0)));
        datanets.changeRoyalty(datanetId, developer, 0);
    }

    function testFuzz_aRoyaltyNeverExceedsATenth(uint16 bps, uint128 price) public {
        bps %= 1001;
        vm.deal(address(this), FEE);
        uint256 id = models.register{value: FEE}("priced", bps);
        (, uint256 amount) = models.royaltyInfo(id, price);
        vm.assertEq(amount, uint256(price) * bps / 10_000);
    }

    function test_theInterfacesAreNamed() public view {
        bytes4[5] memory ids =
            [bytes4(0x01ffc9a7), bytes4(0x80ac58cd), bytes4(0x5b5e139f), bytes4(0x2a55205a), bytes4(0x49064906)];
        for (uint256 i = 0; i < ids.length; ++i) {
            vm.assertTrue(datanets.supportsInterface(ids[i]));
            vm.assertTrue(models.supportsInterface(ids[i]));
        }
        vm.assertFalse(models.supportsInterface(0xffffffff));
    }

    function test_metadataIsInTheUri() public {
        vm.assertEq(
            bytes(models.tokenURI(modelId)),
            // {"name":"valley-1","releases":0,"latestRelease":"0x00…00"}
            "data:application/json;base64,eyJuYW1lIjoidmFsbGV5LTEiLCJyZWxlYXNlcyI6MCwibGF0ZXN0UmVsZWFzZSI6IjB4MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMCJ9"
        );
        bytes32 before = keccak256(bytes(datanets.tokenURI(datanetId)));
        vm.expectEmit();
        emit MetadataUpdate(datanetId);
        vm.prank(developer);
        datanets.setMetadata(datanetId, keccak256("another card"));
        vm.assertTrue(keccak256(bytes(datanets.tokenURI(datanetId))) != before);
        vm.expectRevert(abi.encodeWithSelector(IERC721Errors.ERC721NonexistentToken.selector, 99));
        datanets.tokenURI(99);
    }
}
