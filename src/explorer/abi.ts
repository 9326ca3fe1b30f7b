import { type AbiParameter, type Hex, hexToBytes } from "viem";

/**
 * The Contract ABI's decoding (https://docs.soliditylang.org/en/latest/abi-spec.html) for bytes that anybody may have sent:
 * as strict as Solidity's own decoder, but with a limit on everything it reads and makes. Calldata of 100 kB can otherwise
 * stand for gigabytes, because any number of offsets may point at the same bytes.
 */

/** What JSON can say of an ABI value: integers as decimal strings, addresses and bytes as lower-case hex. */
export type Value = string | boolean | readonly Value[] | readonly Argument[] | Cut | Digested;

/** A value longer than is kept: its beginning, and its whole length in bytes (text, bytes) or elements (arrays). */
export type Cut = { readonly cut: string | readonly Value[]; readonly length: number };

/** An indexed value of dynamic type: an event holds only its Keccak-256. */
export type Digested = { readonly digest: Hex };

/** A parameter with its value; a tuple's value is a list of them. `name` is empty where the ABI gives none. */
export type Argument = { readonly name: string; readonly type: string; readonly value: Value };

/** Bounds on what is kept of one call, event or error. */
export const abiLimits = {
  /** Values of all kinds, nested ones included. */
  values: 2_048,
  /** Of one array. */
  elements: 64,
  /** Of one text or byte string. */
  bytes: 512,
  /** Of all texts and byte strings together. */
  bytesTogether: 16_384,
  /** Arrays and tuples within each other. */
  depth: 16,
} as const;

/** The bytes are not what the ABI says, or the ABI is none. */
export class AbiDecodingError extends Error {
  override readonly name = "AbiDecodingError";
}

type Frame = { readonly data: Uint8Array; readonly base: number };
type Budget = { values: number; bytes: number };

/** Decode the parameters of a call, an error, or an event's data. @throws AbiDecodingError */
export function decodeParameters(parameters: readonly AbiParameter[], data: Hex): Argument[] {
  const frame = { data: hexToBytes(data), base: 0 };
  const budget = { values: abiLimits.values, bytes: abiLimits.bytesTogether };
  return decodeSequence(parameters, frame, 0, budget, 0).map((value, index) =>
    argument(parameters[index]!, value),
  );
}

export function argument({ name = "", type }: AbiParameter, value: Value): Argument {
  return { name: readable(name), type, value };
}

function decodeSequence(
  types: readonly AbiParameter[],
  frame: Frame,
  at: number,
  budget: Budget,
  depth: number,
): Value[] {
  const values: Value[] = [];
  let head = at;
  for (const type of types) {
    values.push(decodeAt(type, frame, head, budget, depth));
    head += headBytes(type);
  }
  return values;
}

/** The value whose head lies at `at`, counted from the frame's base. */
function decodeAt(type: AbiParameter, frame: Frame, at: number, budget: Budget, depth: number): Value {
  if (depth > abiLimits.depth) throw new AbiDecodingError(`values are nested deeper than ${abiLimits.depth}`);
  if (--budget.values < 0) throw new AbiDecodingError(`more than ${abiLimits.values} values`);
  if (!isDynamic(type)) return decodeBody(type, frame, at, budget, depth);
  return decodeBody(type, frame, smallNumber(frame, at), budget, depth);
}

function decodeBody(type: AbiParameter, frame: Frame, at: number, budget: Budget, depth: number): Value {
  const array = arrayOf(type);
  if (array !== undefined) {
    const counted = array.length === undefined;
    const length = array.length ?? smallNumber(frame, at);
    return decodeArray(array.element, length, frame, counted ? at + 32 : at, budget, depth + 1);
  }
  if (isTuple(type)) {
    const components = componentsOf(type);
    const inner = isDynamic(type) ? { data: frame.data, base: frame.base + at } : frame;
    const values = decodeSequence(components, inner, isDynamic(type) ? 0 : at, budget, depth + 1);
    return values.map((value, index) => argument(components[index]!, value));
  }
  if (type.type === "string" || type.type === "bytes") {
    const length = smallNumber(frame, at);
    const content = slice(frame, at + 32, length);
    const kept = content.subarray(0, Math.min(abiLimits.bytes, budget.bytes));
    budget.bytes -= kept.length;
    const shown = type.type === "string" ? readable(utf8.decode(kept)) : hexOf(kept);
    return kept.length === length ? shown : { cut: shown, length };
  }
  return wordValue(type.type, slice(frame, at, 32));
}

