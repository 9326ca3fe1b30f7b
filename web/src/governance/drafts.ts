/** A proposal in the making: its call and its title, or what is still wrong. */
import type { Address } from "viem";
import type { ChainView } from "../chain/view.ts";
import { parseOpen } from "../lib/format.ts";
import { type Call, overturnCall, setCall, splitCall } from "./calls.ts";
import { type FeeHead, feeHeads, parseParameter, percentOf, showParameter, splitError } from "./parameter.ts";
import type { Parameters } from "./parameters.ts";

export const kinds = ["set", "split", "send", "overturn"] as const;
export type Kind = (typeof kinds)[number];

/** What the form holds, as text. */
export type Draft = {
  readonly kind: Kind;
  readonly parameter: string;
  readonly value: string;
  readonly split: Readonly<Partial<Record<FeeHead, string>>>;
  readonly to: string;
  readonly amount: string;
  readonly slash: string;
};

export type Made = { readonly call: Call; readonly title: string } | { readonly error: string };

/** The call that a draft stands for. Empty fields are an error like wrong ones. */
export function make(chain: ChainView, all: Parameters, draft: Draft): Made {
  try {
    switch (draft.kind) {
      case "set":
        return makeSet(chain, all, draft);
      case "split":
        return makeSplit(chain, all, draft);
      case "send": {
        if (!/^0x[0-9a-fA-F]{40}$/.test(draft.to.trim()))
          throw new Error("To whom? Expected 0x and 40 hex digits.");
        const valueWei = parseOpen(draft.amount);
        if (valueWei === 0n) throw new Error("Expected more than nothing.");
        const target = draft.to.trim().toLowerCase() as Address;
        return {
          call: { target, valueWei, data: "0x" },
          title: `Send ${draft.amount.trim()} OPEN to ${target}`,
        };
      }
      case "overturn": {
        if (!/^[1-9]\d{0,17}$/.test(draft.slash.trim())) throw new Error("Which slash? Expected its number.");
        const slashId = BigInt(draft.slash.trim());
        return { call: overturnCall(chain, slashId), title: `Give back what slash ${slashId} took` };
      }
    }
  } catch (error) {
    return { error: (error as Error).message };
  }
}

function makeSet(chain: ChainView, { parameters }: Parameters, { parameter, value: text }: Draft): Made {
  const known = parameters.find(({ name }) => name === parameter);
  if (known === undefined) throw new Error("Which parameter?");
  const value = parseParameter(parameter, text);
  const { lowest, highest, unit } = known;
  if (unit !== "address" && (value < lowest || value > highest))
    throw new Error(
      `No vote can set it to ${showParameter(parameter, value)}: from ${showParameter(parameter, lowest)} to ${showParameter(parameter, highest)}.`,
    );
  if (value === known.value) throw new Error("This is its value already.");
  return {
    call: setCall(chain, parameter, value),
    title: `Set ${parameter} to ${showParameter(parameter, value)}`,
  };
}

function makeSplit(chain: ChainView, { split, splitBounds }: Parameters, draft: Draft): Made {
  const next = { ...split };
  for (const head of feeHeads) {
    const text = draft.split[head];
    if (text !== undefined) next[head] = Number(parseParameter("feeSplitBps", text));
  }
  const wrong = splitError(next, splitBounds);
  if (wrong !== undefined) throw new Error(wrong);
  const changed = feeHeads.filter((head) => next[head] !== split[head]);
  if (changed.length === 0) throw new Error("Nothing is changed yet.");
  return {
    call: splitCall(chain, next),
    title: `Divide fees otherwise: ${changed.map((head) => `${head} ${percentOf(next[head])}`).join(", ")}`,
  };
}
