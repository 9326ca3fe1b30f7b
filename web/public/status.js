/** The node's state as a page: reads /v1/status again and again, and draws only what has changed. */
import { ago, count, money, prices, short, tone } from "./format.js";

const refreshMs = 5_000;
const refreshMsMax = 60_000;
const timeoutMs = 10_000;

const byId = (id) => document.getElementById(id);

/** An element with attributes and children; strings become text, so nothing the node says is read as markup. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** A long hex string that a click copies. `key` keeps the focus on it when the table is drawn again. */
function copyable(hex, key) {
  if (!hex) return "–";
  const button = element(
    "button",
    { type: "button", class: "copy", title: `Copy ${hex}`, "aria-label": `Copy ${hex}`, "data-key": key },
    short(hex),
  );
  button.addEventListener("click", async () => {
    await navigator.clipboard?.writeText(hex);
    button.textContent = navigator.clipboard ? "Copied" : hex;
    setTimeout(() => {
      button.textContent = short(hex);
    }, 1_200);
  });
  return button;
}

function amount(wei) {
  if (wei === undefined || wei === null) return "–";
  const { amount, unit, exact } = money(wei);
  return element("span", { title: exact }, `${amount} `, element("span", { class: "unit" }, unit));
}

/** @param columns - `[heading, cell of a row, is it a number]` */
function table(rows, columns) {
  const heading = columns.map(([name, , number]) =>
    element("th", { scope: "col", ...(number && { class: "number" }) }, name),
  );
  const body = rows.map((row) =>
    element(
      "tr",
      {},
      ...columns.map(([name, cell, number]) =>
        element(
          "td",
          { "data-label": name, ...(number && { class: "number" }) },
          ...[cell(row) ?? "–"].flat(),
        ),
      ),
    ),
  );
  return element(
    "table",
    {},
    element("thead", {}, element("tr", {}, ...heading)),
    element("tbody", {}, ...body),
  );
}

const empty = (what, ...next) =>
  element("div", { class: "empty" }, element("p", {}, what), element("p", {}, ...next));
const code = (text) => element("code", {}, text);

const calibrationWords = {
  separates: "calibrated",
  "not-separated": "no better than shared words",
  unmeasured: "not calibrated",
};

