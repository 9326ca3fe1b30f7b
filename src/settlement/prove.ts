import type { Hex } from "viem";
import type { ChainWriter, ProtocolContracts } from "../chain/index.ts";
import {
  type Address,
  type Around,
  type BalanceOpening,
  type Lie,
  type LineOpening,
  type Receipt,
  type ReceiptOpening,
  type RowOpening,
  zeroAddress,
  zeroDigest,
} from "../protocol/index.ts";

/** What is proven: a lie of a batch, or a second receipt that its attester signed for the same money. */
export type Provable =
  | Lie
  | {
      readonly kind: "equivocation";
      readonly receipt: ReceiptOpening;
      readonly other: Receipt;
      readonly signature: Hex;
    };

/**
 * Sends the proof that undoes a batch: one transaction, no bond. The sender is rewarded from the attester's.
 *
 * @throws CallRevertedError if the chain does not see the lie, or the batch is final or undone already
 */
export function prove(
  chain: ChainWriter,
  { FraudProofs: contract, ReleaseVerdicts }: Pick<ProtocolContracts, "FraudProofs" | "ReleaseVerdicts">,
  batch: { readonly attester: Address; readonly number: number },
  lie: Provable,
) {
  const at = [batch.attester, BigInt(batch.number)] as const;
  switch (lie.kind) {
    case "release":
    case "fee":
    case "time":
      return chain.write({
        ...contract,
        functionName: "proveWrongTerms",
        args: [...at, lie.receipt.index, opened(lie.receipt)],
      });
    case "attestation":
      return chain.write({
        ...ReleaseVerdicts,
        functionName: "proveUnattested",
        args: [...at, lie.receipt.index, opened(lie.receipt)],
      });
    case "score": {
      const args = [...at, scoreEvidence(lie.receipt, lie.row, lie.position)] as const;
      return chain.write({ ...contract, functionName: "proveWrongScore", args });
    }
    case "threshold": {
      const args = [...at, lie.nullRow, scoreEvidence(lie.receipt, lie.row)] as const;
      return chain.write({ ...contract, functionName: "proveWrongThreshold", args });
    }
    case "omission": {
      const args = [...at, lie.contributor, scoreEvidence(lie.receipt, lie.row)] as const;
      return chain.write({ ...contract, functionName: "proveOmission", args });
    }
    case "split": {
      const { receipt, parts, position, row } = lie;
      const evidence = {
        receipt: receipt.receipt,
        receiptIndex: receipt.index,
        receiptProof: [...receipt.proof],
        scores: receipt.scores,
        payments: payments(receipt),
        heads: [...parts.heads],
        owners: [...parts.owners],
        influence: [...parts.influence],
        position,
        rowDigest: row?.digest ?? zeroDigest,
        rowPayee: row?.payee ?? zeroAddress,
        rowProof: [...(row?.proof ?? [])],
      };
      return chain.write({ ...contract, functionName: "proveWrongSplit", args: [...at, evidence] });
    }
    case "tiling": {
      const { boundary, left, right } = lie.around;
      const intervals = lie.intervals.map((interval) => ({ ...interval }));
      const args = [...at, boundary, opened(left), opened(right), intervals] as const;
      return chain.write({ ...contract, functionName: "proveWrongTiling", args });
    }
    case "equivocation": {
      const { receipt, other, signature } = lie;
      const args = [...at, receipt.index, opened(receipt), other, signature] as const;
      return chain.write({ ...contract, functionName: "proveEquivocation", args });
    }
    case "journal-order":
    case "journal-sum":
      return chain.write({
        ...contract,
        functionName: "proveWrongJournal",
        args: [...at, linesAround(lie.around)],
      });
    case "journal-line": {
      const { line, receipt } = lie;
      const args = [...at, line.index, openedLine(line), opened(receipt), payments(receipt)] as const;
      return chain.write({ ...contract, functionName: "proveWrongLine", args });
    }
    case "journal-payment": {
      const { receipt, paymentIndex, around } = lie;
      const args = [
        ...at,
        receipt.index,
        opened(receipt),
        payments(receipt),
        paymentIndex,
        linesAround(around),
      ] as const;
      return chain.write({ ...contract, functionName: "proveMissingLine", args });
    }
    case "balance-order":
      return chain.write({
        ...contract,
        functionName: "proveUnsortedBalances",
        args: [...at, balancesAround(lie.around)],
      });
    case "balance-credit": {
      const { balance, lines } = lie;
      const args = [...at, balance.index, openedBalance(balance), linesAround(lines)] as const;
      return chain.write({ ...contract, functionName: "proveWrongCredit", args });
    }
    case "balance-cumulative": {
      const { balance, previous } = lie;
      const args = [...at, balance.index, openedBalance(balance), balancesAround(previous)] as const;
      return chain.write({ ...contract, functionName: "proveWrongCumulative", args });
    }
    case "balance-missing": {
      const { because, around } = lie;
      if ("line" in because) {
        const args = [...at, because.line.index, openedLine(because.line), balancesAround(around)] as const;
        return chain.write({ ...contract, functionName: "proveMissingBalance", args });
      }
      const { previous } = because;
      const args = [...at, previous.index, openedBalance(previous), balancesAround(around)] as const;
      return chain.write({ ...contract, functionName: "proveDroppedBalance", args });
    }
  }
}

/** Stands where a list has no element; the chain ignores it. */
const noReceipt: Receipt = {
  channelId: zeroDigest,
  from: 0n,
  to: 0n,
  releaseId: zeroDigest,
  requestDigest: zeroDigest,
  responseDigest: zeroDigest,
  promptTokens: 0,
  completionTokens: 0,
  queryDigest: zeroDigest,
  scoresDigest: zeroDigest,
  thresholdRow: 0,
  threshold: 0n,
  splitDigest: zeroDigest,
  issuedAt: 0n,
};

export function opened(opening: ReceiptOpening | null) {
  return { receipt: opening?.receipt ?? noReceipt, proof: [...(opening?.proof ?? [])] };
}

export function payments(opening: Pick<ReceiptOpening, "payments"> | null) {
  return (opening?.payments ?? []).map(({ payee, amount }) => ({ payee, amount }));
}

export function openedLine(opening: LineOpening | null) {
  const none = { payee: zeroAddress, receiptIndex: 0, paymentIndex: 0, amount: 0n, runningSum: 0n };
  return { line: opening?.line ?? none, proof: [...(opening?.proof ?? [])] };
}

export function openedBalance(opening: BalanceOpening | null) {
  const none = { payee: zeroAddress, credit: 0n, cumulative: 0n };
  return { balance: opening?.balance ?? none, proof: [...(opening?.proof ?? [])] };
}

function linesAround({ boundary, left, right }: Around<LineOpening>) {
  return { boundary, left: openedLine(left), right: openedLine(right) };
}

function balancesAround({ boundary, left, right }: Around<BalanceOpening>) {
  return { boundary, left: openedBalance(left), right: openedBalance(right) };
}

function scoreEvidence(receipt: ReceiptOpening, row: RowOpening | null, position = 0) {
  return {
    receipt: receipt.receipt,
    receiptIndex: receipt.index,
    receiptProof: [...receipt.proof],
    scores: receipt.scores,
    position,
    query: receipt.query,
    row: row?.bytes ?? "0x",
    rowPayee: row?.payee ?? zeroAddress,
    rowProof: [...(row?.proof ?? [])],
  } as const;
}
