// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {ProtocolParameters} from "./ProtocolParameters.sol";

/// @title What a Datanet's contributors hold in common
/// @notice Receives the influence part of answers that no contributor shaped above chance. Governance pays it out.
contract CommonPool {
    error NotGovernance(address caller, address governance);
    error PaymentFailed(address to, uint256 amount);

    event Received(address indexed from, uint256 amount);
    event Paid(address indexed to, uint256 amount);

    ProtocolParameters public immutable parameters;
    uint256 public immutable datanetId;

    constructor(ProtocolParameters parameters_, uint256 datanetId_) {
        parameters = parameters_;
        datanetId = datanetId_;
    }

    receive() external payable {
        emit Received(msg.sender, msg.value);
    }

    /// @notice Pays out; only by the owner of the protocol's parameters.
    function pay(address payable to, uint256 amount) external {
        address governance = parameters.owner();
        if (msg.sender != governance) revert NotGovernance(msg.sender, governance);
        emit Paid(to, amount);
        (bool paid,) = to.call{value: amount}("");
        if (!paid) revert PaymentFailed(to, amount);
    }
}
