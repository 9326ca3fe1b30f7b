// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {ERC20Votes} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Votes.sol";
import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";
import {NativeWrapper} from "./libraries/NativeWrapper.sol";

/// @title OPEN with a vote
/// @notice One wei wrapped is one vote, once its holder delegated (to themselves or to anyone: `delegate`, or by signature
/// `delegateBySig`). The clock is the timestamp (ERC-6372), and only past votes can be asked for, so what is wrapped and
/// unwrapped in one second never votes. Allowances by signature are EIP-2612; they and `delegateBySig` use one nonce.
/// The EIP-712 domain is `name "Governance OPEN", version "1"`.
///
/// Promises: 1:1 backed by native OPEN, always (`NativeWrapper`); Σ votes ≤ supply; nobody can mint, freeze or take anything.
/// @dev OPEN's whole supply is below 2^90, and `ERC20Votes` counts to 2^208.
contract GOPEN is NativeWrapper, ERC20Permit, ERC20Votes {
    constructor() ERC20("Governance OPEN", "GOPEN") ERC20Permit("Governance OPEN") {}

    function clock() public view override returns (uint48) {
        return uint48(block.timestamp);
    }

    function CLOCK_MODE() public pure override returns (string memory) {
        return "mode=timestamp";
    }

    function nonces(address owner) public view override(ERC20Permit, Nonces) returns (uint256) {
        return super.nonces(owner);
    }

    function _update(address from, address to, uint256 amount) internal override(ERC20, ERC20Votes, NativeWrapper) {
        super._update(from, to, amount);
    }
}
