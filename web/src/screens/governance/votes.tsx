import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import type { Address as Account } from "viem";
import { Amount } from "../../components/amount.tsx";
import { Address } from "../../components/hash.tsx";
import { Stat, Stats } from "../../components/page.tsx";
import { Empty, Loaded } from "../../components/states.tsx";
import { Card } from "../../components/ui/card.tsx";
import { CheckField, TextField } from "../../components/ui/field.tsx";
import { delegate, delegateBySignature, lock, type Power, unlock } from "../../governance/power.ts";
import { powerQuery } from "../../governance/queries.ts";
import { useAddressParam } from "../../lib/address.ts";
import { money, votes } from "../../lib/format.ts";
import { amountOf } from "../../stake/forms.tsx";
import { SignedButton, useAct } from "../../wallet/act.tsx";

/** How many votes one has, what they come from, and who casts them. */
export function YourVotes({ account }: { account: Account | undefined }) {
  const power = useQuery(powerQuery(account));
  if (account === undefined)
    return (
      <Empty title="Whose votes?" action={<SignedButton variant="primary">Sign in</SignedButton>}>
        Stake votes by its owner. OPEN that is not staked is locked as GOPEN, one to one, and votes by whom
        you name; it can be unlocked at any time.
      </Empty>
    );
  return <Loaded query={power}>{(power) => <Votes account={account} power={power} />}</Loaded>;
}

function Votes({ account, power }: { account: Account; power: Power }) {
  const who = power.delegatee === null ? "nobody yet" : power.delegatee === account ? "yourself" : "another";
  return (
    <div className="flex flex-col gap-5">
      <Stats>
        <Stat label="Your votes" note={`${votes(power.thresholdWei)} are needed to propose`}>
          {votes(power.votesWei)}
        </Stat>
        <Stat label="Delegated to you" note="GOPEN, yours and others'">
          <Amount wei={power.delegatedWei} />
        </Stat>
        <Stat label="Your stake" note="votes by itself">
          <Amount wei={power.stakedWei} />
        </Stat>
        <Stat label="Locked" note={`votes by ${who}`}>
          <Amount wei={power.lockedWei} />
        </Stat>
      </Stats>
      {power.lockedWei > 0n && power.delegatee === null && (
        <p className="rounded-lg border border-wait/40 bg-wait-soft/50 p-3 text-sm">
          What you locked has no vote until it is delegated, to yourself or to another.
        </p>
      )}
      <div className="grid gap-5 xl:grid-cols-3">
        <Card heading="Lock" note="OPEN becomes GOPEN, one to one.">
          <AmountForm
            label="OPEN to lock"
            mostWei={power.balanceWei}
            verb="Lock"
            does={async (wei) => {
              await lock(wei);
              return `${money(wei).amount} GOPEN are yours.`;
            }}
          />
        </Card>
        <Card heading="Delegate" note="From the next second on, all your GOPEN votes by this account.">
          {power.delegatee !== null && (
            <p className="mb-3 text-sm">
              Now: <Address value={power.delegatee} /> {power.delegatee === account && "(you)"}
            </p>
          )}
          <DelegateForm account={account} power={power} />
        </Card>
        <Card heading="Unlock" note="GOPEN becomes OPEN again, at any time.">
          <AmountForm
            label="GOPEN to unlock"
            mostWei={power.lockedWei}
            verb="Unlock"
            does={async (wei) => {
              await unlock(wei);
              return `${money(wei).amount} OPEN are in your account.`;
            }}
          />
        </Card>
      </div>
    </div>
  );
}

function DelegateForm({ account, power }: { account: Account; power: Power }) {
  const [named] = useAddressParam("to", "");
  const [to, setTo] = useState(named);
  const [signed, setSigned] = useState(false);
  const { act, busy, failure } = useAct();
  const wrong = to !== "" && !/^0x[0-9a-fA-F]{40}$/.test(to.trim());
  const target = (to.trim() === "" ? account : to.trim().toLowerCase()) as Account;
  function submit(event: FormEvent) {
    event.preventDefault();
    if (wrong) return;
    void act(async () => {
      if (signed) await delegateBySignature(account, target);
      else await delegate(target);
      return `${money(power.lockedWei).amount} GOPEN vote by ${target === account ? "yourself" : "another"} from the next second on.`;
    });
  }
  return (
    <form onSubmit={submit} className="flex flex-col gap-3">
      <TextField
        label="Who votes"
        value={to}
        placeholder={account}
        spellCheck={false}
        onChange={({ target }) => setTo(target.value)}
        hint="An address; yourself, if it is left empty."
        error={wrong ? "Expected an address: 0x and 40 hex digits." : undefined}
      />
      <CheckField
        label="Sign only, the node pays the gas"
        hint="For one GOPEN at least; no OPEN is needed."
        checked={signed}
        onCheckedChange={(checked) => setSigned(checked === true)}
      />
      {failure}
      <div>
        <SignedButton
          {...(power.lockedWei > 0n ? { variant: "primary" as const } : {})}
          type="submit"
          disabled={busy || wrong}
        >
          {busy ? "Delegating …" : "Delegate"}
        </SignedButton>
      </div>
    </form>
  );
}

function AmountForm({
  label,
  mostWei,
  verb,
  does,
}: {
  label: string;
  mostWei: bigint;
  verb: string;
  does: (wei: bigint) => Promise<string>;
}) {
  const [text, setText] = useState("");
  const { act, busy, failure } = useAct();
  const asked = text === "" ? undefined : amountOf(text, mostWei);
  async function submit(event: FormEvent) {
    event.preventDefault();
    if (asked === undefined || "error" in asked) return;
    if (await act(() => does(asked.wei))) setText("");
  }
  return (
    <form onSubmit={submit} className="flex flex-col gap-3">
      <TextField
        label={label}
        inputMode="decimal"
        value={text}
        onChange={({ target }) => setText(target.value)}
        hint={`You have ${money(mostWei).amount}.`}
        error={asked !== undefined && "error" in asked ? asked.error : undefined}
      />
      {failure}
      <div>
        <SignedButton type="submit" disabled={busy}>
          {verb}
        </SignedButton>
      </div>
    </form>
  );
}
