import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  type Abi,
  type AbiParameter,
  decodeAbiParameters,
  encodeAbiParameters,
  encodeEventTopics,
  type Hex,
  toEventSelector,
  toFunctionSelector,
} from "viem";
import { AbiDecodingError, abiLimits, decodeParameters, readable, type Value } from "./abi.ts";
import { decodeError, decoderOf } from "./decode.ts";

const word = (value: bigint | number): string => value.toString(16).padStart(64, "0");
const hexBytes = (max: number) =>
  fc.uint8Array({ maxLength: max }).map((bytes): Hex => `0x${Buffer.from(bytes).toString("hex")}`);

const primitives = [
  "address",
  "bool",
  "bytes",
  "bytes1",
  "bytes32",
  "int8",
  "int256",
  "string",
  "uint8",
  "uint96",
  "uint256",
] as const;

/** A parameter of any type, nested a few levels deep, with a value that fits it. */
type Typed = { readonly parameter: AbiParameter; readonly value: unknown };

const valueFor = (type: AbiParameter): fc.Arbitrary<unknown> => {
  const [, element, length] = /^(.+)\[(\d*)\]$/.exec(type.type) ?? [];
  if (element !== undefined) {
    const inner = valueFor({ ...type, type: element } as AbiParameter);
    const size = length === "" ? { maxLength: 5 } : { minLength: Number(length), maxLength: Number(length) };
    return fc.array(inner, size);
  }
  if (type.type === "tuple")
    return fc.tuple(
      ...(type as { components: readonly AbiParameter[] }).components.map(valueFor),
    ) as fc.Arbitrary<unknown>;
  if (type.type === "address") return fc.uint8Array({ minLength: 20, maxLength: 20 }).map(hexOfBytes);
  if (type.type === "bool") return fc.boolean();
  if (type.type === "string") return fc.string({ unit: "binary", maxLength: 60 });
  if (type.type === "bytes") return fc.uint8Array({ maxLength: 100 }).map(hexOfBytes);
  const [, kind, digits] = /^(bytes|u?int)(\d+)$/.exec(type.type)!;
  const size = Number(digits);
  if (kind === "bytes") return fc.uint8Array({ minLength: size, maxLength: size }).map(hexOfBytes);
  const min = kind === "int" ? -(2n ** BigInt(size - 1)) : 0n;
  const max = kind === "int" ? 2n ** BigInt(size - 1) - 1n : 2n ** BigInt(size) - 1n;
  return fc.bigInt({ min, max }).map((value) => (size <= 48 ? Number(value) : value));
};
const hexOfBytes = (bytes: Uint8Array): Hex => `0x${Buffer.from(bytes).toString("hex")}`;

const parameters: fc.Arbitrary<AbiParameter> = fc.letrec<{ any: AbiParameter }>((tie) => ({
  any: fc.oneof(
    { depthSize: "small", maxDepth: 3 },
    fc.constantFrom(...primitives).map((type): AbiParameter => ({ name: "x", type })),
    fc
      .tuple(tie("any"), fc.constantFrom("[]", "[1]", "[3]"))
      .map(([inner, suffix]): AbiParameter => ({ ...inner, type: `${inner.type}${suffix}` }) as AbiParameter),
    fc.array(tie("any"), { minLength: 1, maxLength: 3 }).map(
      (components): AbiParameter => ({
        name: "t",
        type: "tuple",
        components: components.map((component, index) => ({ ...component, name: `f${index}` })),
      }),
    ),
  ),
})).any;

const typed: fc.Arbitrary<readonly Typed[]> = fc
  .array(parameters, { maxLength: 4 })
  .chain((list) =>
    fc
      .tuple(...list.map(valueFor))
      .map((values) => list.map((parameter, index) => ({ parameter, value: values[index] }))),
  );

/** What viem decodes, as this room writes it. */
function written(parameter: AbiParameter, value: unknown): unknown {
  const [, element] = /^(.+)\[\d*\]$/.exec(parameter.type) ?? [];
  if (element !== undefined)
    return (value as unknown[]).map((one) => written({ ...parameter, type: element } as AbiParameter, one));
  if (parameter.type === "tuple") {
    const { components } = parameter as { components: readonly AbiParameter[] };
    return components.map((component) => ({
      name: component.name,
      type: component.type,
      value: written(component, (value as Record<string, unknown>)[component.name!]),
    }));
  }
  if (typeof value === "boolean") return value;
  if (parameter.type === "string") return readable(value as string);
  return typeof value === "string" ? value.toLowerCase() : String(value);
}

