// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {NativeWrapper} from "./libraries/NativeWrapper.sol";

/// @title Wrapped OPEN: an ERC-20 that can be paid by signature
/// @notice For contracts and payment standards that speak ERC-20 only. Allowances by signature are EIP-2612; transfers by
/// signature are EIP-3009, with random nonces, as (v, r, s) or as bytes; signatures in bytes MAY be a contract's (EIP-1271).
/// The EIP-712 domain is `name "Wrapped OPEN", version "1"`.
///
/// Promises: 1:1 backed by native OPEN, always (`NativeWrapper`); an authorization moves value once, between the two times
/// it names, or never; nobody can mint, freeze or take anything.
contract WOPEN is NativeWrapper, ERC20Permit, ERC3009 {
    constructor() ERC20("Wrapped OPEN", "WOPEN") ERC20Permit("Wrapped OPEN") {}

    // ---------------------------------------------------------------- EIP-3009 with signatures in bytes

    /// @notice Moves `value` from `from` to `to` by the signature of `from`; anyone MAY send it.
    /// @param validAfter seconds: valid only after this time
    /// @param validBefore seconds: valid only before this time
    /// @param signature r ‖ s ‖ v of an account, or what the contract `from` accepts
    function transferWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external {
        _checkSignature(
            from,
            abi.encode(TRANSFER_WITH_AUTHORIZATION_TYPEHASH, from, to, value, validAfter, validBefore, nonce),
            signature
        );
        _transferWithAuthorization(from, to, value, validAfter, validBefore, nonce);
    }

    /// @notice The same, sent by `to` itself: a contract that credits deposits cannot be front-run.
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external {
        if (to != msg.sender) revert ERC20InvalidReceiver(to);
        _checkSignature(
            from,
            abi.encode(RECEIVE_WITH_AUTHORIZATION_TYPEHASH, from, to, value, validAfter, validBefore, nonce),
            signature
        );
        _transferWithAuthorization(from, to, value, validAfter, validBefore, nonce);
    }

    /// @notice Makes a nonce unusable by the signature of its authorizer.
    function cancelAuthorization(address authorizer, bytes32 nonce, bytes calldata signature) external {
        _checkSignature(authorizer, abi.encode(CANCEL_AUTHORIZATION_TYPEHASH, authorizer, nonce), signature);
        _cancelAuthorization(authorizer, nonce);
    }

    // ---------------------------------------------------------------- inside

    function _checkSignature(address signer, bytes memory encoded, bytes calldata signature) private view {
        if (!SignatureChecker.isValidSignatureNow(signer, _hashTypedDataV4(keccak256(encoded)), signature)) {
            revert ERC3009InvalidSignature();
        }
    }

    /// @dev Seconds only: here no time ever means a block number.
    function _checkValidity(uint256 validAfter, uint256 validBefore) internal view override {
        if (block.timestamp <= validAfter || block.timestamp >= validBefore) {
            revert ERC3009InvalidAuthorizationTime(validAfter, validBefore);
        }
    }

    function _update(address from, address to, uint256 amount) internal override(ERC20, NativeWrapper) {
        super._update(from, to, amount);
    }
}
