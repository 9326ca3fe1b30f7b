import type { Schema } from "../../api/types.ts";
import { Transaction } from "../../components/hash.tsx";
import { Empty } from "../../components/states.tsx";
import { When } from "../../components/when.tsx";
import { words } from "../../lib/format.ts";
import { Arguments } from "./decoded.tsx";

/** Events, each with its arguments; `linked` says from which transaction. */
export function Events({ events, linked = false }: { events: Schema<"ExplorerEvent">[]; linked?: boolean }) {
  if (events.length === 0) return <Empty title="No event" />;
  return (
    <ul className="flex flex-col divide-y">
      {events.map((event) => (
        <li key={event.position} className="py-2">
          <details>
            <summary className="flex flex-wrap items-baseline gap-x-3 text-sm">
              <span className="font-medium">
                {event.name === null ? "undecoded event" : words(event.name)}
              </span>
              <span className="text-quiet">{event.contract ?? event.address}</span>
              <span className="ml-auto text-quiet">
                <When ms={event.timestampSec * 1000} />
              </span>
            </summary>
            <div className="mt-2 pl-4">
              {linked && (
                <p className="mb-2 text-sm">
                  In transaction <Transaction value={event.transactionHash} />
                </p>
              )}
              <Arguments of={event.arguments ?? []} />
            </div>
          </details>
        </li>
      ))}
    </ul>
  );
}
