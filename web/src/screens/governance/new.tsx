import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { type ChainView, chainView, transact } from "../../chain/view.ts";
import { Page } from "../../components/page.tsx";
import { Loaded, Loading } from "../../components/states.tsx";
import { Card } from "../../components/ui/card.tsx";
import { SelectField, TextArea, TextField } from "../../components/ui/field.tsx";
import { simulate, tell } from "../../governance/calls.ts";
import { type Draft, type Kind, kinds, type Made, make } from "../../governance/drafts.ts";
import { feeHeads, headWords, percentOf, showParameter, unitWords } from "../../governance/parameter.ts";
import { aboutParameter, type Parameters } from "../../governance/parameters.ts";
import { CallView } from "../../governance/parts.tsx";
import { readProposals } from "../../governance/proposals.ts";
import { parametersQuery, powerQuery } from "../../governance/queries.ts";
import { useAddressParam } from "../../lib/address.ts";
import { votes } from "../../lib/format.ts";
import { SignedButton, useAct } from "../../wallet/act.tsx";
import { useAddress } from "../../wallet/wallet.ts";

/** Proposing what governance should do, seen in words and simulated before it is sent. */
export function NewProposal() {
  const parameters = useQuery(parametersQuery);
  const chain = useQuery({
    queryKey: ["chain"],
    queryFn: chainView,
    staleTime: Number.POSITIVE_INFINITY,
    structuralSharing: false,
  });
  return (
    <Page
      title="New proposal"
      lead="Say what should be done; it is simulated as governance before you propose it."
      trail={[{ label: "Governance", to: "/governance" }]}
    >
      <Loaded query={parameters} rows={8}>
        {(all) => (
          <Loaded query={chain} rows={8}>
            {(chain) => <Form chain={chain} all={all} />}
          </Loaded>
        )}
      </Loaded>
    </Page>
  );
}

const kindWords: Readonly<Record<Kind, string>> = {
  set: "Set a parameter",
  split: "Divide fees otherwise",
  send: "Pay from the treasury",
  overturn: "Give back a slash",
};

function Form({ chain, all }: { chain: ChainView; all: Parameters }) {
  const [kindText, setKind] = useAddressParam("kind", "set");
  const [parameter, setParameter] = useAddressParam("parameter", "unbondingSeconds");
  const [slash, setSlash] = useAddressParam("slash");
  const [value, setValue] = useState("");
  const [split, setSplit] = useState<Draft["split"]>({});
  const [to, setTo] = useState("");
  const [amount, setAmount] = useState("");
  const kind: Kind = kinds.find((known) => known === kindText) ?? "set";
  const draft: Draft = { kind, parameter, value, split, to, amount, slash };
  const made = make(chain, all, draft);
  const known = all.parameters.find(({ name }) => name === parameter);
  const started =
    { set: value, split: Object.values(split).join(""), send: to + amount, overturn: slash }[kind] !== "";
  return (
    <div className="grid items-start gap-5 xl:grid-cols-2">
      <Card heading="What should be done">
        <div className="flex flex-col gap-4">
          <SelectField label="Kind" value={kind} onChange={({ target }) => setKind(target.value)}>
            {kinds.map((one) => (
              <option key={one} value={one}>
                {kindWords[one]}
              </option>
            ))}
          </SelectField>
          {kind === "set" && (
            <>
              <SelectField
                label="Parameter"
                value={parameter}
                hint={aboutParameter[parameter]}
                onChange={({ target }) => setParameter(target.value)}
              >
                {all.parameters.map(({ name }) => (
                  <option key={name}>{name}</option>
                ))}
              </SelectField>
              {known && (
                <TextField
                  label="New value"
                  value={value}
                  onChange={({ target }) => setValue(target.value)}
                  hint={`Now ${showParameter(parameter, known.value)}${known.unit === "address" ? "" : `; from ${showParameter(parameter, known.lowest)} to ${showParameter(parameter, known.highest)}`}. Enter ${unitWords[known.unit]}.`}
                  error={value !== "" && "error" in made ? made.error : undefined}
                />
              )}
            </>
          )}
          {kind === "split" && (
            <div className="grid gap-3 sm:grid-cols-2">
              {feeHeads.map((head) => (
                <TextField
                  key={head}
                  label={`${head[0]?.toUpperCase()}${head.slice(1)}, per cent`}
                  inputMode="decimal"
                  value={split[head] ?? String(all.split[head] / 100)}
                  onChange={({ target }) => setSplit({ ...split, [head]: target.value })}
                  hint={`${headWords[head]}; ${percentOf(all.splitBounds[head][0])} to ${percentOf(all.splitBounds[head][1])}`}
                />
              ))}
            </div>
          )}
          {kind === "send" && (
            <>
              <TextField
                label="To"
                value={to}
                spellCheck={false}
                onChange={({ target }) => setTo(target.value)}
              />
              <TextField
                label="OPEN"
                inputMode="decimal"
                value={amount}
                onChange={({ target }) => setAmount(target.value)}
              />
            </>
          )}
          {kind === "overturn" && (
            <TextField
              label="Slash"
              inputMode="numeric"
              value={slash}
              onChange={({ target }) => setSlash(target.value)}
              hint="Its number; the stake page lists them. The vote must be carried out before the appeal ends."
            />
          )}
        </div>
      </Card>
      <Proposing chain={chain} all={all} made={made} started={started} />
    </div>
  );
}

