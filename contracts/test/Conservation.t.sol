// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AttributionLedger, BatchInput, ChannelEnd, ChannelInterval} from "../src/AttributionLedger.sol";
import {PaymentChannels} from "../src/PaymentChannels.sol";
import {Lies, ScoreEvidence} from "../src/libraries/Lies.sol";
import {Commitment, Positional} from "../src/libraries/Positional.sol";
import {Receipt} from "../src/libraries/Receipts.sol";
import {ChannelState} from "../src/ledger/Pointers.sol";
import {Fixture} from "./Fixture.sol";

/// Does what payers, an operator, payees and provers do, in any order, and keeps its own books. A third of the batches
/// hold a lie that can be proven.
contract Handler is Fixture {
    bytes32[] public ids;
    address[2] public payees = [address(0x201), address(0x202)];

    /// What is in force for each batch number: who is owed what, whether it lies, and what it took.
    struct Book {
        uint256[2] cumulative;
        bytes32 root;
        uint256 total;
        bool lies;
        ScoreEvidence evidence;
        ChannelInterval[] intervals;
    }

    Book[] private _books;
    uint256 public undone;
    uint256 public openedOrToppedUp;
    uint256 public refunded;
    uint256 public bonded;
    uint256 public unbonded;
    uint256 public creditsWithdrawn;

    function open(uint96 amount) external {
        if (ids.length == 8) return;
        amount %= 100 ether;
        ids.push(openChannel(bytes32(ids.length), amount));
        ids = sorted(ids);
        openedOrToppedUp += amount;
    }

    function topUp(uint256 which, uint96 amount) external {
        (bool any, bytes32 id) = _pick(which);
        if (!any || channels.channel(id).closed) return;
        amount %= 10 ether;
        vm.deal(address(this), amount);
        channels.topUp{value: amount}(id);
        openedOrToppedUp += amount;
    }

    function collectSome(uint256 which, uint96 more) external {
        (bool any, bytes32 id) = _pick(which);
        if (!any) return;
        PaymentChannels.Channel memory c = channels.channel(id);
        if (c.closed || c.deposit == c.collected) return;
        collect(id, c.collected + 1 + uint256(more) % (c.deposit - c.collected));
    }

    function requestClose(uint256 which) external {
        (bool any, bytes32 id) = _pick(which);
        if (!any || channels.channel(id).closed) return;
        vm.prank(payer);
        channels.requestClose(id);
    }

    function close(uint256 which, bool byPayee) external {
        (bool any, bytes32 id) = _pick(which);
        if (!any) return;
        PaymentChannels.Channel memory c = channels.channel(id);
        if (c.closed || (!byPayee && (c.closesAt == 0 || block.timestamp < c.closesAt))) return;
        vm.prank(byPayee ? operator : address(this));
        channels.close(id);
        refunded += c.deposit - c.collected;
    }

    function deposit(uint96 amount) external {
        amount %= 500 ether;
        bond(operator, amount);
        bonded += amount;
    }

    function withdraw(uint96 amount) external {
        (uint256 staked, uint256 pending,,,) = ledger.attesterOf(operator);
        uint256 needed = pending == 0 ? 0 : pending + MINIMUM_BOND;
        if (staked <= needed) return;
        uint256 some = uint256(amount) % (staked - needed + 1);
        vm.prank(operator);
        ledger.withdrawBond(some);
        unbonded += some;
    }

    /// Settles what was collected of every channel with news, in part, and divides it between two payees.
    function settleSome(uint256 seed, uint8 mood) external {
        if (undone != 0) return;
        (ChannelEnd[] memory ends, ChannelInterval[] memory intervals, uint256 total) = _news(seed);
        (uint256 staked, uint256 pending,,,) = ledger.attesterOf(operator);
        if (ends.length == 0 || staked < pending + total + MINIMUM_BOND) return;

        uint256 number = _books.length;
        Book storage book = _books.push();
        book.total = total;
        book.lies = mood % 3 == 0;
        book.cumulative[0] = (number == 0 ? 0 : _books[number - 1].cumulative[0]) + total / 3;
        book.cumulative[1] = (number == 0 ? 0 : _books[number - 1].cumulative[1]) + total - total / 3;
        book.root = keccak256(abi.encodePacked(_balanceLeaf(book, 0), _balanceLeaf(book, 1)));
        for (uint256 i = 0; i < intervals.length; ++i) {
            book.intervals.push(intervals[i]);
        }

        Receipt memory receipt;
        receipt.releaseId = book.lies ? bytes32("nothing") : bytes32("release");
        receipt.scoresDigest = keccak256("");
        receipt.issuedAt = uint64(number);
        book.evidence.receipt = receipt;
        bytes32 hash = hashOf(receipt);
        BatchInput memory batch = BatchInput({
            number: uint32(number),
            previousBalancesRoot: number == 0 ? bytes32(0) : _books[number - 1].root,
            receipts: Commitment(leaf(abi.encode(hash)), 1),
            journal: Commitment("journal", 1),
            balances: Commitment(book.root, 2),
            total: uint96(total)
        });
        settle(batch, ends);
    }

    function prove(uint256 which) external {
        (,, uint256 batches,, uint256 finalised) = ledger.attesterOf(operator);
        if (batches == finalised) return;
        uint256 number = finalised + which % (batches - finalised);
        if (!_books[number].lies) {
            ScoreEvidence memory evidence = _books[number].evidence;
            vm.expectRevert(Positional.BadProof.selector);
            proofs.proveWrongScore(operator, number, evidence);
            return;
        }
        proofs.proveWrongScore(operator, number, _books[number].evidence);
        undone = batches - number;
    }

    function restore() external {
        if (undone == 0) return;
        ledger.restore(operator, _books[_books.length - 1].intervals, 1024);
        _books.pop();
        --undone;
    }

    /// Claims from any batch that counts. If it is final the claim must succeed; if not, the invariants catch one that does.
    function claim(uint256 which, bool second) external {
        (,, uint256 batches,, uint256 finalised) = ledger.attesterOf(operator);
        if (batches == 0) return;
        uint256 number = which % batches;
        uint256 i = second ? 1 : 0;
        Book storage book = _books[number];
        if (book.cumulative[i] <= ledger.claimedOf(operator, payees[i])) return;
        bytes32[] memory proof = new bytes32[](1);
        proof[0] = _balanceLeaf(book, 1 - i);
        try ledger.claim(operator, number, i, payees[i], _credit(book, i), book.cumulative[i], proof) {}
        catch {
            vm.assertTrue(number >= finalised, "a final balance must be paid");
        }
    }

    function withdrawCredits() external {
        if (ledger.creditOf(treasury) != 0) creditsWithdrawn += ledger.withdrawCredit(treasury);
        if (ledger.creditOf(address(this)) != 0) creditsWithdrawn += ledger.withdrawCredit(address(this));
    }

    function wait_(uint32 time) external {
        vm.warp(block.timestamp + uint256(time) % (WINDOW / 2));
    }

    receive() external payable {}

    // ---------------------------------------------------------------- what the invariants read

    function contractsUnderTest() external view returns (AttributionLedger, PaymentChannels, address) {
        return (ledger, channels, operator);
    }

    function channelCount() external view returns (uint256) {
        return ids.length;
    }

    function credits() external view returns (uint256) {
        return ledger.creditOf(treasury) + ledger.creditOf(address(this));
    }

    function claimed() external view returns (uint256) {
        return payees[0].balance + payees[1].balance;
    }

    /// Σ of final batches by the handler's own books.
    function finalisedTotal() external view returns (uint256 total) {
        (,,,, uint256 finalised) = ledger.attesterOf(operator);
        for (uint256 i = 0; i < finalised; ++i) {
            total += _books[i].total;
        }
    }

    /// Σ of every batch whose pointers are where it moved them.
    function movedTotal() external view returns (uint256 total) {
        for (uint256 i = 0; i < _books.length; ++i) {
            total += _books[i].total;
        }
    }

    // ---------------------------------------------------------------- inside

    function setUp() public override {
        super.setUp();
        vm.prank(developer);
        models.publishRelease(modelId, release("release", "index", 10, 4, 16, 1_000_000));
    }

    function _pick(uint256 which) private view returns (bool, bytes32) {
        return ids.length == 0 ? (false, bytes32(0)) : (true, ids[which % ids.length]);
    }

    function _credit(Book storage book, uint256 i) private view returns (uint256) {
        return i == 0 ? book.total / 3 : book.total - book.total / 3;
    }

    function _balanceLeaf(Book storage book, uint256 i) private view returns (bytes32) {
        return leaf(abi.encode(payees[i], _credit(book, i), book.cumulative[i]));
    }

    function _news(uint256 seed)
        private
        view
        returns (ChannelEnd[] memory ends, ChannelInterval[] memory intervals, uint256 total)
    {
        ends = new ChannelEnd[](ids.length);
        intervals = new ChannelInterval[](ids.length);
        uint256 count;
        for (uint256 i = 0; i < ids.length; ++i) {
            (, uint96 collected) = channels.collectedOf(ids[i]);
            uint96 settled = uint96(ledger.settledOf(ids[i]));
            (ChannelState memory state, uint256 reopenedTo,) = ledger.channelState(ids[i]);
            if (state.undone == 2) continue;
            if (state.undone == 1) collected = uint96(reopenedTo);
            if (collected == settled) continue;
            uint96 to = settled + 1 + uint96(uint256(keccak256(abi.encode(seed, i))) % (collected - settled));
            ends[count] = ChannelEnd(ids[i], to);
            intervals[count] = ChannelInterval(ids[i], settled, to);
            total += to - settled;
            ++count;
        }
        assembly ("memory-safe") {
            mstore(ends, count)
            mstore(intervals, count)
        }
    }
}

