import type { Schema } from "../api/types.ts";

/** A training example as its parts: who says what, as text. */
export function ExampleText({ example }: { example: Schema<"Example"> }) {
  const parts =
    "messages" in example
      ? example.messages.map(({ role, content }) => [role, content] as const)
      : ([
          ["prompt", example.prompt],
          ["completion", example.completion],
        ] as const);
  return (
    <dl className="grid grid-cols-[auto_minmax(0,1fr)] gap-x-3 gap-y-1 text-sm">
      {parts.map(([role, content], at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the parts of an example never change
        <div key={at} className="col-span-2 grid grid-cols-subgrid">
          <dt className="text-quiet">{role}</dt>
          <dd className="max-h-48 overflow-y-auto break-words whitespace-pre-wrap">{content}</dd>
        </div>
      ))}
    </dl>
  );
}
