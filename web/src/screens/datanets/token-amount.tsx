import { useQuery } from "@tanstack/react-query";
import type { Address } from "viem";
import { count } from "../../lib/format.ts";

/** A contract says of itself what it likes. */
const symbolMax = 16;

/** What a token calls itself, and in how many decimals it counts; an ERC-721, which has none, in ones. */
const tokenQuery = (contract: string) => ({
  queryKey: ["token", contract],
  queryFn: async () => {
    const [{ network }, { BaseError, ContractFunctionRevertedError, erc20Abi }] = await Promise.all([
      import("../../chain/client.ts"),
      import("viem"),
    ]);
    const { public: reader } = await network();
    const token = { address: contract as Address, abi: erc20Abi } as const;
    const unlessItHasNone = (error: unknown) => {
      if (error instanceof BaseError && error.walk((one) => one instanceof ContractFunctionRevertedError))
        return undefined;
      throw error;
    };
    const [symbol, decimals] = await Promise.all([
      reader.readContract({ ...token, functionName: "symbol" }).catch(unlessItHasNone),
      reader.readContract({ ...token, functionName: "decimals" }).catch(unlessItHasNone),
    ]);
    return { symbol: symbol?.slice(0, symbolMax) ?? "", decimals: decimals ?? 0 };
  },
  staleTime: Number.POSITIVE_INFINITY,
});

/** So much of a token as its holders count it; in its base units until it has said how that is. */
export function TokenAmount({ contract, units }: { contract: string; units: string }) {
  const { data } = useQuery(tokenQuery(contract));
  if (data === undefined) return <>{count(units)} base units</>;
  const digits = units.padStart(data.decimals + 1, "0");
  const fraction = digits.slice(digits.length - data.decimals).replace(/0+$/, "");
  const whole = count(digits.slice(0, digits.length - data.decimals));
  return (
    <span title={`${count(units)} base units`}>
      {whole}
      {data.decimals > 0 && fraction && `.${fraction}`} {data.symbol}
    </span>
  );
}