/// After any sequence of calls, money is where the books say.
contract ConservationTest is Fixture {
    Handler internal handler;
    AttributionLedger internal theLedger;
    PaymentChannels internal theChannels;
    address internal attester;

    function setUp() public override {
        handler = new Handler();
        handler.setUp();
        (theLedger, theChannels, attester) = handler.contractsUnderTest();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](13);
        selectors[0] = Handler.open.selector;
        selectors[1] = Handler.topUp.selector;
        selectors[2] = Handler.collectSome.selector;
        selectors[3] = Handler.requestClose.selector;
        selectors[4] = Handler.close.selector;
        selectors[5] = Handler.deposit.selector;
        selectors[6] = Handler.withdraw.selector;
        selectors[7] = Handler.settleSome.selector;
        selectors[8] = Handler.prove.selector;
        selectors[9] = Handler.restore.selector;
        selectors[10] = Handler.claim.selector;
        selectors[11] = Handler.withdrawCredits.selector;
        selectors[12] = Handler.wait_.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(handler), selectors);
    }

    function invariant_channelsHoldDepositsLessCollected() public view {
        (uint256 deposits, uint256 collected,) = _sums();
        vm.assertEq(address(theChannels).balance, deposits - collected);
        vm.assertEq(handler.openedOrToppedUp(), address(theChannels).balance + collected + handler.refunded());
    }

    function invariant_theLedgerHoldsEscrowBondsAndCredits() public view {
        (, uint256 collected,) = _sums();
        (uint256 staked,,,,) = theLedger.attesterOf(attester);
        vm.assertEq(address(theLedger).balance, collected - handler.claimed() + staked + handler.credits());
        vm.assertEq(handler.bonded(), handler.unbonded() + staked + handler.credits() + handler.creditsWithdrawn());
    }

    function invariant_paidNeverExceedsWhatIsFinal() public view {
        vm.assertLe(handler.claimed(), handler.finalisedTotal());
    }

    function invariant_settledIsWhatTheBatchesMovedAndNeverBeyondCollected() public view {
        (,, uint256 settled) = _sums();
        vm.assertEq(settled, handler.movedTotal());
    }

    function invariant_theBondCoversWhatIsPending() public view {
        (uint256 staked, uint256 pending,,,) = theLedger.attesterOf(attester);
        vm.assertLe(pending, staked);
    }

    function _sums() private view returns (uint256 deposits, uint256 collected, uint256 settled) {
        for (uint256 i = 0; i < handler.channelCount(); ++i) {
            bytes32 id = handler.ids(i);
            PaymentChannels.Channel memory c = theChannels.channel(id);
            uint256 pointer = theLedger.settledOf(id);
            vm.assertLe(pointer, c.collected, "settled beyond collected");
            deposits += c.deposit;
            collected += c.collected;
            settled += pointer;
        }
    }
}
