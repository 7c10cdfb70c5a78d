// Judges that the contract can be imported into Postman: it converts, and every operation becomes a request.
import { readFile } from "node:fs/promises";
import Converter from "openapi-to-postmanv2";
import postman from "postman-collection";

const text = await readFile(new URL("../../../openapi/openapi.json", import.meta.url), "utf8");
const operations = Object.values(JSON.parse(text).paths).flatMap(Object.values);
const expected = operations.filter((operation) => operation.operationId).length;

const { result, reason, output } = await new Promise((resolve, reject) => {
  Converter.convertV2({ type: "string", data: text }, {}, (error, done) => (error ? reject(error) : resolve(done)));
});
if (!result) throw new Error(`The contract does not convert: ${reason}`);

const collection = new postman.Collection(output[0].data);
const requests = [];
collection.forEachItem((item) => requests.push(item));
if (requests.length !== expected) throw new Error(`${expected} operations have become ${requests.length} requests.`);
if (collection.auth?.type !== "bearer") throw new Error("The collection does not know how to sign in.");
const unnamed = requests.filter((item) => !item.name || item.responses.count() === 0);
if (unnamed.length > 0) throw new Error(`Without a name or an answer: ${unnamed.map((item) => item.name)}`);
console.log(`${requests.length} requests, with ${requests.reduce((sum, x) => sum + x.responses.count(), 0)} answers`);
