/** The public API of the shop, typed by its contract. */
import createClient, { type Client } from "openapi-fetch";
import type { components, paths } from "./schema.js";

export type { components, operations, paths } from "./schema.js";
export type Schemas = components["schemas"];
export type Shop = Client<paths>;

/** The shop at an address; with a token, as the person to whom it was given. */
export function connect(baseUrl: string, token?: string): Shop {
  const headers = token === undefined ? {} : { Authorization: `Bearer ${token}` };
  return createClient<paths>({ baseUrl, headers });
}
