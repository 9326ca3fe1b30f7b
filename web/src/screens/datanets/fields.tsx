import { useState } from "react";
import type { Schema } from "../../api/types.ts";
import { CheckField, SelectField, TextArea, TextField } from "../../components/ui/field.tsx";
import { openText } from "../../lib/format.ts";
import { optionalChecks } from "./new-form.ts";
import { TokenAmount } from "./token-amount.tsx";

const newRules: Schema<"DatanetRules"> = { refuse: ["contamination"], maskPersonalData: false };

/** What a Datanet asks of its rows, as fields that `readRules` reads. */
export function RulesFields({ rules = newRules }: { rules?: Schema<"DatanetRules"> }) {
  return (
    <div className="flex flex-col gap-4">
      <fieldset className="grid gap-2 md:grid-cols-2">
        <legend className="mb-2 text-sm text-quiet">Refuse</legend>
        {Object.entries(optionalChecks).map(([check, label]) => (
          <CheckField
            key={check}
            name={`refuse ${check}`}
            label={label}
            defaultChecked={rules.refuse.some((name) => name === check)}
          />
        ))}
      </fieldset>
      <div className="grid gap-4 md:grid-cols-2">
        <TextField
          label="Languages"
          name="languages"
          placeholder="en, de"
          hint="Empty: any"
          defaultValue={rules.languages?.join(", ")}
        />
        <TextField
          label="Stake of contributors (OPEN)"
          name="stake"
          inputMode="decimal"
          hint="Empty: none"
          defaultValue={rules.stakeWei && openText(rules.stakeWei)}
        />
        <TextField
          label="At least (tokens)"
          name="minTokens"
          inputMode="numeric"
          defaultValue={rules.minTokens}
        />
        <TextField
          label="At most (tokens)"
          name="maxTokens"
          inputMode="numeric"
          defaultValue={rules.maxTokens}
        />
      </div>
      <TextArea
        label="Whose rows are taken"
        name="contributors"
        rows={2}
        placeholder="0x…"
        hint="Addresses, one a line. Empty: anybody's"
        defaultValue={rules.contributors?.join("\n")}
      />
      <CheckField
        name="mask"
        label="Mask personal data before rows are signed"
        defaultChecked={rules.maskPersonalData}
      />
    </div>
  );
}

/** How many curators judge each row, as `readOverlap` reads it. */
export const OverlapField = ({ overlap = null }: { overlap?: number | null }) => (
  <SelectField label="Each row is judged by" name="overlap" defaultValue={String(overlap ?? 0)}>
    <option value="0">nobody: what passes the checks counts</option>
    {[1, 2, 3, 4, 5, 6, 7, 8, 9].map((many) => (
      <option key={many} value={many}>
        {many === 1 ? "1 curator" : `${many} curators`}
      </option>
    ))}
  </SelectField>
);

/** Who may read, and under which terms, as fields that `readAccess` reads. */
export function AccessFields({ rule = { kind: "public" } }: { rule?: Schema<"AccessRule">["rule"] }) {
  const [kind, setKind] = useState<string>(rule.kind);
  const token = rule.kind === "token" ? rule : undefined;
  const [contract, setContract] = useState(token?.contract ?? "");
  const [least, setLeast] = useState(token?.least ?? "1");
  const isToken = /^0x[0-9a-f]{40}$/i.test(contract.trim()) && /^[1-9]\d{0,77}$/.test(least.trim());
  return (
    <div className="grid gap-4 md:grid-cols-2">
      <SelectField
        label="Texts may be read by"
        name="access"
        value={kind}
        onChange={({ target }) => setKind(target.value)}
        className="md:col-span-2"
      >
        <option value="public">everybody</option>
        <option value="request">whom you admit</option>
        <option value="token">who holds a token</option>
      </SelectField>
      {kind === "token" && (
        <>
          <TextField
            label="Token"
            name="contract"
            required
            placeholder="0x…"
            hint="An ERC-20 or ERC-721 on this chain"
            value={contract}
            onChange={({ target }) => setContract(target.value)}
          />
          <TextField
            label="How much of it"
            name="least"
            inputMode="numeric"
            hint={
              <>
                In its base units: 10¹⁸ are one of an ERC-20 with 18 decimals. 1 for one ERC-721.
                {isToken && (
                  <>
                    {" "}
                    This is <TokenAmount contract={contract.trim().toLowerCase()} units={least.trim()} />.
                  </>
                )}
              </>
            }
            value={least}
            onChange={({ target }) => setLeast(target.value)}
          />
        </>
      )}
      {kind !== "public" && (
        <TextArea
          label="Terms that readers accept by signature"
          name="terms"
          required
          maxLength={20_000}
          rows={4}
          className="md:col-span-2"
          defaultValue={rule.kind === "public" ? undefined : rule.terms}
        />
      )}
    </div>
  );
}
