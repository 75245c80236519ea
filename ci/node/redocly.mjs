// Redocly's recommended rules over all contracts; redocly.yaml says which do not hold, and why.
import { readdirSync } from "node:fs";
import { formatProblems, getMergedConfig, getTotals, lint, loadConfig } from "@redocly/openapi-core";

const folder = "../../contracts";
const config = await loadConfig({ configPath: "redocly.yaml" });
const problems = [];
for (const file of readdirSync(folder).filter((name) => name.endsWith(".openapi.json"))) {
  const rules = getMergedConfig(config, file.replace(".openapi.json", ""));
  problems.push(...(await lint({ ref: `${folder}/${file}`, config: rules })));
}
const totals = getTotals(problems);
formatProblems(problems, { format: "codeframe", totals, version: "" });
console.log(`redocly: ${totals.errors} errors, ${totals.warnings} warnings`);
process.exit(totals.errors + totals.warnings > 0 ? 1 : 0);
