// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {ProtocolParameters} from "./ProtocolParameters.sol";

/// @title What governance owns, and the wait before it acts
/// @notice The treasury, and the owner of `ProtocolParameters`. Only the governor schedules and cancels; anyone executes what
/// is due; it takes OPEN, and tokens by ERC-721 and ERC-1155. Nobody administers it but itself, by a vote.
///
/// Promise: between the end of a vote and its effect lie at least `timelockDelaySeconds`, in which anyone who disagrees can
/// leave.
contract OpenTimelock is TimelockController {
    /// @notice The delay is set in `ProtocolParameters`, as every number is.
    error DelayIsAParameter(bytes32 id);

    ProtocolParameters public immutable parameters;

    /// @param governor the only proposer and canceller; its address is known before it is deployed
    constructor(ProtocolParameters parameters_, address governor)
        TimelockController(0, _only(governor), _only(address(0)), address(0))
    {
        parameters = parameters_;
    }

    /// @notice The delay in force, seconds. What is scheduled already keeps its own.
    function getMinDelay() public view override returns (uint256) {
        return parameters.timelockDelaySeconds();
    }

    /// @notice Always refused: the delay is a parameter.
    function updateDelay(uint256) public pure override {
        revert DelayIsAParameter("timelockDelaySeconds");
    }

    function _only(address account) private pure returns (address[] memory list) {
        list = new address[](1);
        list[0] = account;
    }
}
