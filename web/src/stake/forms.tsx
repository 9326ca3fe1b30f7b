import { type FormEvent, useState } from "react";
import { maxUint256 } from "viem";
import { chainView, transact } from "../chain/view.ts";
import { Amount } from "../components/amount.tsx";
import { CheckField, TextField } from "../components/ui/field.tsx";
import { date, duration, money, parseOpen } from "../lib/format.ts";
import { SignedButton, useAct } from "../wallet/act.tsx";
import type { Pool, Position } from "./pools.ts";

/** What a field's text is in wei, or what is wrong with it. */
export function amountOf(text: string, most?: bigint): { wei: bigint } | { error: string } {
  try {
    const wei = parseOpen(text);
    if (wei === 0n) return { error: "Expected more than nothing." };
    if (most !== undefined && wei > most) return { error: `There are ${money(most).amount} OPEN at most.` };
    return { wei };
  } catch (error) {
    return { error: (error as Error).message };
  }
}

/** Puts stake into a pool. `balanceWei` is what the account has; it also pays the gas. */
export function DelegateForm({
  pool,
  balanceWei,
  epochEndsMs,
}: {
  pool: Pool;
  balanceWei: bigint | undefined;
  epochEndsMs: number;
}) {
  const [text, setText] = useState("");
  const { act, busy, failure } = useAct();
  const asked = text === "" ? undefined : amountOf(text, balanceWei);
  const frozen = pool.appealEndsMs !== null || pool.state === "closed";
  async function submit(event: FormEvent) {
    event.preventDefault();
    if (asked === undefined || "error" in asked) return;
    const done = await act(async () => {
      await transact((await chainView()).at.OpenStaking, "delegate", [pool.poolId], asked.wei);
      return `${money(asked.wei).amount} OPEN are staked; they earn from the next epoch on.`;
    });
    if (done) setText("");
  }
  return (
    <form onSubmit={submit} className="flex flex-col gap-3">
      <TextField
        label="OPEN to stake"
        inputMode="decimal"
        value={text}
        onChange={({ target }) => setText(target.value)}
        error={asked !== undefined && "error" in asked ? asked.error : undefined}
        hint={
          balanceWei === undefined
            ? "Sign in to see what you have."
            : `You have ${money(balanceWei).amount} OPEN.`
        }
        disabled={frozen}
      />
      <p className="text-sm text-quiet">
        {frozen
          ? "Nobody can join this pool now."
          : `It earns from the next epoch on, ${date(epochEndsMs)}, and ${pool.commissionBps / 100} % of what it earns is the operator's. If the pool is slashed, you lose in proportion.`}
      </p>
      {failure}
      <div>
        <SignedButton variant="primary" type="submit" disabled={busy || frozen}>
          {busy ? "Staking …" : "Stake"}
        </SignedButton>
      </div>
    </form>
  );
}

/** Starts to take stake out of a pool; says the date from which it can be claimed before it is asked for. */
export function UnbondForm({
  pool,
  position,
  unbondingMs,
}: {
  pool: Pool;
  position: Position;
  unbondingMs: number;
}) {
  const [text, setText] = useState("");
  const [all, setAll] = useState(false);
  const { act, busy, failure } = useAct();
  const asked = text === "" || all ? undefined : amountOf(text, position.bondedWei);
  const wei = all ? position.bondedWei : asked !== undefined && "wei" in asked ? asked.wei : undefined;
  async function submit(event: FormEvent) {
    event.preventDefault();
    if (wei === undefined) return;
    const done = await act(async () => {
      await transact((await chainView()).at.OpenStaking, "unbond", [pool.poolId, all ? maxUint256 : wei]);
      return `${money(wei).amount} OPEN leave the pool. Their date is under “Your stake”.`;
    });
    if (done) setText("");
  }
  return (
    <form onSubmit={submit} className="flex flex-col gap-3">
      <TextField
        label="OPEN to take out"
        inputMode="decimal"
        value={all ? money(position.bondedWei).amount : text}
        disabled={all}
        onChange={({ target }) => setText(target.value)}
        error={asked !== undefined && "error" in asked ? asked.error : undefined}
        hint={
          <>
            You have <Amount wei={position.bondedWei} /> in this pool.
          </>
        }
      />
      <CheckField label="All of it" checked={all} onCheckedChange={(checked) => setAll(checked === true)} />
      <p className="text-sm text-quiet">
        Started now, it can be claimed from{" "}
        <b className="font-medium text-text">{date(Date.now() + unbondingMs)}</b>, after{" "}
        {duration(unbondingMs)}. Until then it earns nothing, has no vote, and can still be slashed.
      </p>
      {failure}
      <div>
        <SignedButton type="submit" disabled={busy || wei === undefined}>
          {busy ? "Taking out …" : "Take out"}
        </SignedButton>
      </div>
    </form>
  );
}