test("decodes everything viem encodes, to the same values", () => {
  let compared = 0;
  fc.assert(
    fc.property(typed, (list) => {
      const types = list.map(({ parameter }) => parameter);
      const asTuples = list.map(({ parameter, value }) => named(parameter, value));
      const data = encodeAbiParameters(types, asTuples);
      const expected = types.length === 0 ? [] : decodeAbiParameters(types, data);
      const decoded = decodeParameters(types, data);
      assert.deepEqual(
        decoded.map(({ value }) => value),
        types.map((type, index) => written(type, (expected as unknown[])[index])),
      );
      compared++;
    }),
    { numRuns: 500 },
  );
  console.log(`${compared} random encodings decoded as viem does`);
});

/** viem takes tuples with names as objects. */
function named(parameter: AbiParameter, value: unknown): unknown {
  const [, element] = /^(.+)\[\d*\]$/.exec(parameter.type) ?? [];
  if (element !== undefined)
    return (value as unknown[]).map((one) => named({ ...parameter, type: element } as AbiParameter, one));
  if (parameter.type !== "tuple") return value;
  const { components } = parameter as { components: readonly AbiParameter[] };
  return Object.fromEntries(
    components.map((component, index) => [component.name, named(component, (value as unknown[])[index])]),
  );
}

/** Bytes that look like an encoding: words that are small offsets and lengths, and words that are anything. */
const hostileData = fc
  .array(
    fc.oneof(
      fc.nat(1_024).map((number) => word(number)),
      fc.nat(32).map((number) => word(number * 32)),
      fc.constantFrom(word(2n ** 256n - 1n), word(2n ** 255n), word(2n ** 53n), word(2n ** 32n), word(0)),
      fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString("hex")),
    ),
    { maxLength: 40 },
  )
  .chain((words) =>
    fc.nat(31).map((cut): Hex => `0x${words.join("").slice(0, words.length * 64 - 2 * cut)}`),
  );

test("hostile calldata, errors and logs never make decoding throw, and never make it large", () => {
  let decoded = 0;
  let largest = 0;
  const see = (result: unknown) => {
    if (result === undefined) return;
    decoded++;
    const text = JSON.stringify(result);
    largest = Math.max(largest, text.length);
    // What a database and a terminal are to be spared.
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for
    assert.doesNotMatch(text, /[\u0000-\u001f\u007f-\u009f\u202a-\u202e]|\\u[0-9a-f]{4}/);
  };
  fc.assert(
    fc.property(
      fc.array(fc.tuple(parameters, fc.boolean()), { maxLength: 5 }),
      fc.oneof(hostileData, hexBytes(600)),
      fc.array(hexBytes(32), { maxLength: 5 }),
      (inputs, data, topics) => {
        const types = inputs.map(([parameter, indexed], index) => ({
          ...parameter,
          name: `a${index}`,
          indexed,
        }));
        const abi = [
          { type: "function", name: "f", inputs: types, outputs: [], stateMutability: "view" },
          { type: "error", name: "e", inputs: types },
          { type: "event", name: "v", inputs: types, anonymous: false },
        ] as unknown as Abi;
        const decoder = decoderOf(abi);
        const selector = toFunctionSelector(abi[0] as never);
        see(decoder.call(`${selector}${data.slice(2)}`));
        see(decoder.call(data));
        const errorSelector = toFunctionSelector({ ...abi[0], name: "e" } as never);
        see(decodeError([decoder], `${errorSelector}${data.slice(2)}`));
        see(decodeError([decoder], data));
        see(decoder.event([toEventSelector(abi[2] as never), ...topics], data));
        see(decoder.event(topics, data));
      },
    ),
    { numRuns: 3_000 },
  );
  assert.ok(decoded > 100, `${decoded} were decodable`);
  console.log(`18,000 hostile inputs, ${decoded} decodable, the largest ${largest} characters of JSON`);
});

