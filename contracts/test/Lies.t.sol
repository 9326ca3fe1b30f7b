// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {ChannelInterval} from "../src/AttributionLedger.sol";
import {FraudProofs} from "../src/FraudProofs.sol";
import {Balance, Journals, Line} from "../src/libraries/Journals.sol";
import {ScoreEvidence} from "../src/libraries/Lies.sol";
import {OpenedReceipt, Receipt} from "../src/libraries/Receipts.sol";
import {Payment, SplitEvidence, Splits} from "../src/libraries/Splits.sol";
import {Tilings} from "../src/libraries/Tilings.sol";
import {Draft, Honest} from "./Honest.sol";

/// Each lie alone in a batch that is honest otherwise: proven, undone, and its harm paid to whom it harmed. And every proof,
/// anywhere, against the honest batch: refused.
contract LiesTest is Honest {
    address internal constant prover = address(0x99);

    Draft internal first;
    /// The second batch, in which the tests lie.
    Draft internal draft;

    function setUp() public override {
        super.setUp();
        Draft memory one = firstDraft();
        settleDraft(one, 0, one);
        _keep(first, one);
        _keep(draft, secondDraft(one));
    }

    // ---------------------------------------------------------------- scores

    function test_understatedScore() public {
        Draft memory d = draft;
        d.scores[1] = _changedScore(d.scores[1], 0, -1);
        _pay(d, 1);
        _settle(d);
        vm.prank(prover);
        proofs.proveWrongScore(operator, 1, scoreEvidence(d, 1, 0, 0));
        _undone(rowPayees[0], _fee(d, 1));
    }

    function test_overstatedScore() public {
        Draft memory d = draft;
        d.scores[1] = _changedScore(d.scores[1], 1, 1);
        _pay(d, 1);
        _settle(d);
        vm.prank(prover);
        proofs.proveWrongScore(operator, 1, scoreEvidence(d, 1, 1, 1));
        _undone(address(0), 0);
    }

    function test_threshold() public {
        Draft memory d = draft;
        // Lower by one, and nobody's score lies between: the list stays what it is.
        d.receipts[1].threshold -= 1;
        _settle(d);
        vm.prank(prover);
        proofs.proveWrongThreshold(operator, 1, 3, scoreEvidence(d, 1, 0, 3));
        _undone(address(0), 0);
    }

    function test_omission() public {
        Draft memory d = draft;
        d.scores[1] = _dropEntry(d.scores[1], 2);
        _pay(d, 1);
        _settle(d);
        vm.prank(prover);
        proofs.proveOmission(operator, 1, 2, scoreEvidence(d, 1, 0, 2));
        _undone(rowPayees[2], _fee(d, 1));
    }

    // ---------------------------------------------------------------- terms

    function test_unknownRelease() public {
        Draft memory d = draft;
        d.receipts[2].releaseId = "never published";
        _settle(d);
        vm.prank(prover);
        proofs.proveWrongTerms(operator, 1, 2, openReceipt(d, 2));
        _undone(payer, _fee(d, 2));
    }

    function test_issuedAfterSettlement() public {
        Draft memory d = draft;
        d.receipts[0].issuedAt = uint64(block.timestamp + 1);
        _settle(d);
        vm.prank(prover);
        proofs.proveWrongTerms(operator, 1, 0, openReceipt(d, 0));
        _undone(address(0), 0);
    }

    function test_issuedBeforeTheRelease() public {
        Draft memory d = draft;
        d.receipts[0].issuedAt = issuedAt - 1;
        _settle(d);
        vm.prank(prover);
        proofs.proveWrongTerms(operator, 1, 0, openReceipt(d, 0));
        _undone(address(0), 0);
    }

    function test_dearerThanItsTokens() public {
        Draft memory d = draft;
        d.receipts[1].completionTokens -= 1;
        _settle(d);
        vm.prank(prover);
        proofs.proveWrongTerms(operator, 1, 1, openReceipt(d, 1));
        _undone(payer, 3_000_001);
    }

    function test_cheaperThanItsTokens() public {
        Draft memory d = draft;
        d.receipts[1].promptTokens += 1;
        _settle(d);
        vm.prank(prover);
        proofs.proveWrongTerms(operator, 1, 1, openReceipt(d, 1));
        _undone(address(0), 0);
    }

    // ---------------------------------------------------------------- splits

    /// One wei from each payment to each other one: none goes unnoticed.
    function test_oneWeiMovedBetweenAnyTwoPayments() public {
        uint256 count = draft.payments[1].length;
        vm.assertEq(count, 9, "four heads, two owners, three contributors");
        uint256 snapshot = vm.snapshotState();
        for (uint256 from = 0; from < count; ++from) {
            for (uint256 to = 0; to < count; ++to) {
                if (from == to) continue;
                Draft memory d = draft;
                d.payments[1][from].amount -= 1;
                d.payments[1][to].amount += 1;
                _split(d, 1);
                SplitEvidence memory evidence = splitEvidence(d, 1, from);
                if (from >= 6) withRow(evidence, from - 6);
                vm.prank(prover);
                proofs.proveWrongSplit(operator, 1, evidence);
                _undone(d.payments[1][from].payee, 1);
                vm.revertToState(snapshot);
            }
        }
    }

    /// Each payment to somebody else than is due.
    function test_anyPaymentToAnotherPayee() public {
        uint256 snapshot = vm.snapshotState();
        for (uint256 receipt = 1; receipt < 5; receipt += 3) {
            for (uint256 i = 0; i < draft.payments[receipt].length; ++i) {
                Draft memory d = draft;
                address due = d.payments[receipt][i].payee;
                d.payments[receipt][i].payee = address(0xbad);
                _split(d, receipt);
                SplitEvidence memory evidence = splitEvidence(d, receipt, i);
                if (receipt == 1 && i >= 6) withRow(evidence, i - 6);
                vm.prank(prover);
                proofs.proveWrongSplit(operator, 1, evidence);
                _undone(due, d.payments[receipt][i].amount);
                vm.revertToState(snapshot);
            }
        }
    }

    function test_aPaymentLeftOutOrAdded() public {
        uint256 snapshot = vm.snapshotState();
        Draft memory d = draft;
        Payment[] memory shorter = d.payments[4];
        Payment memory last = shorter[shorter.length - 1];
        assembly ("memory-safe") {
            mstore(shorter, sub(mload(shorter), 1))
        }
        _split(d, 4);
        SplitEvidence memory evidence = splitEvidence(d, 4, shorter.length);
        vm.prank(prover);
        proofs.proveWrongSplit(operator, 1, evidence);
        _undone(last.payee, last.amount);
        vm.revertToState(snapshot);

        d = draft;
        Payment[] memory longer = new Payment[](d.payments[4].length + 1);
        for (uint256 i = 0; i < d.payments[4].length; ++i) {
            longer[i] = d.payments[4][i];
        }
        longer[longer.length - 1] = Payment(operator, 0);
        d.payments[4] = longer;
        _split(d, 4);
        evidence = splitEvidence(d, 4, 0);
        vm.prank(prover);
        proofs.proveWrongSplit(operator, 1, evidence);
        _undone(address(0), 0);
    }

    /// Who owned model and Datanet when the receipt was issued is paid, whatever is sold later.
    function test_aSaleChangesOnlyWhatComesAfter() public {
        Draft memory d = draft;
        vm.warp(block.timestamp + 10);
        vm.prank(developer);
        models.transferFrom(developer, address(0x777), modelId);
        bytes32 key = parameters.TREASURY();
        vm.prank(governance);
        parameters.set(key, 0x778);
        vm.warp(block.timestamp + 10);
        _settle(d);
        (bool proven,) =
            address(proofs).call(abi.encodeCall(FraudProofs.proveWrongSplit, (operator, 1, splitEvidence(d, 1, 1))));
        vm.assertFalse(proven);
    }

    // ---------------------------------------------------------------- tiling

    function test_gap() public {
        _tiling(1, 1, 0, 1);
    }

    function test_overlap() public {
        _tiling(1, -1, 0, 1);
    }

    function test_emptyInterval() public {
        Draft memory d = draft;
        d.receipts[1].to = d.receipts[1].from;
        d.receipts[2].from = d.receipts[1].from;
        _settleAs(d, draft.intervals);
        _proveTiling(d, 1, payer);
    }

    /// Amounts that no sum can hold hide nothing.
    function test_anOverlapOfEverything() public {
        Draft memory d = draft;
        d.receipts[0].to = type(uint256).max;
        (d.receipts[1].from, d.receipts[1].to) = (0, type(uint256).max);
        _settleAs(d, draft.intervals);
        _proveTiling(d, 1, payer);
    }

    function test_aSumThatWrapsAround() public {
        Draft memory d = draft;
        uint256 i = _secondLine(d);
        d.lines[i].runningSum = type(uint256).max;
        _settle(d);
        vm.prank(prover);
        proofs.proveWrongJournal(operator, 1, linesAround(d, i));
        _undone(address(0), 0);
    }

    function test_aChannelBeginsElsewhere() public {
        Draft memory d = draft;
        d.receipts[3].from += 1;
        _settleAs(d, draft.intervals);
        _proveTiling(d, 3, payer);
    }

    function test_aChannelEndsElsewhere() public {
        Draft memory d = draft;
        d.receipts[4].to -= 1;
        _settleAs(d, draft.intervals);
        _proveTiling(d, 5, payer);
    }

    function test_theListBeginsElsewhere() public {
        Draft memory d = draft;
        d.receipts[0].from -= 1;
        _settleAs(d, draft.intervals);
        _proveTiling(d, 0, payer);
    }

    function test_unsorted() public {
        Draft memory d = draft;
        // The second channel's receipts first: each channel tiles, and the order is wrong.
        (Receipt memory a, Receipt memory b, Receipt memory c) = (d.receipts[0], d.receipts[1], d.receipts[2]);
        (d.receipts[0], d.receipts[1]) = (d.receipts[3], d.receipts[4]);
        (d.receipts[2], d.receipts[3], d.receipts[4]) = (a, b, c);
        _settleAs(d, draft.intervals);
        _proveTiling(d, 2, payer);
    }

    function test_aChannelThatIsNotListed() public {
        Draft memory d = draft;
        d.receipts[4].channelId = bytes32(type(uint256).max);
        ChannelInterval[] memory intervals = draft.intervals;
        intervals[1].to = uint96(d.receipts[3].to);
        _settleAs(d, intervals);
        _proveTiling(d, 5, address(0));
    }

    function test_aListedChannelWithoutReceipts() public {
        uint256 snapshot = vm.snapshotState();
        bytes32[] memory three = new bytes32[](3);
        (three[0], three[1], three[2]) = (ids[0], ids[1], openChannel("c", 1 ether));
        collect(three[2], 1000);
        bytes32 third = three[2];
        three = sorted(three);
        ChannelInterval[] memory intervals = new ChannelInterval[](3);
        uint256 boundary;
        for (uint256 i = 0; i < 3; ++i) {
            if (three[i] == third) (intervals[i], boundary) = (ChannelInterval(third, 0, 1000), i);
            else intervals[i] = draft.intervals[three[i] == ids[0] ? 0 : 1];
        }
        Draft memory d = draft;
        _settleAs(d, intervals);
        // Before the first receipt, between the channels, or after the last.
        _proveTiling(d, boundary == 0 ? 0 : boundary == 1 ? 3 : 5, payer);
        vm.revertToState(snapshot);

        // The first and the last listed channel, with the other's receipts only.
        for (uint256 missing = 0; missing < 2; ++missing) {
            d = draft;
            Receipt[] memory kept = new Receipt[](missing == 0 ? 2 : 3);
            for (uint256 i = 0; i < kept.length; ++i) {
                kept[i] = d.receipts[missing == 0 ? 3 + i : i];
            }
            d.receipts = kept;
            _settleAs(d, draft.intervals);
            _proveTiling(d, missing == 0 ? 0 : 3, payer);
            vm.revertToState(snapshot);
        }
    }

    function test_equivocation() public {
        Draft memory d = draft;
        _settle(d);
        Receipt memory other = d.receipts[1];
        other.responseDigest = keccak256("another answer");
        bytes memory signature = sign(operatorKey, other);
        vm.prank(prover);
        proofs.proveEquivocation(operator, 1, 1, openReceipt(draft, 1), other, signature);
        _undone(payer, _fee(d, 1));
    }

    function test_whatIsNoEquivocation() public {
        Draft memory d = draft;
        _settle(d);
        OpenedReceipt memory opened = openReceipt(d, 1);
        Receipt memory same = draft.receipts[1];
        bytes memory signature = sign(operatorKey, same);
        vm.expectPartialRevert(FraudProofs.SameReceipt.selector);
        proofs.proveEquivocation(operator, 1, 1, opened, same, signature);
        Receipt memory next = draft.receipts[2];
        signature = sign(operatorKey, next);
        vm.expectRevert(FraudProofs.NotOverlapping.selector);
        proofs.proveEquivocation(operator, 1, 1, opened, next, signature);
        Receipt memory forged = draft.receipts[1];
        forged.responseDigest = 0;
        forged.requestDigest = 0;
        signature = sign(payerKey, forged);
        vm.expectPartialRevert(FraudProofs.NotSignedByAttester.selector);
        proofs.proveEquivocation(operator, 1, 1, opened, forged, signature);
    }

    // ---------------------------------------------------------------- journal

    function test_linesOutOfOrder() public {
        Draft memory d = draft;
        // Two lines of one payee: sums stay right, the order is wrong.
        uint256 i = _secondLine(d);
        (d.lines[i - 1], d.lines[i]) = (d.lines[i], d.lines[i - 1]);
        sum(d.lines);
        _settle(d);
        vm.prank(prover);
        proofs.proveWrongJournal(operator, 1, linesAround(d, i));
        _undone(address(0), 0);
    }

    function test_aWrongRunningSum() public {
        uint256 snapshot = vm.snapshotState();
        for (uint256 i = 0; i < draft.lines.length; ++i) {
            Draft memory d = draft;
            d.lines[i].runningSum -= 1;
            d.balances = balancesOf(d.lines, first.balances);
            _settle(d);
            vm.prank(prover);
            proofs.proveWrongJournal(operator, 1, linesAround(d, i));
            _undone(d.lines[i].payee, 1);
            vm.revertToState(snapshot);
        }
    }

    function test_aLineThatIsNotItsPayment() public {
        Draft memory d = draft;
        uint256 i = _secondLine(d);
        d.lines[i].amount -= 5;
        sum(d.lines);
        d.balances = balancesOf(d.lines, first.balances);
        _settle(d);
        uint256 r = d.lines[i].receiptIndex;
        vm.prank(prover);
        proofs.proveWrongLine(operator, 1, uint32(i), openLine(d, i), openReceipt(d, r), d.payments[r]);
        _undone(d.lines[i].payee, 5);
    }

    function test_aLineOfNoPaymentAndOfNoReceipt() public {
        uint256 snapshot = vm.snapshotState();
        for (uint256 which = 0; which < 2; ++which) {
            Draft memory d = draft;
            uint256 last = d.lines.length - 1;
            if (which == 0) d.lines[last].paymentIndex = 100;
            else d.lines[last].receiptIndex = 5;
            _settle(d);
            uint256 r = which == 0 ? d.lines[last].receiptIndex : 0;
            vm.prank(prover);
            proofs.proveWrongLine(operator, 1, uint32(last), openLine(d, last), openReceipt(d, r), d.payments[r]);
            _undone(address(0), 0);
            vm.revertToState(snapshot);
        }
    }

    /// Each payment of each receipt left out of the journal, and everything after it built without it.
    function test_anyPaymentMissing() public {
        uint256 snapshot = vm.snapshotState();
        for (uint256 i = 0; i < draft.lines.length; ++i) {
            Draft memory d = draft;
            Line memory gone = d.lines[i];
            d.lines = _without(d.lines, i);
            sum(d.lines);
            d.balances = balancesOf(d.lines, first.balances);
            _settle(d);
            uint256 r = gone.receiptIndex;
            vm.prank(prover);
            proofs.proveMissingLine(
                operator, 1, uint32(r), openReceipt(d, r), d.payments[r], gone.paymentIndex, linesAround(d, i)
            );
            _undone(gone.payee, gone.amount);
            vm.revertToState(snapshot);
        }
    }

    // ---------------------------------------------------------------- balances

    function test_balancesOutOfOrder() public {
        Draft memory d = draft;
        (d.balances[2], d.balances[3]) = (d.balances[3], d.balances[2]);
        _settle(d);
        vm.prank(prover);
        proofs.proveUnsortedBalances(operator, 1, balancesAround(d, 3));
        _undone(address(0), 0);
    }

    function test_anyWrongCredit() public {
        uint256 snapshot = vm.snapshotState();
        uint256 zeros;
        for (uint256 i = 0; i < draft.balances.length; ++i) {
            Draft memory d = draft;
            // Who gets nothing is given one wei; the others lack one.
            bool none = d.balances[i].credit == 0;
            if (none) ++zeros;
            d.balances[i].credit = none ? 1 : d.balances[i].credit - 1;
            d.balances[i].cumulative = none ? d.balances[i].cumulative + 1 : d.balances[i].cumulative - 1;
            _settle(d);
            address payee = d.balances[i].payee;
            vm.prank(prover);
            proofs.proveWrongCredit(operator, 1, uint32(i), openBalance(d, i), linesAround(d, _end(d, payee)));
            _undone(none ? address(0) : payee, none ? 0 : 1);
            vm.revertToState(snapshot);
        }
        vm.assertEq(zeros, 0, "everyone of the first batch is paid by the second too");
    }

    function test_anyWrongCumulative() public {
        uint256 snapshot = vm.snapshotState();
        for (uint256 i = 0; i < draft.balances.length; ++i) {
            Draft memory d = draft;
            d.balances[i].cumulative -= 1;
            _settle(d);
            address payee = d.balances[i].payee;
            vm.prank(prover);
            proofs.proveWrongCumulative(
                operator, 1, uint32(i), openBalance(d, i), balancesAround(first, _place(first.balances, payee))
            );
            _undone(payee, 1);
            vm.revertToState(snapshot);
        }
    }

    function test_anyBalanceMissing() public {
        uint256 snapshot = vm.snapshotState();
        for (uint256 i = 0; i < draft.balances.length; ++i) {
            Draft memory d = draft;
            Balance memory gone = d.balances[i];
            d.balances = _withoutBalance(d.balances, i);
            _settle(d);
            uint256 at = _end(d, gone.payee) - 1;
            vm.prank(prover);
            proofs.proveMissingBalance(operator, 1, uint32(at), openLine(d, at), balancesAround(d, i));
            _undone(gone.payee, d.lines[at].amount);
            vm.revertToState(snapshot);
        }
    }

    function test_aBalanceOfTheBatchBeforeIsDropped() public {
        uint256 snapshot = vm.snapshotState();
        for (uint256 p = 0; p < first.balances.length; ++p) {
            Draft memory d = draft;
            Balance memory gone = first.balances[p];
            uint256 i = _place(d.balances, gone.payee) - 1;
            d.balances = _withoutBalance(d.balances, i);
            _settle(d);
            vm.prank(prover);
            proofs.proveDroppedBalance(operator, 1, uint32(p), openBalance(first, p), balancesAround(d, i));
            _undone(gone.payee, gone.cumulative);
            vm.revertToState(snapshot);
        }
    }

    // ---------------------------------------------------------------- honest

    /// Every proof, at every place where it could stand, against the honest batch.
    function test_anHonestBatchCannotBeHurt() public {
        Draft memory d = draft;
        _settle(d);
        for (uint32 i = 0; i < d.receipts.length; ++i) {
            _refused(
                abi.encodeCall(FraudProofs.proveWrongTerms, (operator, 1, i, openReceipt(d, i))),
                Splits.TermsAreRight.selector
            );
            for (uint32 p = 0; p <= d.payments[i].length; ++p) {
                _refused(
                    abi.encodeCall(FraudProofs.proveWrongSplit, (operator, 1, splitEvidence(d, i, p))),
                    Splits.SplitIsRight.selector
                );
            }
            for (uint32 row = 0; row < 5; ++row) {
                for (uint32 p = 0; p < 3; ++p) {
                    ScoreEvidence memory evidence = scoreEvidence(d, i, p, row);
                    _refused(abi.encodeCall(FraudProofs.proveWrongScore, (operator, 1, evidence)));
                    _refused(abi.encodeCall(FraudProofs.proveWrongThreshold, (operator, 1, row, evidence)));
                    _refused(abi.encodeCall(FraudProofs.proveOmission, (operator, 1, row, evidence)));
                }
            }
        }
        for (uint32 boundary = 0; boundary <= d.receipts.length; ++boundary) {
            _refused(
                abi.encodeCall(
                    FraudProofs.proveWrongTiling,
                    (
                        operator,
                        1,
                        boundary,
                        openReceipt(d, boundary == 0 ? 99 : boundary - 1),
                        openReceipt(d, boundary),
                        d.intervals
                    )
                ),
                Tilings.TilingIsRight.selector
            );
        }
        for (uint32 n = 0; n < d.lines.length; ++n) {
            uint256 r = d.lines[n].receiptIndex;
            _refused(
                abi.encodeCall(
                    FraudProofs.proveWrongLine, (operator, 1, n, openLine(d, n), openReceipt(d, r), d.payments[r])
                ),
                Journals.LineIsRight.selector
            );
        }
        for (uint32 boundary = 0; boundary <= d.lines.length; ++boundary) {
            _refused(
                abi.encodeCall(FraudProofs.proveWrongJournal, (operator, 1, linesAround(d, boundary))),
                Journals.JournalIsRight.selector
            );
        }
        for (uint32 boundary = 0; boundary <= d.balances.length; ++boundary) {
            _refused(
                abi.encodeCall(FraudProofs.proveUnsortedBalances, (operator, 1, balancesAround(d, boundary))),
                Journals.BalancesAreRight.selector
            );
        }
        _rightBalances(d);
        _stands();
    }

    /// Every balance at the place where its credit and its growth are decided.
    function _rightBalances(Draft memory d) private {
        for (uint32 i = 0; i < d.balances.length; ++i) {
            address payee = d.balances[i].payee;
            _refused(
                abi.encodeCall(
                    FraudProofs.proveWrongCredit, (operator, 1, i, openBalance(d, i), linesAround(d, _end(d, payee)))
                ),
                Journals.BalanceIsRight.selector
            );
            _refused(
                abi.encodeCall(
                    FraudProofs.proveWrongCumulative,
                    (operator, 1, i, openBalance(d, i), balancesAround(first, _place(first.balances, payee)))
                ),
                Journals.BalanceIsRight.selector
            );
        }
    }

    /// Neighbours and leaves that do not belong together: any of each.
    function testFuzz_noPairOfPlacesHurtsAnHonestBatch(uint256 seed) public {
        Draft memory d = draft;
        _settle(d);
        uint32 boundary = uint32(uint256(keccak256(abi.encode(seed, 1))) % (d.lines.length + 1));
        uint32 place = uint32(uint256(keccak256(abi.encode(seed, 2))) % (d.balances.length + 1));
        uint32 line = uint32(uint256(keccak256(abi.encode(seed, 3))) % d.lines.length);
        uint32 i = uint32(uint256(keccak256(abi.encode(seed, 4))) % d.balances.length);
        uint32 before = uint32(uint256(keccak256(abi.encode(seed, 5))) % first.balances.length);
        uint32 r = d.lines[line].receiptIndex;
        _refused(
            abi.encodeCall(
                FraudProofs.proveMissingLine,
                (operator, 1, r, openReceipt(d, r), d.payments[r], d.lines[line].paymentIndex, linesAround(d, boundary))
            )
        );
        _refused(
            abi.encodeCall(FraudProofs.proveWrongCredit, (operator, 1, i, openBalance(d, i), linesAround(d, boundary)))
        );
        _refused(
            abi.encodeCall(
                FraudProofs.proveWrongCumulative,
                (operator, 1, i, openBalance(d, i), balancesAround(first, seed % (first.balances.length + 1)))
            )
        );
        _refused(
            abi.encodeCall(
                FraudProofs.proveMissingBalance, (operator, 1, line, openLine(d, line), balancesAround(d, place))
            )
        );
        _refused(
            abi.encodeCall(
                FraudProofs.proveDroppedBalance,
                (operator, 1, before, openBalance(first, before), balancesAround(d, place))
            )
        );
        _stands();
    }

    // ---------------------------------------------------------------- inside

    function _keep(Draft storage to, Draft memory from) private {
        for (uint256 i = 0; i < from.receipts.length; ++i) {
            to.receipts.push(from.receipts[i]);
            to.scores.push(from.scores[i]);
            to.queries.push(from.queries[i]);
            to.payments.push();
            for (uint256 j = 0; j < from.payments[i].length; ++j) {
                to.payments[i].push(from.payments[i][j]);
            }
        }
        for (uint256 i = 0; i < from.lines.length; ++i) {
            to.lines.push(from.lines[i]);
        }
        for (uint256 i = 0; i < from.balances.length; ++i) {
            to.balances.push(from.balances[i]);
        }
        for (uint256 i = 0; i < from.intervals.length; ++i) {
            to.intervals.push(from.intervals[i]);
        }
    }

    function _settle(Draft memory d) private {
        settleDraft(d, 1, first);
    }

    /// Settles receipts that do not tile what the batch takes.
    function _settleAs(Draft memory d, ChannelInterval[] memory intervals) private {
        d.intervals = intervals;
        _settle(d);
    }

    /// Receipt `i` pays what its list says, and everything that follows is built on it.
    function _pay(Draft memory d, uint256 i) private view {
        d.receipts[i].scoresDigest = keccak256(d.scores[i]);
        (d.payments[i],) = payout(_fee(d, i), d.scores[i], d.receipts[i].threshold);
        d.receipts[i].splitDigest = keccak256(abi.encode(d.payments[i]));
        finish(d, first.balances);
    }

    /// The same with payments as they are, and settled.
    function _split(Draft memory d, uint256 i) private {
        d.receipts[i].splitDigest = keccak256(abi.encode(d.payments[i]));
        finish(d, first.balances);
        _settle(d);
    }

    function _tiling(uint256 i, int256 change, uint256, uint256 boundary) private {
        Draft memory d = draft;
        d.receipts[i].from = uint256(int256(d.receipts[i].from) + change);
        _settleAs(d, draft.intervals);
        OpenedReceipt memory left = openReceipt(d, boundary - 1);
        vm.prank(prover);
        // Between two receipts of one channel no intervals are needed.
        proofs.proveWrongTiling(operator, 1, uint32(boundary), left, openReceipt(d, boundary), new ChannelInterval[](0));
        _harmed(payer);
    }

    function _proveTiling(Draft memory d, uint256 boundary, address harmed) private {
        OpenedReceipt memory left = openReceipt(d, boundary == 0 ? 99 : boundary - 1);
        OpenedReceipt memory right = openReceipt(d, boundary);
        vm.prank(prover);
        proofs.proveWrongTiling(operator, 1, uint32(boundary), left, right, d.intervals);
        _harmed(harmed);
    }

    function _fee(Draft memory d, uint256 i) private pure returns (uint256) {
        return d.receipts[i].to - d.receipts[i].from;
    }

    /// The batch fell: the prover has its part, who was harmed its harm, the treasury the rest.
    function _undone(address harmed, uint256 harm) private view {
        (uint256 staked, uint256 pending, uint256 batches, uint256 undone,) = ledger.attesterOf(operator);
        vm.assertEq(batches, 1);
        vm.assertEq(undone, 1);
        vm.assertEq(staked, 9 ether, "the minimum bond, because the batch is worth less");
        vm.assertLe(pending, staked);
        vm.assertEq(ledger.creditOf(prover), 0.3 ether);
        if (harmed == address(0)) vm.assertEq(harm, 0);
        // Where the treasury itself was harmed it has both.
        uint256 apart = harmed == treasury ? 0 : harm;
        if (harmed != address(0) && harmed != treasury) vm.assertEq(ledger.creditOf(harmed), harm, "the harm");
        vm.assertEq(ledger.creditOf(treasury), 0.7 ether - apart);
    }

    function _harmed(address harmed) private view {
        (,, uint256 batches,,) = ledger.attesterOf(operator);
        vm.assertEq(batches, 1);
        vm.assertEq(ledger.creditOf(prover), 0.3 ether);
        if (harmed != address(0)) vm.assertTrue(ledger.creditOf(harmed) != 0);
        vm.assertEq(ledger.creditOf(treasury) + ledger.creditOf(harmed), 0.7 ether);
    }

    function _refused(bytes memory call, bytes4 reason) private {
        (bool proven, bytes memory why) = address(proofs).call(call);
        vm.assertFalse(proven, "a proof against an honest batch");
        vm.assertEq(bytes32(bytes4(why)), bytes32(reason));
    }

    function _refused(bytes memory call) private {
        (bool proven,) = address(proofs).call(call);
        vm.assertFalse(proven, "a proof against an honest batch");
    }

    function _stands() private view {
        (uint256 staked,, uint256 batches,,) = ledger.attesterOf(operator);
        vm.assertEq(batches, 2);
        vm.assertEq(staked, 10 ether);
    }

    function _changedScore(bytes memory list, uint256 i, int256 change) private pure returns (bytes memory) {
        uint256 last = 12 * i + 11;
        list[last] = bytes1(uint8(uint256(int256(uint256(uint8(list[last]))) + change)));
        return list;
    }

    function _dropEntry(bytes memory list, uint256 i) private pure returns (bytes memory shorter) {
        for (uint256 b = 0; b < list.length; ++b) {
            if (b / 12 != i) shorter = bytes.concat(shorter, list[b]);
        }
    }

    /// The first line that has one of the same payee before it.
    function _secondLine(Draft memory d) private pure returns (uint256 i) {
        for (i = 1; d.lines[i].payee != d.lines[i - 1].payee; ++i) {}
    }

    /// The boundary where the payee's lines end.
    function _end(Draft memory d, address payee) private pure returns (uint256 i) {
        while (i < d.lines.length && d.lines[i].payee <= payee) ++i;
    }

    /// The boundary after the payee's place.
    function _place(Balance[] memory balances, address payee) private pure returns (uint256 i) {
        while (i < balances.length && balances[i].payee <= payee) ++i;
    }

    function _without(Line[] memory lines, uint256 gone) private pure returns (Line[] memory kept) {
        kept = new Line[](lines.length - 1);
        for (uint256 i = 0; i < kept.length; ++i) {
            kept[i] = lines[i < gone ? i : i + 1];
        }
    }

    function _withoutBalance(Balance[] memory all, uint256 gone) private pure returns (Balance[] memory kept) {
        kept = new Balance[](all.length - 1);
        for (uint256 i = 0; i < kept.length; ++i) {
            kept[i] = all[i < gone ? i : i + 1];
        }
    }
}
