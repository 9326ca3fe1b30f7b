// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {GOPEN} from "../src/GOPEN.sol";
import {WOPEN} from "../src/WOPEN.sol";
import {NativeWrapper} from "../src/libraries/NativeWrapper.sol";
import {Test} from "./Test.sol";

/// Gives its balance to an account that did not ask.
contract Forcer {
    constructor(address payable to) payable {
        selfdestruct(to);
    }
}

/// Withdraws again from inside the payment, and keeps what that said.
contract Reentrant {
    NativeWrapper private immutable _token;
    bytes public error;

    constructor(NativeWrapper token) payable {
        _token = token;
        token.deposit{value: msg.value}();
    }

    function withdraw(uint256 amount) external {
        _token.withdraw(amount);
    }

    receive() external payable {
        try _token.withdraw(1) {}
        catch (bytes memory reason) {
            error = reason;
        }
    }
}

/// Takes no OPEN.
contract Closed {
    function withdraw(NativeWrapper token, uint256 amount) external {
        token.withdraw(amount);
    }
}

/// Six accounts that do with a token whatever they like, and strangers who force OPEN into it.
contract WrapperHandler is Test {
    NativeWrapper public immutable token;
    address[6] public actors;
    uint256 public forced;

    constructor(NativeWrapper token_) {
        token = token_;
        for (uint256 i = 0; i < actors.length; ++i) {
            actors[i] = vm.addr(1000 + i);
            vm.deal(actors[i], 1000 ether);
        }
    }

    function deposit(uint256 by, uint256 amount) external {
        address from = _actor(by);
        vm.prank(from);
        token.deposit{value: amount % (from.balance + 1)}();
    }

    function depositTo(uint256 by, uint256 to, uint256 amount) external {
        address from = _actor(by);
        vm.prank(from);
        token.depositTo{value: amount % (from.balance + 1)}(_actor(to));
    }

    function send(uint256 by, uint256 amount) external {
        address from = _actor(by);
        amount %= from.balance + 1;
        vm.prank(from);
        (bool taken,) = address(token).call{value: amount}("");
        vm.assertTrue(taken);
    }

    function withdraw(uint256 by, uint256 amount) external {
        address from = _actor(by);
        amount %= token.balanceOf(from) + 1;
        vm.prank(from);
        token.withdraw(amount);
    }

    function withdrawTo(uint256 by, uint256 to, uint256 amount) external {
        address from = _actor(by);
        amount %= token.balanceOf(from) + 1;
        vm.prank(from);
        token.withdrawTo(_actor(to), amount);
    }

    function transfer(uint256 by, uint256 to, uint256 amount) external {
        address from = _actor(by);
        amount %= token.balanceOf(from) + 1;
        vm.prank(from);
        vm.assertTrue(token.transfer(_actor(to), amount));
    }

    function transferFrom(uint256 by, uint256 spender, uint256 to, uint256 amount) external {
        address from = _actor(by);
        amount %= token.balanceOf(from) + 1;
        vm.prank(from);
        token.approve(_actor(spender), amount);
        vm.prank(_actor(spender));
        vm.assertTrue(token.transferFrom(from, _actor(to), amount));
    }

    function force(uint256 by, uint256 amount) external {
        address from = _actor(by);
        amount %= from.balance / 100 + 1;
        forced += amount;
        vm.prank(from);
        new Forcer{value: amount}(payable(address(token)));
    }

    function wait_(uint256 seconds_) external {
        vm.warp(block.timestamp + seconds_ % 1000);
    }

    function _actor(uint256 which) internal view returns (address) {
        return actors[which % actors.length];
    }
}

contract GopenHandler is WrapperHandler {
    constructor(NativeWrapper token_) WrapperHandler(token_) {}

    function delegate(uint256 by, uint256 to) external {
        address from = _actor(by);
        vm.prank(from);
        GOPEN(payable(token)).delegate(to % 7 == 6 ? address(0) : _actor(to));
    }
}

contract WopenHandler is WrapperHandler {
    uint256 private _nonce;

    constructor(NativeWrapper token_) WrapperHandler(token_) {}

    function authorize(uint256 by, uint256 to, uint256 amount) external {
        WOPEN wopen = WOPEN(payable(token));
        address from = _actor(by);
        amount %= token.balanceOf(from) + 1;
        bytes32 nonce = bytes32(_nonce++);
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256(
                    "TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
                ),
                from,
                _actor(to),
                amount,
                0,
                block.timestamp + 1,
                nonce
            )
        );
        bytes memory signature =
            signed(1000 + by % 6, keccak256(abi.encodePacked(hex"1901", wopen.DOMAIN_SEPARATOR(), structHash)));
        wopen.transferWithAuthorization(from, _actor(to), amount, 0, block.timestamp + 1, nonce, signature);
    }
}

