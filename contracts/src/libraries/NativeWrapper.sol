// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

/// @title An ERC-20 that stands for native OPEN
/// @notice One token for one wei, both ways, at any time, for anyone; nobody has a right over it.
///
/// Promise: `totalSupply() ≤ address(this).balance`, always. They are equal until someone forces OPEN in without a call
/// (the beneficiary of a self-destruct, a genesis balance): that surplus mints nothing and stays here for ever, because no
/// function pays out more than it burns.
/// @dev The events are those of WETH9, which indexers and wallets know.
abstract contract NativeWrapper is ERC20, ReentrancyGuardTransient {
    error TransferFailed(address to, uint256 amount);

    event Deposit(address indexed account, uint256 amount);
    event Withdrawal(address indexed account, uint256 amount);

    /// @notice OPEN sent here is wrapped for its sender.
    receive() external payable {
        depositTo(msg.sender);
    }

    /// @notice Wraps the value sent for the caller.
    function deposit() external payable {
        depositTo(msg.sender);
    }

    /// @notice Unwraps for the caller.
    /// @param amount wei
    function withdraw(uint256 amount) external {
        withdrawTo(msg.sender, amount);
    }

    /// @notice Wraps the value sent for another account.
    function depositTo(address account) public payable {
        emit Deposit(account, msg.value);
        _mint(account, msg.value);
    }

    /// @notice Burns the caller's tokens and pays the same number of wei to `to`.
    function withdrawTo(address to, uint256 amount) public nonReentrant {
        _burn(msg.sender, amount);
        emit Withdrawal(msg.sender, amount);
        (bool paid,) = to.call{value: amount}("");
        if (!paid) revert TransferFailed(to, amount);
    }

    /// @dev Tokens sent to the token itself would be lost, and are refused.
    function _update(address from, address to, uint256 amount) internal virtual override {
        if (to == address(this)) revert ERC20InvalidReceiver(to);
        super._update(from, to, amount);
    }
}
