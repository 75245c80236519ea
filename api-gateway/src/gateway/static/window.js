// The shop window: all that a customer does, on the public API. What the API says goes into the
// page as text, never as HTML.
"use strict";

const $ = (selector, within = document) => within.querySelector(selector);

// ---- asking the API ----

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
    await (refreshing ??= refresh().finally(() => { refreshing = null; }));
    return ask(method, path, body, { key, isLast: true });
  }
  const isJson = answer.headers.get("Content-Type")?.includes("json");
  const said = isJson ? await answer.json() : {};
  if (answer.ok) return said;
  const seconds = answer.headers.get("Retry-After");
  const what = answer.status === 429 ? "That was too often." : said.detail ?? "It did not work.";
  const when = seconds ? `in ${seconds} s` : answer.status > 500 ? "soon" : "";
  throw problem(when ? `${what} Try again ${when}.` : what, answer.status, said.errors);
}

async function refresh() {
  const body = { refresh_token: tokens.refresh_token };
  try {
    tokens = await ask("POST", "/auth/refresh", body, { isLast: true });
  } catch (refusal) {
    if (refusal.status === 401) leave("Your session has ended. Log in again.");
    throw refusal;
  }
}

// ---- saying it ----

function money({ amount, currency }) {
  const format = new Intl.NumberFormat(undefined, { style: "currency", currency });
  return format.format(amount / 10 ** format.resolvedOptions().maximumFractionDigits);
}

/** A copy of a template, with the words of each of its [data-name]. */
function copy(id, words) {
  const made = $(`template#${id}`).content.firstElementChild.cloneNode(true);
  for (const [name, text] of Object.entries(words)) $(`[data-${name}]`, made).textContent = text;
  return made;
}

function say(within, text = "", isBad = false) {
  $(".said", within).textContent = text;
  $(".said", within).classList.toggle("error", isBad);
}

/** Says each error at the field its pointer names, and the rest below; with no refusal, nothing. */
function explain(form, refusal) {
  const left = new Set(refusal?.errors);
  for (const place of form.querySelectorAll("[data-pointer]")) {
    const at = `${place.dataset.pointer}/`;
    const here = [...left].filter(({ pointer }) => `${pointer}/`.startsWith(at));
    here.forEach((error) => left.delete(error));
    $(".error", place).textContent = here.map(({ message }) => message).join(" ");
    $("input", place).ariaInvalid = String(here.length > 0);
  }
  const isSaid = !refusal || (refusal.errors.length > 0 && !left.size);
  say(form, isSaid ? "" : [refusal, ...left].map(({ message }) => message).join(" "), true);
  $("[aria-invalid=true]", form)?.focus();
}

/** What a form is for is done once, however often it is pressed, and refusals are explained. */
function on(form, action) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (form.ariaBusy === "true") return;
    form.ariaBusy = "true";
    explain(form);
    action(event.submitter)
      .finally(() => { form.ariaBusy = "false"; })
      .catch((refusal) => explain(form, refusal));
  });
}

// ---- the shelf ----

const shelf = new Map(); // product id → the item that shows it
let next = null; // where the page after this one begins
let asked = 0; // of several searches at once the last one counts

async function browse(cursor) {
  const { q, sort } = $("#search");
  const wanted = new URLSearchParams({ limit: 8, sort: sort.value });
  if (q.value.trim()) wanted.set("q", q.value.trim());
  if (cursor) wanted.set("cursor", cursor);
  const mine = ++asked;
  const page = await ask("GET", `/products?${wanted}`);
  if (mine !== asked) return;
  if (!cursor) shelf.clear();
  for (const product of page.items) shelf.set(product.id, shelved(product));
  $("#products").replaceChildren(...shelf.values());
  next = page.next_cursor;
  $("#more").hidden = !next;
  say($("#search"), shelf.size ? "" : "Nothing has these words. Only whole words are found.");
  if (cursor) $("button", shelf.get(page.items[0].id)).focus();
}

function shelved(product) {
  const { id, name, description, price, stock } = product;
  const item = copy("product", { name, description, price: money(price) });
  $("button", item).ariaLabel = `Add ${name}`;
  $("button", item).addEventListener("click", () => {
    const quantity = Math.min(1000, (basket.get(id)?.quantity ?? 0) + 1);
    take(product, quantity, `${name}: ${quantity} in the basket.`);
  });
  return tellStock(item, stock);
}

