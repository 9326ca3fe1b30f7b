// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Commitment, Positional} from "./Positional.sol";
import {Payment} from "./Splits.sol";

/// One payment of one receipt, and its payee's sum in the batch up to and including it (docs/protocol.md, section 7).
struct Line {
    address payee;
    uint32 receiptIndex;
    uint32 paymentIndex;
    uint256 amount;
    uint256 runningSum;
}

/// A payee's balance: what the batch adds, and the sum of all batches of the attester.
struct Balance {
    address payee;
    uint256 credit;
    uint256 cumulative;
}

struct OpenedLine {
    Line line;
    bytes32[] proof;
}

struct OpenedBalance {
    Balance balance;
    bytes32[] proof;
}

/// Two neighbours of the journal: the lines before and after `boundary`, nothing between them. At an end of the journal the
/// side that does not exist is ignored.
struct LinesAround {
    uint32 boundary;
    OpenedLine left;
    OpenedLine right;
}

/// Two neighbours of the balances, in the same way.
struct BalancesAround {
    uint32 boundary;
    OpenedBalance left;
    OpenedBalance right;
}

/// @title Lies of the journal and of the balances
/// @notice Each function returns who was credited too little by the lie and by how much (zero for nobody), and reverts if
/// there is no lie, or if the evidence is not what was committed. Sums are taken modulo 2²⁵⁶: a sum that wraps around needs
/// an amount that no receipt pays, which is a lie of its own.
library Journals {
    using Positional for Commitment;

    error JournalIsRight(uint256 boundary);
    error LineIsRight(uint256 index);
    error LineIsThere(uint256 boundary);
    error BalancesAreRight(uint256 boundary);
    error BalanceIsRight(address payee);
    error BalanceIsThere(address payee);

    // ---------------------------------------------------------------- journal

    /// @notice The two lines do not ascend, or the right one's sum is not the left one's, if that is the same payee's, plus its
    /// own amount.
    function requireWrongNeighbours(Commitment memory journal, LinesAround calldata around)
        internal
        pure
        returns (address harmed, uint256 harm)
    {
        (bool hasLeft, bool hasRight) = _around(journal, around);
        if (!hasRight) revert JournalIsRight(around.boundary);
        (Line calldata left, Line calldata right) = (around.left.line, around.right.line);
        uint256 expected = right.amount;
        if (hasLeft) {
            if (_key(left) >= _key(right)) return (address(0), 0);
            if (left.payee == right.payee) expected = _sum(left.runningSum, right.amount);
        }
        if (right.runningSum == expected) revert JournalIsRight(around.boundary);
        return (right.payee, _missing(expected, right.runningSum));
    }

    /// @notice The line names a payment that its receipt does not have, or has otherwise.
    /// @param payments of the line's receipt; their digest MUST have been checked
    function requireWrongLine(Line calldata line, uint256 index, Payment[] calldata payments)
        internal
        pure
        returns (address harmed, uint256 harm)
    {
        if (line.paymentIndex >= payments.length) return (address(0), 0);
        Payment calldata payment = payments[line.paymentIndex];
        if (payment.payee == line.payee) {
            if (payment.amount == line.amount) revert LineIsRight(index);
            return (payment.payee, _missing(payment.amount, line.amount));
        }
        return (payment.payee, payment.amount);
    }

    /// @notice A payment has no line: its place is between the two neighbours, and neither is it.
    function requireMissingLine(
        Commitment memory journal,
        LinesAround calldata around,
        Payment calldata payment,
        uint32 receiptIndex,
        uint32 paymentIndex
    ) internal pure returns (address harmed, uint256 harm) {
        (bool hasLeft, bool hasRight) = _around(journal, around);
        uint256 key = _key(payment.payee, receiptIndex, paymentIndex);
        bool between = (!hasLeft || _key(around.left.line) < key) && (!hasRight || key < _key(around.right.line));
        if (!between) revert LineIsThere(around.boundary);
        return (payment.payee, payment.amount);
    }

    // ---------------------------------------------------------------- balances

    /// @notice The two balances do not ascend.
    function requireUnsorted(Commitment memory balances, BalancesAround calldata around) internal pure {
        (bool hasLeft, bool hasRight) = _around(balances, around);
        bool ascend = !hasLeft || !hasRight || around.left.balance.payee < around.right.balance.payee;
        if (ascend) revert BalancesAreRight(around.boundary);
    }

    /// @notice The credit is not the payee's last running sum; 0 where the payee has no line.
    /// @param around where the payee's lines end in the journal
    function requireWrongCredit(Balance calldata balance, Commitment memory journal, LinesAround calldata around)
        internal
        pure
        returns (address harmed, uint256 harm)
    {
        (bool hasLeft, bool hasRight) = _around(journal, around);
        bool ends = (!hasLeft || around.left.line.payee <= balance.payee)
            && (!hasRight || balance.payee < around.right.line.payee);
        if (!ends) revert Positional.BadProof();
        bool paid = hasLeft && around.left.line.payee == balance.payee;
        uint256 expected = paid ? around.left.line.runningSum : 0;
        if (balance.credit == expected) revert BalanceIsRight(balance.payee);
        return (balance.payee, _missing(expected, balance.credit));
    }

    /// @notice The cumulative balance is not the previous batch's, 0 for a new payee, plus the credit.
    /// @param around where the payee stands, or would stand, among the previous batch's balances
    function requireWrongCumulative(
        Balance calldata balance,
        Commitment memory previous,
        BalancesAround calldata around
    ) internal pure returns (address harmed, uint256 harm) {
        (bool hasLeft, bool hasRight) = _around(previous, around);
        bool stands = (!hasLeft || around.left.balance.payee <= balance.payee)
            && (!hasRight || balance.payee < around.right.balance.payee);
        if (!stands) revert Positional.BadProof();
        bool known = hasLeft && around.left.balance.payee == balance.payee;
        uint256 before = known ? around.left.balance.cumulative : 0;
        uint256 expected = _sum(before, balance.credit);
        if (balance.cumulative == expected && balance.cumulative >= balance.credit) {
            revert BalanceIsRight(balance.payee);
        }
        return (balance.payee, _missing(expected, balance.cumulative));
    }

    /// @notice A payee has no balance: its place is between the two neighbours, and neither is its.
    function requireMissing(Commitment memory balances, BalancesAround calldata around, address payee) internal pure {
        (bool hasLeft, bool hasRight) = _around(balances, around);
        bool between =
            (!hasLeft || around.left.balance.payee < payee) && (!hasRight || payee < around.right.balance.payee);
        if (!between) revert BalanceIsThere(payee);
    }

    // ---------------------------------------------------------------- leaves

    function hash(Line calldata line) internal pure returns (bytes32) {
        return keccak256(abi.encode(line));
    }

    function hash(Balance calldata balance) internal pure returns (bytes32) {
        return keccak256(abi.encode(balance));
    }

    // ---------------------------------------------------------------- inside

    function _around(Commitment memory journal, LinesAround calldata around)
        private
        pure
        returns (bool hasLeft, bool hasRight)
    {
        return journal.requireAround(
            around.boundary, hash(around.left.line), around.left.proof, hash(around.right.line), around.right.proof
        );
    }

    function _around(Commitment memory balances, BalancesAround calldata around)
        private
        pure
        returns (bool hasLeft, bool hasRight)
    {
        return balances.requireAround(
            around.boundary,
            hash(around.left.balance),
            around.left.proof,
            hash(around.right.balance),
            around.right.proof
        );
    }

    function _key(Line calldata line) private pure returns (uint256) {
        return _key(line.payee, line.receiptIndex, line.paymentIndex);
    }

    /// What lines are sorted by: payee, receipt, payment.
    function _key(address payee, uint32 receiptIndex, uint32 paymentIndex) private pure returns (uint256) {
        return uint256(uint160(payee)) << 64 | uint256(receiptIndex) << 32 | paymentIndex;
    }

    function _sum(uint256 a, uint256 b) private pure returns (uint256) {
        unchecked {
            return a + b;
        }
    }

    function _missing(uint256 expected, uint256 given) private pure returns (uint256) {
        return expected > given ? expected - given : 0;
    }
}
