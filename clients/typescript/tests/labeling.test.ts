// What a labeling page does, against a running service.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ProblemError, take, type Contour } from "../src/index.js";
import { DISC, disc } from "./photos.js";
import { all, client, newDataset, newSample } from "./service.js";

const fourpoint = client();
const TRIANGLE: Contour = { parts: [{ outer: [[10, 10], [90, 10], [50, 80]] }] };

test("four clicks become an outline, and the outline a label", async () => {
  const sample = await newSample(fourpoint);
  const outline = await fourpoint.inferContour(sample.id, { points: DISC });
  assert.ok(Math.abs(outline.area - Math.PI * 40 ** 2) < 0.05 * Math.PI * 40 ** 2);
  const opened = await fourpoint.documents.open(sample.id);
  const saved = await fourpoint.documents.save(opened, [{ contour_id: outline.contour_id, label: "disc" }]);
  const [annotation] = saved.document.annotations;
  assert.deepEqual(annotation?.contour, outline.contour);
  assert.equal(annotation?.method, "extreme_points");
  assert.notEqual(saved.etag, opened.etag);
});

test("an outline is waited for when no request is held", async () => {
  const sample = await newSample(fourpoint);
  const outline = await fourpoint.inferContour(sample.id, { points: DISC }, { waitSeconds: 0 });
  assert.ok(outline.vertices >= 8);
});

test("a job is followed to its end as it happens", async () => {
  const sample = await newSample(fourpoint);
  const path = { sample_id: sample.id };
  const job = await take(fourpoint.api.PUT("/v1/samples/{sample_id}/embedding", { params: { path } }));
  const states = (await all(fourpoint.jobs.follow(job.id))).map((one) => one.state);
  assert.equal(states.at(-1), "succeeded");
  assert.equal(new Set(states).size, states.length);
});

test("a job that fails throws what went wrong", async () => {
  const sample = await newSample(fourpoint);
  const path = { sample_id: sample.id };
  const { data } = await fourpoint.api.POST("/v1/samples/{sample_id}/contours", {
    params: { path },
    body: { points: DISC, save: "document", label: "disc", annotation_id: sample.id },
  });
  const job = data as { id: string };
  await fourpoint.jobs.wait(job.id);
  const again = fourpoint.inferContour(
    sample.id,
    { points: DISC, save: "document", label: "other", annotation_id: sample.id },
    { waitSeconds: 0 },
  );
  await assert.rejects(again, (error) => error instanceof ProblemError && error.code === "id_taken");
});

test("what is refused is an error with a code, a place and a request to quote", async () => {
  const sample = await newSample(fourpoint);
  const points = { ...DISC, top: [60, -1] as [number, number] };
  await assert.rejects(fourpoint.inferContour(sample.id, { points }), (error) => {
    assert.ok(error instanceof ProblemError);
    assert.deepEqual([error.code, error.status], ["invalid_input", 422]);
    assert.equal(error.at("/points/top")?.code, "outside_image");
    assert.ok(error.requestId);
    return true;
  });
});

test("without a token nobody gets in", async () => {
  const stranger = client({ token: undefined });
  await assert.rejects(take(stranger.api.GET("/v1/me")), { code: "unauthenticated", status: 401 });
});

test("a list is read to its end, page after page", async () => {
  const dataset = await newDataset(fourpoint);
  const files = [0, 1, 2].map((shade) => ({ name: `${shade}.png`, data: disc(shade) }));
  await fourpoint.uploads.send(dataset.id, files);
  const list = { path: { dataset_id: dataset.id }, query: { limit: 1, sort: "-name", count: "exact" } } as const;
  const names = (await all(fourpoint.items("/v1/datasets/{dataset_id}/samples", list))).map((sample) => sample.name);
  assert.deepEqual(names, ["2.png", "1.png", "0.png"]);
});

test("filters with several values are sent as several parameters", async () => {
  const sample = await newSample(fourpoint);
  const opened = await fourpoint.documents.open(sample.id);
  const { document } = await fourpoint.documents.save(opened, [
    { contour: TRIANGLE, label: "cat" },
    { contour: TRIANGLE, label: "dog" },
  ]);
  const label_id = document.annotations.map((one) => one.label.id);
  const list = { path: { dataset_id: sample.dataset_id }, query: { label_id, label_match: "all" } } as const;
  const found = await all(fourpoint.items("/v1/datasets/{dataset_id}/samples", list));
  assert.deepEqual(found.map((one) => one.id), [sample.id]);
});

test("an image and its thumbnail come as bytes", async () => {
  const sample = await newSample(fourpoint);
  const [image, thumbnail] = await Promise.all([fourpoint.image(sample.id), fourpoint.thumbnail(sample.id, 128)]);
  assert.deepEqual([image.type, image.size], ["image/png", sample.size_bytes]);
  assert.equal(thumbnail.type, "image/jpeg");
});

test("what was saved last is undone and done again", async () => {
  const sample = await newSample(fourpoint);
  const opened = await fourpoint.documents.open(sample.id);
  const saved = await fourpoint.documents.save(opened, [{ contour: TRIANGLE, label: "cat" }]);
  const undone = await fourpoint.documents.undo(saved);
  assert.equal(undone.document.annotations.length, 0);
  const redone = await fourpoint.documents.redo(undone);
  assert.deepEqual(redone.document.annotations, saved.document.annotations);
  await assert.rejects(fourpoint.documents.redo(redone), { code: "history_end" });
});
