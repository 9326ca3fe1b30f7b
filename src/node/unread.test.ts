import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { test } from "node:test";
import { cutUnread } from "./unread.ts";

const chunk = Buffer.alloc(1 << 20, "a");
const chunks = 64;

test("who reads nothing of an answer is cut off, and who waits for one is not", async (t) => {
  const waiting = Promise.withResolvers<ServerResponse>();
  const server = createServer((request, response) => {
    if (request.url === "/waiting") waiting.resolve(response);
    else for (let n = 0; n < chunks; n++) response.write(chunk);
  });
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  cutUnread(server, 200);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const ask = (path: string) => {
    const socket = connect(port, "127.0.0.1");
    socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`);
    return socket;
  };
  const patient = ask("/waiting");
  const response = await waiting.promise;
  // One after the other, so that the patient one has waited for many times as long.
  for (let round = 0; round < 3; round++) {
    const cut = once(server, "connection").then(([socket]) => once(socket, "close"));
    const silent = ask("/unread")
      .pause()
      .on("error", () => {});
    await cut;
    silent.destroy();
  }
  let answer = "";
  patient.setEncoding("utf8").on("data", (part) => {
    answer += part;
  });
  response.writeHead(200, { connection: "close" }).end("after a while");
  await once(patient, "close");
  assert.match(answer, /after a while/);
  // Between two requests nobody is waited for either.
  const idle = connect(port, "127.0.0.1");
  await once(idle, "close");
});
