// Two people on one image, against a running service.
import assert from "node:assert/strict";
import { test } from "node:test";
import { StaleError, type Contour, type OpenDocument } from "../src/index.js";
import { client, newSample } from "./service.js";

const ada = client();
const ben = client();

function square(x: number): Contour {
  return { parts: [{ outer: [[x, 10], [x + 20, 10], [x + 20, 30], [x, 30]] }] };
}

/** A document with two objects, as both have opened it. */
async function shared(): Promise<OpenDocument> {
  const sample = await newSample(ada);
  const empty = await ada.documents.open(sample.id);
  return ada.documents.save(empty, [{ contour: square(0), label: "cat" }, { contour: square(30), label: "cat" }]);
}

const ids = (opened: OpenDocument): string[] => opened.document.annotations.map((one) => one.id);
const labels = (opened: OpenDocument): string[] => opened.document.annotations.map((one) => one.label.name).sort();

test("who saves second is told what has happened", async () => {
  const opened = await shared();
  const [first, second] = ids(opened) as [string, string];
  await ben.documents.save(opened, [{ id: first, label: "dog" }, { id: second }]);
  await assert.rejects(ada.documents.save(opened, [{ id: first }]), (error) => {
    assert.ok(error instanceof StaleError);
    assert.deepEqual(error.changes?.changed, [first]);
    assert.ok(error.currentEtag);
    return true;
  });
});

test("the changes of both are joined where they touch different objects", async () => {
  const opened = await shared();
  const [first, second] = ids(opened) as [string, string];
  await ben.documents.save(opened, [{ id: first, label: "dog" }, { id: second }, { contour: square(60), label: "ben" }]);
  const mine = [{ id: first }, { contour: square(90), label: "ada" }];
  const resolve = (): never => assert.fail("nothing clashes");
  const saved = await ada.documents.save(opened, mine, { resolve });
  assert.deepEqual(labels(saved), ["ada", "ben", "dog"]);
});

test("who changed the same object decides", async () => {
  for (const [choice, expected] of [["mine", "bird"], ["theirs", "dog"]] as const) {
    const opened = await shared();
    const [first] = ids(opened) as [string];
    await ben.documents.save(opened, [{ id: first, label: "dog" }]);
    const clashes: string[] = [];
    const resolve = ({ id }: { id: string }) => (clashes.push(id), choice);
    const saved = await ada.documents.save(opened, [{ id: first, label: "bird" }], { resolve });
    assert.deepEqual([clashes, labels(saved)], [[first], [expected]]);
  }
});

test("an object that the other one deleted comes back whole when it is kept", async () => {
  const opened = await shared();
  const [first, second] = ids(opened) as [string, string];
  await ben.documents.save(opened, [{ id: second }]);
  const mine = [{ id: first, difficult: true }, { id: second }];
  const saved = await ada.documents.save(opened, mine, { resolve: () => "mine" });
  const kept = saved.document.annotations.find((one) => one.difficult);
  assert.equal(kept?.label.name, "cat");
  assert.deepEqual(kept?.contour.parts[0]?.outer, square(0).parts[0]?.outer);
  assert.equal(saved.document.annotations.length, 2);
});
