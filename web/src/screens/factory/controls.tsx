import { Link } from "@tanstack/react-router";
import { api, ask } from "../../api/client.ts";
import { isOver } from "../../api/factory.ts";
import type { Schema } from "../../api/types.ts";
import { Button } from "../../components/ui/button.tsx";
import { useAct } from "../../wallet/act.tsx";
import { useIsOperator } from "../../wallet/session.ts";

const givingBack =
  "End this run as the operator? Its payer gets everything back, and what it has trained is thrown away.";

/** Pausing, going on, ending and doing again, for whoever may. */
export function Controls({ job: { id, state, payment } }: { job: Schema<"FineTune"> }) {
  const { act, busy, failure } = useAct();
  const may = useIsOperator();
  const path = { params: { path: { id } } };
  const over = isOver(state);
  const held = payment?.state === "open" || payment?.state === "cancelled";
  return (
    <>
      {may && !over && state !== "paused" && state !== "unpaid" && (
        <Button
          disabled={busy}
          onClick={() =>
            act(async () => {
              await ask(api.POST("/v1/fine-tunes/{id}/pause", path));
              return "Set aside; what it has trained is kept.";
            })
          }
        >
          Pause
        </Button>
      )}
      {may && state === "paused" && (
        <Button
          variant="primary"
          disabled={busy}
          onClick={() =>
            act(async () => {
              await ask(api.POST("/v1/fine-tunes/{id}/resume", path));
              return "Queued: it goes on where it stood.";
            })
          }
        >
          Resume
        </Button>
      )}
      {may && !over && (
        <Button
          variant="danger"
          disabled={busy}
          onClick={() => {
            if (!confirm(held ? givingBack : "Cancel this run? What it has trained is thrown away.")) return;
            void act(async () => {
              await ask(
                held
                  ? api.POST("/v1/fine-tunes/{id}/give-back", path)
                  : api.POST("/v1/fine-tunes/{id}/cancel", path),
              );
              return held ? "Ended: its payer gets everything back." : "Cancelled.";
            });
          }}
        >
          {held ? "End it and give the money back" : "Cancel"}
        </Button>
      )}
      <Button asChild>
        <Link to="/factory/new" search={{ from: id } as never}>
          Duplicate
        </Link>
      </Button>
      {failure && <div className="basis-full">{failure}</div>}
    </>
  );
}
