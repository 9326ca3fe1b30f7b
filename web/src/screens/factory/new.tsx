import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { jobQuery } from "../../api/factory.ts";
import { statusQuery } from "../../api/live.ts";
import { modelsQuery } from "../../api/models.ts";
import type { Schema } from "../../api/types.ts";
import { Page } from "../../components/page.tsx";
import { Loaded } from "../../components/states.tsx";
import { Button } from "../../components/ui/button.tsx";
import { Card } from "../../components/ui/card.tsx";
import { CheckField, SelectField, TextField } from "../../components/ui/field.tsx";
import { useToast } from "../../components/ui/toast.tsx";
import { money, parseOpen } from "../../lib/format.ts";
import { SignedButton, useAct } from "../../wallet/act.tsx";
import { OperatorNote } from "../../wallet/operator-note.tsx";
import { useIsOperator } from "../../wallet/session.ts";
import { useWallet } from "../../wallet/wallet.ts";
import { DataChoice } from "./data-choice.tsx";
import { type Draft, draftOf, emptyDraft, jobOf, missing } from "./draft.ts";
import { order, pay } from "./escrow.ts";
import { EstimateCard, useEstimate } from "./estimate.tsx";
import { RecipeFields } from "./recipe-fields.tsx";

/** Where a model begins: a base, Datanet versions, a recipe, and what that takes before it starts. */
export function NewRun() {
  const { from } = useSearch({ strict: false }) as { from?: string };
  const job = useQuery({ ...jobQuery(from ?? ""), enabled: from !== undefined });
  return (
    <Page
      title="New model"
      lead="Whoever's rows it is trained on is written into the release, and paid whenever it answers from them."
      trail={[{ label: "ModelFactory", to: "/factory" }]}
    >
      <OperatorNote doing="estimate and start jobs" others="Everybody may look." />
      {from === undefined ? (
        <Wizard draft={emptyDraft} />
      ) : (
        <Loaded query={job} rows={8}>
          {(data: Schema<"FineTune">) => <Wizard draft={draftOf(data)} />}
        </Loaded>
      )}
    </Page>
  );
}

function Wizard({ draft: first }: { draft: Draft }) {
  const [draft, setDraft] = useState(first);
  const set = (next: Partial<Draft>) => setDraft((before) => ({ ...before, ...next }));
  const status = useQuery(statusQuery);
  const models = useQuery(modelsQuery);
  const navigate = useNavigate();
  const may = useIsOperator();
  const wallet = useWallet();
  const { act, busy, failure } = useAct();
  const say = useToast();
  const estimate = useEstimate(draft);
  const held = !may
    ? "Jobs are started in the operator's name: the note at the top says how."
    : missing(draft) !== undefined
      ? "It can start once what is asked for above is there."
      : estimate.error
        ? "It cannot start like this: the reason stands above, under “What it takes”."
        : undefined;
  const described = held === undefined ? {} : { "aria-describedby": "why-not" };
  // What was shown is what may be paid.
  const priceWei = BigInt(estimate.data?.priceWei ?? 0);
  const releases = models.data?.data.filter(({ openledger }) => openledger.release !== null) ?? [];

  function submit(event: FormEvent) {
    event.preventDefault();
    void act(async () => {
      // Who pays may cancel: it waits for nobody else's payment.
      const payer = priceWei > 0n && wallet.kind !== "none" ? { payer: wallet.address } : {};
      const job = await order({ ...jobOf(draft), ...payer });
      try {
        if (priceWei > 0n) await pay(job, priceWei);
        return job.payment === null || priceWei > 0n ? "The run is queued." : "The run waits to be paid for.";
      } catch (error) {
        // It is ordered, and waits for an hour: its page says what it costs and asks again.
        say(error instanceof Error ? error.message : String(error), "bad");
        return undefined;
      } finally {
        await navigate({ to: "/factory/$job", params: { job: job.id } });
      }
    });
  }
  return (
    <form onSubmit={submit} className="grid items-start gap-5 xl:grid-cols-[minmax(0,2fr)_minmax(0,1fr)]">
      <div className="flex min-w-0 flex-col gap-5">
        <Card heading="1. Base and name">
          <div className="grid gap-3 sm:grid-cols-2">
            <SelectField
              label="Start from"
              value={draft.continueFrom}
              hint="Anew gives the same adapter for the same data and recipe; going on from a release does not forget it."
              onChange={({ target }) => set({ continueFrom: target.value })}
            >
              <option value="">{status.data?.base ?? "the base"}, anew</option>
              {releases.map(({ id, openledger }) => (
                <option key={id} value={openledger.release ?? ""}>
                  {id}, as released
                </option>
              ))}
            </SelectField>
            <TextField
              label="Name"
              value={draft.model}
              required
              maxLength={64}
              placeholder="valley"
              hint="The model is asked for by it."
              onChange={({ target }) => set({ model: target.value })}
            />
          </div>
        </Card>
        <Card heading="2. Data" note="Published versions only: they are fixed, and their roots are on chain.">
          <DataChoice chosen={draft.datanets} onChange={(datanets) => set({ datanets })} />
        </Card>
        <Card heading="3. Recipe">
          <RecipeFields recipe={draft} onChange={set} />
        </Card>
        <Card heading="4. Release">
          <div className="grid gap-3 sm:grid-cols-2">
            <Price
              label="A token asked, OPEN"
              wei={draft.promptWei}
              onChange={(promptWei) => set({ promptWei })}
            />
            <Price
              label="A token answered, OPEN"
              wei={draft.completionWei}
              onChange={(completionWei) => set({ completionWei })}
            />
            <CheckField
              label="Release it at the end"
              hint="Otherwise the run ends with its evaluation."
              checked={draft.publish}
              onCheckedChange={(checked) => set({ publish: checked === true })}
            />
          </div>
        </Card>
      </div>
      <div className="flex min-w-0 flex-col gap-4 xl:sticky xl:top-6">
        <EstimateCard draft={draft} estimate={estimate} />
        {failure}
        {may ? (
          <SignedButton variant="primary" type="submit" disabled={busy || held !== undefined} {...described}>
            {busy
              ? "Starting"
              : priceWei > 0n
                ? `Pay ${money(priceWei).amount} OPEN and start`
                : "Start training"}
          </SignedButton>
        ) : (
          <Button variant="primary" disabled {...described}>
            Start training
          </Button>
        )}
        {held !== undefined && (
          <p id="why-not" className="text-sm text-quiet">
            {held}
          </p>
        )}
      </div>
    </form>
  );
}

type PriceProps = { label: string; wei: string; onChange: (wei: string) => void };

function Price({ label, wei, onChange }: PriceProps) {
  const { amount, unit } = money(wei);
  const [text, setText] = useState(unit === "OPEN" ? amount.replaceAll(",", "") : "0");
  const [wrong, setWrong] = useState<string>();
  return (
    <TextField
      label={label}
      inputMode="decimal"
      value={text}
      error={wrong}
      onChange={({ target }) => {
        setText(target.value);
        try {
          onChange(parseOpen(target.value).toString());
          setWrong(undefined);
        } catch (failure) {
          setWrong((failure as Error).message);
        }
      }}
    />
  );
}
