// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {GOPEN} from "../src/GOPEN.sol";
import {OpenVesting} from "../src/OpenVesting.sol";
import {NativeWrapper} from "../src/libraries/NativeWrapper.sol";
import {Forcer} from "./NativeWrapper.t.sol";
import {Test} from "./Test.sol";

/// A beneficiary that asks for more from inside the payment.
contract Greedy {
    OpenVesting public vesting;
    bytes public error;

    function set(OpenVesting vesting_) external {
        vesting = vesting_;
    }

    function release() external {
        vesting.release();
    }

    receive() external payable {
        try vesting.release() {}
        catch (bytes memory reason) {
            error = reason;
        }
    }
}

/// Everyone does what they may to a vesting; the books are kept here.
contract VestingHandler is Test {
    GOPEN public immutable gopen;
    OpenVesting public immutable vesting;
    address public immutable firstBeneficiary;
    address[3] public actors = [address(0x301), address(0x302), address(0x303)];
    uint256 public put;
    uint256 public paid;
    uint256 public highest;

    constructor(GOPEN gopen_, OpenVesting vesting_) {
        gopen = gopen_;
        vesting = vesting_;
        firstBeneficiary = vesting_.beneficiary();
        put = vesting_.total();
    }

    function wait_(uint256 seconds_) external {
        vm.warp(block.timestamp + seconds_ % 60 days);
    }

    function release(bool byBeneficiary) external {
        address to = vesting.beneficiary();
        uint256 before = to.balance;
        uint256 owed = vesting.releasable();
        if (byBeneficiary) vm.prank(to);
        try vesting.release() {
            vm.assertEq(to.balance - before, owed);
            paid += owed;
        } catch {
            vm.assertTrue(owed == 0 || !byBeneficiary, "the beneficiary was refused what is vested");
        }
    }

    function add(uint256 kind, uint96 amount) external {
        vm.deal(address(this), amount);
        if (kind % 3 == 0) gopen.depositTo{value: amount}(address(vesting));
        if (kind % 3 == 1) new Forcer{value: amount}(payable(address(vesting)));
        if (kind % 3 == 2) {
            (bool taken,) = address(vesting).call{value: amount}("");
            vm.assertTrue(taken);
        }
        vesting.wrap();
        put += amount;
    }

    function handOver(uint256 to) external {
        address next = actors[to % 3];
        vm.prank(vesting.beneficiary());
        vesting.transferBeneficiary(next);
        vm.prank(next);
        vesting.acceptBeneficiary();
    }

    function delegate(uint256 to) external {
        vm.prank(vesting.beneficiary());
        vesting.delegate(actors[to % 3]);
    }
}

