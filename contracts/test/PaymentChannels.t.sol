// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {PaymentChannels, Voucher} from "../src/PaymentChannels.sol";
import {Fixture} from "./Fixture.sol";
import {Wallet} from "./Registries.t.sol";

/// Opens a channel whose payer is a contract.
contract ContractPayer is Wallet {
    receive() external payable {}

    function open(PaymentChannels channels, address payee) external payable returns (bytes32) {
        return channels.open{value: msg.value}(payee, address(0), 0, 0);
    }
}

contract PaymentChannelsTest is Fixture {
    uint256 internal signerKey = 0x51;
    address internal signer = vm.addr(0x51);
    bytes32 internal id;

    function setUp() public override {
        super.setUp();
        id = openChannel("salt", 10 ether);
    }

    function test_theIdIsKnownBeforehand() public view {
        vm.assertEq(id, channels.channelIdOf(payer, operator, "salt"));
        vm.assertEq(channels.channel(id).deposit, 10 ether);
        vm.assertEq(channels.ledger(), address(ledger));
    }

    function test_aChannelIsOpenedOnce() public {
        vm.prank(payer);
        vm.expectRevert(abi.encodeWithSelector(PaymentChannels.ChannelExists.selector, id));
        channels.open(operator, address(0), 0, "salt");
        vm.expectRevert(PaymentChannels.NoPayee.selector);
        channels.open(address(0), address(0), 0, "salt");
    }

    function test_collectingMovesTheDifferenceToTheLedger() public {
        collect(id, 3 ether);
        vm.assertEq(address(ledger).balance, 3 ether);
        collect(id, 10 ether);
        vm.assertEq(address(ledger).balance, 10 ether);
        (address payee, uint256 collected) = channels.collectedOf(id);
        vm.assertEq(payee, operator);
        vm.assertEq(collected, 10 ether);
    }

    function test_nothingIsCollectedTwiceOrBeyondTheDeposit() public {
        collect(id, 3 ether);
        bytes memory again = voucher(payerKey, id, 3 ether);
        vm.expectRevert(abi.encodeWithSelector(PaymentChannels.NotMonotonic.selector, id, 3 ether, 3 ether));
        channels.collect(id, 3 ether, again);
        bytes memory beyond = voucher(payerKey, id, 10 ether + 1);
        vm.expectRevert(
            abi.encodeWithSelector(PaymentChannels.BeyondDeposit.selector, id, 10 ether + 1, 10 ether)
        );
        channels.collect(id, 10 ether + 1, beyond);
    }

    function test_onlyThePayersSignatureCounts() public {
        bytes memory stranger = voucher(operatorKey, id, 1 ether);
        vm.expectRevert(abi.encodeWithSelector(PaymentChannels.BadSignature.selector, id, 1 ether));
        channels.collect(id, 1 ether, stranger);
        bytes memory another = voucher(payerKey, id, 2 ether);
        vm.expectRevert(abi.encodeWithSelector(PaymentChannels.BadSignature.selector, id, 1 ether));
        channels.collect(id, 1 ether, another);
        bytes32 secondId = openChannel("second", 10 ether);
        bytes memory elsewhere = voucher(payerKey, secondId, 1 ether);
        vm.expectRevert(abi.encodeWithSelector(PaymentChannels.BadSignature.selector, id, 1 ether));
        channels.collect(id, 1 ether, elsewhere);
    }

    function test_aMalleableSignatureIsRefused() public {
        bytes memory good = voucher(payerKey, id, 1 ether);
        (bytes32 r, bytes32 s) = abi.decode(good, (bytes32, bytes32));
        uint256 order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
        bytes memory twin = abi.encodePacked(r, bytes32(order - uint256(s)), good[64] == 0x1b ? bytes1(0x1c) : bytes1(0x1b));
        vm.expectRevert(abi.encodeWithSelector(PaymentChannels.BadSignature.selector, id, 1 ether));
        channels.collect(id, 1 ether, twin);
    }

    function test_theSessionSignerCountsUpToItsLimit() public {
        _setSigner(signer, 2 ether);
        channels.collect(id, 2 ether, voucher(signerKey, id, 2 ether));
        bytes memory beyond = voucher(signerKey, id, 2 ether + 1);
        vm.expectRevert(abi.encodeWithSelector(PaymentChannels.BadSignature.selector, id, 2 ether + 1));
        channels.collect(id, 2 ether + 1, beyond);
        // Raising the same signer's limit takes nothing away and needs no waiting.
        _setSigner(signer, 3 ether);
        channels.collect(id, 3 ether, voucher(signerKey, id, 3 ether));
    }

    function test_whatAReplacedSignerSignedStaysCollectable() public {
        _setSigner(signer, 2 ether);
        bytes memory signedBefore = voucher(signerKey, id, 2 ether);
        _setSigner(address(0), 0);
        // With no signer in between, one may be named at once, and the earlier one keeps its time.
        _setSigner(vm.addr(8), 1);
        vm.expectRevert(
            abi.encodeWithSelector(PaymentChannels.SignerChangePending.selector, id, block.timestamp + TIMEOUT)
        );
        vm.prank(payer);
        channels.setSigner(id, vm.addr(9), 0);
        vm.warp(block.timestamp + TIMEOUT - 1);
        channels.collect(id, 2 ether, signedBefore);
        vm.warp(block.timestamp + 1);
        _setSigner(vm.addr(9), 0);
        bytes memory late = voucher(signerKey, id, 2 ether);
        vm.expectRevert(abi.encodeWithSelector(PaymentChannels.NotMonotonic.selector, id, 2 ether, 2 ether));
        channels.collect(id, 2 ether, late);
    }

    function test_aReplacedSignerEndsWithItsTimeout() public {
        _setSigner(signer, 2 ether);
        bytes memory late = voucher(signerKey, id, 2 ether);
        _setSigner(vm.addr(8), 5 ether);
        vm.warp(block.timestamp + TIMEOUT);
        vm.expectRevert(abi.encodeWithSelector(PaymentChannels.BadSignature.selector, id, 2 ether));
        channels.collect(id, 2 ether, late);
    }

    function test_onlyThePayerNamesSignersAndAsksToClose() public {
        vm.expectRevert(abi.encodeWithSelector(PaymentChannels.NotPayer.selector, id, operator));
        vm.prank(operator);
        channels.setSigner(id, signer, 1);
        vm.expectRevert(abi.encodeWithSelector(PaymentChannels.NotPayer.selector, id, operator));
        vm.prank(operator);
        channels.requestClose(id);
    }

    function test_thePayerLeavesAfterTheTimeoutAndThePayeeCollectsBefore() public {
        vm.expectRevert(abi.encodeWithSelector(PaymentChannels.CloseNotRequested.selector, id));
        channels.close(id);
        vm.prank(payer);
        channels.requestClose(id);
        uint256 closesAt = block.timestamp + TIMEOUT;
        vm.warp(closesAt - 1);
        vm.expectRevert(abi.encodeWithSelector(PaymentChannels.TooEarly.selector, id, closesAt));
        channels.close(id);
        collect(id, 4 ether);
        // Asking again does not start the timeout over.
        vm.prank(payer);
        channels.requestClose(id);
        vm.warp(closesAt);
        uint256 before = payer.balance;
        channels.close(id);
        vm.assertEq(payer.balance - before, 6 ether);
        vm.assertEq(address(channels).balance, 0);
    }

    function test_thePayeeClosesAtOnce() public {
        vm.prank(operator);
        channels.close(id);
        vm.assertEq(payer.balance, 10 ether);
    }

    function test_aClosedChannelStaysClosed() public {
        bytes memory late = voucher(payerKey, id, 1 ether);
        vm.prank(operator);
        channels.close(id);
        bytes memory closed = abi.encodeWithSelector(PaymentChannels.ChannelClosed.selector, id);
        vm.expectRevert(closed);
        channels.collect(id, 1 ether, late);
        vm.expectRevert(closed);
        channels.topUp{value: 0}(id);
        vm.expectRevert(closed);
        vm.prank(operator);
        channels.close(id);
        vm.prank(payer);
        vm.expectRevert(abi.encodeWithSelector(PaymentChannels.ChannelExists.selector, id));
        channels.open(operator, address(0), 0, "salt");
    }

    function test_anyoneTopsUp() public {
        vm.deal(address(this), 5 ether);
        channels.topUp{value: 5 ether}(id);
        collect(id, 15 ether);
        vm.assertEq(channels.channel(id).deposit, 15 ether);
        vm.expectRevert(abi.encodeWithSelector(PaymentChannels.UnknownChannel.selector, bytes32("none")));
        channels.topUp("none");
    }

    function test_manyAreCollectedWithOneTransferOrNone() public {
        bytes32 second = openChannel("second", 5 ether);
        Voucher[] memory vouchers = new Voucher[](2);
        bytes[] memory signatures = new bytes[](2);
        (vouchers[0], vouchers[1]) = (Voucher(id, 1 ether), Voucher(second, 2 ether));
        (signatures[0], signatures[1]) = (voucher(payerKey, id, 1 ether), voucher(payerKey, second, 2 ether));
        channels.collectMany(vouchers, signatures);
        vm.assertEq(address(ledger).balance, 3 ether);
        vm.expectRevert(abi.encodeWithSelector(PaymentChannels.NotMonotonic.selector, id, 1 ether, 1 ether));
        channels.collectMany(vouchers, signatures);
        vm.expectRevert(abi.encodeWithSelector(PaymentChannels.SignaturesMissing.selector, 2, 1));
        channels.collectMany(vouchers, new bytes[](1));
        vm.expectRevert(PaymentChannels.NothingToCollect.selector);
        channels.collectMany(new Voucher[](0), new bytes[](0));
    }

    function test_aContractPays() public {
        ContractPayer wallet = new ContractPayer();
        vm.deal(address(this), 1 ether);
        bytes32 channelId = wallet.open{value: 1 ether}(channels, operator);
        vm.expectRevert(abi.encodeWithSelector(PaymentChannels.BadSignature.selector, channelId, 1 ether));
        channels.collect(channelId, 1 ether, "");
        bytes32 structHash = keccak256(abi.encode(channels.VOUCHER_TYPEHASH(), channelId, uint256(1 ether)));
        wallet.accept(keccak256(abi.encodePacked(hex"1901", channels.domainSeparator(), structHash)));
        channels.collect(channelId, 1 ether, "");
        vm.assertEq(address(ledger).balance, 1 ether);
    }

    function testFuzz_whateverIsCollectedTheRestComesBack(uint96 deposit, uint96 first, uint96 more) public {
        bytes32 channelId = openChannel("fuzz", deposit);
        uint256 a = deposit == 0 ? 0 : uint256(first) % deposit;
        uint256 b = deposit == 0 ? 0 : a + uint256(more) % (deposit - a + 1);
        if (a > 0) collect(channelId, a);
        if (b > a) collect(channelId, b);
        uint256 before = payer.balance;
        vm.prank(operator);
        channels.close(channelId);
        vm.assertEq(payer.balance - before, deposit - b);
        vm.assertEq(address(ledger).balance, b);
        vm.assertEq(address(channels).balance, 10 ether);
    }

    function _setSigner(address who, uint96 limit) private {
        vm.prank(payer);
        channels.setSigner(id, who, limit);
    }
}
