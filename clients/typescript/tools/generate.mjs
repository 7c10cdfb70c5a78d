// Writes src/contract.ts, the types of the REST contract; with --check, says whether it is current.
import { readFile, writeFile } from "node:fs/promises";
import openapiTS, { astToString, COMMENT_HEADER } from "openapi-typescript";
import ts from "typescript";

const CONTRACT = new URL("../../../openapi/openapi.json", import.meta.url);
const TARGET = new URL("../src/contract.ts", import.meta.url);
const BLOB = ts.factory.createTypeReferenceNode("Blob");

const contract = JSON.parse(await readFile(CONTRACT, "utf8"));
// Examples and response headers are for readers of the contract; types make nothing of them.
const operations = Object.values(contract.paths).flatMap(Object.values);
const responses = operations.flatMap((operation) => Object.values(operation.responses ?? {}));
for (const response of [...responses, ...Object.values(contract.components.responses)]) delete response.headers;
delete contract.components.headers;
const bare = JSON.parse(JSON.stringify(contract, (name, value) => (/^examples?$/.test(name) ? undefined : value)));

const nodes = await openapiTS(bare, {
  // Of what a body may leave out because it has a default, nothing becomes required.
  defaultNonNullable: false,
  transform: (schema) => (schema.format === "binary" ? BLOB : undefined),
});
const text = COMMENT_HEADER + astToString(nodes);

if (process.argv.includes("--check")) {
  const committed = await readFile(TARGET, "utf8").catch(() => "");
  if (committed !== text) {
    console.error("src/contract.ts is not what openapi/openapi.json says: run `make clients`, and review the difference.");
    process.exit(1);
  }
} else {
  await writeFile(TARGET, text);
}
