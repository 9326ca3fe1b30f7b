import type { Address, Digest } from "../../protocol/index.ts";
import { DatanetError } from "../errors.ts";
import {
  type AccessParts,
  type Admission,
  accessRuleOf,
  askToRead,
  contributorOfPass,
  decideReader,
  listReaders,
  listReads,
  type Page,
  type ReadCount,
  type Reader,
  readerOfPass,
  recordRead,
  setAccessRule,
} from "./access.ts";
import { type AccessRule, termsDigest } from "./rule.ts";

/** Who may read Datanets, and who did. */
export type Access = {
  rule(datanetId: bigint): Promise<{ rule: AccessRule; termsDigest: Digest }>;
  setRule(datanetId: bigint, rule: AccessRule): Promise<AccessRule>;
  ask(given: Parameters<typeof askToRead>[1]): Promise<Admission>;
  decide(datanetId: bigint, reader: Address, decision: Parameters<typeof decideReader>[3]): Promise<Reader>;
  /** Datanets that are not open to all. */
  privateOnes(): Promise<bigint[]>;
  readers(datanetId: bigint, page: Page): ReturnType<typeof listReaders>;
  reads(datanetId: bigint, page: Page): Promise<ReadCount[]>;
  /** Whose pass this is. @throws DatanetError `access-needed` */
  readerOf(datanetId: bigint, pass: string | undefined): Promise<Address>;
  /** Whether somebody may read, without a trace: for what says little of the texts. */
  mayRead(datanetId: bigint, by: "operator" | { readonly pass: string | undefined }): Promise<boolean>;
  /** Whether somebody may read what one contributor gave: who may read all of it, and the contributor. */
  mayReadOf(
    given: { readonly datanetId: bigint; readonly contributor: Address },
    by: "operator" | { readonly pass: string | undefined },
  ): Promise<boolean>;
  /**
   * Lets somebody read, and writes it down.
   *
   * @param by `operator`, or the pass that was shown, if any
   * @throws DatanetError `access-needed`
   */
  read(
    read: { readonly datanetId: bigint; readonly version: number; readonly what: string },
    by: "operator" | { readonly pass: string | undefined },
  ): Promise<void>;
};

export function createAccess(parts: AccessParts): Access {
  const { database } = parts;
  const readerOf = async (datanetId: bigint, by: "operator" | { readonly pass: string | undefined }) => {
    if (by === "operator") return by;
    const { kind } = await accessRuleOf(database, datanetId);
    return kind === "public" ? "anyone" : readerOfPass(parts, datanetId, by.pass);
  };
  const mayRead: Access["mayRead"] = (datanetId, by) =>
    readerOf(datanetId, by).then(
      () => true,
      (error: unknown) => {
        if (error instanceof DatanetError && error.code === "access-needed") return false;
        throw error;
      },
    );
  return {
    async rule(datanetId) {
      const rule = await accessRuleOf(database, datanetId);
      return { rule, termsDigest: termsDigest(rule) };
    },
    setRule: (datanetId, rule) => setAccessRule(parts, datanetId, rule),
    ask: (given) => askToRead(parts, given),
    decide: (datanetId, reader, decision) => decideReader(parts, datanetId, reader, decision),
    async privateOnes() {
      const found = await database.query<{ id: bigint }>(
        "select id from datanets.datanets where access ->> 'kind' <> 'public' order by id",
      );
      return found.map(({ id }) => id);
    },
    readers: (datanetId, page) => listReaders(database, datanetId, page),
    reads: (datanetId, page) => listReads(database, datanetId, page),
    readerOf: (datanetId, pass) => readerOfPass(parts, datanetId, pass),
    mayRead,
    mayReadOf: async ({ datanetId, contributor }, by) =>
      (await mayRead(datanetId, by)) ||
      (by !== "operator" && (await contributorOfPass(parts, datanetId, by.pass)) === contributor),
    async read(read, by) {
      await recordRead(parts, { ...read, reader: await readerOf(read.datanetId, by) });
    },
  };
}