const drawings = {
  overview(status) {
    const { chain, datanets, models, receipts } = status;
    const supply = money(chain.supplyWei);
    const examples = datanets.reduce((sum, { examples }) => sum + Number(examples), 0);
    const tiles = [
      ["Block height", count(chain.height), `chain ${chain.chainId}`],
      ["Supply", supply.amount, supply.unit],
      ["Datanets", count(datanets.length), `${count(examples)} examples`],
      ["Models", count(models.length), "released"],
      ["Receipts", count(receipts.count), `${count(receipts.settled)} settled`],
    ];
    return tiles.map(([name, value, note]) =>
      element("div", {}, element("dt", {}, name), element("dd", {}, value, element("small", {}, note))),
    );
  },

  datanets({ datanets }) {
    if (datanets.length === 0) {
      return [
        empty(
          "No Datanet yet.",
          "Create one and contribute examples, or run ",
          code("./openledger demo"),
          " to see the whole circle.",
        ),
      ];
    }
    return [
      table(datanets, [
        ["Name", ({ name }) => name],
        ["Id", ({ id }) => String(id), true],
        ["Licence", ({ license }) => license],
        ["Versions", ({ versions }) => count(versions), true],
        ["Examples", ({ examples }) => count(examples), true],
        ["Contributors", ({ contributors }) => count(contributors), true],
      ]),
    ];
  },

  models({ models }) {
    if (models.length === 0) {
      return [
        empty(
          "No model is released yet.",
          "Fine-tune one on a Datanet version and release it; it then answers at ",
          code("/v1/chat/completions"),
          ".",
        ),
      ];
    }
    const price = (model) =>
      prices(model.price).flatMap(({ wei, label }, i) => [
        ...(i > 0 ? [element("br")] : []),
        amount(wei),
        element("span", { class: "unit" }, ` · ${label}`),
      ]);
    return [
      table(models, [
        ["Name", ({ name }) => name],
        ["Release", ({ release }) => copyable(release, `release ${release}`)],
        ["Base", ({ base }) => base],
        [
          "Attribution",
          ({ calibration }) =>
            element("span", { title: calibration.label }, calibrationWords[calibration.status]),
        ],
        ["Price", (model) => (price(model).length > 0 ? [element("span", {}, ...price(model))] : "–"), true],
      ]),
    ];
  },

  receipts({ receipts }) {
    if (Number(receipts.count) === 0) {
      return [
        empty(
          "No receipt yet.",
          "Ask a model: every paid answer leaves a receipt that says whose examples shaped it.",
        ),
      ];
    }
    const settled = element("span");
    settled.style.width = `${(100 * Number(receipts.settled)) / Number(receipts.count)}%`;
    const entry = (name, value, kind) =>
      element("div", { class: kind }, element("dt", {}, name), element("dd", {}, count(value)));
    return [
      element(
        "div",
        { class: "panel" },
        element("div", { class: "bar", "aria-hidden": "true" }, settled),
        element(
          "dl",
          { class: "legend" },
          entry("Settled", receipts.settled, "settled"),
          entry("Pending", receipts.pending, "pending"),
        ),
      ),
    ];
  },

  batches({ batches }) {
    if (batches.length === 0) {
      return [
        empty(
          "No batch yet.",
          "Receipts are settled together: the first batch appears here with its transaction.",
        ),
      ];
    }
    return [
      table(batches, [
        [
          "Batch",
          ({ id }) => (String(id).startsWith("0x") ? copyable(String(id), `batch ${id}`) : String(id)),
        ],
        ["Transaction", ({ txHash }) => copyable(txHash, `transaction ${txHash}`)],
        ["Receipts", ({ receipts }) => count(receipts), true],
        ["Total", ({ totalWei }) => amount(totalWei), true],
        ["State", ({ state }) => element("span", { class: `chip ${tone(state)}` }, state)],
      ]),
    ];
  },

  contracts({ chain }) {
    const contracts = Object.entries(chain.contracts);
    if (contracts.length === 0)
      return [empty("No contract is deployed.", "A node deploys them when it first starts.")];
    return [
      table(contracts, [
        ["Contract", ([name]) => name],
        ["Address", ([name, address]) => copyable(address, `contract ${name}`)],
      ]),
    ];
  },

  version: ({ version }) => [version ?? ""],
  operator: ({ operator }) => (operator ? ["Operator ", copyable(operator, "operator")] : []),
};

/** What each drawing was last made from. */
const drawn = new Map();

function draw(status) {
  for (const [id, drawing] of Object.entries(drawings)) {
    const made = drawing(status);
    const place = byId(id);
    const next = made.map((part) => part.outerHTML ?? part).join("");
    if (drawn.get(id) === next) continue;
    drawn.set(id, next);
    const key = place.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
    place.replaceChildren(...made);
    if (key) place.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus();
  }
}

let timer;
let failures = 0;
let updatedAtMs = 0;
let paused = false;

function tell(dot, text) {
  byId("dot").className = `dot ${dot}`;
  if (byId("connection").textContent !== text) byId("connection").textContent = text;
}

async function refresh() {
  clearTimeout(timer);
  try {
    const response = await fetch("/v1/status", { cache: "no-store", signal: AbortSignal.timeout(timeoutMs) });
    if (!response.ok) throw new Error(`the node answered ${response.status}`);
    draw(await response.json());
    byId("main").className = "";
    byId("notice").hidden = true;
    failures = 0;
    updatedAtMs = Date.now();
    tell("good", "Live");
  } catch (error) {
    failures += 1;
    const last = updatedAtMs ? `; shown as of ${ago(Date.now() - updatedAtMs)}` : "";
    const why = error.message.startsWith("the node") ? error.message : "the node does not answer";
    byId("notice").hidden = updatedAtMs > 0;
    tell("bad", `Not live: ${why}${last}`);
  }
  if (!paused && !document.hidden)
    timer = setTimeout(refresh, Math.min(refreshMs * 2 ** failures, refreshMsMax));
}

byId("pause").addEventListener("click", () => {
  paused = !paused;
  byId("pause").setAttribute("aria-pressed", String(paused));
  byId("pause").textContent = paused ? "Resume" : "Pause";
  if (!paused) return void refresh();
  clearTimeout(timer);
  tell("", "Paused");
});
document.addEventListener("visibilitychange", () => document.hidden || paused || refresh());
refresh();
