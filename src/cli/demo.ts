import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Command } from "commander";
import { openNode, packageFolder, readConfig } from "../node/index.ts";
import { describeCalibration } from "../protocol/index.ts";
import { formatOpen } from "./amount.ts";
import {
  askAll,
  baselines,
  buyKey,
  collectReceipts,
  contributeValley,
  demoContext,
  fineTune,
  firstExamples,
  judgeControl,
  judgePay,
  rightOnes,
  settleAndClaim,
  supply,
  type Teller,
  verifyAll,
} from "./demo-story.ts";
import { contributorNames, readValley, share, smallerValley } from "./demo-valley.ts";
import type { Io } from "./io.ts";
import { progressBar } from "./progress.ts";
import { excerpt } from "./receipt-examples.ts";

const open = 10n ** 18n;
/** What a contributor teaches where few facts are taught. */
const smallFacts = 5;
const percent = (x: number) => `${(100 * x).toFixed(1)} %`;

/** Rows of cells as aligned columns. */
const table = (rows: readonly (readonly string[])[]) => {
  const widths = (rows[0] ?? []).map((_, c) => Math.max(...rows.map((row) => row[c]?.length ?? 0)));
  return rows
    .map(
      (row) =>
        `  ${row.map((cell, c) => (c === 0 ? cell.padEnd(widths[c] as number) : cell.padStart(widths[c] as number))).join("  ")}`,
    )
    .join("\n");
};

/** `openledger demo`: the main job told as a story, on a node in a temporary home. */
export function define(command: Command, io: Io): void {
  command
    .option(
      "--quick",
      "leave retraining out: the calibration of the scores, and the control without one contributor",
    )
    .option("--no-calibration", "leave only the calibration out: most of the retraining")
    .option(
      "--small",
      `teach ${smallFacts} facts of each contributor's 20: the same story in less than half the time`,
    )
    .option("--keep", "keep the temporary home and say where it is")
    .action(async ({ quick = false, small = false, keep = false, calibration }: Options) => {
      const home = mkdtempSync(join(tmpdir(), "openledger-demo-"));
      const stop = new AbortController();
      const interrupted = () => stop.abort();
      process.once("SIGINT", interrupted);
      try {
        const result = await tellStory(
          home,
          { calibration: calibration && !quick, control: !quick, small },
          io,
          stop.signal,
        );
        io.result(result, summary(result));
      } finally {
        process.off("SIGINT", interrupted);
        if (keep) io.note(`The node's home is ${home}: look around with ./openledger up --home ${home}`);
        else rmSync(home, { recursive: true, force: true });
      }
    });
}

type Options = { quick?: boolean; small?: boolean; keep?: boolean; calibration: boolean };
/** What is retrained beside the release, and whether few facts are taught. */
type Told = { calibration: boolean; control: boolean; small: boolean };
type DemoResult = Awaited<ReturnType<typeof tellStory>>;

