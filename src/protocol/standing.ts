/** What stands behind each thing that is said of a score: a proof, validators, or a word. Shown wherever a score is shown. */

export const standings = ["proven", "attested", "neither"] as const;

export type Standing = {
  /**
   * `proven`: whoever can show the opposite does so on chain, and is paid for it. `attested`: validators with a stake compute it again.
   * `neither`: somebody says so; anyone can compute it again, and nothing on chain judges it.
   */
  readonly by: (typeof standings)[number];
  readonly fact: string;
  /** Who checks it, and how one checks it oneself. */
  readonly check: string;
};

/**
 * @param attested whether validators have attested the release's index; undefined where nobody asked the chain
 * @param made what whoever reads this has just made again themselves: it needs nobody's word
 * @param measured whether its manifest names retrainings that its scores were held against; undefined where nobody looked
 */
export function releaseStanding(
  attested?: boolean,
  made?: "index" | "adapter",
  measured?: boolean,
): Standing[] {
  const index: Standing = {
    by: attested === true ? "attested" : "neither",
    fact: "the index comes from the release's data",
    check:
      attested === true
        ? "validators computed it again and found it right"
        : attested === false
          ? "validators have not attested it; verify <release> --index makes it again"
          : "unless validators attested it; verify <release> --index makes it again",
  };
  const adapter: Standing = {
    by: "neither",
    fact: "the adapter comes from the release's data",
    check: "the developer says so; verify <release> --retrain trains it again",
  };
  return [
    ...(made === "index" ? [] : [index]),
    ...(made === "adapter" ? [] : [adapter]),
    {
      by: "neither",
      fact: "the scores are as right as their calibration and error bars say",
      check:
        measured === false
          ? "nobody has measured it: the manifest names no retrainings"
          : measured === true
            ? "the developer measured it, by retrainings that the manifest names"
            : "the developer measured it, if the manifest names retrainings",
    },
  ];
}

/** @param traced whether the answer has scores: the payer may opt out */
export function receiptStanding(traced: boolean, attested?: boolean): Standing[] {
  if (!traced)
    return [
      {
        by: "proven",
        fact: "how the fee is divided follows from the receipt's terms",
        check: "whoever shows the opposite undoes the batch on chain",
      },
    ];
  return [
    {
      by: "proven",
      fact: "scores, threshold, who is listed and how the fee is divided follow from q and the index",
      check: "whoever shows the opposite undoes the batch on chain",
    },
    {
      by: "attested",
      fact: "q is the gradient of this answer",
      check: "validators compute it again for receipts that are drawn; verify --replay does for any",
    },
    ...releaseStanding(attested),
  ];
}

/** One line a fact, for people. */
export const standingLines = (list: readonly Standing[]): string[] =>
  list.map(({ by, fact, check }) => `${by.padEnd(9)} ${fact}: ${check}`);
