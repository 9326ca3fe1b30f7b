/** JSON-RPC error codes: the JSON-RPC 2.0 specification, EIP-1474 and, for reverts, what go-ethereum answers. */
export const rpcCodes = {
  parse: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
  internal: -32603,
  /** Missing or invalid input, and every refused transaction: the code go-ethereum uses. */
  server: -32000,
  limitExceeded: -32005,
  /** `eth_call` and `eth_estimateGas`: the EVM reverted; `data` is the returned bytes. */
  reverted: 3,
} as const;

/** An error as JSON-RPC carries it: viem reads `code`, `message` and `data` from it alike in process and over HTTP. */
export class RpcError extends Error {
  override readonly name = "RpcError";
  readonly code: number;
  readonly data: unknown;

  constructor(code: number, message: string, data?: unknown) {
    super(message);
    this.code = code;
    this.data = data;
  }
}

/** The EVM's process has ended while this was asked of it. */
export class EngineDiedError extends RpcError {
  /** Whether this request was the one being carried out; if not, it had not begun. */
  readonly executing: boolean;

  /** @param end what became of the process: "needed 4100 MB of memory, …" */
  constructor(end: string, executing: boolean) {
    super(
      rpcCodes.server,
      executing
        ? `execution stopped: it ${end}; do less in one transaction or call`
        : `not carried out: another execution ${end}, and the chain is being replayed; ask again in a moment`,
    );
    this.executing = executing;
  }
}

/** The block log cannot be used as it is: the message names the file, what was expected, what was found, what to do. */
export class ChainLogError extends Error {
  override readonly name = "ChainLogError";
}
