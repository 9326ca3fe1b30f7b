// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Offence, OpenStaking, Reason} from "../OpenStaking.sol";
import {ProtocolParameters} from "../ProtocolParameters.sol";

/// @title What verdicts on receipts and on releases have in common: the fee, the phases, the count, the charge
/// @notice Promises:
/// 1. Nothing is decided but by at least two thirds of the stake that counts, held by at least three validators that agree.
/// 2. A fee is paid out to the wei: equal parts for who earned it, the rest for all stakers.
abstract contract Jury is ReentrancyGuardTransient {
    error WrongFee(uint256 sent, uint256 fee);
    error WrongPhase(uint256 from, uint256 until, uint256 now_);
    error TooFewJudges(uint256 judges, uint256 least);
    error NotGovernance(address caller, address governance);
    error TransferFailed(address to, uint256 amount);

    /// @notice The fewest validators that decide anything.
    uint256 public constant MIN_JUDGES = 3;

    ProtocolParameters public immutable parameters;
    OpenStaking public immutable staking;

    constructor(ProtocolParameters parameters_, OpenStaking staking_) {
        (parameters, staking) = (parameters_, staking_);
    }

    /// @return fee what was sent, which MUST be the governed fee, wei
    function _takeFee() internal view returns (uint96 fee) {
        fee = uint96(parameters.demandFeeWei()); // bounded far below 2⁹⁶
        if (msg.value != fee) revert WrongFee(msg.value, fee);
    }

    /// Whether those who agree are enough. Who stayed silent is part of `all`.
    function _decides(uint256 stake, uint256 count, uint256 all) internal pure returns (bool) {
        return count >= MIN_JUDGES && 3 * stake >= 2 * all;
    }

    /// @return rest what does not divide among the winners, or all where there is none: paid to all stakers
    function _payRest(uint256 fee, uint256 winners) internal returns (uint256 rest) {
        rest = winners == 0 ? fee : fee % winners;
        if (rest != 0) _send(address(staking), rest);
    }

    /// Slashes a validator by the governed part, subject to appeal.
    function _slash(address validator, Reason reason, bytes32 evidence, address reporter)
        internal
        returns (uint256 slashId)
    {
        return staking.slash(
            Offence({
                poolId: uint160(validator),
                liable: validator,
                bps: uint16(parameters.quorumSlashBps()),
                reason: reason,
                evidence: evidence,
                reporter: reporter,
                harmed: address(0),
                harm: 0
            })
        );
    }

    function _onlyGovernance() internal view {
        address governance = parameters.owner();
        if (msg.sender != governance) revert NotGovernance(msg.sender, governance);
    }

    function _requireJudges(uint256 judges) internal pure {
        if (judges < MIN_JUDGES) revert TooFewJudges(judges, MIN_JUDGES);
    }

    function _requirePhase(uint256 from, uint256 until) internal view {
        if (block.timestamp < from || block.timestamp >= until) revert WrongPhase(from, until, block.timestamp);
    }

    function _send(address to, uint256 amount) internal {
        (bool sent,) = to.call{value: amount}("");
        if (!sent) revert TransferFailed(to, amount);
    }
}
