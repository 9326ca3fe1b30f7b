/**
 * Writes ONNX models: a graph builder over the few protobuf messages that a model needs.
 *
 * Field numbers are those of `onnx.proto3` (ONNX IR version 9, opset 18); `com.microsoft` is ONNX Runtime's own operator set.
 * Nothing here knows about language models.
 */

/** Tensor element types of `onnx.TensorProto.DataType`. */
const elementType = { float32: 1, uint8: 2, int32: 6, int64: 7, bool: 9 } as const;
export type ElementType = keyof typeof elementType;

/** A dimension: a number, or a name for one that is only known when the graph runs. */
export type Dim = number | string;

/** An attribute that must be written as a float: JavaScript cannot tell 1 from 1.0. */
export type FloatAttribute = { float: number };
export type Attribute = number | string | readonly number[] | FloatAttribute;

/** The name of a value (an input, an initializer, or a node's output) inside one graph. */
export type Value = string & { readonly __value?: never };

const utf8 = new TextEncoder();

/** Bytes in pieces, joined once at the end: joining at each level of nesting would hold large weights six times over. */
type Pieces = { readonly length: number; readonly pieces: readonly Uint8Array[] };

function concat(parts: readonly (Uint8Array | Pieces)[]): Pieces {
  const pieces = parts.flatMap((part) => (part instanceof Uint8Array ? [part] : part.pieces));
  return { length: pieces.reduce((sum, piece) => sum + piece.length, 0), pieces };
}

function join({ length, pieces }: Pieces): Uint8Array {
  const all = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

function varint(value: number | bigint): Uint8Array {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  do {
    const low = Number(rest & 127n);
    rest >>= 7n;
    bytes.push(rest > 0n ? low | 128 : low);
  } while (rest > 0n);
  return Uint8Array.from(bytes);
}

const tag = (field: number, wire: number) => varint((field << 3) | wire);
const int = (field: number, value: number | bigint) => concat([tag(field, 0), varint(value)]);
const bytes = (field: number, value: Uint8Array | Pieces) =>
  concat([tag(field, 2), varint(value.length), value]);
const text = (field: number, value: string) => bytes(field, utf8.encode(value));
const float = (field: number, value: number) =>
  concat([tag(field, 5), new Uint8Array(Float32Array.of(value).buffer)]);

function attributeProto(name: string, value: Attribute): Pieces {
  const head = text(1, name);
  if (typeof value === "number") return concat([head, int(3, value), int(20, 2)]);
  if (typeof value === "string") return concat([head, text(4, value), int(20, 3)]);
  if ("float" in value) return concat([head, float(2, value.float), int(20, 1)]);
  return concat([head, ...value.map((item) => int(8, item)), int(20, 7)]);
}

function valueInfo(name: string, type: ElementType, dims: readonly Dim[]): Pieces {
  const shape = concat(dims.map((dim) => bytes(1, typeof dim === "number" ? int(1, dim) : text(2, dim))));
  const tensor = concat([int(1, elementType[type]), bytes(2, shape)]);
  return concat([text(1, name), bytes(2, bytes(1, tensor))]);
}

const asBytes = (data: ArrayBufferView) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

export type Graph = ReturnType<typeof createGraph>;

/**
 * A graph under construction. Operators are added in execution order; each returns the names of its outputs.
 *
 * @example
 * const graph = createGraph();
 * const x = graph.input("x", "float32", ["N", 4]);
 * graph.output(graph.op("Relu", [x]), "y", "float32", ["N", 4]);
 * const model: Uint8Array = graph.build();
 */
export function createGraph() {
  const nodes: Pieces[] = [];
  const initializers: Pieces[] = [];
  const inputs: Pieces[] = [];
  const outputs: Pieces[] = [];
  const constants = new Map<string, Value>();
  let fresh = 0;

  function emit(
    kind: string,
    from: readonly Value[],
    to: readonly Value[],
    attributes: Record<string, Attribute>,
    domain: string,
  ) {
    nodes.push(
      concat([
        ...from.map((name) => text(1, name)),
        ...to.map((name) => text(2, name)),
        text(3, `${kind}_${fresh++}`),
        text(4, kind),
        ...Object.entries(attributes).map(([name, value]) => bytes(5, attributeProto(name, value))),
        ...(domain === "" ? [] : [text(7, domain)]),
      ]),
    );
  }

  function constant(key: string, type: ElementType, dims: readonly number[], data: ArrayBufferView): Value {
    const known = constants.get(key);
    if (known !== undefined) return known;
    constants.set(key, key);
    return initializer(key, type, dims, data);
  }

  function initializer(
    name: string,
    type: ElementType,
    dims: readonly number[],
    data: ArrayBufferView,
  ): Value {
    initializers.push(
      concat([
        ...dims.map((dim) => int(1, dim)),
        int(2, elementType[type]),
        text(8, name),
        bytes(9, asBytes(data)),
      ]),
    );
    return name;
  }

  return {
    /** Declares a value the caller feeds at each run. */
    input(name: string, type: ElementType, dims: readonly Dim[]): Value {
      inputs.push(valueInfo(name, type, dims));
      return name;
    },
    /** Gives `value` the public name `name` and returns it from each run. */
    output(value: Value, name: string, type: ElementType, dims: readonly Dim[]): void {
      emit("Identity", [value], [name], {}, "");
      outputs.push(valueInfo(name, type, dims));
    },
    /** A constant tensor stored in the model; `data` is copied by `build`, not before. */
    initializer,
    /** A one-dimensional int64 constant, shared between uses. */
    ints(values: readonly number[]): Value {
      return constant(
        `ints_${values.join("_")}`,
        "int64",
        [values.length],
        BigInt64Array.from(values.map(BigInt)),
      );
    },
    /** A scalar float constant, shared between uses. */
    scalar(value: number): Value {
      return constant(`scalar_${value}`, "float32", [], Float32Array.of(value));
    },
    /** Adds an operator with one output. */
    op(kind: string, from: readonly Value[], attributes: Record<string, Attribute> = {}, domain = ""): Value {
      const to = `v${fresh++}`;
      emit(kind, from, [to], attributes, domain);
      return to;
    },
    /** Adds an operator with `count` outputs. */
    ops(
      kind: string,
      from: readonly Value[],
      count: number,
      attributes: Record<string, Attribute> = {},
      domain = "",
    ): Value[] {
      const to = Array.from({ length: count }, () => `v${fresh++}`);
      emit(kind, from, to, attributes, domain);
      return to;
    },
    /** The serialised `onnx.ModelProto`. @throws RangeError from 2 GiB on, the end of protobuf's format */
    build(): Uint8Array {
      const graph = concat([
        ...nodes.map((node) => bytes(1, node)),
        text(2, "graph"),
        ...initializers.map((tensor) => bytes(5, tensor)),
        ...inputs.map((value) => bytes(11, value)),
        ...outputs.map((value) => bytes(12, value)),
      ]);
      const opset = (domain: string, version: number) => bytes(8, concat([text(1, domain), int(2, version)]));
      const model = concat([
        int(1, 9),
        text(2, "openledger"),
        bytes(7, graph),
        opset("", 18),
        opset("com.microsoft", 1),
      ]);
      if (model.length >= 2 ** 31)
        throw new RangeError(
          `The graph takes ${(model.length / 2 ** 30).toFixed(1)} GiB with its weights, and ONNX Runtime reads less than 2 GiB. Hold the weights in fewer bits: int8, or int4.`,
        );
      return join(model);
    },
  };
}
