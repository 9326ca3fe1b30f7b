import { useMutation, useQuery } from "@tanstack/react-query";
import type { FormEvent } from "react";
import { Address } from "../../components/hash.tsx";
import { Facts } from "../../components/page.tsx";
import { Failure, Loaded } from "../../components/states.tsx";
import { Button } from "../../components/ui/button.tsx";
import { Card } from "../../components/ui/card.tsx";
import { TextArea } from "../../components/ui/field.tsx";
import { NeedsWallet } from "../../wallet/needs-wallet.tsx";
import { useAddress } from "../../wallet/wallet.ts";
import { askForPass, usePass } from "./pass.ts";
import { accessQuery } from "./queries.ts";
import { TokenAmount } from "./token-amount.tsx";

const kinds = {
  public: "Everybody may read; what the licence says holds.",
  request: "Whom the owner admits may read, after accepting the terms.",
  token: "Who holds the token may read, after accepting the terms.",
};

/** The terms, and asking to be let in under them with a signature. */
export function AskToRead({ datanetId }: { datanetId: string }) {
  const rule = useQuery(accessQuery(datanetId));
  const address = useAddress();
  const pass = usePass(datanetId);
  const asking = useMutation({
    mutationFn: (purpose: string) => askForPass(datanetId, address as `0x${string}`, purpose),
  });
  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    asking.mutate(String(new FormData(event.currentTarget).get("purpose") ?? ""));
  }
  return (
    <Card heading="Who may read">
      <Loaded query={rule}>
        {({ rule }) => (
          <div className="flex flex-col gap-4">
            <p className="text-sm">{kinds[rule.kind]}</p>
            {rule.kind === "token" && (
              <Facts
                facts={[
                  ["Token", <Address key="token" value={rule.contract} />],
                  ["At least", <TokenAmount key="least" contract={rule.contract} units={rule.least} />],
                ]}
              />
            )}
            {rule.kind !== "public" && (
              <>
                <section
                  aria-label="Terms"
                  // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable with the keyboard
                  tabIndex={0}
                  className="max-h-72 overflow-y-auto rounded-md border bg-sunken p-3 text-sm whitespace-pre-wrap"
                >
                  {rule.terms}
                </section>
                {pass !== undefined ? (
                  <p role="status" className="text-sm text-good">
                    You are let in for an hour. Every reading is written down for the owner.
                  </p>
                ) : (
                  <NeedsWallet why="A signature accepts the terms and says who you are. It costs nothing.">
                    <form onSubmit={submit} className="flex flex-col gap-3">
                      {rule.kind === "request" && (
                        <TextArea
                          label="What you want to read it for"
                          name="purpose"
                          maxLength={2_000}
                          rows={2}
                          hint="The owner sees this beside your address."
                        />
                      )}
                      <Button
                        type="submit"
                        variant="primary"
                        className="self-start"
                        disabled={asking.isPending}
                      >
                        {asking.isPending ? "Waiting for your signature …" : "Accept the terms and ask"}
                      </Button>
                    </form>
                  </NeedsWallet>
                )}
                {asking.data?.state === "asked" && (
                  <p role="status" className="text-sm text-wait">
                    The owner has your request. Ask again here when you have been admitted.
                  </p>
                )}
                {asking.data?.state === "refused" && (
                  <Failure error={new Error(`You are not let in: ${asking.data.reason}`)} />
                )}
                {asking.error && <Failure error={asking.error} />}
              </>
            )}
          </div>
        )}
      </Loaded>
    </Card>
  );
}
