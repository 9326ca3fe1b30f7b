import { Tabs as Primitive } from "radix-ui";
import type { ReactNode } from "react";

type Tab = { id: string; label: ReactNode; content: ReactNode };
type Props = { tabs: readonly Tab[]; value: string; onChange: (id: string) => void; label: string };

/** Panels of which one is seen; which one belongs into the address, so that a link leads back to it. */
export function Tabs({ tabs, value, onChange, label }: Props) {
  return (
    <Primitive.Root value={value} onValueChange={onChange} activationMode="manual">
      <Primitive.List
        aria-label={label} // The line lies inside, and rings do, too: whatever sticks out of what scrolls is cut off or makes a second bar.
        className="mb-4 flex gap-1 overflow-x-auto overflow-y-hidden shadow-[inset_0_-1px_0_var(--line)]"
      >
        {tabs.map(({ id, label }) => (
          <Primitive.Trigger
            key={id}
            value={id}
            className="border-b-2 border-transparent px-3 py-2 text-sm font-medium whitespace-nowrap text-quiet -outline-offset-2 hover:text-text data-[state=active]:border-accent data-[state=active]:text-text"
          >
            {label}
          </Primitive.Trigger>
        ))}
      </Primitive.List>
      {tabs.map(({ id, content }) => (
        <Primitive.Content key={id} value={id}>
          {content}
        </Primitive.Content>
      ))}
    </Primitive.Root>
  );
}
