/** A vote's delegation that its holder signed and this node sends, so that whoever locked OPEN needs none to be heard. */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { type Address, formatEther, parseSignature, recoverTypedDataAddress } from "viem";
import { CallRevertedError, type ChainWriter, limitBody, type ProtocolContracts } from "../chain/index.ts";
import { addressSchema, bytesSchema, decimalSchema, sameHex, toHex } from "../protocol/index.ts";
import { limitReached, RelayLimitError, type Relays } from "../settlement/index.ts";

/** What a holder of GOPEN signs (OpenZeppelin `Votes`; its EIP-712 domain is "Governance OPEN", version 1). */
const delegationTypes = {
  Delegation: [
    { name: "delegatee", type: "address" },
    { name: "nonce", type: "uint256" },
    { name: "expiry", type: "uint256" },
  ],
} as const;

export type Delegation = { readonly delegatee: Address; readonly nonce: bigint; readonly expiry: bigint };

/** Typed data of a delegation, for any wallet to sign. */
export const delegationData = (chainId: number, gopen: Address, message: Delegation) => ({
  domain: { name: "Governance OPEN", version: "1", chainId, verifyingContract: gopen } as const,
  types: delegationTypes,
  primaryType: "Delegation" as const,
  message,
});

/** Sending costs this node gas and history: what is delegated must be worth it. */
const leastWei = 10n ** 18n;

const json = (description: string) => ({
  content: { "application/json": { schema: z.unknown() } },
  description,
});
const route = createRoute({
  method: "post",
  path: "/v1/delegations",
  tags: ["Governance"],
  summary: "Send a delegation of GOPEN's votes that its holder signed; this node pays the gas",
  request: {
    body: {
      required: true,
      content: {
        "application/json": {
          schema: z
            .strictObject({
              delegatee: z.string().toLowerCase().pipe(addressSchema),
              nonce: decimalSchema,
              expiry: decimalSchema,
              signature: z.string().toLowerCase().pipe(bytesSchema(65, 65)),
            })
            .openapi("DelegationRequest"),
        },
      },
    },
  },
  responses: {
    200: json("Delegated"),
    400: json("The signature is not one that counts"),
    409: json("The chain refused it, in its own words"),
    429: json("The day's allowance is used up; `freeAtMs` says until when"),
  },
});

export function delegationRoutes(
  sender: ChainWriter,
  { GOPEN }: Pick<ProtocolContracts, "GOPEN">,
  allow: Relays["allow"],
): OpenAPIHono {
  const app = new OpenAPIHono();
  app.use("/v1/delegations", limitBody(4_096));
  app.onError((error, context) => {
    if (error instanceof RelayLimitError) return limitReached(context, error);
    throw error;
  });
  app.openapi(route, async (context) => {
    const asked = context.req.valid("json");
    const refuse = (status: 400 | 409, code: string, message: string) =>
      context.json({ error: { code, message } }, status);
    const message = {
      delegatee: asked.delegatee,
      nonce: BigInt(asked.nonce),
      expiry: BigInt(asked.expiry),
    };
    const data = delegationData(sender.chain.id, GOPEN.address, message);
    const delegator = await recoverTypedDataAddress({ ...data, signature: asked.signature }).catch(
      () => null,
    );
    if (delegator === null) return refuse(400, "bad-signature", "The signature recovers to no account.");
    const args = [delegator] as const;
    const [nonce, held, current] = await Promise.all([
      sender.public.readContract({ ...GOPEN, functionName: "nonces", args }),
      sender.public.readContract({ ...GOPEN, functionName: "balanceOf", args }),
      sender.public.readContract({ ...GOPEN, functionName: "delegates", args }),
    ]);
    if (nonce !== message.nonce)
      return refuse(
        400,
        "wrong-nonce",
        `The signature is ${delegator}'s with nonce ${message.nonce}; its next nonce is ${nonce}. Was it signed for this chain and contract?`,
      );
    if (held < leastWei)
      return refuse(
        400,
        "too-little-gopen",
        `${delegator} holds ${formatEther(held)} GOPEN; a delegation is sent for at least ${formatEther(leastWei)}. Lock some first, or send it yourself.`,
      );
    if (sameHex(current, message.delegatee))
      return refuse(400, "same-delegate", `The votes of ${delegator} are delegated to ${current} already.`);
    await allow(toHex(delegator));
    const { r, s, yParity } = parseSignature(asked.signature);
    try {
      const { transactionHash } = await sender.write({
        ...GOPEN,
        functionName: "delegateBySig",
        args: [message.delegatee, message.nonce, message.expiry, 27 + yParity, r, s],
      });
      return context.json(
        {
          delegator: toHex(delegator),
          delegatee: asked.delegatee,
          amountWei: held.toString(),
          transactionHash: toHex(transactionHash),
        },
        200,
      );
    } catch (error) {
      if (error instanceof CallRevertedError) return refuse(409, "chain-refused", error.message);
      throw error;
    }
  });
  return app;
}
