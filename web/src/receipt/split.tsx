import type { Schema } from "../api/types.ts";
import { Amount } from "../components/amount.tsx";
import { Address } from "../components/hash.tsx";
import { Table } from "../components/ui/table.tsx";
import { percent } from "../lib/format.ts";
import { roleOf } from "./roles.ts";

type Payments = Schema<"Receipt">["bundle"]["payments"];

/** What each payee gets in all: a contributor is paid for each of its rows. */
function byPayee(payments: Payments): Payments {
  const sums = new Map<string, bigint>();
  for (const { payee, amount } of payments) sums.set(payee, (sums.get(payee) ?? 0n) + BigInt(amount));
  return [...sums].map(([payee, amount]) => ({ payee, amount: amount.toString() }));
}

/** Who a receipt pays, with what for, and its share of the fee. */
export function Split({ view }: { view: Pick<Schema<"Receipt">, "bundle" | "feeWei"> }) {
  const fee = BigInt(view.feeWei);
  const share = (amount: string) =>
    fee === 0n ? 0 : Number((BigInt(amount) * 1_000_000n) / fee) / 1_000_000;
  return (
    <Table
      caption="Payments"
      rows={byPayee(view.bundle.payments)}
      keyOf={({ payee }) => payee}
      columns={[
        {
          heading: "For",
          cell: ({ payee }) => (
            <>
              {roleOf(payee, view.bundle)}
              {/* Where it is narrow, the amount is what must be seen. */}
              <span className="block md:hidden">
                <Address value={payee} />
              </span>
            </>
          ),
        },
        { heading: "Paid to", wide: true, cell: ({ payee }) => <Address value={payee} /> },
        {
          heading: "Amount",
          numeric: true,
          cell: ({ amount }) => (
            <>
              <Amount wei={amount} />
              <span className="block text-quiet md:hidden">{percent(share(amount))}</span>
            </>
          ),
        },
        {
          heading: "Share",
          numeric: true,
          wide: true,
          cell: ({ amount }) => (
            <span className="inline-flex items-center gap-2">
              <span
                aria-hidden
                className="hidden h-2 w-16 overflow-hidden rounded-full bg-sunken 2xl:inline-block"
              >
                <span className="block h-full bg-accent" style={{ width: `${100 * share(amount)}%` }} />
              </span>
              {percent(share(amount))}
            </span>
          ),
        },
      ]}
    />
  );
}
