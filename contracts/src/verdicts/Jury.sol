// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Offence, OpenStaking, Reason} from "../OpenStaking.sol";
import {ProtocolParameters} from "../ProtocolParameters.sol";
import {Projections} from "../libraries/Projections.sol";

/// @title What verdicts on receipts and on releases have in common: the fee, the phases, the count, the charge, and who looked
/// @notice Promises:
/// 1. Nothing is decided but by at least two thirds of the stake that counts, held by at least three validators that agree.
/// 2. A fee is paid out to the wei: equal parts for who earned it, the rest for all stakers.
abstract contract Jury is ReentrancyGuardTransient {
    error WrongFee(uint256 sent, uint256 fee);
    error WrongPhase(uint256 from, uint256 until, uint256 now_);
    error TooFewJudges(uint256 judges, uint256 least);
    error NotGovernance(address caller, address governance);
    error TransferFailed(address to, uint256 amount);
    error NotAProjection(uint256 length);
    error NotShown(bytes32 given, bytes32 revealed);
    error NotAgreeing(address validator);
    error NotAgreed(uint256 stake, uint256 of_);
    error NotAscending(address validator, address previous);

    /// @notice The fewest validators that decide anything.
    uint256 public constant MIN_JUDGES = 3;
    /// Who agrees is within a 4th of each other's length, who is farther than half of it has computed something else.
    uint256 private constant NEAR = 4;
    uint256 private constant FAR = 2;

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

    /// @return digest of a projection, which is whole or empty
    function _digest(bytes calldata shown) internal pure returns (bytes32 digest) {
        if (shown.length != 0 && shown.length != Projections.LENGTH) revert NotAProjection(shown.length);
        return keccak256(shown);
    }

    function _requireShown(bytes calldata shown, bytes32 revealed) private pure {
        bytes32 given = keccak256(shown);
        if (given != revealed) revert NotShown(given, revealed);
    }

    /// Whether what was revealed is far from what was agreed on.
    /// @param shown,revealed what is given, and the digest of what was revealed
    function _isFar(bytes calldata shown, bytes32 revealed, bytes calldata agreed) internal pure returns (bool) {
        _requireShown(shown, revealed);
        return !Projections.isWithin(shown, agreed, FAR);
    }

    /// As many as decide anything found it right, and showed projections near the first one's.
    /// @param subject what was judged, as `_foundRight` knows it
    /// @param all stake that judged it
    /// @param agreed they, ascending, with what they showed
    function _requireAgreed(bytes32 subject, uint256 all, address[] calldata agreed, bytes[] calldata projections)
        internal
        view
    {
        uint256 stake;
        for (uint256 i = 0; i < agreed.length; ++i) {
            address previous = i == 0 ? address(0) : agreed[i - 1];
            if (agreed[i] <= previous) revert NotAscending(agreed[i], previous);
            (uint256 weight, bytes32 revealed) = _foundRight(subject, agreed[i]);
            _requireShown(projections[i], revealed);
            if (!Projections.isWithin(projections[i], projections[0], NEAR)) revert NotAgreeing(agreed[i]);
            stake += weight;
        }
        if (!_decides(stake, agreed.length, all)) revert NotAgreed(stake, all);
    }

    /// What a validator that found it right weighs, and the digest it revealed; nothing of another.
    function _foundRight(bytes32 subject, address validator) internal view virtual returns (uint256, bytes32);

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
