// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {DatanetVersion} from "../ModelRegistry.sol";

/// @title What an escrow for a job is named by, owes, and divides
library Jobs {
    /// @notice One payer pays one operator for one job once.
    function escrowId(address payer, address operator, bytes32 jobDigest) internal pure returns (bytes32) {
        return keccak256(abi.encode(payer, operator, jobDigest));
    }

    /// @notice What a release says on chain of what was ordered: name, base, prices, and data in the plan's order.
    function deliverable(
        bytes32 nameHash,
        bytes32 baseDigest,
        uint96 promptWeiPerToken,
        uint96 completionWeiPerToken,
        DatanetVersion[] memory versions
    ) internal pure returns (bytes32) {
        return keccak256(abi.encode(nameHash, baseDigest, promptWeiPerToken, completionWeiPerToken, versions));
    }

    /// @notice The operator's part of a job that was stopped, rounded down; the rest is the payer's.
    /// @dev MUST be called with done ≤ steps, steps > 0 and amount < 2⁹⁶.
    function share(uint256 amount, uint256 done, uint256 steps) internal pure returns (uint256) {
        return amount * done / steps;
    }
}
