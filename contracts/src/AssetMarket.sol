// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IERC20} from "@openzeppelin/contracts/interfaces/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {RevenueSharesFactory} from "./RevenueSharesFactory.sol";
import {Asset} from "./libraries/Asset.sol";

/// @title Datanets, models, agents and shares of them at a fixed price in OPEN
/// @notice What is listed stays with its seller, and earns for them until it is sold: the market holds an approval, never
/// a token. It promises:
/// - A sale is a swap, or nothing: the buyer has what was listed, seller and creator have the price between them.
/// - A listing never changes: its id fixes seller, asset and price, so a buyer cannot be given another.
/// - A token's listing ends with the ownership it was made in: once the token moves it is void, even if the token returns.
///   A lot of shares is offered until it is bought, cancelled or expired, and sold only if the seller still has them all.
/// - The creator's royalty (ERC-2981) is paid, at most 10 %; nobody else takes anything.
/// - It holds exactly what it owes: proceeds are credited and withdrawn, so that no payee can stop a sale.
///
/// Only the registries and the share factory named at deployment are traded: the promises rest on how these behave.
contract AssetMarket is ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    struct Listing {
        address seller;
        uint96 price;
        address asset;
        uint48 expiresAt;
        /// Since when the seller had owned the token; 0 marks a lot of shares.
        uint48 ownedSince;
        /// The token's id, or how many shares.
        uint256 what;
    }

    error NotTraded(address asset);
    error NotOwner(address asset, uint256 tokenId, address caller);
    error OwnedTooShortly(uint256 since, uint256 timestamp);
    error BadPrice(uint256 price);
    error BadExpiry(uint256 expiresAt, uint256 timestamp);
    error EmptyLot();
    error NotListed(uint256 listingId);
    error NotSeller(uint256 listingId, address caller);
    error Expired(uint256 listingId, uint256 expiresAt);
    error Stale(uint256 listingId);
    error WrongPrice(uint256 sent, uint256 price);
    error NothingToWithdraw(address account);
    error PaymentFailed(address to, uint256 amount);

    event Listed(
        uint256 indexed listingId,
        address indexed seller,
        address indexed asset,
        bool isLot,
        uint256 what,
        uint256 price,
        uint256 expiresAt
    );
    event Cancelled(uint256 indexed listingId);
    event Sold(
        uint256 indexed listingId,
        address indexed buyer,
        address indexed seller,
        uint256 price,
        address royaltyReceiver,
        uint256 royalty
    );
    event Withdrawn(address indexed account, uint256 amount);

    RevenueSharesFactory public immutable shares;

    mapping(address asset => bool) public isTraded;

    /// @notice Listings made so far; ids count from 1.
    uint256 public listingCount;

    /// @notice The token's newest listing, the only one that can be bought; 0 if there is none.
    mapping(address asset => mapping(uint256 tokenId => uint256)) public listingOf;

    /// @notice What an account may withdraw, wei.
    mapping(address account => uint256) public creditOf;

    mapping(uint256 listingId => Listing) private _listings;

    constructor(Asset[] memory assets, RevenueSharesFactory shares_) {
        for (uint256 i = 0; i < assets.length; ++i) {
            isTraded[address(assets[i])] = true;
        }
        shares = shares_;
    }

    // ---------------------------------------------------------------- sellers

    /// @notice Offers the caller's token. The market MUST be approved for it before it can be bought. A listing made
    /// earlier for the token is void.
    /// @param price wei, what the buyer pays in all
    /// @param expiresAt seconds; it cannot be bought from then on
    function list(Asset asset, uint256 tokenId, uint96 price, uint48 expiresAt) external returns (uint256 listingId) {
        if (!isTraded[address(asset)]) revert NotTraded(address(asset));
        if (asset.ownerOf(tokenId) != msg.sender) revert NotOwner(address(asset), tokenId, msg.sender);
        uint256 since = asset.ownedSince(tokenId);
        if (since > block.timestamp) revert OwnedTooShortly(since, block.timestamp);
        listingId = _list(address(asset), tokenId, price, expiresAt, uint48(since));
        listingOf[address(asset)][tokenId] = listingId;
    }

    /// @notice Offers a lot of shares, to be bought as a whole. The market MUST be allowed to move them.
    function listShares(address token, uint256 amount, uint96 price, uint48 expiresAt)
        external
        returns (uint256 listingId)
    {
        if (!shares.isShares(token)) revert NotTraded(token);
        if (amount == 0) revert EmptyLot();
        return _list(token, amount, price, expiresAt, 0);
    }

    /// @notice Takes an offer back; only by its seller.
    function cancel(uint256 listingId) external {
        Listing memory it = _found(listingId);
        if (it.seller != msg.sender) revert NotSeller(listingId, msg.sender);
        _end(listingId, it);
        emit Cancelled(listingId);
    }

    // ---------------------------------------------------------------- buyers and payees

    /// @notice Buys what the listing offers. The value sent MUST be its price exactly.
    function buy(uint256 listingId) external payable nonReentrant {
        Listing memory it = _found(listingId);
        if (block.timestamp >= it.expiresAt) revert Expired(listingId, it.expiresAt);
        if (msg.value != it.price) revert WrongPrice(msg.value, it.price);

        bool isLot = it.ownedSince == 0;
        (address receiver, uint256 royalty) = isLot ? (address(0), 0) : _royalty(listingId, it);
        _end(listingId, it);
        if (royalty != 0) creditOf[receiver] += royalty;
        creditOf[it.seller] += it.price - royalty;
        emit Sold(listingId, msg.sender, it.seller, it.price, receiver, royalty);

        if (isLot) IERC20(it.asset).safeTransferFrom(it.seller, msg.sender, it.what);
        else Asset(it.asset).transferFrom(it.seller, msg.sender, it.what);
    }

    /// @notice Pays an account its proceeds; anyone may call it.
    function withdraw(address account) external nonReentrant returns (uint256 amount) {
        amount = creditOf[account];
        if (amount == 0) revert NothingToWithdraw(account);
        delete creditOf[account];
        emit Withdrawn(account, amount);
        (bool paid,) = account.call{value: amount}("");
        if (!paid) revert PaymentFailed(account, amount);
    }

    // ---------------------------------------------------------------- views

    function listing(uint256 listingId) external view returns (Listing memory) {
        return _found(listingId);
    }

    // ---------------------------------------------------------------- inside

    function _list(address asset, uint256 what, uint96 price, uint48 expiresAt, uint48 ownedSince)
        private
        returns (uint256 listingId)
    {
        if (price == 0) revert BadPrice(price);
        if (expiresAt <= block.timestamp) revert BadExpiry(expiresAt, block.timestamp);
        listingId = ++listingCount;
        _listings[listingId] = Listing(msg.sender, price, asset, expiresAt, ownedSince, what);
        emit Listed(listingId, msg.sender, asset, ownedSince == 0, what, price, expiresAt);
    }

    /// Refuses a listing that the token has outlived, and asks what its sale owes the creator.
    function _royalty(uint256 listingId, Listing memory it) private view returns (address receiver, uint256 amount) {
        Asset asset = Asset(it.asset);
        bool newest = listingOf[it.asset][it.what] == listingId;
        if (!newest || asset.ownerOf(it.what) != it.seller || asset.ownedSince(it.what) != it.ownedSince) {
            revert Stale(listingId);
        }
        (receiver, amount) = asset.royaltyInfo(it.what, it.price);
        if (receiver == address(0)) return (address(0), 0);
        uint256 most = uint256(it.price) * asset.MAX_ROYALTY_BPS() / 10_000;
        if (amount > most) amount = most;
    }

    function _end(uint256 listingId, Listing memory it) private {
        delete _listings[listingId];
        bool newest = it.ownedSince != 0 && listingOf[it.asset][it.what] == listingId;
        if (newest) delete listingOf[it.asset][it.what];
    }

    function _found(uint256 listingId) private view returns (Listing storage found) {
        found = _listings[listingId];
        if (found.seller == address(0)) revert NotListed(listingId);
    }
}
