// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IERC165} from "@openzeppelin/contracts/interfaces/IERC165.sol";
import {IERC4906} from "@openzeppelin/contracts/interfaces/IERC4906.sol";
import {ERC2981} from "@openzeppelin/contracts/token/common/ERC2981.sol";
import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {Base64} from "@openzeppelin/contracts/utils/Base64.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";

/// @title A token that earns: who owned it when, and what its creator asks of a sale
/// @notice The base of Datanets, models and agents. It promises:
/// - Income follows the token from the transfer on. `ownerAt` keeps every owner with the time from which they count: a
///   mint counts at once, a transfer from the next second, so whoever it names for a time that has begun stays named.
/// - The creator's royalty (ERC-2981) is fixed at creation, at most 10 %; later it can only fall, by its receiver's word.
/// - Metadata lies in the token's own URI, and every change of it is announced (ERC-4906).
abstract contract Asset is IERC4906, ERC721, ERC2981 {
    using Checkpoints for Checkpoints.Trace160;

    error RoyaltyTooHigh(uint256 bps, uint256 most);
    error NotRoyaltyReceiver(uint256 tokenId, address caller, address receiver);

    /// @notice What a sale of the token owes its creator from now on, basis points of the price.
    event RoyaltyChanged(uint256 indexed tokenId, address indexed receiver, uint256 bps);

    uint256 public constant MAX_ROYALTY_BPS = 1000;

    mapping(uint256 tokenId => Checkpoints.Trace160) private _owners;

    // ---------------------------------------------------------------- royalty

    /// @notice Lowers the royalty, or hands it on; only by its receiver.
    function changeRoyalty(uint256 tokenId, address receiver, uint256 bps) external {
        (address current, uint256 most) = royaltyInfo(tokenId, _feeDenominator());
        if (msg.sender != current) revert NotRoyaltyReceiver(tokenId, msg.sender, current);
        _setRoyalty(tokenId, receiver, bps, most);
    }

    // ---------------------------------------------------------------- views

    /// @notice Who owned the token at a time, seconds; the zero address before its mint. For a time that lies ahead it is
    /// who owns it as things stand.
    function ownerAt(uint256 tokenId, uint256 timestamp) public view returns (address) {
        return address(_owners[tokenId].upperLookupRecent(SafeCast.toUint96(timestamp)));
    }

    /// @notice Since when the present owner counts, seconds: the next second after they received it. It grows with every
    /// transfer in a later second, even one that returns the token.
    function ownedSince(uint256 tokenId) public view returns (uint256 since) {
        _requireOwned(tokenId);
        (, since,) = _owners[tokenId].latestCheckpoint();
    }

    /// @inheritdoc IERC165
    function supportsInterface(bytes4 id) public view virtual override(IERC165, ERC721, ERC2981) returns (bool) {
        return id == bytes4(0x49064906) || super.supportsInterface(id);
    }

    // ---------------------------------------------------------------- inside

    /// Mints the token to its creator, who receives the royalty.
    function _create(address creator, uint256 tokenId, uint256 royaltyBps) internal {
        _mint(creator, tokenId);
        if (royaltyBps != 0) _setRoyalty(tokenId, creator, royaltyBps, MAX_ROYALTY_BPS);
    }

    function _update(address to, uint256 tokenId, address auth) internal virtual override returns (address from) {
        from = super._update(to, tokenId, auth);
        uint256 since = from == address(0) ? block.timestamp : block.timestamp + 1;
        _owners[tokenId].push(SafeCast.toUint96(since), uint160(to));
    }

    /// @return A data URI. `json` MUST be one JSON object, with nothing in it that was not checked.
    function _uri(string memory json) internal pure returns (string memory) {
        return string.concat("data:application/json;base64,", Base64.encode(bytes(json)));
    }

    function _setRoyalty(uint256 tokenId, address receiver, uint256 bps, uint256 most) private {
        if (bps > most) revert RoyaltyTooHigh(bps, most);
        _setTokenRoyalty(tokenId, receiver, uint96(bps));
        emit RoyaltyChanged(tokenId, receiver, bps);
    }
}
