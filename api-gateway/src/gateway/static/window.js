// The shop window: all that a customer does, on the public API. What the API says goes into the
// page as text, never as HTML. From above: to ask, to show; the shelf, who is in, the basket, the
// orders, and how the system is.
"use strict";

const $ = (selector, within = document) => within.querySelector(selector);

// Both tokens stay here and go with the page. Storage would outlast it, for whatever this origin
// ever serves to read; and a duplicated tab has a copy of sessionStorage: two would spend one
// refresh token, which ends the session.
let tokens = null;
let refreshing = null; // a refresh token is good for one use, so all wait for the same one

/** Only what the API refused or could not do; whatever else is thrown is a mistake in this file. */
const problem = (words, status, errors = []) => Object.assign(new Error(words), { status, errors });

async function ask(method, path, body, { key, isLast } = {}) {
  const headers = body ? { "Content-Type": "application/json" } : {};
  if (key) headers["Idempotency-Key"] = key;
  if (tokens) headers.Authorization = `Bearer ${tokens.access_token}`;
  const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) })
    .catch(() => { throw problem("The gateway does not answer. Is the shop running?"); });
  if (answer.status === 401 && tokens && !isLast) {
    const { refresh_token } = tokens;
    refreshing ??= ask("POST", "/auth/refresh", { refresh_token }, { isLast: true });
    tokens = await refreshing.finally(() => { refreshing = null; });
    return ask(method, path, body, { key, isLast: true });
  }
  if (answer.status === 401 && tokens) turn(null, "Your session has ended. Log in again.");
  const said = await answer.json().catch(() => ({})); // some answers have no body
  if (answer.ok) return said;
  const seconds = answer.headers.get("Retry-After");
  const what = answer.status === 429 ? "That was too often." : said.detail ?? "It did not work.";
  const when = seconds ? ` Try again in ${seconds} s.` : "";
  throw problem(what + when, answer.status, said.errors);
}

/** Asks now and every two seconds; of several answers under way only the last one is shown. */
function watch(place, look, show) {
  let timer, round = 0;
  return async function now() {
    clearTimeout(timer);
    const mine = ++round;
    try {
      const found = await look();
      if (mine === round) show(found);
    } catch (refusal) {
      if (mine === round) explain(place, refusal);
    }
    if (mine === round) timer = setTimeout(now, 2000);
  };
}

/** What a form is for is done once, however often it is pressed, and refusals are explained. */
function on(form, action) {
  form.onsubmit = async (event) => {
    event.preventDefault();
    if (form.ariaBusy === "true") return;
    form.ariaBusy = "true";
    explain(form);
    await action(event.submitter).catch((refusal) => explain(form, refusal));
    form.ariaBusy = "false";
  };
}

/** Says each error at the field its pointer names, else below; with no refusal, nothing. */
function explain(place, { message, errors } = { message: "", errors: [] }) {
  for (const field of place.querySelectorAll("[aria-describedby]")) {
    const here = errors.filter(({ pointer }) => `${pointer}/`.startsWith(`/${field.name}/`));
    const words = here.map((error) => error.message).join(" ");
    $(`#${field.getAttribute("aria-describedby")}`).textContent = words;
    field.ariaInvalid = String(here.length > 0);
  }
  const wrong = $("[aria-invalid=true]", place);
  say(place, wrong ? "" : [message, ...errors.map((error) => error.message)].join(" "), true);
  wrong?.focus();
}

function say(place, text, isBad = false) {
  const said = $(".said", place);
  if (said.textContent !== text) said.textContent = text; // what stays is not read out again
  said.classList.toggle("error", isBad);
}

/** Makes only those items anew that have changed, so that nobody loses what they point at. */
function draw(list, items, maker) {
  items.forEach((entry, index) => {
    const [old, state] = [list.children[index], JSON.stringify(entry)];
    if (old?.state === state) return;
    const focused = old?.contains(document.activeElement) && document.activeElement.ariaLabel;
    const made = Object.assign(maker(entry, index), { state });
    if (old) old.replaceWith(made);
    else list.append(made);
    if (focused) $(`[aria-label="${CSS.escape(focused)}"]`, made)?.focus();
  });
  while (list.children.length > items.length) list.lastElementChild.remove();
}

