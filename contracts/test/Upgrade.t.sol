// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AttributionLedger, BatchInput, ChannelEnd} from "../src/AttributionLedger.sol";
import {OpenGovernor} from "../src/OpenGovernor.sol";
import {PaymentChannels} from "../src/PaymentChannels.sol";
import {GovernanceFixture, IGovernorVote} from "./GovernanceFixture.sol";

/// An upgrade is a new contract at a new address, listed by a vote. What is in the old one is withdrawn there.
contract UpgradeTest is GovernanceFixture {
    address private alice = vm.addr(0xa11ce);
    address private payee = address(0x201);

    function setUp() public override {
        super.setUp();
        enfranchise(alice, 20_000_000 ether);
        vm.warp(GENESIS + 1);
    }

    function test_fundsInTheOldLedgerAndChannelsStayTheirOwners() public {
        // Before: a bond, a channel of 1 OPEN of which 0.4 are collected and 0.3 settled, for a payee.
        bond(operator, 2 ether);
        bytes32 channelId = openChannel("old", 1 ether);
        collect(channelId, 0.4 ether);
        (BatchInput memory batch, ChannelEnd[] memory ends) = tinyBatch(0, 0, channelId, 0, 0.3 ether, payee, 0.3 ether);
        settle(batch, ends);
        AttributionLedger oldLedger = ledger;
        PaymentChannels oldChannels = channels;

        // New ones are deployed by anyone and listed by a vote.
        deployLedger();
        vm.assertTrue(address(ledger) != address(oldLedger) && address(channels) != address(oldChannels));
        Proposal memory p;
        p.targets = new address[](2);
        p.values = new uint256[](2);
        p.calls = new bytes[](2);
        (p.targets[0], p.targets[1]) = (address(parameters), address(parameters));
        p.calls[0] = abi.encodeCall(parameters.setContract, ("AttributionLedger", address(ledger)));
        p.calls[1] = abi.encodeCall(parameters.setContract, ("PaymentChannels", address(channels)));
        p.description = "A ledger that proves more";
        p.id = governor.getProposalId(p.targets, p.values, p.calls, keccak256(bytes(p.description)));
        pass(p, alice);
        execute(p);
        vm.assertEq(parameters.contractOf("AttributionLedger"), address(ledger));
        vm.assertEq(parameters.contractOf("PaymentChannels"), address(channels));

        // After: the new ones work, and everyone gets what is theirs from the old ones.
        bytes32 another = openChannel("new", 1 ether);
        collect(another, 0.1 ether);
        vm.assertEq(address(ledger).balance, 0.1 ether);

        oldLedger.claim(operator, 0, 0, payee, 0.3 ether, 0.3 ether, new bytes32[](0));
        vm.assertEq(payee.balance, 0.3 ether);
        vm.prank(operator);
        oldLedger.withdrawBond(2 ether);
        vm.assertEq(operator.balance, 2 ether);

        oldChannels.collect(channelId, 0.5 ether, _oldVoucher(oldChannels, channelId, 0.5 ether));
        uint256 before = payer.balance;
        vm.prank(payer);
        oldChannels.requestClose(channelId);
        vm.warp(block.timestamp + TIMEOUT);
        vm.prank(payer);
        oldChannels.close(channelId);
        vm.assertEq(payer.balance, before + 0.5 ether);
        vm.assertEq(address(oldChannels).balance, 0);
        // What was collected, and the operator never settles, goes back to the payer.
        oldLedger.startRefund(channelId);
        vm.warp(block.timestamp + 30 days);
        vm.assertEq(oldLedger.refund(channelId), 0.2 ether);
        oldLedger.withdrawCredit(payer);
        vm.assertEq(payer.balance, before + 0.7 ether);
        vm.assertEq(address(oldLedger).balance, 0);
    }

    function test_aNewGovernorTakesOverByAVoteAndTheOldOneIsDismissed() public {
        OpenGovernor next = new OpenGovernor(gopen, staking, timelock, parameters, governor.vestings());
        bytes32 proposer = timelock.PROPOSER_ROLE();
        bytes32 canceller = timelock.CANCELLER_ROLE();
        Proposal memory p;
        p.targets = new address[](4);
        p.values = new uint256[](4);
        p.calls = new bytes[](4);
        for (uint256 i = 0; i < 4; ++i) {
            p.targets[i] = address(timelock);
        }
        p.calls[0] = abi.encodeCall(timelock.grantRole, (proposer, address(next)));
        p.calls[1] = abi.encodeCall(timelock.grantRole, (canceller, address(next)));
        p.calls[2] = abi.encodeCall(timelock.revokeRole, (proposer, address(governor)));
        p.calls[3] = abi.encodeCall(timelock.revokeRole, (canceller, address(governor)));
        p.description = "A better governor";
        p.id = governor.getProposalId(p.targets, p.values, p.calls, keccak256(bytes(p.description)));
        pass(p, alice);
        execute(p);

        OpenGovernor old = governor;
        p = one(address(parameters), 0, abi.encodeCall(parameters.set, ("quorumTotalBps", 200)), "By the old one");
        propose(p, alice);
        toVote(p);
        vote(p, alice, IGovernorVote.For);
        toResult(p);
        vm.expectPartialRevert(bytes4(keccak256("AccessControlUnauthorizedAccount(address,bytes32)")));
        queue(p);

        governor = next;
        p = one(address(parameters), 0, abi.encodeCall(parameters.set, ("quorumTotalBps", 200)), "By the new one");
        pass(p, alice);
        execute(p);
        vm.warp(block.timestamp + 1);
        vm.assertEq(parameters.quorumTotalBps(), 200);
        vm.assertEq(old.quorum(0), next.quorum(0));
    }

    function _oldVoucher(PaymentChannels old, bytes32 channelId, uint256 cumulative)
        private
        view
        returns (bytes memory)
    {
        bytes32 structHash = keccak256(abi.encode(old.VOUCHER_TYPEHASH(), channelId, cumulative));
        return signed(payerKey, keccak256(abi.encodePacked(hex"1901", old.domainSeparator(), structHash)));
    }
}
