// What is sent again and what is not, against a running service whose answers get lost.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { take, type Fetch } from "../src/index.js";
import { all, client } from "./service.js";

const SWIFT = { attempts: 4, firstPauseMilliseconds: 1, longestPauseMilliseconds: 5 };

/** Carries requests to the service, and loses the first answers as a broken connection does. */
function losing(count: number): { fetch: Fetch; sent: Request[] } {
  const sent: Request[] = [];
  const carry: Fetch = async (request) => {
    sent.push(request.clone());
    const answer = await fetch(request);
    if (sent.length > count) return answer;
    await answer.body?.cancel();
    throw new TypeError("fetch failed");
  };
  return { fetch: carry, sent };
}

/** Answers instead of the service at first. */
function refusing(...answers: Response[]): { fetch: Fetch; sent: Request[] } {
  const sent: Request[] = [];
  const carry: Fetch = async (request) => {
    sent.push(request.clone());
    return answers.shift() ?? fetch(request);
  };
  return { fetch: carry, sent };
}

function busy(status: number, seconds = "0"): Response {
  return new Response("{}", { status, headers: { "Retry-After": seconds } });
}

test("a POST whose answer was lost has one effect", async () => {
  const { fetch, sent } = losing(2);
  const name = `once ${randomUUID()}`;
  const made = await take(client({ fetch, retrying: SWIFT }).api.POST("/v1/datasets", { body: { name } }));
  assert.equal(new Set(sent.map((request) => request.headers.get("Idempotency-Key"))).size, 1);
  assert.equal(sent.length, 3);
  const found = await all(client().items("/v1/datasets", { query: { name_contains: name } }));
  assert.deepEqual(found.map((one) => one.id), [made.id]);
});

test("two POSTs are two requests", async () => {
  const { fetch, sent } = losing(0);
  const fourpoint = client({ fetch });
  for (const name of [randomUUID(), randomUUID()]) await fourpoint.api.POST("/v1/datasets", { body: { name } });
  assert.equal(new Set(sent.map((request) => request.headers.get("Idempotency-Key"))).size, 2);
});

test("a key of one's own is kept", async () => {
  const { fetch, sent } = losing(0);
  const header = { "Idempotency-Key": "mine" + randomUUID() };
  await client({ fetch }).api.POST("/v1/datasets", { params: { header }, body: { name: randomUUID() } });
  assert.equal(sent[0]?.headers.get("Idempotency-Key"), header["Idempotency-Key"]);
});

test("a busy service is asked again when it says so", async () => {
  for (const status of [429, 503, 409]) {
    const { fetch, sent } = refusing(busy(status), busy(status));
    const body = { name: randomUUID() };
    await take(client({ fetch, retrying: SWIFT }).api.POST("/v1/datasets", { body }));
    assert.equal(sent.length, 3);
  }
});

test("a request that is still carried out is waited for, longer than a busy service", async () => {
  const answers = (): Response[] => Array.from({ length: 8 }, () => busy(409));
  const [patient, hasty] = [refusing(...answers()), refusing(...answers())];
  const post = (fetch: Fetch, patienceMilliseconds: number) =>
    client({ fetch, retrying: { ...SWIFT, patienceMilliseconds } }).api.POST("/v1/datasets", {
      body: { name: randomUUID() },
    });
  await take(post(patient.fetch, 600_000));
  await assert.rejects(take(post(hasty.fetch, 0)), { status: 409 });
  assert.deepEqual([patient.sent.length, hasty.sent.length], [9, SWIFT.attempts]);
});

test("a change that may add up is sent once", async () => {
  const { fetch, sent } = losing(1);
  const path = { dataset_id: randomUUID() };
  const change = client({ fetch, retrying: SWIFT }).api.PATCH("/v1/datasets/{dataset_id}", {
    params: { path },
    body: { name: "other" },
  });
  await assert.rejects(change, TypeError);
  assert.equal(sent.length, 1);
});

test("at some point it is enough", async () => {
  const { fetch, sent } = losing(99);
  await assert.rejects(take(client({ fetch, retrying: SWIFT }).api.GET("/v1/me")), TypeError);
  assert.equal(sent.length, SWIFT.attempts);
});

test("who gives up is not kept waiting", async () => {
  const { fetch } = refusing(busy(503, "60"));
  const signal = AbortSignal.timeout(50);
  await assert.rejects(take(client({ fetch }).api.GET("/v1/me", { signal })), { name: "TimeoutError" });
});

test("an answer that is not the service's is an error all the same", async () => {
  const { fetch } = refusing(new Response("<h1>Forbidden</h1>", { status: 403 }));
  await assert.rejects(take(client({ fetch }).api.GET("/v1/me")), { code: "http_403", status: 403 });
});

test("a token that is renewed is asked for before each request", async () => {
  const { fetch, sent } = losing(0);
  let number = 0;
  const fourpoint = client({ fetch, token: async () => `token-${++number}` });
  for (const _ of [1, 2]) await fourpoint.api.GET("/v1/me").catch(() => null);
  assert.deepEqual(sent.map((request) => request.headers.get("Authorization")), ["Bearer token-1", "Bearer token-2"]);
});
