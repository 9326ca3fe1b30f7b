import { Toast as Primitive } from "radix-ui";
import { createContext, type ReactNode, use, useCallback, useMemo, useState } from "react";
import { cn } from "../../lib/cn.ts";

type Message = { id: number; text: string; bad: boolean };
type Say = (text: string, kind?: "good" | "bad") => void;

const Context = createContext<Say>(() => {});

/** Says something in passing; what must be read stands on the page itself. */
export const useToast = (): Say => use(Context);

/** Where passing messages appear; screen readers hear them. */
export function ToastRegion({ children }: { children: ReactNode }) {
  const [messages, setMessages] = useState<readonly Message[]>([]);
  const say = useCallback<Say>((text, kind = "good") => {
    setMessages((shown) => [
      ...shown.slice(-2),
      { id: Date.now() + Math.random(), text, bad: kind === "bad" },
    ]);
  }, []);
  const list = useMemo(
    () =>
      messages.map(({ id, text, bad }) => (
        <Primitive.Root
          key={id}
          duration={bad ? 10_000 : 4_000}
          onOpenChange={(open) =>
            !open && setMessages((shown) => shown.filter((message) => message.id !== id))
          }
          className={cn(
            "flex items-start justify-between gap-3 rounded-md border bg-surface p-3 text-sm shadow-lg",
            bad && "border-bad/50 text-bad",
          )}
        >
          <Primitive.Description className="min-w-0 [overflow-wrap:anywhere]">{text}</Primitive.Description>
          <Primitive.Close aria-label="Dismiss" className="text-quiet hover:text-text">
            ×
          </Primitive.Close>
        </Primitive.Root>
      )),
    [messages],
  );
  return (
    <Context value={say}>
      <Primitive.Provider label="Message">
        {children}
        {list}
        <Primitive.Viewport className="fixed inset-x-3 bottom-3 z-50 flex flex-col gap-2 outline-none sm:left-auto sm:w-96" />
      </Primitive.Provider>
    </Context>
  );
}