contract OpenVestingTest is Test {
    uint64 private constant START = 1_790_000_000;
    uint64 private constant YEAR = 12 * 2_629_800;
    uint256 private constant TEAM = 150_000_000 ether;

    GOPEN private gopen;
    OpenVesting private team;
    OpenVesting private community;
    VestingHandler private handler;
    address private alice = address(0xa11ce);
    address private bob = address(0xb0b);
    address private treasury = address(0x7);

    function setUp() public {
        vm.warp(START);
        gopen = new GOPEN();
        team = _vesting(alice, YEAR, 3 * YEAR, true, TEAM);
        community = _vesting(treasury, 0, 4 * YEAR, false, 517_100_000 ether);
        handler = new VestingHandler(gopen, _vesting(alice, 30 days, YEAR, true, 1e24));
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    // ---------------------------------------------------------------- arithmetic

    function test_theConstructorWrapsWhatItsAddressHeld() public view {
        vm.assertEq(address(team).balance, 0);
        vm.assertEq(gopen.balanceOf(address(team)), TEAM);
        vm.assertEq(team.total(), TEAM);
        vm.assertEq(team.unreleased(), TEAM);
    }

    function test_theTeamsScheduleAtItsBoundaries() public view {
        vm.assertEq(team.schedule(0), 0);
        vm.assertEq(team.schedule(START), 0);
        vm.assertEq(team.schedule(START + YEAR), 0);
        vm.assertEq(team.schedule(START + YEAR + 1), TEAM / (3 * YEAR));
        vm.assertEq(team.schedule(START + 2 * YEAR), TEAM / 3);
        vm.assertEq(team.schedule(START + 3 * YEAR), TEAM * 2 / 3);
        vm.assertEq(team.schedule(START + 4 * YEAR - 1), TEAM * (3 * YEAR - 1) / (3 * YEAR));
        vm.assertEq(team.schedule(START + 4 * YEAR), TEAM);
        vm.assertEq(team.schedule(type(uint256).max), TEAM);
    }

    function test_theCommunitysScheduleAtItsBoundaries() public view {
        vm.assertEq(community.schedule(START), 0);
        vm.assertEq(community.schedule(START + 1 days), uint256(517_100_000 ether) / 1461);
        vm.assertEq(community.schedule(START + 2 * YEAR), 258_550_000 ether);
        vm.assertEq(community.schedule(START + 4 * YEAR), 517_100_000 ether);
    }

    function test_aDurationOfZeroVestsAllAtTheCliff() public {
        OpenVesting cliff = _vesting(alice, 10, 0, true, 5 ether);
        vm.assertEq(cliff.schedule(START + 9), 0);
        vm.assertEq(cliff.schedule(START + 10), 5 ether);
    }

    function test_whatIsVestedNeverFalls(uint64 cliff, uint64 duration, uint88 amount, uint64 early, uint64 late)
        public
    {
        OpenVesting vesting = _vesting(alice, cliff, duration, true, amount);
        if (early > late) (early, late) = (late, early);
        uint256 vestedEarly = vesting.schedule(uint256(START) + early);
        uint256 vestedLate = vesting.schedule(uint256(START) + late);
        vm.assertLe(vestedEarly, vestedLate);
        vm.assertLe(vestedLate, amount);
        if (late >= uint256(cliff) + duration) vm.assertEq(vestedLate, amount);
        if (early < cliff) vm.assertEq(vestedEarly, 0);
    }

    function test_releasedAndUnreleasedSumToTheTotal(uint88 amount, uint64[8] memory waits) public {
        OpenVesting vesting = _vesting(bob, YEAR, 3 * YEAR, true, amount);
        for (uint256 i = 0; i < waits.length; ++i) {
            vm.warp(block.timestamp + waits[i] % YEAR);
            _releaseAny(vesting);
            vm.assertEq(vesting.released() + vesting.unreleased(), amount);
            vm.assertEq(vesting.released(), vesting.schedule(block.timestamp));
            vm.assertEq(bob.balance, vesting.released());
        }
        vm.warp(START + 4 * YEAR);
        _releaseAny(vesting);
        vm.assertEq(bob.balance, amount);
        vm.assertEq(vesting.unreleased(), 0);
    }

    function test_whatIsAddedLaterVestsOnTheSameSchedule() public {
        vm.warp(START + 2 * YEAR);
        vm.prank(alice);
        vm.assertEq(team.release(), TEAM / 3);
        vm.deal(address(this), 3 ether);
        (bool taken,) = address(team).call{value: 3 ether}("");
        vm.assertTrue(taken);
        vm.assertEq(team.releasable(), 0);
        team.wrap();
        vm.assertEq(address(team).balance, 0);
        vm.assertEq(team.total(), TEAM + 3 ether);
        vm.assertEq(team.releasable(), 1 ether);
    }

    // ---------------------------------------------------------------- who may do what

    function test_onlyTheBeneficiaryReleasesWhatVotes() public {
        vm.warp(START + 2 * YEAR);
        vm.expectRevert(abi.encodeWithSelector(OpenVesting.NotBeneficiary.selector, address(this), alice));
        team.release();
    }

    function test_anyoneReleasesATreasurysToTheTreasury() public {
        vm.expectRevert(OpenVesting.NothingToRelease.selector);
        community.release();
        vm.warp(START + 1 days);
        vm.prank(bob);
        community.release();
        vm.assertEq(treasury.balance, uint256(517_100_000 ether) / 1461);
    }

    function test_onlyTheBeneficiaryDelegates() public {
        vm.expectRevert(abi.encodeWithSelector(OpenVesting.NotBeneficiary.selector, address(this), alice));
        team.delegate(bob);
        vm.prank(alice);
        team.delegate(bob);
        vm.assertEq(gopen.getVotes(bob), TEAM);
        vm.warp(START + 2 * YEAR);
        vm.prank(alice);
        team.release();
        vm.assertEq(gopen.getVotes(bob), TEAM - TEAM / 3);
    }

    function test_aTreasurysUnreleasedTokensNeverVote() public {
        vm.prank(treasury);
        vm.expectRevert(OpenVesting.NeverVotes.selector);
        community.delegate(treasury);
        vm.prank(treasury);
        community.transferBeneficiary(bob);
        vm.startPrank(bob);
        community.acceptBeneficiary();
        vm.expectRevert(OpenVesting.NeverVotes.selector);
        community.delegate(bob);
    }

    function test_handingOverTakesTwoSteps() public {
        vm.expectRevert(abi.encodeWithSelector(OpenVesting.NotBeneficiary.selector, address(this), alice));
        team.transferBeneficiary(bob);
        vm.prank(alice);
        team.transferBeneficiary(bob);
        vm.assertEq(team.beneficiary(), alice);
        vm.expectRevert(abi.encodeWithSelector(OpenVesting.NotPending.selector, address(this), bob));
        team.acceptBeneficiary();
        vm.prank(bob);
        team.acceptBeneficiary();
        vm.assertEq(team.beneficiary(), bob);
        vm.assertEq(team.pendingBeneficiary(), address(0));
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(OpenVesting.NotPending.selector, bob, address(0)));
        team.acceptBeneficiary();
        vm.warp(START + 4 * YEAR);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(OpenVesting.NotBeneficiary.selector, alice, bob));
        team.release();
    }

    function test_aHandOverCanBeTakenBack() public {
        vm.startPrank(alice);
        team.transferBeneficiary(bob);
        team.transferBeneficiary(address(0));
        vm.stopPrank();
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(OpenVesting.NotPending.selector, bob, address(0)));
        team.acceptBeneficiary();
    }

    function test_reenteringAReleaseFindsNothing() public {
        Greedy greedy = new Greedy();
        OpenVesting vesting = _vesting(address(greedy), 0, 100, true, 100 ether);
        greedy.set(vesting);
        vm.warp(START + 40);
        greedy.release();
        vm.assertEq(address(greedy).balance, 40 ether);
        vm.assertEq(greedy.error(), abi.encodeWithSelector(OpenVesting.NothingToRelease.selector));
        vm.assertEq(vesting.unreleased(), 60 ether);
    }

    function test_aBeneficiaryThatTakesNoOpenLosesNothing() public {
        OpenVesting vesting = _vesting(address(gopen), 0, 100, false, 100 ether);
        vm.warp(START + 40);
        vm.expectRevert(abi.encodeWithSelector(NativeWrapper.TransferFailed.selector, address(gopen), 40 ether));
        vesting.release();
        vm.assertEq(vesting.released(), 0);
        vm.assertEq(vesting.releasable(), 40 ether);
    }

    // ---------------------------------------------------------------- invariant

    /// forge-config: default.invariant.runs = 160
    function invariant_whatWasPutIsHeldOrPaidAndNeverAheadOfTheSchedule() public view {
        OpenVesting vesting = handler.vesting();
        uint256 vested = vesting.schedule(block.timestamp);
        vm.assertEq(vesting.released() + vesting.unreleased(), handler.put());
        vm.assertEq(vesting.released(), handler.paid());
        vm.assertLe(handler.paid(), vested);
        vm.assertEq(gopen.balanceOf(address(vesting)), vesting.unreleased());
        vm.assertEq(gopen.totalSupply(), address(gopen).balance);
    }

    function _releaseAny(OpenVesting vesting) private {
        if (vesting.releasable() == 0) return;
        vm.prank(bob);
        vesting.release();
    }

    function _vesting(address to, uint64 cliff, uint64 duration, bool votes, uint256 amount)
        private
        returns (OpenVesting vesting)
    {
        vm.deal(vm.computeCreateAddress(address(this), vm.getNonce(address(this))), amount);
        vesting = new OpenVesting(to, gopen, START, cliff, duration, votes);
    }
}