/// What holds for both tokens.
abstract contract WrapperTest is Test {
    NativeWrapper internal token;
    WrapperHandler internal handler;
    address internal constant alice = address(0xa11ce);
    address internal constant bob = address(0xb0b);

    function setUp() public virtual {
        vm.warp(1_790_000_000);
        vm.deal(alice, 100 ether);
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function test_oneForOneBothWays(uint96 amount, uint96 back) public {
        vm.deal(alice, amount);
        back = uint96(uint256(back) % (uint256(amount) + 1));
        vm.startPrank(alice);
        token.deposit{value: amount}();
        vm.assertEq(token.balanceOf(alice), amount);
        vm.assertEq(address(token).balance, token.totalSupply());
        token.withdrawTo(bob, back);
        vm.assertEq(bob.balance, back);
        vm.assertEq(token.balanceOf(alice), amount - back);
        vm.assertEq(address(token).balance, token.totalSupply());
    }

    function test_sendingAndDepositToAreDeposits() public {
        vm.startPrank(alice);
        (bool taken,) = address(token).call{value: 2 ether}("");
        vm.assertTrue(taken);
        token.depositTo{value: 3 ether}(bob);
        vm.assertEq(token.balanceOf(alice), 2 ether);
        vm.assertEq(token.balanceOf(bob), 3 ether);
    }

    function test_nobodyWithdrawsMoreThanTheyHold() public {
        vm.startPrank(alice);
        token.deposit{value: 1 ether}();
        vm.expectRevert(
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientBalance.selector, alice, 1 ether, 1 ether + 1)
        );
        token.withdraw(1 ether + 1);
    }

    function test_nobodyTakesTheSurplus() public {
        vm.prank(alice);
        token.deposit{value: 1 ether}();
        vm.deal(bob, 5 ether);
        vm.prank(bob);
        new Forcer{value: 5 ether}(payable(address(token)));
        vm.assertEq(token.totalSupply(), 1 ether);
        vm.assertEq(address(token).balance, 6 ether);
        vm.prank(alice);
        token.withdraw(1 ether);
        vm.assertEq(address(token).balance, 5 ether);
        vm.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InsufficientBalance.selector, alice, 0, 1));
        vm.prank(alice);
        token.withdraw(1);
    }

    function test_tokensSentToTheTokenAreRefused() public {
        vm.startPrank(alice);
        token.deposit{value: 1 ether}();
        bytes memory refusal = abi.encodeWithSelector(IERC20Errors.ERC20InvalidReceiver.selector, address(token));
        vm.expectRevert(refusal);
        token.transfer(address(token), 1);
        vm.expectRevert(refusal);
        token.depositTo{value: 1}(address(token));
        vm.expectRevert(abi.encodeWithSelector(NativeWrapper.TransferFailed.selector, address(token), 1));
        token.withdrawTo(address(token), 1);
    }

    function test_reenteringAWithdrawalIsRefused() public {
        vm.deal(address(this), 2 ether);
        Reentrant thief = new Reentrant{value: 2 ether}(token);
        vm.prank(alice);
        token.deposit{value: 10 ether}();
        thief.withdraw(1 ether);
        vm.assertEq(
            thief.error(), abi.encodeWithSelector(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector)
        );
        vm.assertEq(address(thief).balance, 1 ether);
        vm.assertEq(address(token).balance, token.totalSupply());
    }

    function test_aReceiverThatRefusesKeepsItsTokens() public {
        Closed closed = new Closed();
        vm.prank(alice);
        token.depositTo{value: 1 ether}(address(closed));
        vm.expectRevert(abi.encodeWithSelector(NativeWrapper.TransferFailed.selector, address(closed), 1 ether));
        closed.withdraw(token, 1 ether);
        vm.assertEq(token.balanceOf(address(closed)), 1 ether);
    }

    function _sumOfBalances() internal view returns (uint256 sum) {
        for (uint256 i = 0; i < 6; ++i) {
            sum += token.balanceOf(handler.actors(i));
        }
    }

    function _assertBacked() internal view {
        vm.assertEq(_sumOfBalances(), token.totalSupply(), "balances do not sum to the supply");
        vm.assertEq(address(token).balance, token.totalSupply() + handler.forced(), "not backed 1:1");
    }
}

contract WOPENBackingTest is WrapperTest {
    function setUp() public override {
        super.setUp();
        token = new WOPEN();
        handler = new WopenHandler(token);
    }

    /// forge-config: default.invariant.runs = 160
    function invariant_wopenIsBackedOneForOne() public view {
        _assertBacked();
    }
}

contract GOPENBackingTest is WrapperTest {
    function setUp() public override {
        super.setUp();
        token = new GOPEN();
        handler = new GopenHandler(token);
    }

    /// forge-config: default.invariant.runs = 160
    function invariant_gopenIsBackedOneForOneAndVotesNeverExceedIt() public view {
        _assertBacked();
        GOPEN gopen = GOPEN(payable(token));
        uint256 votes;
        uint256 delegated;
        for (uint256 i = 0; i < 6; ++i) {
            address actor = handler.actors(i);
            votes += gopen.getVotes(actor);
            if (gopen.delegates(actor) != address(0)) delegated += gopen.balanceOf(actor);
        }
        vm.assertEq(votes, delegated, "votes are not what was delegated");
        vm.assertLe(votes, gopen.totalSupply());
    }
}
