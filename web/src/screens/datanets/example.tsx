import type { ReactNode } from "react";
import type { Schema } from "../../api/types.ts";
import { parts, sides } from "./example-text.ts";

export type Example = Schema<"Example">;

/** A text with what was searched for in it marked. */
export function Marked({ text, search }: { text: string; search?: string | undefined }): ReactNode {
  return parts(text, search).map(({ text, found, at }) =>
    found ? (
      <mark key={at} className="rounded-xs bg-wait-soft text-wait">
        {text}
      </mark>
    ) : (
      text
    ),
  );
}

/** One side of an example on one line. */
export function Side({
  example,
  side,
  search,
}: {
  example: Example;
  side: "asked" | "answered";
  search?: string | undefined;
}) {
  return <Marked text={sides(example)[side]} search={search} />;
}

const names: Record<string, string> = {
  system: "System",
  user: "User",
  assistant: "Assistant",
  prompt: "Prompt",
  completion: "Completion",
};

/** Who speaks in a turn. */
export const roleName = (role: string): string => names[role] ?? role;

/** All of an example, turn by turn. */
export function ExampleText({ example, search }: { example: Example; search?: string | undefined }) {
  const turns =
    "messages" in example
      ? example.messages
      : [
          { role: "prompt", content: example.prompt },
          { role: "completion", content: example.completion },
        ];
  return (
    <ol className="flex flex-col gap-2">
      {turns.map(({ role, content }, turn) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: turns never move
        <li key={turn} className="rounded-md border bg-sunken px-3 py-2">
          <p className="text-xs font-medium text-quiet">{roleName(role)}</p>
          <p className="text-sm whitespace-pre-wrap [overflow-wrap:anywhere]">
            <Marked text={content} search={search} />
          </p>
        </li>
      ))}
    </ol>
  );
}
