// Runs once, on an empty database: each service gets a user of its own, who sees its own data only.
const { readFileSync } = require("fs");

for (const service of ["users", "products", "orders", "notifications"]) {
  const url = new URL(readFileSync(`/run/secrets/${service}_mongo_url`, "utf8").trim());
  db.getSiblingDB(service).createUser({
    user: url.username,
    pwd: url.password,
    roles: [{ role: "readWrite", db: service }],
  });
}
