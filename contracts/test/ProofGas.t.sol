// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {BatchInput, ChannelEnd, ChannelInterval} from "../src/AttributionLedger.sol";
import {Demands, Kind, ReceiptAnswer} from "../src/Demands.sol";
import {FraudProofs} from "../src/FraudProofs.sol";
import {DatanetVersion, ReleaseInput} from "../src/ModelRegistry.sol";
import {Payment, SplitEvidence} from "../src/libraries/Splits.sol";
import {Balance, BalancesAround, Line, LinesAround, OpenedBalance} from "../src/libraries/Journals.sol";
import {Commitment} from "../src/libraries/Positional.sol";
import {OpenedReceipt, Receipt} from "../src/libraries/Receipts.sol";
import {Honest} from "./Honest.sol";

/// What each proof and a demand cost, in batches as large as they get: trees of 2²⁰ leaves, 256 contributors, 64 Datanets, 1,000
/// channels. As a sender pays it: see `Gas.t.sol`.
contract ProofGasTest is Honest {
    uint256 internal constant DEPTH = 20;
    bytes32[] internal siblings;

    function setUp() public override {
        super.setUp();
        for (uint256 i = 0; i < DEPTH; ++i) {
            siblings.push(keccak256(abi.encode("sibling", i)));
        }
    }

    // ---------------------------------------------------------------- splits

    function test_aWrongSplitAmong256ContributorsAnd64Datanets() public {
        SplitEvidence memory evidence = _largeSplit(256);
        evidence.payments[300].amount += 1;
        _settleReceipt(evidence);
        uint256 spent = _spend(address(proofs), abi.encodeCall(FraudProofs.proveWrongSplit, (operator, 0, evidence)));
        vm.snapshotValue("Proofs", "prove a wrong split, 256 contributors and 64 Datanets", spent);
        vm.assertLe(spent, 8_000_000, "a block");
    }

    function test_aWrongSplitAmong64Pools() public {
        SplitEvidence memory evidence = _largeSplit(0);
        evidence.payments[100].amount += 1;
        _settleReceipt(evidence);
        uint256 spent = _spend(address(proofs), abi.encodeCall(FraudProofs.proveWrongSplit, (operator, 0, evidence)));
        vm.snapshotValue("Proofs", "prove a wrong split, pools of 64 Datanets", spent);
    }

    function test_wrongTerms() public {
        SplitEvidence memory evidence = _largeSplit(0);
        evidence.receipt.promptTokens += 1;
        _settleReceipt(evidence);
        bytes memory call = abi.encodeCall(
            FraudProofs.proveWrongTerms, (operator, 0, 0, OpenedReceipt(evidence.receipt, evidence.receiptProof))
        );
        vm.snapshotValue("Proofs", "prove a wrong fee", _spend(address(proofs), call));
    }

    // ---------------------------------------------------------------- lists

    function test_wrongTilingAmong1000Channels() public {
        bytes32[] memory all = new bytes32[](1000);
        for (uint256 i = 0; i < all.length; ++i) {
            all[i] = openChannel(bytes32(i), 1 ether);
            collect(all[i], 0.001 ether);
        }
        all = sorted(all);
        ChannelInterval[] memory intervals = new ChannelInterval[](all.length);
        for (uint256 i = 0; i < all.length; ++i) {
            intervals[i] = ChannelInterval(all[i], 0, 0.001 ether);
        }
        OpenedReceipt[2] memory around;
        for (uint256 i = 0; i < 2; ++i) {
            around[i].receipt.channelId = all[500 + i];
            // The left one ends before its channel does.
            (around[i].receipt.from, around[i].receipt.to) = (0, 0.001 ether - 1 + i);
        }
        BatchInput memory batch = _batch(uint96(all.length * 0.001 ether));
        bytes32 right;
        (batch.receipts, around[0].proof, around[1].proof, right) =
            _pair(keccak256(abi.encode(hashOf(around[0].receipt))), keccak256(abi.encode(hashOf(around[1].receipt))));
        settle(batch, endsOf(intervals));
        bytes memory call =
            abi.encodeCall(FraudProofs.proveWrongTiling, (operator, 0, 1, around[0], around[1], intervals));
        vm.snapshotValue("Proofs", "prove wrong tiling among 1,000 channels", _spend(address(proofs), call));
        // Restoring them takes several transactions.
        call = abi.encodeCall(ledger.restore, (operator, intervals, 200));
        uint256 spent = _spend(address(ledger), call);
        vm.snapshotValue("Proofs", "restore 200 of 1,000 channels", spent);
        vm.assertLe(spent, 8_000_000, "a block");
    }

    function test_wrongJournalAndBalances() public {
        Line memory a = Line(address(0x1001), 1, 2, 5 ether, 5 ether);
        Line memory b = Line(address(0x1001), 9, 1, 1 ether, 7 ether);
        Balance memory c = Balance(address(0x1001), 7 ether, 8 ether);
        Balance memory e = Balance(address(0x1002), 1 ether, 1 ether);
        BatchInput memory batch = _batch(1 ether);
        LinesAround memory lines;
        lines.boundary = 1;
        (lines.left.line, lines.right.line) = (a, b);
        (batch.journal, lines.left.proof, lines.right.proof,) =
            _pair(keccak256(abi.encode(a)), keccak256(abi.encode(b)));
        BalancesAround memory balances;
        balances.boundary = 1;
        (balances.left.balance, balances.right.balance) = (c, e);
        (batch.balances, balances.left.proof, balances.right.proof,) =
            _pair(keccak256(abi.encode(c)), keccak256(abi.encode(e)));
        ChannelEnd[] memory ends = new ChannelEnd[](1);
        ends[0] = ChannelEnd(ids[0], 1 ether);
        settle(batch, ends);
        uint256 snapshot = vm.snapshotState();
        bytes memory call = abi.encodeCall(FraudProofs.proveWrongJournal, (operator, 0, lines));
        vm.snapshotValue("Proofs", "prove a wrong running sum", _spend(address(proofs), call));
        vm.revertToState(snapshot);
        OpenedBalance memory opened = OpenedBalance(c, balances.left.proof);
        BalancesAround memory none;
        call = abi.encodeCall(FraudProofs.proveWrongCumulative, (operator, 0, 0, opened, none));
        vm.snapshotValue("Proofs", "prove a wrong balance", _spend(address(proofs), call));
        vm.revertToState(snapshot);
        call = abi.encodeCall(FraudProofs.proveUnsortedBalances, (operator, 0, balances));
        (bool proven,) = address(proofs).call(call);
        vm.assertFalse(proven, "they ascend");
    }

    function test_wrongLineAndWrongCredit() public {
        Known memory k = _settleKnown();
        uint256 snapshot = vm.snapshotState();
        bytes memory call =
            abi.encodeCall(FraudProofs.proveWrongLine, (operator, 0, 0, k.lines.left, k.receipt, k.payments));
        vm.snapshotValue("Proofs", "prove a wrong line, 324 payments", _spend(address(proofs), call));
        vm.revertToState(snapshot);
        call = abi.encodeCall(FraudProofs.proveWrongCredit, (operator, 0, 0, k.balance, k.lines));
        vm.snapshotValue("Proofs", "prove a wrong credit", _spend(address(proofs), call));
    }

    struct Known {
        OpenedReceipt receipt;
        Payment[] payments;
        LinesAround lines;
        OpenedBalance balance;
    }

    /// A line that lacks a wei of its payment, and the payee's balance, which does not.
    function _settleKnown() private returns (Known memory k) {
        SplitEvidence memory evidence = _largeSplit(256);
        k.payments = evidence.payments;
        evidence.receipt.scoresDigest = keccak256(evidence.scores);
        evidence.receipt.splitDigest = keccak256(abi.encode(k.payments));
        k.receipt.receipt = evidence.receipt;
        Payment memory paid = k.payments[200];
        k.lines.boundary = 1;
        k.lines.left.line = Line(paid.payee, 0, 200, paid.amount - 1, paid.amount - 1);
        // The next payee's first line follows.
        k.lines.right.line = Line(address(uint160(paid.payee) + 2), 0, 201, 1, 1);
        k.balance.balance = Balance(paid.payee, paid.amount, paid.amount);
        BatchInput memory batch = _batch(uint96(evidence.receipt.to));
        (batch.receipts, k.receipt.proof,,) = _pair(keccak256(abi.encode(hashOf(evidence.receipt))), "next");
        (batch.journal, k.lines.left.proof, k.lines.right.proof,) =
            _pair(keccak256(abi.encode(k.lines.left.line)), keccak256(abi.encode(k.lines.right.line)));
        (batch.balances, k.balance.proof,,) = _pair(keccak256(abi.encode(k.balance.balance)), "next");
        ChannelEnd[] memory ends = new ChannelEnd[](1);
        ends[0] = ChannelEnd(ids[0], uint96(evidence.receipt.to));
        settle(batch, ends);
    }

    function test_demandAndAnswer() public {
        SplitEvidence memory evidence = _largeSplit(256);
        _settleReceipt(evidence);
        address asker = address(0x401);
        bond(asker, MINIMUM_BOND);
        vm.deal(asker, 1 ether);
        bytes memory call = abi.encodeCall(Demands.demand, (operator, 0, Kind.Receipt, 0));
        vm.cool(address(ledger));
        vm.cool(address(demands));
        vm.prank(asker);
        uint256 spent = gasleft();
        (bool ok,) = address(demands).call{value: 0.01 ether}(call);
        spent = spent - gasleft() + 21_000 + 16 * call.length / 4;
        vm.assertTrue(ok);
        vm.snapshotValue("Proofs", "demand", spent);
        bytes memory query = new bytes(2048);
        ReceiptAnswer memory answer =
            ReceiptAnswer(evidence.receipt, evidence.receiptProof, evidence.scores, query, evidence.payments, "");
        call = abi.encodeCall(Demands.answerReceipt, (operator, 0, 0, answer));
        spent = _spend(address(demands), call);
        vm.snapshotValue("Proofs", "answer a receipt with 256 scores, its payments and q at k = 1,024", spent);
        vm.assertLe(spent, 8_000_000, "a block");
    }

    // ---------------------------------------------------------------- inside

    /// A receipt of a release of 64 Datanet versions with so many contributors listed, right in every wei.
    function _largeSplit(uint256 contributors) private returns (SplitEvidence memory evidence) {
        DatanetVersion[] memory versions = new DatanetVersion[](64);
        uint256[] memory examples = new uint256[](64);
        address[] memory owners = new address[](64);
        for (uint256 i = 0; i < 64; ++i) {
            owners[i] = address(uint160(0x10000 + i));
            vm.deal(owners[i], FEE);
            vm.startPrank(owners[i]);
            uint256 net = datanets.create{value: FEE}(keccak256("card"), "CC-BY-4.0");
            examples[i] = 100 + 7 * i;
            datanets.publishVersion(net, "root", uint32(examples[i]), keccak256("CC-BY-4.0"), "metadata");
            vm.stopPrank();
            versions[i] = DatanetVersion(net, 1);
        }
        ReleaseInput memory input = release("large", "index", 1000, 800, 1024, 1_000_000);
        input.versions = versions;
        vm.prank(developer);
        models.publishRelease(modelId, input);

        Receipt memory r = evidence.receipt;
        (r.channelId, r.releaseId, r.issuedAt) = (ids[0], "large", uint64(block.timestamp));
        (r.promptTokens, r.completionTokens) = (4_000_000_000, 4_000_000_000);
        r.to = 12_000_000_000;
        r.queryDigest = keccak256(new bytes(2048));
        uint256[] memory weights = new uint256[](contributors);
        uint256 best;
        for (uint256 i = 0; i < contributors; ++i) {
            // All of them above a fifth of the highest.
            weights[i] = 2 ** 39 + (uint256(keccak256(abi.encode("score", i))) >> 217);
            evidence.scores = bytes.concat(evidence.scores, abi.encodePacked(uint32(3 * i), uint64(weights[i])));
            best = weights[i] > best ? weights[i] : best;
        }
        for (uint256 i = 0; i < contributors; ++i) {
            weights[i] -= best / 5;
        }
        uint256[] memory bps = new uint256[](5);
        (bps[0], bps[1], bps[2], bps[3], bps[4]) = (1500, 500, 2000, 1000, 5000);
        evidence.heads = apportion(r.to, bps);
        evidence.owners = apportion(evidence.heads[4] / 10, examples);
        evidence.influence =
            apportion(evidence.heads[4] - evidence.heads[4] / 10, contributors == 0 ? examples : weights);
        uint256 parts = evidence.influence.length;
        evidence.payments = new Payment[](68 + parts);
        address[4] memory heads = [operator, treasury, developer, stakersPool];
        for (uint256 i = 0; i < 4; ++i) {
            evidence.payments[i] = Payment(heads[i], evidence.heads[i]);
        }
        for (uint256 i = 0; i < 64; ++i) {
            evidence.payments[4 + i] = Payment(owners[i], evidence.owners[i]);
        }
        for (uint256 i = 0; i < parts; ++i) {
            address payee = contributors == 0
                ? datanets.poolOf(versions[i].datanetId)
                : address(uint160(uint256(keccak256(abi.encode("contributor", i)))));
            evidence.payments[68 + i] = Payment(payee, evidence.influence[i]);
        }
    }

    function _settleReceipt(SplitEvidence memory evidence) private {
        evidence.receipt.scoresDigest = keccak256(evidence.scores);
        evidence.receipt.splitDigest = keccak256(abi.encode(evidence.payments));
        BatchInput memory batch = _batch(uint96(evidence.receipt.to));
        (batch.receipts, evidence.receiptProof,,) =
            _pair(keccak256(abi.encode(hashOf(evidence.receipt))), keccak256("the next"));
        ChannelEnd[] memory ends = new ChannelEnd[](1);
        ends[0] = ChannelEnd(ids[0], uint96(evidence.receipt.to));
        settle(batch, ends);
    }

    function _batch(uint96 total) private pure returns (BatchInput memory) {
        Commitment memory any = Commitment(keccak256("root"), uint32(1) << uint32(DEPTH));
        return BatchInput(0, 0, any, any, any, total);
    }

    /// A list of 2²⁰ leaves of which the first two are known.
    function _pair(bytes32 first, bytes32 second)
        private
        view
        returns (Commitment memory list, bytes32[] memory left, bytes32[] memory right, bytes32 root)
    {
        (left, right) = (siblings, siblings);
        left[0] = keccak256(abi.encode(second));
        right[0] = keccak256(abi.encode(first));
        root = right[0];
        for (uint256 i = 0; i < DEPTH; ++i) {
            root = keccak256(abi.encodePacked(root, left[i]));
        }
        list = Commitment(root, uint32(1) << uint32(DEPTH));
    }

    function _spend(address to, bytes memory data) private returns (uint256 spent) {
        vm.cool(to);
        vm.cool(address(ledger));
        vm.cool(address(channels));
        vm.cool(address(parameters));
        vm.cool(address(models));
        vm.cool(address(datanets));
        vm.prank(address(0x99));
        spent = gasleft();
        (bool ok, bytes memory reason) = to.call(data);
        spent -= gasleft();
        if (!ok) {
            assembly ("memory-safe") {
                revert(add(reason, 32), mload(reason))
            }
        }
        spent += 21_000;
        for (uint256 i = 0; i < data.length; ++i) {
            spent += data[i] == 0 ? 4 : 16;
        }
    }
}