test("bytes that stand for gigabytes are cut short at once", () => {
  const cases: [string, AbiParameter[], string][] = [
    // 3,000 offsets that all point at the same 64 kB.
    [
      "bytes[] of one body",
      [{ type: "bytes[]" }],
      word(32) + word(3_000) + word(3_000 * 32).repeat(3_000) + word(65_536) + "ab".repeat(65_536),
    ],
    ["an array of 2^255", [{ type: "uint256[]" }], word(32) + word(2n ** 255n)],
    [
      "an array as long as the data in bytes",
      [{ type: "uint256[]" }],
      word(32) + word(4_000) + word(1).repeat(200),
    ],
    ["elements of no bytes", [{ type: "uint256[0][]" }], word(32) + word(64) + word(0)],
    [
      "a tuple of nothing",
      [{ type: "tuple[]", components: [] } as AbiParameter],
      word(32) + word(64) + word(0),
    ],
    ["a fixed array of 999,999", [{ type: "uint256[999999]" }], word(1).repeat(100)],
    [
      "nested deeper than the limit",
      [{ type: `uint256${"[]".repeat(40)}` }],
      (word(32) + word(1)).repeat(45),
    ],
    ["an offset at itself", [{ type: "uint256[][][][][][][][]" }], word(0) + word(0)],
    [
      "arrays of arrays of one body",
      [{ type: "uint256[][][]" }],
      word(32) +
        word(60) +
        word(60 * 32).repeat(60) +
        word(60) +
        word(60 * 32).repeat(60) +
        word(60) +
        word(7).repeat(60),
    ],
  ];
  for (const [what, types, data] of cases) {
    const startedMs = performance.now();
    let size = 0;
    try {
      size = JSON.stringify(decodeParameters(types, `0x${data}`)).length;
    } catch (error) {
      assert.ok(error instanceof AbiDecodingError, `${what}: ${error}`);
    }
    const tookMs = performance.now() - startedMs;
    assert.ok(tookMs < 250, `${what} took ${tookMs} ms`);
    assert.ok(size < 200_000, `${what} gave ${size} characters`);
  }
});

test("what is too long is cut and says its length", () => {
  const decode = (type: string, value: unknown): Value =>
    decodeParameters([{ type }], encodeAbiParameters([{ type }], [value]))[0]!.value;
  assert.deepEqual(decode("string", "x".repeat(600)), { cut: "x".repeat(abiLimits.bytes), length: 600 });
  assert.deepEqual(decode("string", "x".repeat(512)), "x".repeat(512));
  // A character that the cut goes through is shown as a replacement character, never as half of one.
  const split = decode("string", `x${"€".repeat(400)}`) as { cut: string; length: number };
  assert.deepEqual([split.length, split.cut.isWellFormed()], [1_201, true]);
  assert.deepEqual(decode("uint8[]", Array(100).fill(7)), { cut: Array(64).fill("7"), length: 100 });
  assert.deepEqual(decode("bytes", `0x${"ab".repeat(1_000)}`), {
    cut: `0x${"ab".repeat(512)}`,
    length: 1_000,
  });
});

test("words with bits a type does not have are refused, as Solidity does", () => {
  const bad: [string, string][] = [
    ["address", word(2n ** 160n)],
    ["bool", word(2)],
    ["uint8", word(256)],
    ["int8", word(128)],
    ["bytes4", word(1)],
    ["uint7", word(1)],
    ["nonsense", word(1)],
  ];
  for (const [type, data] of bad)
    assert.throws(() => decodeParameters([{ type }], `0x${data}`), AbiDecodingError, type);
  assert.equal(decodeParameters([{ type: "int8" }], `0x${word(2n ** 256n - 128n)}`)[0]!.value, "-128");
});

test("events that differ only in what is indexed are told apart, and indexed texts are digests", () => {
  const inputs = (indexed: readonly boolean[]) =>
    ["address", "address", "uint256"].map((type, index) => ({
      name: `x${index}`,
      type,
      indexed: indexed[index]!,
    }));
  const abi = [
    { type: "event", name: "Transfer", inputs: inputs([true, true, true]) },
    { type: "event", name: "Transfer", inputs: inputs([true, true, false]) },
    { type: "event", name: "Said", inputs: [{ name: "text", type: "string", indexed: true }] },
  ] as const satisfies Abi;
  const decoder = decoderOf(abi);
  const topic = toEventSelector("Transfer(address,address,uint256)");
  const [a, b, c] = [1, 2, 3].map((n): Hex => `0x${word(n)}`) as [Hex, Hex, Hex];
  for (const event of [decoder.event([topic, a, b, c], "0x"), decoder.event([topic, a, b], c)])
    assert.deepEqual(
      event?.arguments.map(({ value }) => value),
      [`0x${word(1).slice(24)}`, `0x${word(2).slice(24)}`, "3"],
    );
  const said = encodeEventTopics({ abi, eventName: "Said", args: { text: "hello" } }) as Hex[];
  assert.deepEqual(decoder.event(said, "0x")?.arguments[0]?.value, { digest: said[1] });
});
