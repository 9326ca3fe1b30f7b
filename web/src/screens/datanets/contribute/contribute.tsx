import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import type { Address } from "viem";
import { queries } from "../../../api/queries.ts";
import { Page } from "../../../components/page.tsx";
import { Empty, Failure, Loaded } from "../../../components/states.tsx";
import { Steps } from "../../../components/steps.tsx";
import { Card } from "../../../components/ui/card.tsx";
import { CheckField, SelectField, TextField } from "../../../components/ui/field.tsx";
import { count, counted } from "../../../lib/format.ts";
import { datanetQuery, rulesQuery } from "../queries.ts";
import { datanetTrail } from "../trail.ts";
import { Bring } from "./bring.tsx";
import { CheckedRows } from "./checked-rows.tsx";
import { Consent } from "./consent.tsx";
import {
  isFile,
  type Mapping,
  type Part,
  partsOf,
  place,
  type Shape,
  type Unread,
  unreadInWords,
} from "./convert.ts";
import {
  handIn,
  type Preview,
  previewPart,
  type Report,
  sending,
  type Terms,
  type Upload,
} from "./hand-in.ts";
import { Detected } from "./mapping.tsx";
import { type Work, Working } from "./working.tsx";

type Seen = {
  shapes: Map<string, Shape | null>;
  /** Files that are read through and gave no row. */
  fruitless: Set<string>;
  unread: Unread[];
  unreadFiles: number;
  unreadRows: number;
};

const unreadKept = 500;
const nothingSeen = (): Seen => ({
  shapes: new Map(),
  fruitless: new Set(),
  unread: [],
  unreadFiles: 0,
  unreadRows: 0,
});

