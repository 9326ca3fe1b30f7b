import { useQuery } from "@tanstack/react-query";
import { ChevronLeftIcon, ChevronRightIcon, LinkIcon } from "lucide-react";
import { api, ask } from "../../api/client.ts";
import type { Schema } from "../../api/types.ts";
import { Address, Hash, useCopy } from "../../components/hash.tsx";
import { Facts } from "../../components/page.tsx";
import { Empty, Loaded } from "../../components/states.tsx";
import { Badge } from "../../components/ui/badge.tsx";
import { Button } from "../../components/ui/button.tsx";
import { Dialog } from "../../components/ui/dialog.tsx";
import { useToast } from "../../components/ui/toast.tsx";
import { ExampleText } from "./example.tsx";
import { passHeaders, usePass } from "./pass.ts";

type Props = {
  datanetId: string;
  version: number;
  split: Schema<"Split">;
  index: number;
  search?: string | undefined;
  onClose: () => void;
  onStep: { back: (() => void) | undefined; on: (() => void) | undefined };
};

type Page = Schema<"DatanetVersionRows">;

/** All of one row: its text, whose it is, and the proof that it stands under the version's root, checked here. */
export function RowPanel({ datanetId, version, split, index, search, onClose, onStep }: Props) {
  const pass = usePass(datanetId);
  const say = useToast();
  const copy = useCopy();
  const found = useQuery({
    queryKey: ["row", datanetId, version, split, index, pass ?? ""],
    queryFn: async ({ signal }) => {
      const page = await ask(
        api.GET("/v1/datanets/{datanetId}/versions/{version}/rows", {
          params: { path: { datanetId, version }, query: { split, offset: index, limit: 1 } },
          headers: passHeaders(pass),
          signal,
        }),
      );
      return { page, proven: await isProven(page) };
    },
    staleTime: Number.POSITIVE_INFINITY,
  });
  return (
    <Dialog open onOpenChange={onClose} title={`Row ${index}`} description={`Version ${version}`}>
      <Loaded query={found} rows={6}>
        {({ page: { rows, root }, proven }) => {
          const [row] = rows;
          if (!row) return <Empty title="There is no such row in this version" />;
          return (
            <>
              <ExampleText example={row.example} search={search} />
              <Facts
                facts={[
                  ["Contributor", <Address key="by" value={row.contributor} />],
                  ["Digest", <Hash key="digest" value={row.digest} />],
                  ["Consent", <Hash key="consent" value={row.consentDigest} />],
                  ["Split", split === "train" ? "trained on" : "held out: never trained on"],
                  ...(row.proof
                    ? ([
                        ["Version's root", <Hash key="root" value={root} />],
                        [
                          "Proof",
                          <span key="proof" className="flex flex-wrap items-center gap-2">
                            <Badge tone={proven ? "good" : "bad"}>{proven ? "holds" : "does not hold"}</Badge>
                            {row.proof.length} hashes, computed here up to the root
                          </span>,
                        ],
                      ] as const)
                    : []),
                ]}
              />
              <div className="flex flex-wrap gap-2">
                <Button
                  size="small"
                  onClick={async () => {
                    if (await copy(location.href)) say("The link to this row is copied.");
                  }}
                >
                  <LinkIcon /> Copy the link
                </Button>
                <Button size="small" asChild>
                  <a
                    href={`/v1/datanets/${datanetId}/versions/${version}/rows?split=${split}&offset=${index}&limit=1`}
                    target="_blank"
                    rel="noreferrer"
                  >
                    As JSON, with its proof
                  </a>
                </Button>
                {(onStep.back || onStep.on) && (
                  <span className="ml-auto flex gap-1">
                    <Button
                      size="small"
                      aria-label="Row before"
                      disabled={!onStep.back}
                      onClick={onStep.back}
                    >
                      <ChevronLeftIcon />
                    </Button>
                    <Button size="small" aria-label="Next row" disabled={!onStep.on} onClick={onStep.on}>
                      <ChevronRightIcon />
                    </Button>
                  </span>
                )}
              </div>
            </>
          );
        }}
      </Loaded>
    </Dialog>
  );
}

/** Whether the row's text gives its digest, and its leaf the version's root. */
async function isProven({ root, rows: [row] }: Page): Promise<boolean> {
  if (!row?.proof || !row.licenseDigest) return false;
  const { exampleDigest, verifyVersionLeaf } = await import("../../../../src/protocol/index.ts");
  const { index, digest, contributor, licenseDigest, consentDigest, proof } = row as typeof row & {
    [field in "digest" | "contributor" | "licenseDigest" | "consentDigest"]: `0x${string}`;
  };
  return (
    exampleDigest(row.example) === digest &&
    verifyVersionLeaf(
      root as `0x${string}`,
      { index, exampleDigest: digest, contributor, licenseDigest, consentDigest },
      proof as `0x${string}`[],
    )
  );
}
