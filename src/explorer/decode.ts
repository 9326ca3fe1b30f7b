import {
  type Abi,
  type AbiEvent,
  type AbiFunction,
  type AbiParameter,
  type Hex,
  hexToBytes,
  parseAbi,
  toEventSelector,
  toFunctionSelector,
} from "viem";
import { AbiDecodingError, type Argument, argument, decodeParameters, isDynamic, wordValue } from "./abi.ts";

/** A call, an event or an error in the words of its ABI. */
export type Decoded = { readonly name: string; readonly arguments: readonly Argument[] };

/** An ABI's functions, events and errors by selector. */
export type Decoder = {
  /** @returns undefined when the ABI has no such function or the arguments are not of its types */
  call(input: Hex): Decoded | undefined;
  event(topics: readonly Hex[], data: Hex): Decoded | undefined;
  error(data: Hex): Decoded | undefined;
};

const selectorDigits = 2 + 8;

/** Nothing that comes in can make one of its functions throw. */
export function decoderOf(abi: Abi): Decoder {
  const functions = new Map<string, AbiFunction>();
  const errors = new Map<string, AbiErrorItem>();
  // Two events may differ only in what is indexed: ERC-20 and ERC-721 share `Transfer`.
  const events = new Map<string, AbiEvent[]>();
  for (const item of abi) {
    if (item.type === "function") functions.set(toFunctionSelector(item), item);
    else if (item.type === "error") errors.set(errorSelector(item), item);
    else if (item.type === "event" && !item.anonymous) {
      const selector = toEventSelector(item);
      events.set(selector, [...(events.get(selector) ?? []), item]);
    }
  }
  return {
    call: (input) => decodeSelected(functions.get(input.slice(0, selectorDigits)), input),
    error: (data) => decodeSelected(errors.get(data.slice(0, selectorDigits)), data),
    event: (topics, data) => {
      for (const item of events.get(topics[0] ?? "") ?? []) {
        const decoded = attempt(() => decodeEvent(item, topics, data));
        if (decoded !== undefined) return decoded;
      }
      return undefined;
    },
  };
}

type AbiErrorItem = Extract<Abi[number], { type: "error" }>;

function errorSelector(item: AbiErrorItem): Hex {
  return toFunctionSelector({ ...item, type: "function", outputs: [], stateMutability: "view" });
}

function decodeSelected(
  item: { readonly name: string; readonly inputs: readonly AbiParameter[] } | undefined,
  data: Hex,
): Decoded | undefined {
  if (item === undefined) return undefined;
  return attempt(() => ({
    name: item.name,
    arguments: decodeParameters(item.inputs, `0x${data.slice(selectorDigits)}`),
  }));
}

function decodeEvent(item: AbiEvent, topics: readonly Hex[], data: Hex): Decoded {
  const indexed = item.inputs.filter((input) => input.indexed);
  if (indexed.length !== topics.length - 1)
    throw new AbiDecodingError(`${indexed.length} indexed values, ${topics.length - 1} topics`);
  const inData = decodeParameters(
    item.inputs.filter((input) => !input.indexed),
    data,
  );
  let topic = 1;
  let place = 0;
  const values = item.inputs.map((input) =>
    input.indexed ? argument(input, topicValue(input, topics[topic++]!)) : inData[place++]!,
  );
  return { name: item.name, arguments: values };
}

/** Indexed values of more than a word are there as their digest only. */
function topicValue(input: AbiParameter, topic: Hex): Argument["value"] {
  const isWord = !isDynamic(input) && input.type !== "tuple" && !input.type.endsWith("]");
  return isWord ? wordValue(input.type, hexToBytes(topic)) : { digest: topic };
}

/** What the bytes say is data: whatever is wrong with them only means that they are not this. */
function attempt<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch {
    return undefined;
  }
}

const builtIn = decoderOf(parseAbi(["error Error(string reason)", "error Panic(uint256 code)"]));

/** An error by any of several ABIs, because a contract passes on the errors of those it calls; Solidity's own first. */
export function decodeError(decoders: Iterable<Decoder>, data: Hex): Decoded | undefined {
  const own = builtIn.error(data);
  if (own !== undefined) return own;
  for (const decoder of decoders) {
    const decoded = decoder.error(data);
    if (decoded !== undefined) return decoded;
  }
  return undefined;
}