/** From a folder of documents to rows that count: bring, check, sign, sent. */
export function Contribute() {
  const { id } = useParams({ strict: false }) as { id: string };
  const navigate = useNavigate();
  const datanet = useQuery(datanetQuery(id));
  const rules = useQuery(rulesQuery(id));
  const [files, setFiles] = useState<readonly File[]>([]);
  const [reading, setReading] = useState<readonly File[]>([]);
  const [mappings, setMappings] = useState<ReadonlyMap<string, Mapping>>(new Map());
  const [terms, setTerms] = useState<Terms>({ split: "train", mask: false, sourceLicense: "" });
  const [seen, setSeen] = useState(nothingSeen);
  const [checked, setChecked] = useState<{ part: Part; preview: Preview }>();
  const [reports, setReports] = useState<readonly Report[]>([]);
  const [work, setWork] = useState<Work>();
  const [error, setError] = useState<unknown>();
  const stopping = useRef<AbortController>(undefined);
  useEffect(() => () => stopping.current?.abort(), []);

  /** Runs one long task: it shows how far it is, and can be stopped. */
  async function run(task: (signal: AbortSignal) => Promise<void>) {
    stopping.current?.abort();
    const stop = new AbortController();
    stopping.current = stop;
    setError(undefined);
    try {
      await task(stop.signal);
    } catch (failure) {
      if (!stop.signal.aborted) setError(failure);
    } finally {
      if (stopping.current === stop) setWork(undefined);
    }
  }
  const begin = (label: string, { label: stage, done, total }: Upload = { label: "", done: 0, total: 0 }) =>
    setWork((before) => {
      const goesOn = before?.label === label && (before.stage === sending) === (stage === sending);
      return { ...{ label, stage, done, total }, startedMs: goesOn ? before.startedMs : Date.now() };
    });

  function partsFrom(from: readonly File[], using: ReadonlyMap<string, Mapping>, signal: AbortSignal) {
    const found = nothingSeen();
    return partsOf(from, {
      mappings: using,
      signal,
      onShape: (file, shape) => {
        found.shapes.set(file, shape);
        setSeen({ ...found });
      },
      onUnread: (unread) => {
        if (isFile(unread)) found.unreadFiles++;
        else found.unreadRows += unread.refused.rows ?? 1;
        if (found.unread.length < unreadKept) found.unread.push(unread);
        setSeen({ ...found });
      },
      onRows: (file, rows) => {
        begin(`Reading ${file}: ${counted(rows, "row")}`);
        if (rows > 0) return;
        found.fruitless.add(file);
        setSeen({ ...found });
      },
    });
  }

  const read = (from: readonly File[], using = mappings, under = terms) =>
    run(async (signal) => {
      setReading(from);
      setChecked(undefined);
      setSeen(nothingSeen());
      begin(`Reading ${from[0]?.name ?? ""}`);
      const parts = partsFrom(from, using, signal);
      const first = await parts.next();
      await parts.return(undefined);
      if (!first.done) await check(first.value, under, signal);
    });

  async function check(part: Part, under: Terms, signal: AbortSignal) {
    const label = `Checking ${counted(part.rows.length, "row")}`;
    begin(label);
    const preview = await previewPart(id, part, under, signal, (upload) => begin(label, upload));
    setChecked({ part, preview });
  }

  const change = (more: Partial<Terms>) => {
    const under = { ...terms, ...more };
    setTerms(under);
    const { part } = checked ?? {};
    if (part) void run((signal) => check(part, under, signal));
  };

  const sign = (contributor: Address) =>
    run(async (signal) => {
      if (!checked) return;
      const sent: Report[] = [];
      const give = async (part: Part, preview: Preview) => {
        const which = part.last && sent.length === 0 ? "" : `Part ${sent.length + 1}: `;
        let label = "";
        const report = await handIn(id, contributor, part, preview, terms, {
          signal,
          onStage: (stage) => {
            label = `${which}${stage}`;
            begin(label);
          },
          onUpload: (upload) => begin(label, upload),
        });
        sent.push(report);
        setReports([...sent]);
      };
      await give(checked.part, checked.preview);
      if (!checked.part.last) {
        // The rest is read as it is sent; the first part is read over, and left out.
        let number = 0;
        for await (const part of partsFrom(reading, mappings, signal)) {
          if (number++ === 0) continue;
          const label = `Part ${number}: checking ${counted(part.rows.length, "row")}`;
          begin(label);
          await give(part, await previewPart(id, part, terms, signal, (upload) => begin(label, upload)));
        }
      }
      setChecked(undefined);
      await queries.invalidateQueries({ queryKey: ["datanet", id] });
      const [only] = sent;
      if (sent.length === 1 && only)
        await navigate({
          to: "/datanets/$id/contributions/$contribution",
          params: { id, contribution: String(only.contributionId) },
        });
    });

  const step = reports.length > 0 ? 3 : checked ? 2 : reading.length > 0 ? 1 : 0;
  const unknown = (file: string) =>
    seen.unread.find(({ source, refused }) => source.file === file && refused.columns)?.refused.columns;
  const whyNothing = (file: string) =>
    seen.unread.find(({ source }) => source.file === file)?.refused.message ?? "It holds no row.";
  const map = (file: string, mapping: Mapping | undefined) => {
    const using = new Map(mappings);
    if (mapping) using.set(file, mapping);
    else using.delete(file);
    setMappings(using);
    void read(reading, using);
  };
  return (
    <Page
      title="Contribute"
      lead="Bring what you know; you are paid whenever a model's answer comes from it."
      trail={datanetTrail(id, datanet.data?.name)}
    >
      <Steps steps={["Bring", "Check", "Sign", "Report"]} at={work && step === 0 ? 1 : step} />
      <Loaded query={datanet}>
        {(found) => (
          <>
            {reports.length === 0 && (
              <Bring files={files} onFiles={setFiles} onRead={(all) => void read(all)} />
            )}
            {work && <Working work={work} onStop={() => stopping.current?.abort()} />}
            {error !== undefined && <Failure error={error} />}
            {reading.length > 0 && reports.length === 0 && (
              <Card heading="What was read">
                <ul className="divide-y">
                  {[...seen.shapes].map(([file, shape]) => (
                    <Detected
                      key={file}
                      file={file}
                      shape={shape}
                      nothingRead={seen.fruitless.has(file) ? whyNothing(file) : undefined}
                      columns={unknown(file)}
                      mapping={mappings.get(file)}
                      onMap={(mapping) => map(file, mapping)}
                    />
                  ))}
                </ul>
                {seen.unreadFiles + seen.unreadRows > 0 && <NotRead seen={seen} />}
              </Card>
            )}
            {checked && (
              <>
                <Card
                  heading="What would become of each row"
                  note={
                    checked.part.last
                      ? "Nothing is stored yet."
                      : `Nothing is stored yet. These are the first ${count(checked.part.rows.length)} rows; the rest is checked as it is sent, each part under a consent of its own.`
                  }
                >
                  <div className="mb-4 flex flex-wrap items-start gap-x-8 gap-y-3">
                    <CheckField
                      label="Mask personal data"
                      hint={
                        rules.data?.maskPersonalData
                          ? "This Datanet masks it always."
                          : "Addresses, numbers and the like become [email], [phone] …"
                      }
                      checked={terms.mask || rules.data?.maskPersonalData === true}
                      disabled={rules.data?.maskPersonalData === true}
                      onCheckedChange={(mask) => change({ mask: mask === true })}
                    />
                    <SelectField
                      label="Used to"
                      value={terms.split}
                      onChange={({ target }) => change({ split: target.value as Terms["split"] })}
                    >
                      <option value="train">train models</option>
                      <option value="heldout">measure them, never to train</option>
                    </SelectField>
                    <TextField
                      label="Their licence, if it is another"
                      placeholder={found.license}
                      defaultValue={terms.sourceLicense}
                      hint="An SPDX expression, such as CC-BY-4.0"
                      onBlur={({ target }) =>
                        target.value.trim() !== terms.sourceLicense &&
                        change({ sourceLicense: target.value.trim() })
                      }
                    />
                  </div>
                  <CheckedRows part={checked.part} preview={checked.preview} />
                </Card>
                {!work && (
                  <Consent
                    datanet={found}
                    part={checked.part}
                    preview={checked.preview}
                    onSign={(contributor) => void sign(contributor)}
                  />
                )}
              </>
            )}
            {reports.length > 0 && <Sent id={id} reports={reports} going={work !== undefined} />}
          </>
        )}
      </Loaded>
    </Page>
  );
}

