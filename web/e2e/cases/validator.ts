/** Who stakes: a pool of one's own, stake in another's, and what becomes of it when that one stays silent. */
import { setTimeout as pause } from "node:timers/promises";
import { keccak256, zeroAddress } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { inBrowser } from "../populated.ts";
import { assertState } from "../screens.ts";
import { askAndSettle } from "../world.ts";

const open = 10n ** 18n;

inBrowser("who has no OPEN is told what a pool costs and where OPEN comes from", async ({ visit }) => {
  const account = privateKeyToAccount(generatePrivateKey());
  const page = await visit("/stake", account);
  await page.getByRole("button", { name: "Open a pool of your own" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Open the pool" }).click();
  const refused = page.getByRole("dialog").getByRole("alert");
  await refused.getByText(/^This costs at most 100\.\d+ OPEN, with 0\.\d+ OPEN of it for gas/).waitFor();
  await refused
    .getByText(
      `your account has 0 OPEN. On this local network the faucet gives it away: its operator runs ./openledger wallet faucet 101 --to ${account.address.toLowerCase()}`,
    )
    .waitFor();
  await assertState(page, "stake-too-little");
});

inBrowser("a validator opens a pool, and another's stake joins it", async ({ person, visit }) => {
  const page = await visit("/stake", await person("vera", 1_000));
  await page.getByRole("button", { name: "Open a pool of your own" }).click();
  await page.getByLabel("Your own stake, OPEN").fill("200");
  await page.getByRole("dialog").getByRole("button", { name: "Open the pool" }).click();
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await page.getByRole("table").getByRole("link").first().waitFor();

  const other = await visit("/stake", await person("ida", 100));
  await other.getByRole("table").getByRole("link").first().click();
  await other.getByText("You have 100 OPEN.").waitFor();
  await other.getByLabel("OPEN to stake").fill("25");
  await other.getByRole("button", { name: "Stake", exact: true }).click();
  await other.getByText("You have 25 OPEN in this pool.").waitFor();
});

inBrowser(
  "who delegated to a validator sees what its silence cost",
  async ({ world, known, person, visit, get }) => {
    const { writer, contracts, reader, accounts } = world.node.network;
    const { OpenStaking, Verdicts, ProtocolParameters } = contracts;
    const silent = await Promise.all(["mute", "hush", "still"].map((name) => person(name, 150)));
    for (const validator of silent)
      await writer(validator).write({
        ...OpenStaking,
        functionName: "open",
        args: [BigInt(validator.address), 1_000],
        value: 100n * open,
      });
    const [mute] = silent;
    const pool = mute?.address.toLowerCase() as `0x${string}`;
    const delegator = await person("dana", 200);
    const page = await visit(`/stake/${pool}`, delegator);
    await page.getByLabel("OPEN to stake").fill("100");
    await page.getByRole("button", { name: "Stake", exact: true }).click();
    await page.getByText("You have 100 OPEN in this pool.").waitFor();
    await page.getByText("Nobody was slashed").waitFor();

    // Seats are for stake that earns, from the next epoch on; draws for who had a seat before the batch.
    const earning = (poolId: bigint) =>
      reader.public.readContract({
        ...OpenStaking,
        functionName: "activeStakeOf",
        args: [poolId],
        blockTag: "pending",
      });
    while ((await Promise.all(silent.map(({ address }) => earning(BigInt(address))))).includes(0n))
      await pause(200);
    for (const validator of silent)
      await writer(validator).write({
        ...Verdicts,
        functionName: "register",
        args: [keccak256(validator.address), zeroAddress],
      });
    await pause(1_000);
    await askAndSettle(world, "valley", known.question, known.secret);
    const { receipts } = await get<{ receipts: { batchNumber: number }[] }>("/v1/receipts?limit=1");
    const value = await reader.public.readContract({ ...ProtocolParameters, functionName: "demandFeeWei" });
    await writer(delegator).write({
      ...Verdicts,
      functionName: "accuse",
      args: [accounts.operator.address, BigInt(receipts[0]?.batchNumber as number), 0],
      value,
    });
    const drawId = await reader.public.readContract({ ...Verdicts, functionName: "drawCount" });
    const { revealEnds } = await reader.public.readContract({
      ...Verdicts,
      functionName: "drawOf",
      args: [drawId],
    });
    await pause(Math.max(0, revealEnds * 1_000 - Date.now()) + 200);
    await writer(delegator).write({ ...Verdicts, functionName: "chargeSilence", args: [drawId, pool] });

    // A twentieth of the pool, its delegators' alike; until the appeal has ended nobody joins or leaves.
    const slash = page.getByRole("table", { name: "Slashes" }).getByRole("row").nth(1);
    await slash.getByText("withheld a verdict it was drawn for").waitFor();
    await slash.getByText("10 OPEN").waitFor();
    await slash.getByText("under appeal").waitFor();
    await page.getByText("You have 95 OPEN in this pool.").waitFor();
    await page.getByLabel("OPEN to stake").and(page.locator(":disabled")).waitFor();
    await page.getByRole("link", { name: "Stake", exact: true }).first().click();
    await page.getByRole("tab", { name: "Slashes" }).click();
    await page.getByRole("table", { name: "Slashes" }).getByTitle(pool).waitFor();

    await page.getByRole("link", { name: "Explorer" }).click();
    await page.getByRole("link", { name: "Challenges" }).click();
    const accused = page.getByRole("table", { name: "Accusations and audits" }).getByRole("row").nth(1);
    await accused.getByText("receipt 0 is said to be wrong").waitFor();
    await accused.getByTitle(delegator.address.toLowerCase()).waitFor();
    await accused.getByText("nobody voted").waitFor();
  },
);
