import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { ArrowUpIcon, SquareIcon } from "lucide-react";
import { type FormEvent, type KeyboardEvent, useEffect, useRef, useState } from "react";
import { keyQuery, leftOn } from "../../api/answers.ts";
import { modelsQuery } from "../../api/models.ts";
import type { Schema } from "../../api/types.ts";
import { Amount } from "../../components/amount.tsx";
import { Page } from "../../components/page.tsx";
import { Loaded } from "../../components/states.tsx";
import { Button } from "../../components/ui/button.tsx";
import { SelectField } from "../../components/ui/field.tsx";
import { cn } from "../../lib/cn.ts";
import { CalibrationNote } from "../../receipt/calibration.tsx";
import { useTourMark } from "../../tour/tour.ts";
import { leavePayingKey, usePayingKey } from "../../wallet/paying-key.ts";
import { type Settings, useConversation } from "./conversation.ts";
import { PaymentDialog } from "./payment.tsx";
import { SettingsPanel } from "./settings.tsx";
import { TurnView } from "./turn.tsx";

const asDefault: Settings = { maxTokens: 64, temperature: 0, seed: null, attribution: true, along: false };

/** Where a model is asked, and each answer says whose data it came from and who is paid, as it happens. */
export function Playground() {
  const models = useQuery(modelsQuery);
  return (
    <Page
      title="Playground"
      lead="Ask a model. Beside each answer stand the examples it came from, whom it pays, and how far the payment is."
    >
      <Loaded query={models} rows={4}>
        {({ data }) => <Chat models={data} />}
      </Loaded>
    </Page>
  );
}

const isPriced = ({ openledger }: Schema<"Model">) =>
  BigInt(openledger.prompt_wei_per_token) + BigInt(openledger.completion_wei_per_token) > 0n;

function Chat({ models }: { models: readonly Schema<"Model">[] }) {
  const { model: asked } = useSearch({ strict: false }) as { model?: string };
  const navigate = useNavigate();
  const cache = useQueryClient();
  // A release asked for by its id is served by name, too.
  const model =
    models.find(({ id, openledger }) => id === asked || openledger.release === asked) ??
    models.find(({ openledger }) => openledger.release !== null) ??
    models[0];
  const key = usePayingKey();
  const [settings, setSettings] = useState(asDefault);
  const [paying, setPaying] = useState(false);
  const [opened, setOpened] = useState<number | null>(null);
  const { turns, ask, busy, stop, clear } = useConversation(key?.secret);
  const end = useRef<HTMLDivElement>(null);
  const last = turns.at(-1);

  useEffect(() => {
    if (turns.length > 0) end.current?.scrollIntoView({ block: "nearest" });
  }, [turns.length]);

  if (model === undefined) return <p>This node serves no model.</p>;
  const name = asked !== undefined && model.openledger.release === asked ? asked : model.id;

  async function send(question: string, insteadOf?: number) {
    setOpened(null);
    await ask(name, question, settings, insteadOf);
    void cache.invalidateQueries({ queryKey: ["paying key"] });
  }

  return (
    <>
      <div className="flex flex-wrap items-end justify-between gap-4">
        <SelectField
          label="Model"
          className="w-full sm:w-72"
          value={model.id}
          disabled={busy}
          onChange={({ target }) =>
            navigate({ to: ".", search: { model: target.value } as never, replace: true })
          }
        >
          {models.map(({ id, parent }) => (
            <option key={id} value={id}>
              {parent === null ? `${id} (base, free)` : id}
            </option>
          ))}
        </SelectField>
        <Paying priced={isPriced(model)} model={model} secret={key?.secret} onPay={() => setPaying(true)} />
      </div>
      <CalibrationNote calibration={model.openledger.calibration} />
      {turns.length === 0 ? (
        <Hint model={model} />
      ) : (
        <div className="flex flex-col gap-8">
          {turns.map((turn) => (
            <TurnView
              key={turn.id}
              turn={turn}
              secret={key?.secret}
              open={(opened ?? last?.id) === turn.id}
              onOpen={() => setOpened(turn.id)}
              onPay={() => setPaying(true)}
              onAgain={() => send(turn.question, turn.id)}
            />
          ))}
        </div>
      )}
      <div ref={end} />
      <Composer busy={busy} onSend={send} onStop={stop} />
      <SettingsPanel settings={settings} onChange={setSettings} />
      {turns.length > 0 && !busy && (
        <div>
          <Button size="small" onClick={clear}>
            Start anew
          </Button>
        </div>
      )}
      {paying && <PaymentDialog onClose={() => setPaying(false)} />}
    </>
  );
}

