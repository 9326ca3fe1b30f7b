import { readFileSync } from "node:fs";

/** Gas as `contracts/test/Gas.t.sol` measured it last; the contracts' tests rewrite the file. */
export function gasFigures() {
  const file = "contracts/snapshots/Settlement.json";
  const snapshot: Record<string, string> = JSON.parse(
    readFileSync(new URL(`../../${file}`, import.meta.url), "utf8"),
  );
  const gas = (name: string) => {
    const value = Number(snapshot[name]);
    if (!Number.isSafeInteger(value)) throw new Error(`${file} has no figure "${name}".`);
    return value;
  };
  return {
    gasPerReceipt: gas("settle 50 channels with collect, per receipt of 1,000"),
    gasPerReceipt1000Channels: gas("settle 1,000 channels with collect, per receipt of 1,000"),
    gasClaim: gas("claim among 100 payees"),
    gasWrongScoreProof: gas("prove a wrong score at k = 1,024 among 256 listed"),
    gasFrom: file,
  };
}
