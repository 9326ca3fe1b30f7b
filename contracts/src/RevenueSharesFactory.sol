// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IERC721} from "@openzeppelin/contracts/interfaces/IERC721.sol";
import {RevenueShares, Terms} from "./RevenueShares.sol";

/// @title Divides a token's income into shares
/// @notice Any ERC-721 may be divided: shares are worth what their token earns, so whoever buys some MUST look at which
/// it is. It promises: shares it names hold their token from the first moment, and all of them began with its owner.
contract RevenueSharesFactory {
    error NotOwner(IERC721 asset, uint256 tokenId, address caller);
    error TokenNotReceived(IERC721 asset, uint256 tokenId);

    event SharesCreated(
        RevenueShares indexed shares, IERC721 indexed asset, uint256 indexed tokenId, address owner, uint256 supply
    );

    /// @notice Whether this factory made them.
    mapping(address shares => bool) public isShares;

    /// @notice Locks the caller's token and gives them all shares. This contract MUST be approved for the token.
    function create(Terms calldata terms) external returns (RevenueShares shares) {
        (IERC721 asset, uint256 tokenId) = (terms.asset, terms.tokenId);
        if (asset.ownerOf(tokenId) != msg.sender) revert NotOwner(asset, tokenId, msg.sender);
        shares = new RevenueShares(terms, msg.sender);
        isShares[address(shares)] = true;
        emit SharesCreated(shares, asset, tokenId, msg.sender, terms.supply);
        asset.transferFrom(msg.sender, address(shares), tokenId);
        if (asset.ownerOf(tokenId) != address(shares)) revert TokenNotReceived(asset, tokenId);
    }
}