function Proposing({
  chain,
  all,
  made,
  started,
}: {
  chain: ChainView;
  all: Parameters;
  made: Made;
  started: boolean;
}) {
  const address = useAddress();
  const navigate = useNavigate();
  const power = useQuery(powerQuery(address));
  const [title, setTitle] = useState<string>();
  const [text, setText] = useState("");
  const { act, busy, failure } = useAct();
  const call = "call" in made ? made.call : undefined;
  const seen = useQuery({
    queryKey: ["simulated", call?.target, call?.data, String(call?.valueWei)],
    queryFn: async () => {
      if (call === undefined) throw new Error("There is nothing to simulate yet.");
      const [told, simulated] = await Promise.all([tell(chain, call), simulate(chain, call)]);
      return { told, simulated };
    },
    enabled: call !== undefined,
  });
  const tooFew = power.data !== undefined && power.data.votesWei < power.data.thresholdWei;
  async function submit(event: FormEvent) {
    event.preventDefault();
    if (!("call" in made)) return;
    const description = [title ?? made.title, text.trim()].filter((part) => part !== "").join("\n\n");
    let id = "";
    const proposed = await act(async () => {
      const { target, valueWei, data } = made.call;
      const hash = await transact(chain.at.OpenGovernor, "propose", [
        [target],
        [valueWei],
        [data],
        description,
      ]);
      const found = (await readProposals()).find(({ createdIn }) => createdIn === hash);
      id = String(found?.number ?? "");
      return `Proposal ${id} is made.`;
    });
    if (proposed) void navigate({ to: "/governance/$proposal", params: { proposal: id } });
  }
  return (
    <Card heading="What will be proposed">
      <form onSubmit={submit} className="flex flex-col gap-4">
        {"error" in made ? (
          <p className={started ? "text-sm text-bad" : "text-sm text-quiet"}>
            {started ? made.error : "Say first what should be done: it is told here in words, and simulated."}
          </p>
        ) : seen.data ? (
          <CallView call={made.call} told={seen.data.told} simulated={seen.data.simulated} current={all} />
        ) : (
          <Loading rows={2} />
        )}
        <TextField
          label="Title"
          value={title ?? ("title" in made ? made.title : "")}
          maxLength={200}
          onChange={({ target }) => setTitle(target.value)}
        />
        <TextArea
          label="Why"
          rows={6}
          maxLength={10_000}
          value={text}
          onChange={({ target }) => setText(target.value)}
          hint="On the chain for good, for every voter to read."
        />
        {power.data && tooFew && (
          <p className="rounded-lg border border-wait/40 bg-wait-soft/50 p-3 text-sm">
            Proposing takes {votes(power.data.thresholdWei)} votes; you have {votes(power.data.votesWei)}.{" "}
            <Link to="/governance" search={{ tab: "votes" } as never} className="text-accent underline">
              Lock and delegate OPEN
            </Link>{" "}
            first.
          </p>
        )}
        {failure}
        <div>
          <SignedButton
            variant="primary"
            type="submit"
            disabled={busy || "error" in made || tooFew || seen.data?.simulated.passes === false}
          >
            {busy ? "Proposing …" : "Propose"}
          </SignedButton>
        </div>
      </form>
    </Card>
  );
}
