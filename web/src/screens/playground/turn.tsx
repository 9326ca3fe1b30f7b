import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { requestQuery, spansQuery } from "../../api/answers.ts";
import { Amount } from "../../components/amount.tsx";
import { Failure, Loading } from "../../components/states.tsx";
import { Badge } from "../../components/ui/badge.tsx";
import { Button } from "../../components/ui/button.tsx";
import { Card } from "../../components/ui/card.tsx";
import { cn } from "../../lib/cn.ts";
import { count, figure } from "../../lib/format.ts";
import { SpannedAnswer, SpanPlaces } from "../../receipt/spans.tsx";
import { adviceFor } from "./advice.ts";
import { Attribution } from "./attribution.tsx";
import type { Turn } from "./conversation.ts";

type Props = {
  turn: Turn;
  secret: string | undefined;
  /** Whether what is known of the answer is shown beside it. */
  open: boolean;
  onOpen: () => void;
  onPay: () => void;
  onAgain: () => void;
};

/** A question, its answer, and beside it where the answer came from. */
export function TurnView({ turn, secret, open, onOpen, onPay, onAgain }: Props) {
  const settled = turn.state === "done" || turn.state === "stopped";
  const request = useQuery({
    ...requestQuery(turn.requestId ?? ""),
    enabled: settled && turn.requestId !== null,
  });
  const receiptId = request.data?.receipt ?? null;
  const spans = useQuery({
    ...spansQuery(receiptId ?? "", secret ?? ""),
    enabled: open && receiptId !== null && secret !== undefined,
  });
  const [chosen, setChosen] = useState<number | null>(null);
  // Whoever stops does not see the last words that were paid for: the node has them.
  const text = spans.data?.answer ?? turn.text;
  return (
    <article
      aria-label={`Question: ${turn.question}`}
      className={cn(
        "grid items-start gap-4",
        open && turn.state !== "failed" && "xl:grid-cols-[minmax(0,2fr)_minmax(0,3fr)]",
      )}
    >
      <div className="flex min-w-0 flex-col gap-3 xl:sticky xl:top-6">
        <div className="ml-8 self-end rounded-lg bg-accent-soft px-3.5 py-2.5 break-words whitespace-pre-wrap">
          {turn.question}
        </div>
        {turn.state === "failed" ? (
          <Refused paid={secret !== undefined} turn={turn} onPay={onPay} onAgain={onAgain} />
        ) : (
          <div className="flex flex-col gap-2 rounded-lg border bg-surface px-3.5 py-2.5">
            <div aria-live="polite" aria-busy={!settled}>
              {spans.data ? (
                <SpannedAnswer answer={text} spans={spans.data.spans} chosen={chosen} onChoose={setChosen} />
              ) : (
                <p className="min-h-6 break-words whitespace-pre-wrap">
                  {text.trimStart()}
                  {!settled && (
                    <span aria-hidden className="ml-0.5 inline-block h-4 w-2 animate-pulse bg-accent" />
                  )}
                </p>
              )}
            </div>
            <Measured turn={turn} feeWei={request.data?.fee_wei ?? null} />
            {!open && receiptId !== null && (
              <div>
                <Button size="small" onClick={onOpen}>
                  Show where it came from
                </Button>
              </div>
            )}
          </div>
        )}
        {open && receiptId !== null && secret !== undefined && (
          <Card heading="The same words in the data">
            {spans.data ? (
              <SpanPlaces spans={spans.data.spans} gated={spans.data.gated} chosen={chosen} />
            ) : spans.error ? (
              <Failure error={spans.error} retry={() => spans.refetch()} />
            ) : (
              <p className="text-sm text-quiet" aria-live="polite">
                Looking through the training data for runs of this answer
              </p>
            )}
          </Card>
        )}
      </div>
      {open && settled && (
        <div className="min-w-0">
          {turn.requestId === null ? (
            turn.state === "stopped" ? (
              <p className="text-sm text-quiet">It was stopped before it began.</p>
            ) : (
              <Free model={turn.model} />
            )
          ) : receiptId !== null && secret !== undefined ? (
            <Attribution
              receiptId={receiptId}
              secret={secret}
              {...(turn.request ? { evidence: { request: turn.request, text: turn.text } } : {})}
            />
          ) : request.data?.error ? (
            <Failure error={new Error(request.data.error)} />
          ) : (
            <div aria-live="polite">
              <p className="mb-2 text-sm text-quiet">Scoring the answer against its release's data</p>
              <Loading rows={5} />
            </div>
          )}
        </div>
      )}
    </article>
  );
}

function Measured({ turn, feeWei }: { turn: Turn; feeWei: string | null }) {
  const { state, tokens, firstMs, endedMs, startedMs, model } = turn;
  const seconds = firstMs !== null && endedMs !== null ? (endedMs - firstMs) / 1000 : 0;
  return (
    <p className="flex min-h-5 flex-wrap items-center gap-x-3 gap-y-1 text-xs text-quiet">
      <span>{model}</span>
      {state === "stopped" && <Badge tone="quiet">stopped</Badge>}
      {tokens !== null && <span>{count(tokens)} tokens</span>}
      {tokens !== null && seconds > 0.05 && <span>{figure(tokens / seconds, 2)} tokens a second</span>}
      {firstMs !== null && <span>first after {count(firstMs - startedMs)} ms</span>}
      {feeWei !== null && (
        <span>
          cost <Amount wei={feeWei} />
        </span>
      )}
    </p>
  );
}

function Free({ model }: { model: string }) {
  return (
    <div className="rounded-lg border border-dashed p-4 text-sm text-quiet">
      {model} answers for free: nothing of the answer is kept, nobody is paid for it, and it has no receipt.{" "}
      <Link to="/models" className="text-accent hover:underline">
        Choose a model made from Datanets
      </Link>{" "}
      to see whose examples an answer comes from.
    </div>
  );
}

type RefusedProps = { turn: Turn; paid: boolean; onPay: () => void; onAgain: () => void };

function Refused({ turn, paid, onPay, onAgain }: RefusedProps) {
  const { title, detail, step, waitMs } = adviceFor(turn.error);
  const unpaid = (turn.error as { code?: unknown } | undefined)?.code === "no_payment";
  const [left, setLeft] = useState(Math.ceil(waitMs / 1000));
  useEffect(() => {
    if (left <= 0) return;
    const timer = setTimeout(() => setLeft(left - 1), 1000);
    return () => clearTimeout(timer);
  }, [left]);
  return (
    <div className="flex flex-col gap-2">
      {turn.text !== "" && <p className="break-words whitespace-pre-wrap">{turn.text}</p>}
      <Failure error={new Error(detail ? `${title} ${(turn.error as Error)?.message ?? ""}` : title)} />
      {unpaid && paid && <p className="text-sm">A key pays now: ask again.</p>}
      <div className="flex gap-2">
        {step === "pay" && !(unpaid && paid) && (
          <Button variant="primary" onClick={onPay}>
            Pay for answers
          </Button>
        )}
        <Button disabled={left > 0} onClick={onAgain}>
          {left > 0 ? `Ask again in ${left} s` : "Ask again"}
        </Button>
      </div>
    </div>
  );
}
