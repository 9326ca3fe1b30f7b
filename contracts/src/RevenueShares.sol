// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {IERC721} from "@openzeppelin/contracts/interfaces/IERC721.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

/// What is divided, into how many shares, and what its manager may do with it.
struct Terms {
    IERC721 asset;
    uint256 tokenId;
    /// Shares, the smallest unit: 1 to 2¹²⁸ − 1.
    uint256 supply;
    string name;
    string symbol;
    /// Functions of the asset's contract that the manager may call in the token's name.
    bytes4[] managed;
}

/// @title Shares of one token's income
/// @notice Holds one Datanet, model or agent and divides every wei of native OPEN it receives among its shares, a fixed
/// supply of ERC-20 (EIP-2612). It promises:
/// - What came in is owed, exactly: Σ claimed + Σ owed + the carried remainder = Σ received. What is owed is kept to
///   2⁻¹²⁸ wei, the remainder is below `supply` such parts, and only whole wei are paid.
/// - Transfers carry no past income. Income counts when it arrives here: whoever holds the shares then is owed it.
/// - It receives from anyone, at any gas, and never refuses.
/// - The token cannot leave but to one who holds every share: `redeem` burns them and hands it over. Income that was owed
///   stays claimable, and what still arrives, for the time before, is the redeemer's.
/// - The manager can call only the functions of the asset's contract named at the start, none of ERC-721's that transfer or
///   approve, and the token is still here afterwards. Whoever buys shares MUST look at which functions these are.
contract RevenueShares is ERC20, ERC20Permit, ReentrancyGuardTransient {
    error SupplyOutOfBounds(uint256 supply, uint256 most);
    error NotManageable(bytes4 selector);
    error NotManager(address caller, address manager);
    error NotMajority(address caller, uint256 shares, uint256 supply);
    error NotWhole(address caller, uint256 shares, uint256 supply);
    error TokenLeft(address owner, address approved);
    error PaymentFailed(address to, uint256 amount);

    /// @notice Income was counted; it arrived since the last such event.
    event IncomeCounted(uint256 amount);
    event Claimed(address indexed account, uint256 amount);
    event Manageable(bytes4 indexed selector);
    event ManagerAppointed(address indexed manager, address indexed by);
    event Redeemed(address indexed by);

    uint256 private constant PARTS_BITS = 128;

    IERC721 public immutable asset;
    uint256 public immutable tokenId;

    /// @notice Who acts for the holders; named by whoever holds more than half.
    address public manager;

    /// @notice Who gave all shares for the token; zero while they exist. Income that arrives later is theirs.
    address public redeemer;

    mapping(bytes4 selector => bool) public isManaged;

    /// Wei counted as income, and wei paid out, since the beginning.
    uint128 private _counted;
    uint128 private _paid;
    /// Parts of a wei (2⁻¹²⁸) owed to each share since the beginning, and what did not divide evenly, below the supply.
    uint256 private _perShare;
    uint256 private _remainder;
    /// By account: `_perShare` when it was last settled, and the parts it is owed.
    mapping(address account => uint256) private _settledAt;
    mapping(address account => uint256) private _owed;

    /// @param holder receives all shares, and manages the token at first. The token MUST be sent here next.
    constructor(Terms memory terms, address holder) ERC20(terms.name, terms.symbol) ERC20Permit(terms.name) {
        if (terms.supply == 0 || terms.supply > type(uint128).max) {
            revert SupplyOutOfBounds(terms.supply, type(uint128).max);
        }
        asset = terms.asset;
        tokenId = terms.tokenId;
        for (uint256 i = 0; i < terms.managed.length; ++i) {
            bytes4 selector = terms.managed[i];
            if (_movesTokens(selector)) revert NotManageable(selector);
            isManaged[selector] = true;
            emit Manageable(selector);
        }
        manager = holder;
        emit ManagerAppointed(holder, holder);
        _mint(holder, terms.supply);
    }

    receive() external payable {}

    // ---------------------------------------------------------------- income

    /// @notice Pays an account what it is owed, in whole wei; anyone may call it.
    function claim(address account) external nonReentrant returns (uint256 amount) {
        _count();
        _settle(account);
        amount = _owed[account] >> PARTS_BITS;
        if (amount == 0) return 0;
        _owed[account] -= amount << PARTS_BITS;
        _paid += uint128(amount);
        emit Claimed(account, amount);
        (bool paid,) = account.call{value: amount}("");
        if (!paid) revert PaymentFailed(account, amount);
    }

    /// @notice What `claim` would pay, wei.
    function claimable(address account) public view returns (uint256) {
        (uint256 perShare,) = _divided(totalSupply(), _uncounted());
        uint256 parts = _owed[account] + balanceOf(account) * (perShare - _settledAt[account]);
        if (account == redeemer && redeemer != address(0)) parts += _uncounted() << PARTS_BITS;
        return parts >> PARTS_BITS;
    }

    /// @notice All that ever came in, wei.
    function received() external view returns (uint256) {
        return address(this).balance + _paid;
    }

    /// @notice All that was ever paid out, wei.
    function claimed() external view returns (uint256) {
        return _paid;
    }

    // ---------------------------------------------------------------- the token

    /// @notice Burns every share and hands the token over; only by whoever holds them all.
    function redeem() external nonReentrant {
        uint256 shares = balanceOf(msg.sender);
        if (shares == 0 || shares != totalSupply()) revert NotWhole(msg.sender, shares, totalSupply());
        _burn(msg.sender, shares);
        redeemer = msg.sender;
        emit Redeemed(msg.sender);
        asset.transferFrom(address(this), msg.sender, tokenId);
    }

    /// @notice Names the manager; only by whoever holds more than half of the shares.
    function appoint(address next) external {
        uint256 shares = balanceOf(msg.sender);
        if (2 * shares <= totalSupply()) revert NotMajority(msg.sender, shares, totalSupply());
        manager = next;
        emit ManagerAppointed(next, msg.sender);
    }

    /// @notice Calls the asset's contract as the token's owner, as in publishing a release; only by the manager.
    function manage(bytes calldata data) external nonReentrant returns (bytes memory result) {
        if (msg.sender != manager) revert NotManager(msg.sender, manager);
        bytes4 selector = bytes4(data);
        if (!isManaged[selector]) revert NotManageable(selector);
        result = Address.functionCall(address(asset), data);
        (address owner, address approved) = (asset.ownerOf(tokenId), asset.getApproved(tokenId));
        if (owner != address(this) || approved != address(0)) revert TokenLeft(owner, approved);
    }

    // ---------------------------------------------------------------- inside

    /// Settles both sides before shares move, so that no past income moves with them.
    function _update(address from, address to, uint256 amount) internal override {
        if (to == address(this)) revert ERC20InvalidReceiver(to);
        _count();
        _settle(from);
        _settle(to);
        super._update(from, to, amount);
    }

    /// Divides what arrived since the last time.
    function _count() private {
        uint256 amount = _uncounted();
        if (amount == 0) return;
        uint256 supply = totalSupply();
        if (supply == 0 && redeemer == address(0)) return; // sent to the address before the shares exist: theirs, soon
        _counted += uint128(amount);
        emit IncomeCounted(amount);
        if (supply == 0) _owed[redeemer] += amount << PARTS_BITS;
        else (_perShare, _remainder) = _divided(supply, amount);
    }

    function _settle(address account) private {
        _owed[account] += balanceOf(account) * (_perShare - _settledAt[account]);
        _settledAt[account] = _perShare;
    }

    function _uncounted() private view returns (uint256) {
        return address(this).balance + _paid - _counted;
    }

    function _divided(uint256 supply, uint256 amount) private view returns (uint256 perShare, uint256 remainder) {
        if (supply == 0) return (_perShare, _remainder);
        uint256 parts = (amount << PARTS_BITS) + _remainder;
        return (_perShare + parts / supply, parts % supply);
    }

    function _movesTokens(bytes4 selector) private pure returns (bool) {
        return selector == IERC721.transferFrom.selector || selector == IERC721.approve.selector
            || selector == IERC721.setApprovalForAll.selector
            || selector == bytes4(keccak256("safeTransferFrom(address,address,uint256)"))
            || selector == bytes4(keccak256("safeTransferFrom(address,address,uint256,bytes)"));
    }
}
