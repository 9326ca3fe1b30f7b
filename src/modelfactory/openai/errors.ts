/** A refusal in the shape that OpenAI's clients read. */
export class OpenAIError extends Error {
  override name = "OpenAIError";
  readonly status: 400 | 401 | 404 | 409 | 413;
  readonly code: string;
  /** The parameter that is wrong; null where it is none. */
  readonly param: string | null;
  constructor(status: OpenAIError["status"], code: string, message: string, param: string | null = null) {
    super(message);
    this.status = status;
    this.code = code;
    this.param = param;
  }
}

export const openaiErrorBody = (code: string, message: string, param: string | null = null) => ({
  error: { message, type: "invalid_request_error", param, code },
});
