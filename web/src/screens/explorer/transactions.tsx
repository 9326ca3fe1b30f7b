import { Link } from "@tanstack/react-router";
import type { Schema } from "../../api/types.ts";
import { Amount } from "../../components/amount.tsx";
import { Address, Transaction } from "../../components/hash.tsx";
import { Empty } from "../../components/states.tsx";
import { Badge } from "../../components/ui/badge.tsx";
import { Table } from "../../components/ui/table.tsx";
import { When } from "../../components/when.tsx";
import { words } from "../../lib/format.ts";

/** Transactions, newest first, each with what it did. */
export function Transactions({ transactions }: { transactions: Schema<"ExplorerTransaction">[] }) {
  return (
    <Table
      caption="Transactions"
      stack
      rows={transactions}
      keyOf={({ hash }) => hash}
      empty={<Empty title="No transaction" />}
      columns={[
        { heading: "Transaction", cell: ({ hash }) => <Transaction value={hash} /> },
        {
          heading: "What",
          cell: (transaction) => (
            <>
              {what(transaction)} {transaction.status !== "success" && <Badge tone="bad">reverted</Badge>}
            </>
          ),
        },
        { heading: "From", wide: true, cell: ({ from }) => <Address value={from} /> },
        { heading: "Value", numeric: true, wide: true, cell: ({ valueWei }) => <Amount wei={valueWei} /> },
        { heading: "When", numeric: true, cell: ({ timestampSec }) => <When ms={timestampSec * 1000} /> },
      ]}
    />
  );
}

/** A transaction's deed in words: the contract and the function it called. */
function what({ function: called, toName, to, createdContract }: Schema<"ExplorerTransaction">) {
  if (createdContract !== null || to === null) return "made a contract";
  const deed = called === null ? "sent OPEN" : words(called);
  return (
    <>
      {deed}
      {toName && (
        <>
          {" · "}
          <Link
            to="/explorer/accounts/$address"
            params={{ address: to }}
            className="text-accent underline underline-offset-3"
          >
            {toName}
          </Link>
        </>
      )}
    </>
  );
}