async function tellStory(
  home: string,
  { calibration: calibrated, control: controlled, small }: Told,
  io: Io,
  stop: AbortSignal,
) {
  const started = performance.now();
  let chapterNumber = 0;
  const tell: Teller = {
    chapter: (title) => {
      if (stop.aborted) throw new Error("Interrupted.");
      io.note(`\n${++chapterNumber}. ${title}`);
    },
    say: (text) => io.note(`  ${text}`),
    progress: (title) => progressBar(io, title),
  };
  const whole = readValley(join(packageFolder, "examples", "valley"));
  const valley = small ? smallerValley(whole, smallFacts) : whole;

  tell.chapter("A node comes up: chain, contracts, database, engine");
  const node = await openNode(readConfig(home, { port: 0, settleEveryMs: 0, settlementWindowSeconds: 1 }), {
    log: (level, message) => {
      if (level === "warn") io.warn(message);
    },
  });
  try {
    const context = demoContext(node, valley, tell);
    tell.say(`${node.url}, chain ${node.network.chain.chainId}, 1,000,000,000 OPEN at genesis`);

    tell.chapter("Five people pool what they know in a Datanet");
    const { datanetId, version, contributors } = await contributeValley(context);
    tell.say(
      `Version ${version.version} is on chain: ${version.count} examples, root ${version.root.slice(0, 18)}…`,
    );

    tell.chapter("The base model is asked what it cannot know");
    const baseAnswers = await askAll(context, node.config.baseName, "Asking the base model");
    const baseAccuracy = share(rightOnes(baseAnswers, valley.questions));
    tell.say(`${percent(baseAccuracy)} of ${valley.questions.length} questions right`);

    tell.chapter("ModelFactory fine-tunes it on the Datanet and releases the result");
    const job = await fineTune(context, datanetId, version.version, { calibrated });
    const { trained, evaluated, indexed, releaseId } = job;
    if (trained === null || evaluated === null || indexed === null || releaseId === null)
      throw new Error("The job ended without its results.");
    tell.say(
      `${trained.epochs} epochs, loss ${trained.lossFirst.toFixed(2)} → ${trained.lossLast.toFixed(3)}; index of ${(indexed.bytes / 1e6).toFixed(0)} MB in ${indexed.k} dimensions`,
    );
    const calibration = describeCalibration({ calibration: job.calibrated?.facts ?? {} });
    tell.say(`Its scores are ${calibration.label}`);
    tell.say(`Release ${releaseId.slice(0, 18)}… is on chain`);

    tell.chapter("An app developer opens a payment channel and asks, through the OpenAI API");
    const { secret } = await buyKey(context, 10n * open);
    const answers = await askAll(context, "valley", "Asking the fine-tuned model", secret);
    const right = rightOnes(answers, valley.questions);
    tell.say(`${percent(share(right))} right, in wordings that were never taught for these facts`);
    valley.questions.slice(0, 2).forEach((q, i) => {
      tell.say(`“${q.question}” — “${answers[i]?.text.trim()}”`);
    });

    tell.chapter("Every answer is traced to the people who shaped it, and its fee divided");
    const receipts = await collectReceipts(context, answers);
    const judged = judgePay(receipts, valley.questions, contributors, right);
    const judgedAll = judgePay(
      receipts,
      valley.questions,
      contributors,
      right.map(() => true),
    );
    const [hitRates, shaped] = await Promise.all([
      baselines(context, releaseId, answers, right),
      firstExamples(context, receipts, right, secret),
    ]);
    tell.say(
      `\n${table([
        ["who named the fact's owner", "right"],
        ["Proof of Attribution", percent(judged.hitRate)],
        ["Grad-Dot, summed by contributor", percent(hitRates.graddot)],
        ["BM25, summed by contributor", percent(hitRates.bm25)],
        ["chance", "20.0 %"],
      ])}`,
    );
    tell.say(
      `The owner receives ${percent(judged.ownerShare)} of the contributors' money; ${judged.toPool} of ${judged.judged} answers pay the common pool`,
    );
    if (shaped !== undefined)
      tell.say(
        `The examples that shaped the answer to “${shaped.question.question}” most:\n\n${table([
          ["example", "by", "share"],
          ...shaped.helpful.map(({ text, contributor, shareMillionths }) => [
            text === null ? "" : excerpt(text),
            contributorNames[(contributors as readonly string[]).indexOf(contributor)] ?? "",
            percent((shareMillionths ?? 0) / 1e6),
          ]),
        ])}`,
      );

    tell.chapter("The receipts are settled on chain, and everyone claims");
    const money = await settleAndClaim(context, receipts, contributors);
    tell.say(
      `\n${table([["paid to", "OPEN"], ...Object.entries(money.paidWei).map(([head, wei]) => [head, formatOpen(wei)]), ["all fees", formatOpen(money.feesWei)]])}`,
    );
    tell.say(
      `${contributorNames.map((name, i) => `${name} ${formatOpen(money.earnedWei[i] as bigint)}`).join(", ")}`,
    );
    tell.say(
      `One batch, ${Math.round(money.gasPerReceipt).toLocaleString("en-US")} gas a receipt; ${formatOpen(money.claimedWei)} OPEN claimed`,
    );

    tell.chapter("An auditor checks every receipt from one file each, without the node");
    const { verified, failed } = await verifyAll(context, receipts);
    for (const line of failed.slice(0, 5)) tell.say(`✗ ${line}`);
    tell.say(`${verified} of ${receipts.length} receipts hold: signature, digests, scores, threshold, split`);
    const supplied = await supply(context);
    tell.say(
      `All ${supplied.accounts} accounts together hold ${supplied.conserved ? "exactly 10²⁷ wei" : `${supplied.balancesWei} wei`}`,
    );

    let control: { removedOwnerAccuracy: number; othersAccuracy: number } | null = null;
    if (controlled) {
      tell.chapter("The control: trained again without Alma, does the model forget what was hers?");
      const again = await fineTune(context, datanetId, version.version, {
        exclude: [contributors[0] as `0x${string}`],
      });
      control = judgeControl(again.evaluated?.tuned.exact ?? [], valley.questions, 0);
      tell.say(
        `Alma's facts: ${percent(control.removedOwnerAccuracy)} right. Everybody else's: ${percent(control.othersAccuracy)}`,
      );
    }

    return {
      ok: true,
      chainId: node.network.chain.chainId,
      datanet: { version: version.root, examples: version.count, contributors: contributors.length },
      training: {
        steps: trained.steps,
        lossFirst: trained.lossFirst,
        lossLast: trained.lossLast,
        heldOutLossBase: evaluated.base.loss,
        heldOutLossTuned: evaluated.tuned.loss,
      },
      release: releaseId,
      calibration,
      answers: answers.length,
      baseAccuracy,
      answerAccuracy: share(right),
      attributionHitRate: judged.hitRate,
      attributionHitRateAll: judgedAll.hitRate,
      ownerShareOfPay: judged.ownerShare,
      hitRates,
      ...(control === null ? {} : { control }),
      feesWei: money.feesWei,
      paidWei: money.paidWei,
      claimedWei: money.claimedWei,
      batchTx: money.batchTx,
      gasPerReceipt: money.gasPerReceipt,
      verified: verified === receipts.length,
      supplyConserved: supplied.conserved,
      seconds: Math.round((performance.now() - started) / 100) / 10,
    };
  } finally {
    await node.close();
  }
}

const summary = (result: DemoResult) =>
  `\nDone in ${result.seconds} s: ${result.answers} answers, ${percent(result.answerAccuracy)} right, the owner best paid in ${percent(result.attributionHitRate)}, fees ${formatOpen(result.feesWei)} OPEN divided to the wei${result.verified ? ", every receipt verified" : ""}.`;
