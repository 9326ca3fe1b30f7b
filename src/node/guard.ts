/** Who may act as the operator over HTTP: whoever can read the token in the node's home. */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { MiddlewareHandler } from "hono";

export const operatorTokenFile = (home: string) => join(home, "operator-token");

/** The token, made on first boot and readable by its owner only. */
export function openOperatorToken(home: string): string {
  const file = operatorTokenFile(home);
  if (!existsSync(file))
    writeFileSync(file, `${randomBytes(32).toString("base64url")}\n`, { mode: 0o600, flag: "wx" });
  return readFileSync(file, "utf8").trim();
}

const digest = (text: string) => createHash("sha256").update(text).digest();

/** Lets requests with `Authorization: Bearer <operator token>` through; answers others with 401. */
export function operatorGuard(token: string): MiddlewareHandler {
  const expected = digest(token);
  return async (context, next) => {
    const given = /^Bearer (.+)$/.exec(context.req.header("authorization") ?? "")?.[1] ?? "";
    if (!timingSafeEqual(digest(given), expected))
      return context.json(
        {
          error: {
            code: "operator-only",
            message:
              "This acts in the operator's name: send the operator token (file operator-token in the node's home) as a bearer token.",
          },
        },
        401,
      );
    return next();
  };
}