function tellStock(item, stock) {
  $("button", item).disabled = stock === 0;
  $("[data-stock]", item).textContent =
    stock > 3 ? `${stock} in stock` : stock ? `only ${stock} left` : "sold out";
  return item;
}

/** An order moves stock: shows how much there is now. */
async function restock() {
  const ids = [...shelf.keys()].slice(-50).map((id) => `id=${id}`);
  const page = ids.length ? await ask("GET", `/products?${ids.join("&")}`) : { items: [] };
  for (const { id, stock } of page.items) if (shelf.has(id)) tellStock(shelf.get(id), stock);
}

$("#search").addEventListener("submit", (event) => {
  event.preventDefault();
  const cursor = event.submitter?.id === "more" ? next : null;
  browse(cursor).catch((refusal) => explain($("#search"), refusal));
});
$("#search").addEventListener("change", ({ currentTarget }) => currentTarget.requestSubmit());

// ---- coming in, and leaving ----

on($("#enter"), async (pressed) => {
  const { name, email, password } = Object.fromEntries(new FormData($("#enter")));
  if (pressed?.id !== "log-in") await ask("POST", "/auth/register", { name, email, password });
  tokens = await ask("POST", "/auth/login", { email, password });
  $("#enter").reset();
  turn();
  $("#who").textContent = (await ask("GET", "/users/me")).name;
});
on($("#inside"), async () => {
  await ask("POST", "/auth/logout").catch(() => {}); // what counts is that the tokens are forgotten
  leave("You have left.");
});

/** Shows what is for those who are in, or for those who are not. */
function turn() {
  for (const part of document.querySelectorAll("[data-for]")) {
    part.hidden = (part.dataset.for === "customers") === !tokens;
  }
  for (const id of Object.keys(makers)) draw(id, []);
  $("#account-title").focus();
  soon();
}

function leave(why) {
  tokens = null;
  turn();
  say($("#enter"), why);
}

// ---- the basket ----

const basket = new Map(); // product id → {product, quantity}
let key = null; // of the order this basket becomes: lost, repeated or pressed twice, it stays one

function take(product, quantity, said) {
  if (quantity) basket.set(product.id, { product, quantity });
  else basket.delete(product.id);
  drawBasket(said);
}

function drawBasket(said) {
  const focused = document.activeElement.ariaLabel;
  const lines = [...basket.values()];
  const add = (sum, { product, quantity }) => sum + product.price.amount * quantity;
  key = null;
  $("#lines").replaceChildren(...lines.map(line));
  // An order has one currency; where there are two, the API says which product is wrong.
  const amount = lines.reduce(add, 0);
  $("#total").textContent = lines.length ? money({ ...lines[0].product.price, amount }) : "";
  $("#count").textContent = lines.reduce((sum, { quantity }) => sum + quantity, 0);
  $("#empty").hidden = lines.length > 0;
  $("#sum").hidden = lines.length === 0;
  say($("#basket"), said);
  if (focused) $(`#lines [aria-label="${CSS.escape(focused)}"]`)?.focus();
}

function line({ product, quantity }, index) {
  const { name, price, stock } = product;
  const hint = quantity > stock ? `only ${stock} left: will be rejected` : "";
  const made = copy("line", { name, price: money(price), hint });
  const [input, remove] = [$("input", made), $("button", made)];
  made.dataset.pointer = `/items/${index}`;
  $(".error", made).id = `line-${index}`;
  input.setAttribute("aria-describedby", `line-${index}`);
  input.ariaLabel = `How many of ${name}`;
  input.value = quantity;
  input.addEventListener("change", () => {
    take(product, Math.max(0, Math.min(1000, Math.round(input.value))));
  });
  remove.ariaLabel = `Remove ${name}`;
  remove.addEventListener("click", () => {
    take(product, 0, `${name} is out of the basket.`);
    $("#basket-title").focus();
  });
  return made;
}

