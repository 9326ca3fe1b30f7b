import { type AbiParameter, type Hex, stringToHex } from "viem";
import { toHex } from "../protocol/index.ts";
import { CliError, exitCodes } from "./errors.ts";

/** A parameter of an ABI, with the parts of a struct. */
type Parameter = AbiParameter & { readonly components?: readonly AbiParameter[] };

/**
 * Reads an argument of a contract's function: numbers in digits, addresses and bytes in hex, short words for `bytes32`, lists and
 * structs as JSON.
 *
 * @throws CliError when the text is no value of the type
 *
 * @example
 * abiValue({ type: "uint16[]" }, "[1, 2]") // [1n, 2n]
 */
export function abiValue(parameter: Parameter, text: string): unknown {
  const isComposite = parameter.type.endsWith("]") || parameter.type === "tuple";
  return isComposite ? composite(parameter, json(parameter, text)) : simple(parameter, text);
}

function composite(parameter: Parameter, value: unknown): unknown {
  const { type, components = [] } = parameter;
  const [, element] = /^(.*)\[\d*\]$/.exec(type) ?? [];
  if (element !== undefined) {
    if (!Array.isArray(value)) throw wrong(parameter, JSON.stringify(value));
    return value.map((inner) => composite({ ...parameter, type: element } as Parameter, inner));
  }
  if (type !== "tuple") {
    if (typeof value === "object" || value === undefined) throw wrong(parameter, JSON.stringify(value));
    if (typeof value === "number" && !Number.isSafeInteger(value)) throw wrong(parameter, String(value));
    return simple(parameter, String(value));
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw wrong(parameter, JSON.stringify(value));
  const fields = value as Record<string, unknown>;
  return Object.fromEntries(
    components.map((inner) => [inner.name, composite(inner as Parameter, fields[inner.name as string])]),
  );
}

function simple(parameter: Parameter, text: string): unknown {
  const { type } = parameter;
  if (type === "string") return text;
  if (type === "address" && /^0x[0-9a-fA-F]{40}$/.test(text)) return toHex(text as Hex);
  if (type === "bool" && (text === "true" || text === "false")) return text === "true";
  if (type.startsWith("uint") && /^(\d{1,78}|0x[0-9a-fA-F]{1,64})$/.test(text)) return BigInt(text);
  if (type.startsWith("int") && /^-?\d{1,78}$/.test(text)) return BigInt(text);
  if (type.startsWith("bytes")) {
    const size = Number(type.slice("bytes".length)) || undefined;
    if (/^0x([0-9a-fA-F]{2})*$/.test(text) && (size === undefined || text.length === 2 + 2 * size))
      return text;
    if (size !== undefined && /^[A-Za-z][A-Za-z0-9]*$/.test(text) && text.length <= size)
      return stringToHex(text, { size });
  }
  throw wrong(parameter, text);
}

function json(parameter: Parameter, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw wrong(parameter, text);
  }
}

function wrong({ type, name }: Parameter, text: string | undefined): CliError {
  return new CliError(`This is no value of the argument ${name ?? ""}.`, {
    expected: type.endsWith("]") || type === "tuple" ? `${type}, as JSON` : type,
    actual: String(text).slice(0, 100),
    exitCode: exitCodes.usage,
    code: "bad-argument",
  });
}