function decodeArray(
  element: AbiParameter,
  length: number,
  frame: Frame,
  at: number,
  budget: Budget,
  depth: number,
): Value {
  const inner = { data: frame.data, base: frame.base + at };
  const step = headBytes(element);
  // Every element has its head, so that an array longer than the data is none; of no bytes each there is no such bound.
  if (step === 0) throw new AbiDecodingError("an array's elements take no bytes");
  slice(inner, 0, length * step);
  const kept = Math.min(length, abiLimits.elements);
  const values: Value[] = [];
  for (let index = 0; index < kept; index++)
    values.push(decodeAt(element, inner, index * step, budget, depth));
  return kept === length ? values : { cut: values, length };
}

function slice({ data, base }: Frame, at: number, length: number): Uint8Array {
  const from = base + at;
  const to = from + length;
  if (!(to <= data.length))
    throw new AbiDecodingError(`bytes ${from} to ${to} were expected, ${data.length} are there`);
  return data.subarray(from, to);
}

/** A word that must be an offset or a length within data of this size. */
function smallNumber(frame: Frame, at: number): number {
  const value = bigintOf(slice(frame, at, 32));
  if (value > BigInt(frame.data.length))
    throw new AbiDecodingError(`offset or length ${value} in ${frame.data.length} bytes`);
  return Number(value);
}

function bigintOf(bytes: Uint8Array): bigint {
  return BigInt(hexOf(bytes) === "0x" ? 0 : hexOf(bytes));
}

export function hexOf(bytes: Uint8Array): Hex {
  return `0x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex")}`;
}

/** A value of one word. Solidity refuses words with other bits set than the type has; so does this. */
export function wordValue(type: string, word: Uint8Array): Value {
  const number = bigintOf(word);
  const refuse = () => new AbiDecodingError(`${hexOf(word)} is no ${type}`);
  if (type === "address") {
    if (number >> 160n !== 0n) throw refuse();
    return hexOf(word.subarray(12));
  }
  if (type === "bool") {
    if (number > 1n) throw refuse();
    return number === 1n;
  }
  const [, kind, size = ""] = /^(uint|int|bytes)(\d{0,3})$/.exec(type) ?? [];
  if (kind === "bytes" && size !== "") {
    const count = sizeOf(size, 1, 32, 1);
    if (word.subarray(count).some((byte) => byte !== 0)) throw refuse();
    return hexOf(word.subarray(0, count));
  }
  if (kind === "uint") {
    if (number >> BigInt(sizeOf(size || "256", 8, 256, 8)) !== 0n) throw refuse();
    return number.toString();
  }
  if (kind === "int") {
    const signed = BigInt.asIntN(256, number);
    if (BigInt.asIntN(sizeOf(size || "256", 8, 256, 8), signed) !== signed) throw refuse();
    return signed.toString();
  }
  if (type === "function") return hexOf(word.subarray(0, 24));
  throw new AbiDecodingError(`the type ${readable(type)} is not known`);
}

function sizeOf(text: string, min: number, max: number, step: number): number {
  const size = Number(text);
  if (size < min || size > max || size % step !== 0)
    throw new AbiDecodingError(`${text} is no size of a type`);
  return size;
}

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

// Control characters, line separators, direction marks: what could forge a line of a log or turn text around.
const unprintable = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** Text that is safe to store and to print: what cannot be seen is written as `\u{…}`. */
export function readable(text: string): string {
  return text.replace(unprintable, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`);
}

function isTuple({ type }: AbiParameter): boolean {
  return type === "tuple";
}

function componentsOf(type: AbiParameter): readonly AbiParameter[] {
  return "components" in type ? type.components : [];
}

/** The element type of an array type and, if it is fixed, its length. */
function arrayOf(type: AbiParameter): { element: AbiParameter; length: number | undefined } | undefined {
  const [, element, length] = /^(.+)\[(\d{0,6})\]$/.exec(type.type) ?? [];
  if (element === undefined) return undefined;
  return {
    element: { ...type, type: element } as AbiParameter,
    length: length === "" ? undefined : Number(length),
  };
}

/** Whether a type's head is an offset to its body. */
export function isDynamic(type: AbiParameter): boolean {
  const array = arrayOf(type);
  if (array !== undefined) return array.length === undefined || isDynamic(array.element);
  if (isTuple(type)) return componentsOf(type).some(isDynamic);
  return type.type === "string" || type.type === "bytes";
}

function headBytes(type: AbiParameter): number {
  if (isDynamic(type)) return 32;
  const array = arrayOf(type);
  if (array !== undefined) return headBytes(array.element) * array.length!;
  if (isTuple(type)) return componentsOf(type).reduce((sum, one) => sum + headBytes(one), 0);
  return 32;
}
