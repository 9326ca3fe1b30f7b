import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { modelsQuery } from "../../api/models.ts";
import type { Schema } from "../../api/types.ts";
import { Page } from "../../components/page.tsx";
import { Empty, Loaded } from "../../components/states.tsx";
import { Button } from "../../components/ui/button.tsx";
import { SelectField, TextArea } from "../../components/ui/field.tsx";
import { usePayingKey } from "../../wallet/paying-key.ts";
import { type Settings, useConversation } from "../playground/conversation.ts";
import { PaymentDialog } from "../playground/payment.tsx";
import { TurnView } from "../playground/turn.tsx";

const settings: Settings = { maxTokens: 64, temperature: 0, seed: 1, attribution: true, along: false };

/** One question to two models, the base and what was tuned from it, side by side. */
export function Arena() {
  const models = useQuery(modelsQuery);
  return (
    <Page
      title="Arena"
      lead="One question to both, each taking the likeliest word: what did the training change?"
      trail={[{ label: "ModelFactory", to: "/factory" }]}
    >
      <Loaded query={models} rows={4}>
        {({ data }) =>
          data.length < 2 ? (
            <Empty title="There is only the base model here">Train a model first, then ask both.</Empty>
          ) : (
            <Both models={data} />
          )
        }
      </Loaded>
    </Page>
  );
}

function Both({ models }: { models: readonly Schema<"Model">[] }) {
  const search = useSearch({ strict: false }) as { left?: string; right?: string };
  const navigate = useNavigate();
  const tuned = models.find(({ parent }) => parent !== null) ?? models[0];
  const right = search.right ?? tuned?.id ?? "";
  const left = search.left ?? models.find(({ id }) => id === right)?.parent ?? models[0]?.id ?? "";
  const key = usePayingKey();
  const [paying, setPaying] = useState(false);
  const sides = { left: useConversation(key?.secret), right: useConversation(key?.secret) };
  const busy = sides.left.busy || sides.right.busy;
  const names = { left, right };

  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const question = String(new FormData(event.currentTarget).get("question")).trim();
    if (question === "" || busy) return;
    for (const side of ["left", "right"] as const) {
      sides[side].clear();
      void sides[side].ask(names[side], question, settings);
    }
  }
  return (
    <>
      <form onSubmit={submit} className="flex flex-col gap-3">
        <TextArea label="Question to both" name="question" rows={2} required />
        <div className="flex gap-2">
          <Button variant="primary" type="submit" disabled={busy}>
            Ask both
          </Button>
          {busy && (
            <Button
              onClick={() => {
                sides.left.stop();
                sides.right.stop();
              }}
            >
              Stop
            </Button>
          )}
        </div>
      </form>
      <div className="grid items-start gap-5 lg:grid-cols-2">
        {(["left", "right"] as const).map((side) => {
          const turn = sides[side].turns.at(-1);
          return (
            <section key={side} aria-label={names[side]} className="flex min-w-0 flex-col gap-4">
              <SelectField
                label={side === "left" ? "One" : "The other"}
                value={names[side]}
                disabled={busy}
                onChange={({ target }) =>
                  navigate({
                    to: ".",
                    search: (before: object) => ({ ...before, [side]: target.value }) as never,
                    replace: true,
                  })
                }
              >
                {models.map(({ id, parent }) => (
                  <option key={id} value={id}>
                    {parent === null ? `${id} (base, free)` : id}
                  </option>
                ))}
              </SelectField>
              {turn && (
                <TurnView
                  turn={turn}
                  secret={key?.secret}
                  open={false}
                  onOpen={() => navigate({ to: "/playground", search: { model: names[side] } as never })}
                  onPay={() => setPaying(true)}
                  onAgain={() => sides[side].ask(names[side], turn.question, settings, turn.id)}
                />
              )}
            </section>
          );
        })}
      </div>
      {paying && <PaymentDialog onClose={() => setPaying(false)} />}
    </>
  );
}
