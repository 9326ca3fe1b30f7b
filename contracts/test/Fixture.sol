// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {AttributionLedger, BatchInput, ChannelEnd, ChannelInterval} from "../src/AttributionLedger.sol";
import {Demands} from "../src/Demands.sol";
import {FraudProofs} from "../src/FraudProofs.sol";
import {DatanetRegistry} from "../src/DatanetRegistry.sol";
import {DatanetVersion, ModelRegistry, ReleaseInput} from "../src/ModelRegistry.sol";
import {PaymentChannels} from "../src/PaymentChannels.sol";
import {OpenStaking} from "../src/OpenStaking.sol";
import {FeeSplit, Listing, ProtocolParameters, Setting} from "../src/ProtocolParameters.sol";
import {ReleaseVerdicts} from "../src/ReleaseVerdicts.sol";
import {Verdicts} from "../src/Verdicts.sol";
import {Lies, ScoreEvidence} from "../src/libraries/Lies.sol";
import {Commitment} from "../src/libraries/Positional.sol";
import {Receipt, Receipts} from "../src/libraries/Receipts.sol";
import {Test} from "./Test.sol";

/// The whole protocol, deployed as a network deploys it, with one model's release from the vectors.
abstract contract Fixture is Test {
    uint256 internal constant WINDOW = 1 days;
    uint256 internal constant TIMEOUT = 1 hours;
    uint96 internal constant MINIMUM_BOND = 1 ether;
    uint96 internal constant FEE = 0.1 ether;
    uint256 internal constant RELEASE_BOND = 50 ether;

    /// Accounts here; `GovernanceFixture` puts contracts in their place.
    address internal governance = address(0x60);
    address internal treasury = address(0x61);
    address internal stakersPool = address(0x62);
    address internal constant developer = address(0x63);
    address internal constant theVerdicts = address(0x64);

    uint256 internal payerKey = uint256(keccak256("openledger vectors: payer"));
    uint256 internal operatorKey = uint256(keccak256("openledger vectors: operator"));
    address internal payer = vm.addr(payerKey);
    address internal operator = vm.addr(operatorKey);

    ProtocolParameters internal parameters;
    DatanetRegistry internal datanets;
    ModelRegistry internal models;
    AttributionLedger internal ledger;
    PaymentChannels internal channels;
    FraudProofs internal proofs;
    Demands internal demands;
    ReleaseVerdicts internal releaseVerdicts;

    uint256 internal datanetId;
    uint256 internal modelId;

    function setUp() public virtual {
        vm.warp(1_790_000_000);
        parameters = new ProtocolParameters(governance, 1, feeSplit(), settings(), new Listing[](0));
        datanets = new DatanetRegistry(parameters);
        models = new ModelRegistry(parameters, datanets);
        deployLedger();

        vm.deal(developer, 10 ether);
        vm.startPrank(developer);
        datanetId = datanets.create{value: FEE}(keccak256("card"), "CC-BY-4.0");
        datanets.publishVersion(datanetId, keccak256("root"), 3, keccak256("CC-BY-4.0"), keccak256("version"));
        modelId = models.register{value: FEE}("valley-1");
        vm.stopPrank();
    }

    /// The four that name each other: their addresses are known before they exist.
    function deployLedger() internal {
        uint256 nonce = vm.getNonce(address(this));
        address theLedger = vm.computeCreateAddress(address(this), nonce + 1);
        address theProofs = vm.computeCreateAddress(address(this), nonce + 2);
        address theDemands = vm.computeCreateAddress(address(this), nonce + 3);
        address theReleases = vm.computeCreateAddress(address(this), nonce + 4);
        channels = new PaymentChannels(parameters, theLedger);
        ledger = new AttributionLedger(
            parameters, channels, theProofs, theDemands, theVerdicts, ReleaseVerdicts(theReleases)
        );
        proofs = new FraudProofs(ledger, models);
        demands = new Demands(ledger, models);
        releaseVerdicts =
            new ReleaseVerdicts(parameters, OpenStaking(payable(stakersPool)), Verdicts(theVerdicts), models, ledger);
        assert(address(releaseVerdicts) == theReleases);
        assert(address(ledger) == theLedger && address(proofs) == theProofs && address(demands) == theDemands);
    }

    function feeSplit() internal pure returns (FeeSplit memory) {
        return FeeSplit({operator: 1500, treasury: 500, developer: 2000, stakers: 1000, data: 5000, owners: 1000});
    }

    function settings() internal view virtual returns (Setting[] memory list) {
        list = new Setting[](28);
        uint256 i;
        list[i++] = Setting("treasury", uint160(treasury));
        list[i++] = Setting("stakersPool", uint160(stakersPool));
        list[i++] = Setting("settlementWindowSeconds", WINDOW);
        list[i++] = Setting("closeTimeoutSeconds", TIMEOUT);
        list[i++] = Setting("minimumBondWei", MINIMUM_BOND);
        list[i++] = Setting("registrationFeeWei", FEE);
        list[i++] = Setting("proverRewardBps", 3000);
        list[i++] = Setting("minimumThresholdMillionths", 100_000);
        list[i++] = Setting("demandFeeWei", 0.01 ether);
        list[i++] = Setting("refundDelaySeconds", 30 days);
        list[i++] = Setting("receiptDeadlineSeconds", 7 days);
        list[i++] = Setting("lateReceiptSlashWei", 0.1 ether);
        list[i++] = Setting("epochSeconds", 1 days);
        list[i++] = Setting("unbondingSeconds", 21 days);
        list[i++] = Setting("verdictSeconds", 6 hours);
        list[i++] = Setting("appealSeconds", 17 days);
        list[i++] = Setting("minimumStakeWei", 100 ether);
        list[i++] = Setting("quorumSlashBps", 500);
        list[i++] = Setting("drawnValidators", 8);
        list[i++] = Setting("votingDelaySeconds", 1 days);
        list[i++] = Setting("votingPeriodSeconds", 7 days);
        list[i++] = Setting("timelockDelaySeconds", 7 days);
        list[i++] = Setting("proposalThresholdWei", 10_000 ether);
        list[i++] = Setting("quorumTotalBps", 100);
        list[i++] = Setting("quorumCirculatingBps", 400);
        list[i++] = Setting("minimumTipWei", 1 gwei);
        list[i++] = Setting("releaseBondWei", RELEASE_BOND);
        list[i++] = Setting("attestationRequired", 0);
        assert(i == list.length);
    }

    function release(bytes32 releaseId, bytes32 root, uint32 rows, uint32 contributors, uint16 k, uint32 threshold)
        internal
        view
        returns (ReleaseInput memory)
    {
        DatanetVersion[] memory versions = new DatanetVersion[](1);
        versions[0] = DatanetVersion(datanetId, 1);
        return ReleaseInput({
            releaseId: releaseId,
            baseDigest: keccak256("base"),
            adapterDigest: keccak256("adapter"),
            indexRoot: root,
            indexRows: rows,
            contributorRows: contributors,
            k: k,
            thresholdMillionths: threshold,
            parentRelease: 0,
            promptWeiPerToken: 1,
            completionWeiPerToken: 2,
            versions: versions
        });
    }

    /// Publishes the release that the vectors' receipts name.
    function publishCircle(string memory json) internal {
        ReleaseInput memory input = release(
            vm.parseJsonBytes32(json, ".circle.releaseId"),
            vm.parseJsonBytes32(json, ".circle.indexRoot"),
            uint32(vm.parseJsonUint(json, ".circle.indexRows")),
            uint32(vm.parseJsonUint(json, ".circle.contributors")),
            uint16(vm.parseJsonUint(json, ".circle.k")),
            uint32(vm.parseJsonUint(json, ".circle.thresholdMillionths"))
        );
        vm.prank(developer);
        models.publishRelease(modelId, input);
    }

    /// In the order in which a batch lists them.
    function sorted(bytes32[] memory ids) internal pure returns (bytes32[] memory inOrder) {
        uint256[] memory numbers;
        assembly ("memory-safe") {
            numbers := ids
        }
        numbers = vm.sort(numbers);
        assembly ("memory-safe") {
            inOrder := numbers
        }
    }

    function openChannel(bytes32 salt, uint256 deposit) internal returns (bytes32 channelId) {
        vm.deal(payer, payer.balance + deposit);
        vm.prank(payer);
        return channels.open{value: deposit}(operator, address(0), 0, salt);
    }

    function voucher(uint256 key, bytes32 channelId, uint256 cumulative) internal view returns (bytes memory) {
        bytes32 structHash = keccak256(abi.encode(channels.VOUCHER_TYPEHASH(), channelId, cumulative));
        return signed(key, keccak256(abi.encodePacked(hex"1901", channels.domainSeparator(), structHash)));
    }

    function collect(bytes32 channelId, uint256 cumulative) internal {
        channels.collect(channelId, cumulative, voucher(payerKey, channelId, cumulative));
    }

    function bond(address attester, uint256 amount) internal {
        vm.deal(attester, attester.balance + amount);
        vm.prank(attester);
        ledger.depositBond{value: amount}();
    }

    // ---------------------------------------------------------------- the vectors' batches

    /// Opens the vectors' channels, and collects what both honest batches spend.
    function openCircle(string memory json) internal returns (bytes32[] memory ids) {
        bytes32[] memory salts = vm.parseJsonBytes32Array(json, ".circle.salts");
        ids = new bytes32[](salts.length);
        for (uint256 i = 0; i < salts.length; ++i) {
            ids[i] = openChannel(salts[i], 1 ether);
        }
        collect(ids[0], 1_000_003 + 1e15);
        collect(ids[1], 10);
    }

    function batchAt(string memory json, string memory path, uint32 number, bytes32 previousRoot)
        internal
        pure
        returns (BatchInput memory)
    {
        return BatchInput({
            number: number,
            previousBalancesRoot: previousRoot,
            receipts: commitmentAt(json, path, "receipts", "receipt"),
            journal: commitmentAt(json, path, "journal", "journal"),
            balances: commitmentAt(json, path, "balances", "balance"),
            total: uint96(vm.parseJsonUint(json, string.concat(path, ".total")))
        });
    }

    function commitmentAt(string memory json, string memory path, string memory list, string memory one)
        internal
        pure
        returns (Commitment memory)
    {
        return Commitment(
            vm.parseJsonBytes32(json, string.concat(path, ".", list, "Root")),
            uint32(vm.parseJsonUint(json, string.concat(path, ".", one, "Count")))
        );
    }

    /// The batch's channels as the chain recorded them.
    function intervalsAt(string memory json, string memory path, uint256 count)
        internal
        pure
        returns (ChannelInterval[] memory intervals)
    {
        intervals = new ChannelInterval[](count);
        for (uint256 i = 0; i < count; ++i) {
            string memory one = at(string.concat(path, ".channels"), i);
            intervals[i] = ChannelInterval(
                vm.parseJsonBytes32(json, string.concat(one, ".channelId")),
                uint96(vm.parseJsonUint(json, string.concat(one, ".from"))),
                uint96(vm.parseJsonUint(json, string.concat(one, ".to")))
            );
        }
    }

    function endsOf(ChannelInterval[] memory intervals) internal pure returns (ChannelEnd[] memory ends) {
        ends = new ChannelEnd[](intervals.length);
        for (uint256 i = 0; i < intervals.length; ++i) {
            ends[i] = ChannelEnd(intervals[i].channelId, intervals[i].to);
        }
    }

    function receiptAt(string memory json, string memory path) internal pure returns (Receipt memory receipt) {
        receipt.channelId = vm.parseJsonBytes32(json, string.concat(path, ".channelId"));
        receipt.from = vm.parseJsonUint(json, string.concat(path, ".from"));
        receipt.to = vm.parseJsonUint(json, string.concat(path, ".to"));
        receipt.releaseId = vm.parseJsonBytes32(json, string.concat(path, ".releaseId"));
        receipt.requestDigest = vm.parseJsonBytes32(json, string.concat(path, ".requestDigest"));
        receipt.responseDigest = vm.parseJsonBytes32(json, string.concat(path, ".responseDigest"));
        receipt.promptTokens = uint32(vm.parseJsonUint(json, string.concat(path, ".promptTokens")));
        receipt.completionTokens = uint32(vm.parseJsonUint(json, string.concat(path, ".completionTokens")));
        receipt.queryDigest = vm.parseJsonBytes32(json, string.concat(path, ".queryDigest"));
        receipt.scoresDigest = vm.parseJsonBytes32(json, string.concat(path, ".scoresDigest"));
        receipt.thresholdRow = uint32(vm.parseJsonUint(json, string.concat(path, ".thresholdRow")));
        receipt.threshold = int64(vm.parseJsonInt(json, string.concat(path, ".threshold")));
        receipt.splitDigest = vm.parseJsonBytes32(json, string.concat(path, ".splitDigest"));
        receipt.issuedAt = uint64(vm.parseJsonUint(json, string.concat(path, ".issuedAt")));
    }

    /// Receipt `i` of a batch opened, against index row `row`, for the listed score at `position`.
    function evidenceAt(string memory json, string memory path, uint256 i, uint32 position, uint256 row)
        internal
        pure
        returns (ScoreEvidence memory)
    {
        string memory one = at(string.concat(path, ".receipts"), i);
        string memory rowPath = at(".circle.rows", row);
        return ScoreEvidence({
            receipt: receiptAt(json, string.concat(one, ".receipt")),
            receiptIndex: uint32(vm.parseJsonUint(json, string.concat(one, ".index"))),
            receiptProof: vm.parseJsonBytes32Array(json, string.concat(one, ".proof")),
            scores: vm.parseJsonBytes(json, string.concat(one, ".scores")),
            position: position,
            query: vm.parseJsonBytes(json, string.concat(one, ".query")),
            row: vm.parseJsonBytes(json, string.concat(rowPath, ".bytes")),
            rowPayee: vm.parseJsonAddress(json, string.concat(rowPath, ".payee")),
            rowProof: vm.parseJsonBytes32Array(json, string.concat(rowPath, ".proof"))
        });
    }

    // ---------------------------------------------------------------- small batches

    /// A batch of one receipt that pays one payee; its trees have one leaf each, so their proofs are empty.
    function tinyBatch(
        uint32 number,
        bytes32 previousRoot,
        bytes32 channelId,
        uint96 from,
        uint96 to,
        address payee,
        uint256 cumulative
    ) internal pure returns (BatchInput memory batch, ChannelEnd[] memory ends) {
        bytes32 any = leaf(abi.encode(channelId, from, to));
        batch = BatchInput({
            number: number,
            previousBalancesRoot: previousRoot,
            receipts: Commitment(any, 1),
            journal: Commitment(any, 1),
            balances: Commitment(leaf(abi.encode(payee, uint256(to - from), cumulative)), 1),
            total: to - from
        });
        ends = new ChannelEnd[](1);
        ends[0] = ChannelEnd(channelId, to);
    }

    /// The least of a receipt of the vectors' release: `[0, to)` of a channel.
    function receiptOf(bytes32 id, uint256 to) internal view returns (Receipt memory receipt) {
        receipt.channelId = id;
        receipt.to = to;
        receipt.releaseId = vm.parseJsonBytes32(vectors(), ".circle.releaseId");
    }

    /// Settles one receipt as the operator's first batch and opens it.
    function settleOne(Receipt memory receipt, bytes memory scores, bytes memory query)
        internal
        returns (ScoreEvidence memory evidence)
    {
        receipt.scoresDigest = keccak256(scores);
        receipt.queryDigest = keccak256(query);
        (BatchInput memory batch, ChannelEnd[] memory ends) =
            tinyBatch(0, 0, receipt.channelId, 0, uint96(receipt.to), payer, receipt.to);
        batch.receipts = Commitment(leaf(abi.encode(hashOf(receipt))), 1);
        settle(batch, ends);
        evidence.receipt = receipt;
        evidence.receiptProof = new bytes32[](0);
        evidence.scores = scores;
        evidence.query = query;
    }

    function hashOf(Receipt memory receipt) internal pure returns (bytes32) {
        return keccak256(abi.encode(Receipts.TYPEHASH, receipt));
    }

    /// k int16 that look random.
    function noise(bytes32 seed, string memory name, uint256 k) internal pure returns (bytes memory row) {
        row = new bytes(2 * k);
        for (uint256 i = 0; i < row.length; ++i) {
            row[i] = keccak256(abi.encode(seed, name, i))[0];
        }
    }

    /// The score once more, as plainly as it can be said.
    function slowDot(bytes memory row, bytes memory query) internal pure returns (int256 sum) {
        for (uint256 i = 0; i < row.length; i += 2) {
            sum += int256(int16(uint16(bytes2(abi.encodePacked(row[i], row[i + 1])))))
            * int256(int16(uint16(bytes2(abi.encodePacked(query[i], query[i + 1])))));
        }
    }

    /// keccak256(keccak256(payload))
    function leaf(bytes memory payload) internal pure returns (bytes32) {
        return keccak256(abi.encode(keccak256(payload)));
    }

    function settle(BatchInput memory batch, ChannelEnd[] memory ends) internal {
        vm.prank(operator);
        ledger.settle(batch, ends);
    }
}
