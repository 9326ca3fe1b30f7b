// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AttributionLedger, BatchInput, ChannelEnd, ChannelInterval} from "../src/AttributionLedger.sol";
import {Demands, Item, Kind} from "../src/Demands.sol";
import {PaymentChannels} from "../src/PaymentChannels.sol";
import {ChannelState, Pointers} from "../src/ledger/Pointers.sol";
import {Standing} from "../src/ledger/Standing.sol";
import {Line, OpenedLine} from "../src/libraries/Journals.sol";
import {Commitment} from "../src/libraries/Positional.sol";
import {OpenedReceipt, Receipt} from "../src/libraries/Receipts.sol";
import {Splits} from "../src/libraries/Splits.sol";
import {Fixture} from "./Fixture.sol";

/// Does what payers, an operator, another settler, payees, provers and demanders do, in any order, and keeps its own books.
/// A third of the batches hold a lie that can be proven.
contract Handler is Fixture {
    /// What a batch is to the handler: who is owed what, whether it lies, and what it took.
    struct Book {
        uint256[2] credit;
        uint256[2] cumulative;
        bytes32 root;
        uint256 total;
        bool lies;
        Receipt receipt;
        Line line;
        ChannelInterval[] intervals;
    }

    address internal constant other = address(0x211);
    address internal constant asker = address(0x212);
    address[2] public payees = [address(0x201), address(0x202)];
    /// Who settles, and who else has a bond.
    address[3] public bonded = [operator, other, asker];

    bytes32[] public ids;
    mapping(address settler => Book[]) private _books;
    Item[] private _items;
    mapping(bytes32 id => ChannelInterval[]) private _refunds;
    uint256 private _salt;

    uint256 public paidIn;
    uint256 public bondsOut;
    uint256 public feesIn;
    uint256 public creditsOut;
    uint256 public refunded;
    uint256 public closedOut;

    /// How often each of the rare things happened.
    mapping(bytes32 what => uint256) public times;

    // ---------------------------------------------------------------- channels

    function open(uint96 amount) external {
        if (ids.length == 5) return;
        amount %= 100 ether;
        ids.push(openChannel(bytes32(ids.length), amount));
        ids = sorted(ids);
        paidIn += amount;
    }

    function collectSome(uint256 which, uint96 more) external {
        (bool any, bytes32 id) = _pick(which);
        if (!any) return;
        PaymentChannels.Channel memory c = channels.channel(id);
        if (c.closed || c.deposit == c.collected) return;
        collect(id, c.collected + 1 + uint256(more) % (c.deposit - c.collected));
    }

    function leave(uint256 which, bool byPayee) external {
        (bool any, bytes32 id) = _pick(which);
        if (!any || channels.channel(id).closed || which % 5 != 0) return;
        PaymentChannels.Channel memory c = channels.channel(id);
        if (!byPayee && (c.closesAt == 0 || block.timestamp < c.closesAt)) {
            vm.prank(payer);
            channels.requestClose(id);
            return;
        }
        vm.prank(byPayee ? operator : address(this));
        channels.close(id);
        closedOut += c.deposit - c.collected;
    }

    // ---------------------------------------------------------------- bonds and batches

    function deposit(uint256 who, uint96 amount) external {
        bond(bonded[who % 3], amount % 500 ether);
    }

    function withdraw(uint256 who, uint96 amount) external {
        address account = bonded[who % 3];
        (uint256 staked, uint256 pending,,,) = ledger.attesterOf(account);
        (,,, uint256 locks) = ledger.accountOf(account);
        uint256 needed = (pending == 0 ? 0 : pending + MINIMUM_BOND) + (locks == 0 ? 0 : MINIMUM_BOND);
        if (staked <= needed) return;
        uint256 some = uint256(amount) % (staked - needed + 1);
        vm.prank(account);
        ledger.withdrawBond(some);
        bondsOut += some;
    }

    /// Settles what is open to the settler of every channel, in part, and divides it between two payees.
    function settleSome(uint256 seed, uint8 mood, bool byOther) external {
        address settler = byOther ? other : operator;
        (ChannelEnd[] memory ends, ChannelInterval[] memory intervals, uint256 total) = _news(seed, byOther);
        if (ends.length == 0) return;
        Book[] storage books = _books[settler];
        bytes32 before = books.length == 0 ? bytes32(0) : books[books.length - 1].root;
        Book storage book = books.push();
        _write(books, intervals, total, mood % 3 == 0);
        BatchInput memory batch = BatchInput({
            number: uint32(books.length - 1),
            previousBalancesRoot: before,
            receipts: Commitment(leaf(abi.encode(hashOf(book.receipt))), 1),
            journal: Commitment(leaf(abi.encode(book.line)), 1),
            balances: Commitment(book.root, 2),
            total: uint96(total)
        });
        vm.prank(settler);
        try ledger.settle(batch, ends) {
            ++times[byOther ? bytes32("other settled") : bytes32("settled")];
        } catch (bytes memory reason) {
            books.pop();
            bytes4 why = bytes4(reason);
            bool expected = why == Standing.BondTooSmall.selector || why == Pointers.StillCovered.selector
                || why == AttributionLedger.NotRestored.selector;
            if (why == Pointers.PayeeFirst.selector) {
                // The payee lets its time pass.
                uint256 until;
                assembly ("memory-safe") {
                    until := mload(add(reason, 0x44))
                }
                vm.warp(until);
                vm.assertTrue(byOther, "the payee itself waits for nobody");
            } else {
                vm.assertTrue(expected, "settling failed for another reason");
            }
        }
    }

    function prove(uint256 which, bool ofOther) external {
        address attester = ofOther ? other : operator;
        (,, uint256 batches,, uint256 finalised) = ledger.attesterOf(attester);
        if (batches == finalised) return;
        uint256 number = finalised + which % (batches - finalised);
        Book storage book = _books[attester][number];
        OpenedReceipt memory opened = OpenedReceipt(book.receipt, new bytes32[](0));
        if (!book.lies) vm.expectRevert(Splits.TermsAreRight.selector);
        else ++times["proven"];
        proofs.proveWrongTerms(attester, number, 0, opened);
    }

    function restore(bool ofOther, uint8 most) external {
        address attester = ofOther ? other : operator;
        (,,, uint256 undone,) = ledger.attesterOf(attester);
        if (undone == 0) return;
        Book[] storage books = _books[attester];
        ledger.restore(attester, books[books.length - 1].intervals, 1 + most % 3);
        (,,, uint256 left,) = ledger.attesterOf(attester);
        if (left == undone) return;
        for (uint256 i = 0; i < ids.length; ++i) {
            (ChannelState memory state,,) = ledger.channelState(ids[i]);
            if (state.undone == 2) ++times["fell twice"];
        }
        books.pop();
        ++times["restored"];
    }

    /// Claims from any batch that counts: from one that is not final it must fail, from a final one succeed.
    function claim(uint256 which, bool second, bool ofOther) external {
        address attester = ofOther ? other : operator;
        (,, uint256 batches,, uint256 finalised) = ledger.attesterOf(attester);
        if (batches == 0) return;
        (uint256 number, uint256 i) = (which % batches, second ? 1 : 0);
        Book storage book = _books[attester][number];
        if (book.cumulative[i] <= ledger.claimedOf(attester, payees[i])) return;
        bytes32[] memory proof = new bytes32[](1);
        proof[0] = _balanceLeaf(book, 1 - i);
        bool isFinal = number < finalised;
        if (!isFinal) vm.expectPartialRevert(AttributionLedger.NotFinal.selector);
        else ++times["claimed"];
        ledger.claim(attester, number, i, payees[i], book.credit[i], book.cumulative[i], proof);
    }

    // ---------------------------------------------------------------- demands

    function demand(uint256 which, bool ofOther) external {
        address attester = ofOther ? other : operator;
        (,, uint256 batches,, uint256 finalised) = ledger.attesterOf(attester);
        if (batches == finalised || demands.openOf(asker) == 8) return;
        uint32 number = uint32(finalised + which % (batches - finalised));
        Item memory item = Item(attester, number, ledger.batchOf(attester, number).generation, Kind.Line, 0, 0);
        if (demands.demandOf(demands.idOf(item)).status != Demands.Status.None) return;
        uint256 price = demands.priceOf(attester, number);
        vm.deal(asker, price);
        vm.prank(asker);
        try demands.demand{value: price}(attester, number, Kind.Line, 0) {
            feesIn += price;
            _items.push(item);
            ++times["demanded"];
        } catch (bytes memory reason) {
            bytes4 why = bytes4(reason);
            bool expected = why == Standing.BondTooSmall.selector || why == AttributionLedger.DemandTooLate.selector;
            vm.assertTrue(expected, "demanding failed for another reason");
        }
    }

    /// Answers, enforces or gives back: whatever the demand is ripe for.
    function resolve(uint256 which, bool answer) external {
        if (_items.length == 0) return;
        uint256 at = which % _items.length;
        Item memory item = _items[at];
        Demands.Demand memory d = demands.demandOf(demands.idOf(item));
        if (d.status != Demands.Status.Open) return;
        if (!ledger.isSame(item.attester, item.number, item.generation)) {
            demands.returnFee(item);
            ++times["returned"];
        } else if (block.timestamp >= d.deadline) {
            demands.enforce(item);
            ++times["enforced"];
        } else if (answer) {
            OpenedLine memory opened = OpenedLine(_books[item.attester][item.number].line, new bytes32[](0));
            demands.answerLine(item.attester, item.number, 0, opened);
            ++times["answered"];
        }
    }

    // ---------------------------------------------------------------- refunds, late receipts, time

    function refund(uint256 which, bool start) external {
        (bool any, bytes32 id) = _pick(which);
        if (!any) return;
        (, uint96 collected) = channels.collectedOf(id);
        (ChannelState memory state,,) = ledger.channelState(id);
        if (collected == state.settled) return;
        if (start) return ledger.startRefund(id);
        if (state.refundAt == 0 || block.timestamp < state.refundAt) return;
        try ledger.refund(id) returns (uint256 amount) {
            vm.assertEq(amount, collected - state.settled);
            refunded += amount;
            _refunds[id].push(ChannelInterval(id, state.settled, collected));
            ++times["refunded"];
        } catch (bytes memory reason) {
            vm.assertEq(bytes32(bytes4(reason)), bytes32(Pointers.StillCovered.selector));
        }
    }

    function late(uint256 which, uint96 fee) external {
        (bool any, bytes32 id) = _pick(which);
        if (!any) return;
        Receipt memory receipt;
        (receipt.channelId, receipt.from) = (id, ledger.settledOf(id));
        receipt.to = receipt.from + 1 + fee % 1 ether;
        receipt.requestDigest = bytes32(++_salt);
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", ledger.domainSeparator(), hashOf(receipt)));
        try ledger.reportLate(receipt, signed(operatorKey, digest)) {
            ++times["late"];
        } catch (bytes memory reason) {
            bytes4 why = bytes4(reason);
            bool expected = why == Standing.BondTooSmall.selector || why == AttributionLedger.NotLate.selector;
            vm.assertTrue(expected, "reporting failed for another reason");
        }
    }

    function withdrawCredits() external {
        address[6] memory all = _credited();
        for (uint256 i = 0; i < 6; ++i) {
            if (ledger.creditOf(all[i]) != 0) creditsOut += ledger.withdrawCredit(all[i]);
        }
    }

    function wait_(uint32 time, bool long) external {
        vm.warp(block.timestamp + uint256(time) % (long ? 20 days : WINDOW / 2));
    }

    receive() external payable {}

    // ---------------------------------------------------------------- what the invariants read

    function underTest() external view returns (AttributionLedger, PaymentChannels, Demands) {
        return (ledger, channels, demands);
    }

    function channelCount() external view returns (uint256) {
        return ids.length;
    }

    function credits() external view returns (uint256 sum) {
        address[6] memory all = _credited();
        for (uint256 i = 0; i < 6; ++i) {
            sum += ledger.creditOf(all[i]);
        }
    }

    function claimed() external view returns (uint256) {
        return payees[0].balance + payees[1].balance;
    }

    /// Σ of final batches by the handler's own books.
    function finalTotal(address attester) external view returns (uint256 total) {
        (,,,, uint256 finalised) = ledger.attesterOf(attester);
        for (uint256 i = 0; i < finalised; ++i) {
            total += _books[attester][i].total;
        }
    }

    /// Σ of what stands in batches and refunds over a channel; nothing may stand in both. Batches whose intervals are being
    /// restored, one by one, are left out with what is moved back already.
    function takenFrom(bytes32 id) external view returns (uint256 total) {
        ChannelInterval[] storage back = _refunds[id];
        for (uint256 i = 0; i < back.length; ++i) {
            total += back[i].to - back[i].from;
        }
        for (uint256 s = 0; s < 2; ++s) {
            Book[] storage books = _books[bonded[s]];
            (,, uint256 moved,) = ledger.accountOf(bonded[s]);
            for (uint256 b = 0; b < books.length; ++b) {
                uint256 count = books[b].intervals.length;
                if (b + 1 == books.length) count -= moved;
                for (uint256 i = 0; i < count; ++i) {
                    ChannelInterval storage one = books[b].intervals[i];
                    if (one.channelId != id) continue;
                    total += one.to - one.from;
                    for (uint256 r = 0; r < back.length; ++r) {
                        bool apart = one.to <= back[r].from || back[r].to <= one.from;
                        vm.assertTrue(apart, "both settled and refunded");
                    }
                }
            }
        }
    }

    function openPrices() external view returns (uint256 sum, uint256 count) {
        for (uint256 i = 0; i < _items.length; ++i) {
            Demands.Demand memory d = demands.demandOf(demands.idOf(_items[i]));
            if (d.status != Demands.Status.Open) continue;
            sum += d.price;
            ++count;
        }
    }

    // ---------------------------------------------------------------- inside

    function setUp() public override {
        super.setUp();
        vm.prank(developer);
        models.publishRelease(modelId, release("release", "index", 10, 4, 16, 1_000_000));
    }

    function _credited() private view returns (address[6] memory) {
        return [treasury, address(this), payer, operator, other, asker];
    }

    function _pick(uint256 which) private view returns (bool, bytes32) {
        return ids.length == 0 ? (false, bytes32(0)) : (true, ids[which % ids.length]);
    }

    /// Writes the newest book of a settler.
    function _write(Book[] storage books, ChannelInterval[] memory intervals, uint256 total, bool lies) private {
        Book storage book = books[books.length - 1];
        (book.total, book.lies) = (total, lies);
        book.credit = [total / 3, total - total / 3];
        for (uint256 i = 0; i < 2; ++i) {
            uint256 before = books.length == 1 ? 0 : books[books.length - 2].cumulative[i];
            book.cumulative[i] = before + book.credit[i];
        }
        book.root = keccak256(abi.encodePacked(_balanceLeaf(book, 0), _balanceLeaf(book, 1)));
        for (uint256 i = 0; i < intervals.length; ++i) {
            book.intervals.push(intervals[i]);
        }
        // Two tokens cost two wei: the receipt is right unless its release does not exist.
        book.receipt.releaseId = lies ? bytes32("nothing") : bytes32("release");
        book.receipt.channelId = intervals[0].channelId;
        (book.receipt.to, book.receipt.promptTokens) = (2, 2);
        book.receipt.issuedAt = uint64(block.timestamp);
        book.receipt.requestDigest = bytes32(++_salt);
        book.line = Line(payees[0], 0, 0, book.credit[0], book.credit[0]);
    }

    function _balanceLeaf(Book storage book, uint256 i) private view returns (bytes32) {
        return leaf(abi.encode(payees[i], book.credit[i], book.cumulative[i]));
    }

    function _news(uint256 seed, bool byOther)
        private
        view
        returns (ChannelEnd[] memory ends, ChannelInterval[] memory intervals, uint256 total)
    {
        ends = new ChannelEnd[](ids.length);
        intervals = new ChannelInterval[](ids.length);
        uint256 count;
        for (uint256 i = 0; i < ids.length; ++i) {
            (, uint96 most) = channels.collectedOf(ids[i]);
            (ChannelState memory state, uint256 reopenedTo,) = ledger.channelState(ids[i]);
            if (state.undone == 2 || (byOther && state.undone == 0)) continue;
            if (byOther) most = uint96(reopenedTo);
            if (most <= state.settled) continue;
            uint256 span = most - state.settled;
            uint256 random = uint256(keccak256(abi.encode(seed, i)));
            // Half of the time everything.
            uint96 to = random % 2 == 0 ? most : state.settled + 1 + uint96((random >> 8) % span);
            ends[count] = ChannelEnd(ids[i], to);
            intervals[count] = ChannelInterval(ids[i], state.settled, to);
            total += to - state.settled;
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
    Demands internal theDemands;

    function setUp() public override {
        handler = new Handler();
        handler.setUp();
        (theLedger, theChannels, theDemands) = handler.underTest();
        for (uint256 i = 0; i < 3; ++i) {
            handler.deposit(i, 400 ether);
            handler.open(50 ether);
            handler.collectSome(i, 20 ether);
        }
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
        bytes4[] memory selectors = new bytes4[](15);
        selectors[0] = Handler.open.selector;
        selectors[1] = Handler.collectSome.selector;
        selectors[2] = Handler.leave.selector;
        selectors[3] = Handler.deposit.selector;
        selectors[4] = Handler.withdraw.selector;
        selectors[5] = Handler.settleSome.selector;
        selectors[6] = Handler.prove.selector;
        selectors[7] = Handler.restore.selector;
        selectors[8] = Handler.claim.selector;
        selectors[9] = Handler.demand.selector;
        selectors[10] = Handler.resolve.selector;
        selectors[11] = Handler.refund.selector;
        selectors[12] = Handler.late.selector;
        selectors[13] = Handler.withdrawCredits.selector;
        selectors[14] = Handler.wait_.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(handler), selectors);
    }

    /// Σ in = Σ out + what is held; nothing is anywhere else.
    function invariant_whatCameInIsPaidOrHeld() public view {
        (uint256 deposits, uint256 collected) = _sums();
        vm.assertEq(address(theChannels).balance, deposits - collected, "channels");
        vm.assertEq(handler.paidIn(), deposits + handler.closedOut(), "deposits");
        (uint256 prices,) = handler.openPrices();
        vm.assertEq(address(theDemands).balance, prices, "fees of open demands");
        uint256 bonds;
        for (uint256 i = 0; i < 3; ++i) {
            (uint256 staked,,,,) = theLedger.attesterOf(handler.bonded(i));
            bonds += staked;
        }
        uint256 escrow = collected - handler.claimed() - handler.refunded();
        vm.assertEq(address(theLedger).balance, escrow + bonds + handler.credits(), "escrow, bonds and credits");
    }

    /// What is not final is covered by the bond, and only what is final is paid.
    function invariant_bondsCoverWhatIsPendingAndOnlyFinalValueIsPaid() public view {
        uint256 final_;
        for (uint256 i = 0; i < 2; ++i) {
            address attester = handler.bonded(i);
            (uint256 staked, uint256 pending,,,) = theLedger.attesterOf(attester);
            vm.assertLe(pending, staked);
            final_ += handler.finalTotal(attester);
        }
        vm.assertLe(handler.claimed(), final_);
        (, uint256 open) = handler.openPrices();
        (,,, uint256 locks) = theLedger.accountOf(handler.bonded(2));
        vm.assertEq(locks, open);
        vm.assertEq(theDemands.openOf(handler.bonded(2)), open);
    }

    /// Every wei of a channel is taken by one batch, refunded, or neither; never both.
    function invariant_pointersAreWhatBatchesAndRefundsTook() public view {
        for (uint256 i = 0; i < handler.channelCount(); ++i) {
            bytes32 id = handler.ids(i);
            uint256 pointer = theLedger.settledOf(id);
            vm.assertLe(pointer, theChannels.channel(id).collected, "settled beyond collected");
            vm.assertEq(pointer, handler.takenFrom(id));
        }
    }

    /// One long history, with every rare thing in it, and the same promises along the way.
    function test_aLongHistoryInWhichEverythingHappens() public {
        for (uint256 i = 0; i < 2500; ++i) {
            uint256 r = uint256(keccak256(abi.encode("history", i)));
            _act(r % 16, r >> 8);
            if (i % 50 != 0) continue;
            invariant_whatCameInIsPaidOrHeld();
            invariant_bondsCoverWhatIsPendingAndOnlyFinalValueIsPaid();
            invariant_pointersAreWhatBatchesAndRefundsTook();
        }
        bytes32[12] memory rare = [
            bytes32("settled"),
            "other settled",
            "proven",
            "restored",
            "claimed",
            "demanded",
            "answered",
            "enforced",
            "returned",
            "refunded",
            "late",
            "fell twice"
        ];
        for (uint256 i = 0; i < rare.length; ++i) {
            vm.assertTrue(handler.times(rare[i]) >= 3, string(abi.encodePacked(rare[i])));
        }
    }

    function _act(uint256 which, uint256 r) private {
        if (which == 0) handler.collectSome(r, uint96(r >> 16));
        else if (which == 1) handler.settleSome(r, uint8(r >> 16), false);
        else if (which == 2) handler.settleSome(r, uint8(r >> 16), true);
        else if (which == 3) handler.prove(r, r >> 16 & 1 == 1);
        else if (which == 4) handler.restore(r & 1 == 1, uint8(r >> 16));
        else if (which == 5) handler.restore(r & 1 == 1, uint8(r >> 16));
        else if (which == 6) handler.claim(r, r >> 16 & 1 == 1, r >> 17 & 1 == 1);
        else if (which == 7) handler.demand(r, r >> 16 & 1 == 1);
        else if (which == 8) handler.resolve(r, r >> 64 & 1 == 1);
        else if (which == 9) handler.resolve(r, true);
        else if (which == 10) handler.refund(r, r >> 16 & 1 == 1);
        else if (which == 11) handler.late(r, uint96(r >> 16));
        else if (which == 12) handler.withdraw(r, uint96(r >> 16));
        else if (which == 13) handler.deposit(r, uint96(r >> 16));
        else if (which == 14) handler.withdrawCredits();
        else handler.wait_(uint32(r), r >> 64 & 15 == 0);
    }

    function _sums() private view returns (uint256 deposits, uint256 collected) {
        for (uint256 i = 0; i < handler.channelCount(); ++i) {
            PaymentChannels.Channel memory c = theChannels.channel(handler.ids(i));
            // A closed channel's deposit is what was collected.
            deposits += c.deposit;
            collected += c.collected;
        }
    }
}
