/**
 * What validators say that no contract keeps: what they found of a release's index, and by which rows. Each is signed, is
 * published by whichever node is asked to, and stands: who says something else later is refused, and whoever has both has a proof of that.
 */
import { z } from "zod";
import type { ChainReader, ProtocolContracts } from "../chain/index.ts";
import {
  type Address,
  addressSchema,
  bytesSchema,
  canonicalJson,
  type Digest,
  digestSchema,
  domain,
  type Hex,
  hashableSchema,
  jsonDigest,
  recoverTypedData,
  type Signer,
  sameHex,
  signTypedData,
  toHex,
} from "../protocol/index.ts";
import type { Database } from "../store/index.ts";
import { ValidatorError } from "./errors.ts";
import { readSeat } from "./verdicts.ts";

/** `index`: subject is the release's id. */
export const statementKinds = ["index"] as const;

const statementSchema = z.strictObject({
  schema: z.literal("openledger/statement/1"),
  kind: z.enum(statementKinds),
  subject: digestSchema,
  validator: addressSchema,
  /** Seconds since the epoch. */
  issuedAt: z.int().min(0),
  /** Strings and integers: it is hashed. */
  body: z.record(z.string().max(64), hashableSchema),
});
export type Statement = z.output<typeof statementSchema>;

export const signedStatementSchema = z.strictObject({
  statement: statementSchema,
  signature: bytesSchema(65, 65),
});
export type SignedStatement = z.output<typeof signedStatementSchema>;

export const statementBytesMax = 32_768;
const perValidatorMax = 10_000;
const listedMax = 1_000;

const typedData = (chainId: number, verdicts: Address, statement: Statement) => ({
  domain: domain(chainId, toHex(verdicts)),
  types: { Statement: [{ name: "digest", type: "bytes32" }] },
  primaryType: "Statement",
  message: { digest: jsonDigest(statement) },
});

type Where = { readonly chainId: number; readonly verdicts: Address };

export async function signStatement(
  where: Where,
  statement: Statement,
  signer: Signer,
): Promise<SignedStatement> {
  const signature = await signTypedData(typedData(where.chainId, where.verdicts, statement), signer);
  return { statement, signature };
}

/** @returns whether the validator that it names signed it */
async function isSigned(where: Where, { statement, signature }: SignedStatement): Promise<boolean> {
  const data = typedData(where.chainId, where.verdicts, statement);
  const signer = await recoverTypedData(data, signature as Hex).catch(() => undefined);
  return signer !== undefined && sameHex(signer, statement.validator);
}

const migrations = [
  `create table statements.said (
     at bigint generated always as identity primary key,
     kind text not null,
     subject text not null,
     validator text not null,
     digest text not null,
     statement text not null,
     signature text not null,
     unique (kind, subject, validator)
   );`,
];

export type Statements = {
  /** Keeps and publishes it; the same once more changes nothing. @throws ValidatorError `bad-statement` */
  publish(signed: SignedStatement): Promise<Digest>;
  /** Newest first. */
  list(filter: {
    kind?: string | undefined;
    subject?: string | undefined;
    limit?: number;
  }): Promise<SignedStatement[]>;
};

export async function openStatements(parts: {
  readonly database: Database;
  readonly chain: ChainReader;
  readonly contracts: Pick<ProtocolContracts, "Verdicts">;
}): Promise<Statements> {
  const { database, chain, contracts } = parts;
  await database.migrate("statements", migrations);
  const where = { chainId: chain.chain.id, verdicts: contracts.Verdicts.address };
  const refuse = (why: string) =>
    new ValidatorError("bad-statement", `The statement is not published: ${why}.`);
  return {
    async publish(signed) {
      const { statement, signature } = signed;
      const { kind, subject, validator } = statement;
      const text = canonicalJson(statement);
      if (text.length > statementBytesMax)
        throw refuse(`it has ${text.length} characters, ${statementBytesMax} at most are kept`);
      if (!(await isSigned(where, signed))) throw refuse(`${validator} did not sign it`);
      if (!(await readSeat(chain, contracts, validator)).hasSeat)
        throw refuse(`${validator} has no seat among the validators`);
      const digest = jsonDigest(statement);
      return database.transaction(async (tx) => {
        const [count] = await tx.query<{ said: number }>(
          "select count(*) as said from statements.said where validator = $1",
          [validator],
        );
        if ((count?.said ?? 0) >= perValidatorMax)
          throw refuse(`${validator} has said ${perValidatorMax} things here`);
        await tx.query(
          `insert into statements.said (kind, subject, validator, digest, statement, signature) values ($1, $2, $3, $4, $5, $6)
           on conflict (kind, subject, validator) do nothing`,
          [kind, subject, validator, digest, text, signature],
        );
        const [kept] = await tx.query<{ digest: Digest }>(
          "select digest from statements.said where kind = $1 and subject = $2 and validator = $3",
          [kind, subject, validator],
        );
        if (kept?.digest !== digest) throw refuse(`${validator} said something else about it before`);
        return digest;
      });
    },
    async list({ kind, subject, limit = 100 }) {
      const rows = await database.query<{ statement: string; signature: Hex }>(
        `select statement, signature from statements.said
         where ($1::text is null or kind = $1) and ($2::text is null or subject = $2) order by at desc limit $3`,
        [kind ?? null, subject ?? null, Math.min(limit, listedMax)],
      );
      return rows.map(({ statement, signature }) => ({
        statement: statementSchema.parse(JSON.parse(statement)),
        signature,
      }));
    },
  };
}
