import { Link } from "@tanstack/react-router";
import { CheckIcon, CopyIcon } from "lucide-react";
import { useState } from "react";
import { short } from "../lib/format.ts";
import { useToast } from "./ui/toast.tsx";

/** Copies text; says so, or that the browser does not let it. */
export function useCopy(): (text: string) => Promise<boolean> {
  const say = useToast();
  return async (text) => {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      say(`The browser does not allow copying here. It is: ${text}`, "bad");
      return false;
    }
  };
}

/** An address, digest or transaction hash: shortened, copied by its button, a link where it leads somewhere. */
export function Hash({ value, to }: { value: string; to?: string }) {
  const [copied, setCopied] = useState(false);
  const copy = useCopy();
  return (
    <span className="inline-flex items-center whitespace-nowrap">
      {to ? (
        <Link to={to} title={value} className="font-mono text-[0.8125rem] text-accent hover:underline">
          {short(value)}
        </Link>
      ) : (
        <span title={value} className="font-mono text-[0.8125rem]">
          {short(value)}
        </span>
      )}
      <button
        type="button"
        aria-label={copied ? "Copied" : `Copy ${value}`}
        className="inline-flex size-6 items-center justify-center rounded text-quiet hover:bg-sunken hover:text-text [&_svg]:size-3.5"
        onClick={async () => {
          setCopied(await copy(value));
          setTimeout(() => setCopied(false), 1500);
        }}
      >
        {copied ? <CheckIcon /> : <CopyIcon />}
      </button>
    </span>
  );
}

/** An account, which leads to what the explorer knows of it. */
export const Address = ({ value }: { value: string }) => (
  <Hash value={value} to={`/explorer/accounts/${value}`} />
);
/** A transaction, in the explorer. */
export const Transaction = ({ value }: { value: string }) => (
  <Hash value={value} to={`/explorer/transactions/${value}`} />
);
/** A receipt, in the explorer. */
export const ReceiptLink = ({ value }: { value: string }) => (
  <Hash value={value} to={`/explorer/receipts/${value}`} />
);
/** A release's page. */
export const ReleaseLink = ({ value }: { value: string }) => <Hash value={value} to={`/models/${value}`} />;
