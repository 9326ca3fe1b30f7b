// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

/// @title Signatures of people and of contracts
library Signatures {
    /// @notice Whether `account` signed `digest`, by its key or, if it has code, by EIP-1271.
    /// @dev The key comes first: an account that delegates its code (EIP-7702) still signs with its key. Only low-s
    /// signatures of 65 bytes count.
    function isFrom(address account, bytes32 digest, bytes calldata signature) internal view returns (bool) {
        if (account == address(0)) return false;
        return signer(digest, signature) == account || isFromContract(account, digest, signature);
    }

    /// @return Who signed with a key; the zero address for a signature that is not one.
    function signer(bytes32 digest, bytes calldata signature) internal pure returns (address) {
        (address recovered, ECDSA.RecoverError failure,) = ECDSA.tryRecoverCalldata(digest, signature);
        return failure == ECDSA.RecoverError.NoError ? recovered : address(0);
    }

    /// @notice Whether `account` is a contract that accepts the signature now.
    function isFromContract(address account, bytes32 digest, bytes calldata signature) internal view returns (bool) {
        return
            account.code.length != 0 && SignatureChecker.isValidERC1271SignatureNowCalldata(account, digest, signature);
    }
}
