// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

/// What may be made of data: a model at all, and a model that asks a price.
struct Permissions {
    bool derivatives;
    bool commercial;
}

/// @title What a licence permits, read from its SPDX identifier (spdx.org/licenses)
/// @notice An identifier with the word "ND" (no derivatives, as in CC-BY-ND-4.0) permits no model, one with "NC" or
/// "Noncommercial" (CC-BY-NC-4.0, PolyForm-Noncommercial-1.0.0) none that asks a price. Every other permits both: whoever
/// means less, as under a LicenseRef of their own, says so with `DatanetRegistry.setPermissions`. An expression of several
/// licences is read as its strictest.
library Licenses {
    error BadLicense(string license);

    uint256 internal constant MAX_LENGTH = 128;

    /// @dev Reverts for what cannot be an SPDX expression: empty, too long, or with other signs than these allow.
    function permissionsOf(string calldata license) internal pure returns (Permissions memory permits) {
        bytes calldata text = bytes(license);
        if (text.length == 0 || text.length > MAX_LENGTH) revert BadLicense(license);
        permits = Permissions(true, true);
        uint256 start = 0;
        for (uint256 i = 0; i <= text.length; ++i) {
            if (i < text.length && _isAlphanumeric(text[i])) continue;
            if (i < text.length && !_isMark(text[i])) revert BadLicense(license);
            bytes32 word = _lower(text[start:i]);
            if (word == "nd") permits.derivatives = false;
            if (word == "nc" || word == "noncommercial") permits.commercial = false;
            start = i + 1;
        }
    }

    /// The word's first 32 bytes, in small letters: digits have the bit that makes letters small already.
    function _lower(bytes calldata word) private pure returns (bytes32 lower) {
        for (uint256 i = 0; i < word.length && i < 32; ++i) {
            lower |= bytes32(word[i] | 0x20) >> (8 * i);
        }
    }

    function _isAlphanumeric(bytes1 c) private pure returns (bool) {
        return (c >= "a" && c <= "z") || (c >= "A" && c <= "Z") || (c >= "0" && c <= "9");
    }

    function _isMark(bytes1 c) private pure returns (bool) {
        return c == "-" || c == "." || c == "+" || c == " " || c == "(" || c == ")" || c == ":";
    }
}
