// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Offence, Reason} from "../src/OpenStaking.sol";
import {OpenVesting} from "../src/OpenVesting.sol";
import {FeeSplit, ProtocolParameters, Setting} from "../src/ProtocolParameters.sol";
import {GovernanceFixture, IGovernorVote} from "./GovernanceFixture.sol";

/// What governance can do to people who want none of it, when its majority is as hostile as it can be.
contract GovernanceLimitsTest is GovernanceFixture {
    address private alice = vm.addr(0xa11ce);
    bytes32 private channelId;
    uint256 private agentId;

    struct Holdings {
        uint256 native;
        uint256 wrapped;
        uint256 governance;
        uint256 votes;
        uint256 bonded;
        uint256 unbonding;
        uint256 deposit;
        uint256 bond;
        uint256 unreleased;
    }

    function setUp() public override {
        super.setUp();
        fund(alice, 1000 ether);
        openPool();
        vm.startPrank(alice);
        wopen.deposit{value: 100 ether}();
        gopen.deposit{value: 200 ether}();
        gopen.delegate(alice);
        staking.delegate{value: 350 ether}(poolId);
        staking.unbond(poolId, 50 ether);
        channelId = channels.open{value: 250 ether}(operator, address(0), 0, 0);
        vm.stopPrank();
        bond(operator, 100 ether);
        vm.startPrank(developer);
        agentId = agents.register{value: FEE}("ipfs://agent");
        agents.transferFrom(developer, alice, agentId);
        vm.stopPrank();
        enfranchiseInsiders();
        vm.warp(GENESIS + 1);
    }

    // ---------------------------------------------------------------- bounds

    function test_noPassedProposalCrossesABound() public {
        bytes[] memory calls = new bytes[](6);
        calls[0] = abi.encodeCall(ProtocolParameters.setFeeSplit, (FeeSplit(1500, 2000, 501, 3000, 2999, 1000)));
        calls[1] = abi.encodeCall(ProtocolParameters.set, ("closeTimeoutSeconds", 30 days + 1));
        calls[2] = abi.encodeCall(ProtocolParameters.set, ("timelockDelaySeconds", 0));
        calls[3] = abi.encodeCall(ProtocolParameters.set, ("quorumTotalBps", 49));
        calls[4] = abi.encodeCall(ProtocolParameters.set, ("unbondingSeconds", 180 days + 1));
        calls[5] = abi.encodeCall(ProtocolParameters.set, ("a number of its own", 1));
        for (uint256 i = 0; i < calls.length; ++i) {
            Proposal memory p = one(address(parameters), 0, calls[i], vm.toString(i));
            _passByInsiders(p);
            vm.expectPartialRevert(
                i == 5 ? ProtocolParameters.UnknownParameter.selector : ProtocolParameters.OutOfBounds.selector
            );
            execute(p);
        }
    }

    function test_everyParameterHasBoundsThatHold() public {
        Setting[] memory list = settings();
        for (uint256 i = 0; i < list.length; ++i) {
            (uint256 lowest, uint256 highest) = parameters.bounds(list[i].id);
            vm.startPrank(governance);
            vm.expectRevert(
                abi.encodeWithSelector(
                    ProtocolParameters.OutOfBounds.selector, list[i].id, highest + 1, lowest, highest
                )
            );
            parameters.set(list[i].id, highest + 1);
            if (lowest > 0) {
                vm.expectRevert(
                    abi.encodeWithSelector(
                        ProtocolParameters.OutOfBounds.selector, list[i].id, lowest - 1, lowest, highest
                    )
                );
                parameters.set(list[i].id, lowest - 1);
            }
            vm.stopPrank();
        }
    }

    // ---------------------------------------------------------------- what is not governance's

    /// Everything an owner of a contract might try is called by the timelock itself, and fails.
    function test_governanceTakesNothingFromAnyone() public {
        Holdings memory before = _holdings();
        address[2] memory tokens = [address(wopen), address(gopen)];
        for (uint256 i = 0; i < 2; ++i) {
            _refusedAll(tokens[i]);
            _refused(tokens[i], abi.encodeCall(gopen.transferFrom, (alice, governance, 1)));
            _refused(tokens[i], abi.encodeCall(gopen.withdraw, (1)));
            _refused(tokens[i], abi.encodeCall(gopen.withdrawTo, (governance, 1)));
            _refused(tokens[i], abi.encodeCall(gopen.permit, (alice, governance, 1, type(uint256).max, 27, 0, 0)));
        }
        bytes memory junk = new bytes(65);
        _refused(
            address(wopen),
            abi.encodeWithSignature(
                "transferWithAuthorization(address,address,uint256,uint256,uint256,bytes32,bytes)",
                alice,
                governance,
                1,
                0,
                type(uint256).max,
                0,
                junk
            )
        );

        OpenVesting[4] memory all = [team, investors, community, ecosystem];
        for (uint256 i = 0; i < 4; ++i) {
            _refusedAll(address(all[i]));
            _refused(address(all[i]), abi.encodeCall(OpenVesting.delegate, (governance)));
            _refused(address(all[i]), abi.encodeCall(OpenVesting.acceptBeneficiary, ()));
            if (i < 2) _refused(address(all[i]), abi.encodeCall(OpenVesting.release, ()));
            if (i < 2) _refused(address(all[i]), abi.encodeCall(OpenVesting.transferBeneficiary, (governance)));
        }

        _refusedAll(address(staking));
        _refused(address(staking), abi.encodeCall(staking.unbond, (poolId, 1)));
        _refused(address(staking), abi.encodeCall(staking.withdraw, (alice, 0)));
        _refused(address(staking), abi.encodeCall(staking.overturn, (1)));
        _refused(address(staking), abi.encodeCall(staking.executeSlash, (1)));
        _refused(
            address(staking),
            abi.encodeCall(
                staking.slash,
                (Offence(poolId, alice, 500, Reason.MissedDeadline, 0, governance, governance, 100 ether))
            )
        );

        _refusedAll(address(channels));
        _refused(address(channels), abi.encodeCall(channels.requestClose, (channelId)));
        _refused(address(channels), abi.encodeCall(channels.close, (channelId)));
        _refused(address(channels), abi.encodeCall(channels.setSigner, (channelId, governance, 100 ether)));
        _refused(address(channels), abi.encodeCall(channels.collect, (channelId, 1, junk)));

        _refusedAll(address(ledger));
        _refused(address(ledger), abi.encodeCall(ledger.undo, (operator, 0, governance, governance, 1 ether)));
        _refused(
            address(ledger),
            abi.encodeCall(ledger.slashByQuorum, (operator, 0, governance, 1 ether, governance, 1 ether))
        );
        _refused(address(ledger), abi.encodeCall(ledger.hold, (operator, 0, type(uint256).max)));
        _refused(address(ledger), abi.encodeCall(ledger.withdrawBond, (1)));
        _refused(address(ledger), abi.encodeCall(ledger.refund, (channelId)));
        _refusedAll(address(agents));
        _refused(address(agents), abi.encodeCall(agents.transferFrom, (alice, governance, agentId)));
        _refusedAll(address(datanets));
        _refusedAll(address(models));
        _refused(address(datanets), abi.encodeCall(datanets.transferFrom, (developer, governance, datanetId)));
        _refused(address(models), abi.encodeCall(models.transferFrom, (developer, governance, modelId)));

        vm.assertEq(keccak256(abi.encode(_holdings())), keccak256(abi.encode(before)), "governance moved something");
    }

    /// Every number set as badly for her as the bounds allow: Alice still leaves with all she had, to the wei.
    function test_everyoneLeavesWithEverythingWhateverIsSet() public {
        uint256 before = alice.balance;
        (,, uint256 claimAt) = staking.unbondingOf(alice, 0);
        Setting[] memory list = settings();
        vm.startPrank(governance);
        for (uint256 i = 0; i < list.length; ++i) {
            (, uint256 highest) = parameters.bounds(list[i].id);
            // First, because it must cover the others.
            if (list[i].id == "unbondingSeconds") parameters.set(list[i].id, highest);
        }
        for (uint256 i = 0; i < list.length; ++i) {
            (, uint256 highest) = parameters.bounds(list[i].id);
            // How long a vote takes keeps nobody, and cannot exceed the appeal.
            if (list[i].id == "votingDelaySeconds" || list[i].id == "votingPeriodSeconds") continue;
            if (list[i].id == "timelockDelaySeconds") continue;
            bool account = list[i].id == "treasury" || list[i].id == "stakersPool";
            parameters.set(list[i].id, account ? uint160(governance) : highest);
        }
        parameters.setFeeSplit(FeeSplit(1500, 2000, 500, 3000, 3000, 0));
        bytes32[5] memory names =
            [bytes32("OpenStaking"), "PaymentChannels", "AttributionLedger", "GOPEN", "OpenGovernor"];
        for (uint256 i = 0; i < names.length; ++i) {
            parameters.setContract(names[i], governance);
        }
        vm.stopPrank();
        vm.warp(block.timestamp + 1);

        vm.startPrank(alice);
        wopen.withdraw(100 ether);
        gopen.withdraw(200 ether);
        channels.requestClose(channelId);
        staking.unbond(poolId, 300 ether);
        vm.warp(claimAt);
        staking.withdraw(alice, 0);
        vm.warp(GENESIS + 2 + 30 days);
        channels.close(channelId);
        vm.warp(GENESIS + 2 + 180 days);
        staking.withdraw(alice, 1);
        vm.assertEq(alice.balance, before + 900 ether);
    }

    function test_whatWasInForceNeverChanges() public {
        uint256 past = block.timestamp;
        vm.prank(governance);
        parameters.setFeeSplit(FeeSplit(1500, 2000, 500, 3000, 3000, 0));
        vm.warp(past + 1000 days);
        vm.assertEq(keccak256(abi.encode(parameters.feeSplitAt(past))), keccak256(abi.encode(feeSplit())));
    }

    // ---------------------------------------------------------------- what is governance's

    /// Said plainly: a majority disposes of the treasury, and of what its vestings will still release.
    function test_aMajorityDisposesOfTheTreasuryAndItsStream() public {
        Proposal memory p = one(
            address(community), 0, abi.encodeCall(OpenVesting.transferBeneficiary, (investor)), "The stream is ours"
        );
        _passByInsiders(p);
        execute(p);
        vm.startPrank(investor);
        community.acceptBeneficiary();
        community.release();
        vm.assertEq(community.beneficiary(), investor);
        vm.expectRevert(OpenVesting.NeverVotes.selector);
        community.delegate(investor);
        vm.assertLe(investor.balance, COMMUNITY * 16 days / (4 * uint256(YEAR)));
    }

    // ---------------------------------------------------------------- inside

    function _passByInsiders(Proposal memory p) private {
        propose(p, teamLead);
        toVote(p);
        vote(p, teamLead, IGovernorVote.For);
        vote(p, investor, IGovernorVote.For);
        vote(p, alice, IGovernorVote.Against);
        toResult(p);
        queue(p);
        vm.warp(governor.proposalEta(p.id));
    }

    /// The usual names of owners' rights.
    function _refusedAll(address target) private {
        string[16] memory rights = [
            "mint(address,uint256)",
            "burn(address,uint256)",
            "burnFrom(address,uint256)",
            "pause()",
            "freeze(address)",
            "blacklist(address)",
            "transferOwnership(address)",
            "setOwner(address)",
            "grantRole(bytes32,address)",
            "upgradeTo(address)",
            "upgradeToAndCall(address,bytes)",
            "initialize(address)",
            "sweep(address)",
            "rescue(address,uint256)",
            "emergencyWithdraw(address,uint256)",
            "execute(address,uint256,bytes)"
        ];
        for (uint256 i = 0; i < rights.length; ++i) {
            _refused(target, abi.encodeWithSignature(rights[i], alice, uint256(1 ether), bytes("")));
        }
    }

    function _refused(address target, bytes memory call) private {
        vm.prank(governance);
        (bool done,) = target.call(call);
        vm.assertFalse(done, "governance was obeyed");
    }

    function _holdings() private view returns (Holdings memory) {
        return Holdings({
            native: alice.balance,
            wrapped: wopen.balanceOf(alice),
            governance: gopen.balanceOf(alice),
            votes: gopen.getVotes(alice),
            bonded: stakedBy(alice),
            unbonding: staking.positionOf(poolId, alice).unbonding,
            deposit: channels.channel(channelId).deposit,
            bond: address(ledger).balance,
            unreleased: team.unreleased() + investors.unreleased() + community.unreleased() + ecosystem.unreleased()
        });
    }
}
