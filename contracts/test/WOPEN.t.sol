// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {WOPEN} from "../src/WOPEN.sol";
import {Test} from "./Test.sol";

/// A wallet that is a contract: it accepts what its owner signed.
contract Wallet is IERC1271 {
    address private immutable _owner;

    constructor(address owner) {
        _owner = owner;
    }

    function isValidSignature(bytes32 hash, bytes memory signature) external view returns (bytes4) {
        return ECDSA.recover(hash, signature) == _owner ? this.isValidSignature.selector : bytes4(0);
    }
}

contract WOPENTest is Test {
    bytes32 private constant TRANSFER = keccak256(
        "TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
    );
    bytes32 private constant RECEIVE = keccak256(
        "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
    );
    bytes32 private constant CANCEL = keccak256("CancelAuthorization(address authorizer,bytes32 nonce)");
    bytes32 private constant PERMIT =
        keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
    uint256 private constant KEY = 0xa11ce;
    bytes32 private constant NONCE = keccak256("nonce");

    WOPEN private wopen;
    address private alice = vm.addr(KEY);
    address private bob = address(0xb0b);
    uint256 private before;

    function setUp() public {
        vm.warp(1_790_000_000);
        before = block.timestamp + 1 hours;
        wopen = new WOPEN();
        vm.deal(alice, 10 ether);
        vm.prank(alice);
        wopen.deposit{value: 10 ether}();
    }

    function test_domainIsTheOneThatPaymentStandardsQuote() public view {
        vm.assertEq(
            wopen.DOMAIN_SEPARATOR(),
            keccak256(
                abi.encode(
                    keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                    keccak256("Wrapped OPEN"),
                    keccak256("1"),
                    block.chainid,
                    address(wopen)
                )
            )
        );
    }

    function test_transferBySignatureOnceOnly() public {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(KEY, _digest(TRANSFER, alice, 3 ether));
        wopen.transferWithAuthorization(alice, bob, 3 ether, 0, before, NONCE, v, r, s);
        vm.assertEq(wopen.balanceOf(bob), 3 ether);
        vm.assertTrue(wopen.authorizationState(alice, NONCE));
        vm.expectRevert(abi.encodeWithSelector(ERC3009.ERC3009UsedAuthorization.selector, alice, NONCE));
        wopen.transferWithAuthorization(alice, bob, 3 ether, 0, before, NONCE, v, r, s);
        vm.expectRevert(abi.encodeWithSelector(ERC3009.ERC3009UsedAuthorization.selector, alice, NONCE));
        wopen.transferWithAuthorization(alice, bob, 3 ether, 0, before, NONCE, abi.encodePacked(r, s, v));
    }

    function test_transferByBytes(uint256 amount) public {
        amount %= 10 ether + 1;
        bytes memory signature = signed(KEY, _digest(TRANSFER, alice, amount));
        wopen.transferWithAuthorization(alice, bob, amount, 0, before, NONCE, signature);
        vm.assertEq(wopen.balanceOf(bob), amount);
    }

    function test_nothingSignedCanBeChanged() public {
        bytes memory signature = signed(KEY, _digest(TRANSFER, alice, 3 ether));
        vm.expectRevert(ERC3009.ERC3009InvalidSignature.selector);
        wopen.transferWithAuthorization(alice, bob, 4 ether, 0, before, NONCE, signature);
        vm.expectRevert(ERC3009.ERC3009InvalidSignature.selector);
        wopen.transferWithAuthorization(alice, address(this), 3 ether, 0, before, NONCE, signature);
        vm.expectRevert(ERC3009.ERC3009InvalidSignature.selector);
        wopen.transferWithAuthorization(alice, bob, 3 ether, 0, before + 1, NONCE, signature);
        vm.expectRevert(ERC3009.ERC3009InvalidSignature.selector);
        wopen.transferWithAuthorization(alice, bob, 3 ether, 0, before, keccak256("other"), signature);
        vm.prank(bob);
        vm.expectRevert(ERC3009.ERC3009InvalidSignature.selector);
        wopen.receiveWithAuthorization(alice, bob, 3 ether, 0, before, NONCE, signature);
        vm.expectRevert(ERC3009.ERC3009InvalidSignature.selector);
        wopen.transferWithAuthorization(address(0), bob, 3 ether, 0, before, NONCE, signature);
    }

    function test_aForkedChainRefusesIt() public {
        bytes memory signature = signed(KEY, _digest(TRANSFER, alice, 3 ether));
        vm.chainId(block.chainid + 1);
        vm.expectRevert(ERC3009.ERC3009InvalidSignature.selector);
        wopen.transferWithAuthorization(alice, bob, 3 ether, 0, before, NONCE, signature);
    }

    function test_validStrictlyBetweenItsTimes() public {
        uint256 from = block.timestamp + 10;
        bytes memory signature = signed(KEY, _digest(TRANSFER, alice, 1 ether, from, before));
        bytes memory refusal = abi.encodeWithSelector(ERC3009.ERC3009InvalidAuthorizationTime.selector, from, before);
        vm.warp(from);
        vm.expectRevert(refusal);
        wopen.transferWithAuthorization(alice, bob, 1 ether, from, before, NONCE, signature);
        vm.warp(before);
        vm.expectRevert(refusal);
        wopen.transferWithAuthorization(alice, bob, 1 ether, from, before, NONCE, signature);
        vm.warp(before - 1);
        wopen.transferWithAuthorization(alice, bob, 1 ether, from, before, NONCE, signature);
    }

    /// OpenZeppelin's draft reads bit 47 of both times as "these are block numbers"; here they never are.
    function test_noTimeIsEverABlockNumber() public {
        uint256 flag = uint256(1) << 47;
        bytes memory signature = signed(KEY, _digest(TRANSFER, alice, 1 ether, flag, flag | type(uint40).max));
        vm.expectRevert(
            abi.encodeWithSelector(ERC3009.ERC3009InvalidAuthorizationTime.selector, flag, flag | type(uint40).max)
        );
        wopen.transferWithAuthorization(alice, bob, 1 ether, flag, flag | type(uint40).max, NONCE, signature);
    }

    function test_onlyThePayeeReceives() public {
        bytes memory signature = signed(KEY, _digest(RECEIVE, alice, 3 ether));
        vm.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InvalidReceiver.selector, bob));
        wopen.receiveWithAuthorization(alice, bob, 3 ether, 0, before, NONCE, signature);
        vm.prank(bob);
        wopen.receiveWithAuthorization(alice, bob, 3 ether, 0, before, NONCE, signature);
        vm.assertEq(wopen.balanceOf(bob), 3 ether);
    }

    function test_aCancelledNonceIsGone() public {
        bytes memory transfer = signed(KEY, _digest(TRANSFER, alice, 3 ether));
        bytes32 cancel = keccak256(abi.encode(CANCEL, alice, NONCE));
        bytes memory foreign = signed(KEY + 1, _typed(cancel));
        vm.expectRevert(ERC3009.ERC3009InvalidSignature.selector);
        wopen.cancelAuthorization(alice, NONCE, foreign);
        wopen.cancelAuthorization(alice, NONCE, signed(KEY, _typed(cancel)));
        vm.expectRevert(abi.encodeWithSelector(ERC3009.ERC3009UsedAuthorization.selector, alice, NONCE));
        wopen.transferWithAuthorization(alice, bob, 3 ether, 0, before, NONCE, transfer);
    }

    function test_aContractPaysBySignature() public {
        address wallet = address(new Wallet(alice));
        vm.prank(alice);
        vm.assertTrue(wopen.transfer(wallet, 5 ether));
        bytes32 digest = _digest(TRANSFER, wallet, 2 ether);
        bytes memory foreign = signed(KEY + 1, digest);
        vm.expectRevert(ERC3009.ERC3009InvalidSignature.selector);
        wopen.transferWithAuthorization(wallet, bob, 2 ether, 0, before, NONCE, foreign);
        wopen.transferWithAuthorization(wallet, bob, 2 ether, 0, before, NONCE, signed(KEY, digest));
        vm.assertEq(wopen.balanceOf(bob), 2 ether);
    }

    function test_permitOnce() public {
        bytes32 digest = _typed(keccak256(abi.encode(PERMIT, alice, bob, 7 ether, 0, before)));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(KEY, digest);
        wopen.permit(alice, bob, 7 ether, before, v, r, s);
        vm.assertEq(wopen.allowance(alice, bob), 7 ether);
        vm.expectPartialRevert(ERC20Permit.ERC2612InvalidSigner.selector);
        wopen.permit(alice, bob, 7 ether, before, v, r, s);
    }

    function _digest(bytes32 kind, address from, uint256 value) private view returns (bytes32) {
        return _digest(kind, from, value, 0, before);
    }

    function _digest(bytes32 kind, address from, uint256 value, uint256 validAfter, uint256 validBefore)
        private
        view
        returns (bytes32)
    {
        return _typed(keccak256(abi.encode(kind, from, bob, value, validAfter, validBefore, NONCE)));
    }

    function _typed(bytes32 structHash) private view returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", wopen.DOMAIN_SEPARATOR(), structHash));
    }
}
