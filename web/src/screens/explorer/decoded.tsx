import type { Schema } from "../../api/types.ts";
import { Address, Hash } from "../../components/hash.tsx";
import { Facts } from "../../components/page.tsx";

type Argument = Schema<"DecodedArgument">;

/** The arguments of a call or an event, by name. */
export const Arguments = ({ of }: { of: readonly Argument[] }) => (
  <Facts
    facts={of.map(({ name, type, value }, at) => [
      name || `${at}: ${type}`,
      <Value key={name} type={type} value={value} />,
    ])}
  />
);

function Value({ type, value }: { type: string; value: unknown }) {
  if (type === "address" && typeof value === "string") return <Address value={value} />;
  if (typeof value === "string" && /^0x[0-9a-f]{64}$/.test(value)) return <Hash value={value} />;
  const text = typeof value === "string" ? value : JSON.stringify(value, null, 1);
  return <span className="font-mono text-[0.8125rem] break-all whitespace-pre-wrap">{text}</span>;
}
