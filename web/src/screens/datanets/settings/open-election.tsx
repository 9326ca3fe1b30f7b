import { Link } from "@tanstack/react-router";
import type { FormEvent } from "react";
import { api, ask } from "../../../api/client.ts";
import { Button } from "../../../components/ui/button.tsx";
import { SelectField, TextField } from "../../../components/ui/field.tsx";
import { useAct } from "../../../wallet/act.tsx";

const daySeconds = 86_400;

function daysOf(data: FormData, name: string, label: string): number {
  const days = Number(data.get(name));
  if (Number.isInteger(days) && days >= 1 && days <= 3_650) return days;
  throw new Error(`${label}: expected 1 to 3,650 days.`);
}

/** Opens an election among the contributors of a version. */
export function OpenElection({ datanetId, versions }: { datanetId: string; versions: number }) {
  const { act, busy, failure } = useAct();
  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const data = new FormData(event.currentTarget);
    void act(async () => {
      const closesAt = Math.floor(Date.now() / 1_000) + daysOf(data, "days", "Open for") * daySeconds;
      const termSeconds = daysOf(data, "term", "Term") * daySeconds;
      const { electionId } = await ask(
        api.POST("/v1/datanets/{datanetId}/elections", {
          params: { path: { datanetId } },
          body: { version: Number(data.get("version")), closesAt, termSeconds },
        }),
      );
      return `Election ${electionId} is open.`;
    });
  }
  return (
    <form onSubmit={submit} className="flex flex-col gap-3">
      <div className="grid gap-3 sm:grid-cols-3">
        <SelectField label="Contributors of" name="version" defaultValue={versions}>
          {Array.from({ length: Math.min(versions, 100) }, (_, at) => versions - at).map((version) => (
            <option key={version} value={version}>
              version {version}
            </option>
          ))}
        </SelectField>
        <TextField label="Open for (days)" name="days" inputMode="numeric" defaultValue="7" />
        <TextField label="Term (days)" name="term" inputMode="numeric" defaultValue="90" />
      </div>
      {failure}
      <div className="flex flex-wrap items-center gap-3">
        <Button type="submit" disabled={busy}>
          {busy ? "Writing on chain …" : "Open an election"}
        </Button>
        <Link
          to="/datanets/$id"
          params={{ id: datanetId }}
          search={{ tab: "curators" } as never}
          className="text-sm text-accent hover:underline"
        >
          See the elections
        </Link>
      </div>
    </form>
  );
}
