import { RpcError, rpcCodes } from "./errors.ts";

/** A log as `eth_getLogs` gives it; only what a filter looks at. */
export type FilterableLog = { readonly address: string; readonly topics: readonly string[] };

const alternativesMax = 100;

/**
 * What `eth_subscribe` takes for logs: `address` (one or several) and `topics` (by position: null, one, or several),
 * as https://geth.ethereum.org/docs/interacting-with-geth/rpc/pubsub says.
 *
 * @throws RpcError
 */
export function logFilter(criteria: unknown): (log: FilterableLog) => boolean {
  if (typeof criteria !== "object" || criteria === null || Array.isArray(criteria))
    throw invalid("a filter is an object with address and topics");
  const { address, topics = [] } = criteria as Record<string, unknown>;
  const addresses = address === undefined || address === null ? undefined : hexes(address, 20, "address");
  if (!Array.isArray(topics) || topics.length > 4) throw invalid("topics is a list of at most four");
  const wanted = topics.map((topic) =>
    topic === null || (Array.isArray(topic) && topic.length === 0) ? undefined : hexes(topic, 32, "a topic"),
  );
  return (log) =>
    (addresses === undefined || addresses.has(log.address.toLowerCase())) &&
    wanted.length <= log.topics.length &&
    wanted.every((one, i) => one === undefined || one.has(log.topics[i]!.toLowerCase()));
}

function hexes(value: unknown, bytes: number, what: string): Set<string> {
  const list = Array.isArray(value) ? value : [value];
  if (list.length > alternativesMax) throw invalid(`${what} may name ${alternativesMax} alternatives`);
  return new Set(
    list.map((one) => {
      if (typeof one !== "string" || one.length !== 2 + bytes * 2 || !/^0x[0-9a-fA-F]*$/.test(one))
        throw invalid(`${what} is ${bytes} bytes of hex`);
      return one.toLowerCase();
    }),
  );
}

function invalid(message: string): RpcError {
  return new RpcError(rpcCodes.invalidParams, message);
}
