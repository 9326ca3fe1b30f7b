/** `openledger datanet election|vote`: contributors elect who curates. */
import type { Command } from "commander";
import { type Address, domain, signCuratorVote, toHex } from "../protocol/index.ts";
import { datanetNumber } from "./datanet-number.ts";
import { connect } from "./http.ts";
import type { Io } from "./io.ts";
import { wholeUpTo } from "./numbers.ts";
import { assertChain } from "./purse.ts";
import { subcommand } from "./subcommand.ts";
import { table } from "./table.ts";
import { walletAccount, withAccount } from "./wallet-account.ts";

type ElectionJson = {
  readonly electionId: string;
  readonly version: number;
  readonly votes: number;
  readonly closesAt: number;
  readonly elected: string | null;
  readonly termEndsAt: number | null;
  readonly candidates: readonly { readonly candidate: string; readonly votes: number }[];
};
type ListJson = {
  readonly elections: readonly ElectionJson[];
  readonly signing: { readonly chainId: number; readonly verifyingContract: Address };
};

const daySeconds = 86_400;
const time = (seconds: number) =>
  `${new Date(seconds * 1000).toISOString().slice(0, 16).replace("T", " ")} UTC`;

export function define(command: Command, io: Io): void {
  subcommand(command, "election", "Show elections of curators, or open one as the Datanet's owner")
    .argument("<datanet>", "its number", datanetNumber)
    .option(
      "--open <version>",
      "among the contributors of this version; as the node's operator",
      wholeUpTo(2 ** 32 - 1),
    )
    .option("--days <number>", "votes count so long", wholeUpTo(3_650), 7)
    .option("--term-days <number>", "whoever wins curates so long", wholeUpTo(3_650), 90)
    .action((id, options) => election(io, id, options));
  withAccount(
    subcommand(
      command,
      "vote",
      "Vote for a curator with all your examples; the node brings it, no OPEN is needed",
    ),
    "account of your wallet that contributed",
  )
    .argument("<datanet>", "its number", datanetNumber)
    .requiredOption("--election <number>", "which one", datanetNumber)
    .requiredOption("--for <address>", "whom you want as a curator")
    .action((id, options) => vote(io, id, options));
}

async function election(
  io: Io,
  id: string,
  { open, days, termDays }: { open?: number; days: number; termDays: number },
): Promise<void> {
  const node = connect();
  const path = `/v1/datanets/${id}/elections`;
  const closesAt = Math.floor(Date.now() / 1000) + days * daySeconds;
  if (open !== undefined)
    await node.post(
      path,
      { version: open, closesAt, termSeconds: termDays * daySeconds },
      { operator: true },
    );
  const found = await node.get<ListJson>(path);
  io.result(
    found,
    found.elections.length === 0
      ? `Nobody was elected yet.\n→ ./openledger datanet election ${id} --open <version>`
      : table(found.elections, [
          ["Election", (one) => one.electionId, "number"],
          ["Version", ({ version }) => version, "number"],
          [
            "Votes",
            ({ candidates, votes }) => `${candidates.reduce((sum, one) => sum + one.votes, 0)} of ${votes}`,
          ],
          ["Open until", ({ closesAt: at }) => time(at)],
          [
            "Most",
            ({ candidates: [most] }) => (most === undefined ? "–" : `${most.candidate} ${most.votes}`),
          ],
          ["Curates until", ({ termEndsAt }) => (termEndsAt === null ? "–" : time(termEndsAt))],
        ]),
  );
}

async function vote(
  io: Io,
  id: string,
  options: { as: string; election: string; for: string },
): Promise<void> {
  const node = connect();
  const path = `/v1/datanets/${id}/elections`;
  const { signing } = await node.get<ListJson>(path);
  assertChain(node, signing.chainId);
  const account = walletAccount(node.settings, options.as, io);
  const [contributor, candidate] = [toHex(account.address), options.for.toLowerCase() as Address];
  const said = { electionId: BigInt(options.election), contributor, candidate };
  const signature = await signCuratorVote(domain(signing.chainId, signing.verifyingContract), said, account);
  const done = await node.post<{ added: number; election: ElectionJson }>(
    `${path}/${options.election}/votes`,
    {
      ...{ contributor, candidate, signature },
    },
  );
  const { elected, votes } = done.election;
  io.result(
    done,
    `${done.added} of your examples voted; the version has ${votes}. ` +
      (elected === null ? "More than half elect." : `${elected} is elected.`),
  );
}
