// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

/// What a lot says.
struct Lottery {
    bool drawn;
    /// The receipt to check in an audit.
    uint32 receipt;
}

/// @title The lottery of validators, and what they commit to (docs/staking.md)
library Draws {
    /// @notice lot = keccak256(preimage ‖ receiptsRoot). Its high 128 bits h draw the validator: h · total < 2¹²⁸ · weight ·
    /// seats, which happens with probability min(1, seats · weight / total). Its low 128 bits name a receipt: their remainder
    /// modulo the count.
    function lottery(
        bytes32 preimage,
        bytes32 receiptsRoot,
        uint256 weight,
        uint256 total,
        uint256 seats,
        uint256 receiptCount
    ) internal pure returns (Lottery memory) {
        uint256 lot = uint256(keccak256(abi.encodePacked(preimage, receiptsRoot)));
        return
            Lottery({
                drawn: (lot >> 128) * total < (weight * seats) << 128, receipt: uint32(uint128(lot) % receiptCount)
            });
    }

    /// @notice keccak256(abi.encode(batch id, receipt index, wrong, digest of the projection, salt, validator)).
    function commitmentOf(
        bytes32 batchId,
        uint32 receipt,
        bool wrong,
        bytes32 projection,
        bytes32 salt,
        address validator
    ) internal pure returns (bytes32) {
        return keccak256(abi.encode(batchId, receipt, wrong, projection, salt, validator));
    }
}