type PayingProps = {
  priced: boolean;
  model: Schema<"Model">;
  secret: string | undefined;
  onPay: () => void;
};

function Paying({ priced, model, secret, onPay }: PayingProps) {
  const key = useQuery({ ...keyQuery(secret ?? ""), enabled: secret !== undefined });
  return (
    <div className="flex flex-wrap items-center gap-x-4 gap-y-2 text-sm">
      {priced ? (
        <span className="text-quiet">
          <Amount wei={model.openledger.completion_wei_per_token} /> a token answered,{" "}
          <Amount wei={model.openledger.prompt_wei_per_token} /> a token asked
        </span>
      ) : (
        <span className="text-quiet">Free</span>
      )}
      {secret !== undefined && key.data && (
        <span>
          <Amount wei={leftOn(key.data)} /> left on your key
          {key.data.reservedWei !== "0" && (
            <span className="text-quiet">
              , at most <Amount wei={key.data.reservedWei} /> of it for an answer that is not charged yet
            </span>
          )}
        </span>
      )}
      {secret !== undefined && key.error ? <span className="text-bad">{key.error.message}</span> : null}
      {secret === undefined ? (
        priced && (
          <Button variant="primary" onClick={onPay}>
            Pay for answers
          </Button>
        )
      ) : (
        <>
          <Button size="small" onClick={onPay}>
            Another key
          </Button>
          <Button size="small" variant="quiet" onClick={() => leavePayingKey()}>
            Stop paying with it
          </Button>
        </>
      )}
    </div>
  );
}

function Hint({ model }: { model: Schema<"Model"> }) {
  return (
    <div className="rounded-lg border border-dashed px-4 py-10 text-center text-sm text-quiet">
      <p className="text-base font-medium text-text">Ask {model.id} something its data knows</p>
      <p className="mx-auto mt-1 max-w-prose">
        {model.openledger.release === null ? (
          "A base model is free and pays nobody; a model made from Datanets shows whose examples it answers from."
        ) : (
          <>
            <Link
              to={`/models/${model.openledger.release}` as string}
              className="text-accent underline underline-offset-3"
            >
              Its release
            </Link>{" "}
            names the Datanets it was made from. You will see their examples, bars of influence, and every
            payment.
          </>
        )}
      </p>
    </div>
  );
}

type ComposerProps = { busy: boolean; onSend: (question: string) => void; onStop: () => void };

function Composer({ busy, onSend, onStop }: ComposerProps) {
  const [question, setQuestion] = useState("");
  const mark = useTourMark("ask");
  function submit(event?: FormEvent) {
    event?.preventDefault();
    if (busy || question.trim() === "") return;
    onSend(question.trim());
    setQuestion("");
  }
  return (
    <form
      onSubmit={submit}
      className={cn(
        // Within reach while answers are read; on a telephone it would cover a quarter of them.
        "z-10 flex items-end gap-2 rounded-lg border bg-surface p-2 sm:sticky sm:bottom-3 sm:shadow-lg",
        mark,
      )}
    >
      <textarea
        aria-label="Your question"
        placeholder="Ask a question. Enter sends, Shift and Enter begins a line."
        rows={2}
        value={question}
        onChange={({ target }) => setQuestion(target.value)}
        onKeyDown={(event: KeyboardEvent) => {
          if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing) {
            event.preventDefault();
            submit();
          }
        }}
        className="max-h-60 min-h-12 min-w-0 flex-1 resize-none rounded-md bg-surface px-2 py-1.5 placeholder:text-quiet"
      />
      {busy ? (
        <Button size="icon" aria-label="Stop" onClick={onStop}>
          <SquareIcon />
        </Button>
      ) : (
        <Button
          variant="primary"
          size="icon"
          type="submit"
          aria-label="Ask"
          disabled={question.trim() === ""}
        >
          <ArrowUpIcon />
        </Button>
      )}
    </form>
  );
}