/** An item of any list: what it is, a figure, words about it, and what can be done with it. */
function item(title, figure, about, ...controls) {
  return make("li", {},
    make("p", { className: "row" }, make("b", {}, title), figure),
    make("div", { className: "row" }, make("p", { className: "soft" }, about), ...controls));
}

function make(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function money({ amount, currency }) {
  const format = new Intl.NumberFormat(undefined, { style: "currency", currency });
  return format.format(amount / 10 ** format.resolvedOptions().maximumFractionDigits);
}

let wanted; // which products are asked for, in which order and how many

const browse = watch($("#search"), () => ask("GET", `/products?${wanted}`), (page) => {
  const isEmpty = page.items.length === 0;
  draw($("#products"), page.items, product);
  $("#more").hidden = !page.next_cursor || page.items.length === 100; // the API's most
  say($("#search"), isEmpty ? "Nothing has these words. Only whole words are found." : "");
});

function product({ id, name, description, price, stock }) {
  const quantity = () => (basket.get(id)?.quantity ?? 0) + 1;
  const onclick = () => take({ id, name, price, stock, quantity: quantity() });
  const left = stock > 3 ? `${stock} in stock` : stock ? `only ${stock} left` : "sold out";
  return item(name, money(price), `${description}\n${left}`,
    make("button", { type: "button", ariaLabel: `Add ${name}`, disabled: !stock, onclick }, "Add"));
}

$("#search").onsubmit = async (event) => {
  event.preventDefault();
  const { q, sort } = $("#search");
  const shown = event.submitter?.id === "more" ? $("#products").children.length : 0;
  wanted = new URLSearchParams({ limit: Math.min(100, shown + 8), sort: sort.value });
  if (q.value.trim()) wanted.set("q", q.value.trim());
  await browse();
  if (shown) $(`#products > :nth-child(${shown + 1}) button`)?.focus();
};
$("#search").onchange = () => $("#search").requestSubmit();

on($("#enter"), async (pressed) => {
  const { name, email, password } = Object.fromEntries(new FormData($("#enter")));
  if (pressed?.id !== "log-in") await ask("POST", "/auth/register", { name, email, password });
  turn(await ask("POST", "/auth/login", { email, password }));
  $("#who").textContent = (await ask("GET", "/users/me")).name;
});

$("#inside button").onclick = async () => {
  await ask("POST", "/auth/logout").catch(() => {}); // what counts is that the tokens are forgotten
  turn(null, "You have left.");
};

/** Shows what is for those who are in, or for those who are not. */
function turn(held, why = "") {
  tokens = held;
  $("#enter").reset();
  $("#enter").hidden = Boolean(tokens);
  $("#inside").hidden = !tokens;
  say($("#enter"), why);
  $("#you").focus();
  soon();
}

const basket = new Map(); // product id → what of the product is shown, and how many
let key = null; // of the order this basket becomes: lost, repeated or pressed twice, it stays one

function take(line) {
  if (line.quantity) basket.set(line.id, line);
  else basket.delete(line.id);
  drawBasket(`${line.name}: ${line.quantity || "none"} in the basket.`);
}

function drawBasket(said) {
  const lines = [...basket.values()];
  // An order has one currency; where there are two, the API says which product is wrong.
  const amount = lines.reduce((sum, { price, quantity }) => sum + price.amount * quantity, 0);
  key = null;
  draw($("#lines"), lines, basketLine);
  $("#total").textContent = lines.length ? money({ ...lines[0].price, amount }) : "";
  $("#sum").hidden = lines.length === 0;
  $("#count").textContent = lines.length;
  say($("#basket"), said);
}

function basketLine(line, index) {
  const { name, price, stock, quantity } = line;
  const number = make("input", { type: "number", min: 0, max: 1000, value: quantity });
  number.name = `items/${index}`;
  number.ariaLabel = `How many of ${name}`;
  number.setAttribute("aria-describedby", `line-${index}`);
  number.onchange = () => take({ ...line, quantity: Math.max(0, Math.round(number.value)) });
  const onclick = () => {
    take({ ...line, quantity: 0 });
    $("#basket h2").focus();
  };
  const hint = quantity > stock ? `only ${stock} left: will be rejected` : "";
  const made = item(name, money(price), hint, number,
    make("button", { type: "button", ariaLabel: `Remove ${name}`, onclick }, "Remove"));
  made.append(make("p", { className: "error", id: `line-${index}` }));
  return made;
}

on($("#basket"), async () => {
  if (!tokens) {
    $("#enter input").focus();
    throw problem("Register first, or log in: an order is somebody's.");
  }
  key ??= crypto.getRandomValues(new Uint32Array(4)).join("-");
  const items = [...basket].map(([product_id, { quantity }]) => ({ product_id, quantity }));
  await ask("POST", "/orders", { items }, { key });
  basket.clear();
  drawBasket("Ordered.");
  await soon();
  $("#orders h2").focus();
});

const soon = watch($("#orders"), async () => {
  const newest = async (path) => (tokens ? (await ask("GET", `${path}?limit=5`)).items : []);
  const orders = await newest("/orders");
  // While notifications are away, what became of an order is seen all the same.
  return [orders, await newest("/notifications").catch(() => null)];
}, ([orders, told]) => {
  draw($("#placed"), orders, order);
  if (told) draw($("#notifications"), told, notification);
  say($("#orders"), "");
  if (orders[0]?.status === "pending") setTimeout(soon, 200);
});

function order({ id, status, items, total, created_at, updated_at, short_items = [] }) {
  const took = ((new Date(updated_at) - new Date(created_at)) / 1000).toFixed(1);
  const short = short_items.map((s) => `${s.name}: ${s.requested} asked for, ${s.left} left.`);
  const story = {
    pending: "products is asked to reserve it.",
    confirmed: `Reserved by products within ${took} s.`,
    rejected: short.join(" ") || "products did not answer in time.",
    cancelled: "What was reserved is for sale again.",
  }[status];
  const names = items.map(({ quantity, name }) => `${quantity} × ${name}`).join(", ");
  const hidden = !["pending", "confirmed"].includes(status);
  const made = item(status, money(total), `${names}\n${story}`, make("small", {}, id),
    make("button", { value: id, hidden }, "Cancel"));
  made.dataset.status = status;
  return made;
}

on($("#cancel"), async ({ value }) => {
  await ask("POST", `/orders/${value}/cancel`);
  await soon();
  $("#orders h2").focus();
});

const notification = ({ title, text, created_at }) => item(title, time(created_at), text);
const time = (moment) => new Date(moment).toLocaleTimeString();

const health = (path) =>
  fetch(path).then((answer) => answer.json()).catch(() => ({ status: "down" }));
const looks = () => Promise.all([health("/health"), health("/health/ready")]);
const look = watch($("#system"), looks, ([{ status, services = {} }, gateway]) => {
  const parts = { ...services, "api-gateway": gateway, broker: broker(services) };
  $("nav").dataset.status = status;
  for (const node of document.querySelectorAll("[data-node]")) tell(node, parts[node.dataset.node]);
});

/** How the broker is, as the services' workers see it. */
function broker(services) {
  const all = Object.values(services).flatMap(({ checks }) => checks.broker ?? []);
  const well = all.filter(({ status }) => status === "ok").length;
  const status = !all.length ? "unknown" : !well ? "down" : well < all.length ? "degraded" : "ok";
  return { status, checks: { [`${well} of ${all.length} workers connected`]: { status: "ok" } } };
}

/** Shows how a part is: all that is checked while it is well, and else only what is not. */
function tell({ dataset, children: [, state, about] }, { status = "unknown", checks = {} } = {}) {
  const [before, word] = [dataset.status, status === "ok" ? "well" : status];
  const wrong = Object.keys(checks).filter((name) => checks[name].status !== "ok");
  const reasons = wrong.map((name) => `${name}: ${checks[name].detail}`);
  dataset.status = status;
  state.textContent = word;
  about.textContent = reasons.join("\n") || Object.keys(checks).join(", ");
  if (before === "unknown" || before === status) return;
  $("#changes").prepend(make("li", {}, `${time(Date.now())} ${dataset.node} is ${word}`));
  $("#changes li:nth-child(6)")?.remove();
}

$("main").hidden = false;
$("#search").requestSubmit();
look();
