// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {ProtocolParameters} from "../ProtocolParameters.sol";

/// @title The governed fee for registering a Datanet or a model
library Fees {
    error WrongFee(uint256 sent, uint256 fee);
    error TreasuryRefused(address treasury, uint256 amount);

    /// @notice Passes the registration fee on to the treasury. The value sent MUST be the fee exactly.
    function payRegistration(ProtocolParameters parameters) internal {
        uint256 fee = parameters.registrationFeeWei();
        if (msg.value != fee) revert WrongFee(msg.value, fee);
        if (fee == 0) return;
        address treasury = parameters.treasury();
        (bool paid,) = treasury.call{value: fee}("");
        if (!paid) revert TreasuryRefused(treasury, fee);
    }
}
