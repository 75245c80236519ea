/** The story of a customer, told with the TypeScript client: node story.js ADDRESS */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { connect, type Schemas } from "shop-client";

/** What was answered, where it was no problem. */
function good<T>(answer: { data?: T; error?: Schemas["Problem"] | undefined }): T {
  assert.equal(answer.error, undefined, answer.error?.detail);
  assert(answer.data !== undefined);
  return answer.data;
}

/** The first answer that will do. */
async function until<T>(look: () => Promise<T>, will: (found: T) => boolean): Promise<T> {
  for (const end = Date.now() + 60_000; ; await sleep(50)) {
    const found = await look();
    if (will(found)) return found;
    assert(Date.now() < end, `not within a minute; the last answer was ${JSON.stringify(found)}`);
  }
}

const address = process.argv[2];
assert(address, "which shop?");
const visitor = connect(address);

const login = { email: `${randomUUID()}@shop.example`, password: randomUUID() };
const ada = good(await visitor.POST("/auth/register", { body: { ...login, name: "Ada" } }));
const tokens = good(await visitor.POST("/auth/login", { body: login }));
const customer = connect(address, tokens.access_token);
assert.deepEqual(good(await customer.GET("/users/me")), ada);

const query = { in_stock: true, sort: "price", limit: 1 } as const;
const [product] = good(await visitor.GET("/products", { params: { query } })).items;
assert(product, "the shop has nothing to sell");

const placed = await customer.POST("/orders", {
  params: { header: { "Idempotency-Key": randomUUID() } },
  body: { items: [{ product_id: product.id, quantity: 1 }] },
});
assert.equal(placed.response.status, 201);
const path = { order_id: good(placed).id };
const order = await until(
  async () => good(await customer.GET("/orders/{order_id}", { params: { path } })),
  ({ status }) => status !== "pending",
);
assert.equal(order.status, "confirmed");
assert.deepEqual(order.total, product.price);

const told = await until(
  async () => good(await customer.GET("/notifications")).items.map(({ kind }) => kind).sort(),
  (kinds) => kinds.length === 2,
);
assert.deepEqual(told, ["order.confirmed", "order.placed"]);

const { error } = await visitor.GET("/orders");
assert.equal(error?.status, 401);
console.log(`${login.email} was told that the order of one ${product.name} is confirmed`);