on($("#basket"), async () => {
  if (!tokens) {
    $("#enter input").focus();
    throw problem("Register first, or log in: an order is somebody's.");
  }
  if (!basket.size) return;
  key ??= crypto.getRandomValues(new Uint32Array(4)).join("-");
  const items = [...basket].map(([product_id, { quantity }]) => ({ product_id, quantity }));
  await ask("POST", "/orders", { items }, { key });
  basket.clear();
  drawBasket("Ordered.");
  await soon();
  $("#orders-title").focus();
});

// ---- what became of it ----

const makers = { placed: order, notifications: notification };
const drawn = {}; // what each of these lists shows
let pause, timer, round = 0;

/** Looks at once, since something was done, and ever more seldom while nothing changes. */
function soon() {
  pause = 200;
  return watch();
}

async function watch() {
  clearTimeout(timer);
  const mine = ++round;
  if (!tokens || document.hidden) return;
  try {
    const orders = await ask("GET", "/orders?limit=5");
    // While notifications are away, what became of an order is seen all the same.
    const told = await ask("GET", "/notifications?limit=5").catch(() => null);
    if (mine !== round) return; // another look has begun
    say($("#orders"), orders.items.length ? `The newest is ${orders.items[0].status}.` : "");
    const isNew = told && draw("notifications", told.items);
    const hasChanged = draw("placed", orders.items) || isNew;
    pause = hasChanged ? 200 : Math.min(pause * 1.4, 10_000);
    if (pause < 2000) await restock(); // units follow a little later than the order
  } catch (refusal) {
    if (!refusal.errors) throw refusal;
    say($("#orders"), refusal.message, true);
    pause = 5000;
  }
  if (mine === round) timer = setTimeout(watch, pause);
}

/** Whether a list has changed; only then it is drawn, so that nobody loses what they point at. */
function draw(id, items) {
  const text = JSON.stringify(items);
  if (drawn[id] === text) return false;
  drawn[id] = text;
  $(`#${id}`).replaceChildren(...items.map(makers[id]));
  return true;
}

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
  const made = copy("order", { id, status, story, items: names, total: money(total) });
  made.dataset.status = status;
  $("button", made).hidden = !["pending", "confirmed"].includes(status);
  on($("form", made), async () => {
    await ask("POST", `/orders/${id}/cancel`);
    await soon();
    $("#orders-title").focus();
  });
  return made;
}

function notification({ title, text, created_at }) {
  return copy("notification", { title, text, time: new Date(created_at).toLocaleTimeString() });
}

// ---- the system ----

const WORDS = { ok: "well", degraded: "degraded", down: "down", unknown: "unknown" };

async function look() {
  const health = (path) => fetch(path).then((answer) => answer.json()).catch(() => null);
  const [shop, gateway] = await Promise.all(["/health", "/health/ready"].map(health));
  const found = { ...shop?.services, broker: broker(shop?.services ?? {}) };
  found["api-gateway"] = gateway ?? { status: "down", checks: {} };
  for (const node of document.querySelectorAll("[data-node]")) {
    tell(node, found[node.dataset.node] ?? { status: "unknown", checks: {} });
  }
  $("nav").dataset.status = shop?.status ?? "down";
  if (!document.hidden) setTimeout(look, 2000);
}

/** How the broker is, as the services' workers see it. */
function broker(services) {
  const seen = Object.values(services).flatMap(({ checks }) => checks.broker ?? []);
  const count = seen.filter(({ status }) => status === "ok").length;
  const what = `${count} of ${seen.length} workers connected`;
  if (!seen.length) return undefined;
  const status = !count ? "down" : count < seen.length ? "degraded" : "ok";
  return { status, checks: { [what]: { status: "ok" } } };
}

function tell(node, { status, checks }) {
  const before = node.dataset.status;
  node.dataset.status = status;
  $(".state", node).textContent = WORDS[status];
  $(".checks", node).replaceChildren(...Object.entries(checks).map(([name, check]) => {
    const what = check.status === "ok" ? name : `${name}: ${check.detail}`;
    const item = copy("check", { what });
    item.dataset.status = check.status;
    return item;
  }));
  if (!before || before === status) return;
  const what = `${node.dataset.node} is ${WORDS[status]}`;
  $("#changes").prepend(copy("change", { time: new Date().toLocaleTimeString(), what }));
  $("#changes li:nth-child(6)")?.remove();
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  soon();
  look();
});
$("main").hidden = false;
$("#search").requestSubmit();
look();