function NotRead({ seen: { unread, unreadFiles, unreadRows } }: { seen: Seen }) {
  return (
    <details className="mt-3 text-sm" open={unread.length <= 3}>
      <summary className="text-wait">
        {unreadInWords({ files: unreadFiles, rows: unreadRows })}, and why
      </summary>
      <ul className="mt-2 flex max-h-72 flex-col gap-1.5 overflow-y-auto">
        {unread.map(({ source, refused }) => (
          <li key={`${place(source)} ${source.offset ?? ""} ${refused.message}`}>
            <span className="text-quiet">{place(source)}:</span> {refused.message}
          </li>
        ))}
      </ul>
    </details>
  );
}

function Sent({ id, reports, going }: { id: string; reports: readonly Report[]; going: boolean }) {
  return (
    <Card heading={going ? "Sent so far" : "Sent"}>
      {reports.length === 0 && <Empty title="Nothing yet" />}
      <ul className="flex flex-col gap-2 text-sm">
        {reports.map(({ contributionId, accepted, pending, exampleCount }) => (
          <li key={contributionId}>
            <Link
              to="/datanets/$id/contributions/$contribution"
              params={{ id, contribution: String(contributionId) }}
              className="text-accent hover:underline"
            >
              Contribution {contributionId}
            </Link>
            : {count(exampleCount)} rows, {count(accepted)} count
            {pending > 0 && `, ${count(pending)} wait for review`}
          </li>
        ))}
      </ul>
    </Card>
  );
}
