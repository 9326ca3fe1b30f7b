import { CheckIcon, CopyIcon } from "lucide-react";
import { useState } from "react";
import { useCopy } from "./hash.tsx";
import { Button } from "./ui/button.tsx";

/** Text to be copied as a whole: a command, a program, a file. */
export function Snippet({ label, text }: { label: string; text: string }) {
  const [copied, setCopied] = useState(false);
  const copy = useCopy();
  return (
    <figure className="min-w-0">
      <figcaption className="mb-1 flex items-center justify-between gap-2 text-sm font-medium">
        {label}
        <Button
          size="small"
          variant="quiet"
          aria-label={`Copy: ${label}`}
          onClick={async () => {
            setCopied(await copy(text));
            setTimeout(() => setCopied(false), 1500);
          }}
        >
          {copied ? <CheckIcon /> : <CopyIcon />} {copied ? "Copied" : "Copy"}
        </Button>
      </figcaption>
      <pre
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable with the keyboard
        tabIndex={0}
        className="overflow-x-auto rounded-md border bg-sunken p-3 font-mono text-[0.8125rem]"
      >
        {text}
      </pre>
    </figure>
  );
}
