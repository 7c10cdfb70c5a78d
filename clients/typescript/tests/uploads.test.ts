// Getting images in, against a running service.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Progress } from "../src/index.js";
import { disc, noise } from "./photos.js";
import { all, client, newDataset } from "./service.js";

const fourpoint = client();

test("files are looked at before anything is stored", async () => {
  const dataset = await newDataset(fourpoint);
  const report = await fourpoint.uploads.check(dataset.id, [
    { name: "disc.png", data: disc() },
    { name: "notes.txt", data: new Blob(["no picture"]) },
  ]);
  assert.equal(report.acceptable, false);
  assert.deepEqual(report.files.map((file) => file.error?.code ?? null), [null, "image_format_unsupported"]);
  assert.match(report.files[0]?.thumbnail ?? "", /^data:image\/jpeg;base64,/);
  const list = { path: { dataset_id: dataset.id } };
  assert.deepEqual(await all(fourpoint.items("/v1/datasets/{dataset_id}/samples", list)), []);
});

test("a browser's file is a file", async () => {
  const dataset = await newDataset(fourpoint);
  const [sample] = await fourpoint.uploads.send(dataset.id, [new File([disc()], "from a page.png")]);
  assert.equal(sample?.original_name, "from a page.png");
});

test("what is too much for one request goes past it, in the order of the files", async () => {
  const dataset = await newDataset(fourpoint);
  const files = ["a.png", "b.png", "c.png"].map((name) => ({ name, data: noise(1100) }));
  const heard: Progress[] = [];
  const samples = await fourpoint.uploads.send(dataset.id, files, { onProgress: (progress) => heard.push(progress) });
  assert.deepEqual(samples.map((sample) => sample.name), ["a.png", "b.png", "c.png"]);
  assert.deepEqual(heard.map((progress) => progress.filesDone), [1, 2, 3]);
  const last = heard.at(-1);
  assert.equal(last?.bytesDone, last?.bytes);
});

test("one bad file refuses them all", async () => {
  const dataset = await newDataset(fourpoint);
  const files = [{ name: "disc.png", data: disc() }, { name: "notes.txt", data: new Blob(["no picture"]) }];
  await assert.rejects(fourpoint.uploads.send(dataset.id, files), { code: "image_format_unsupported", status: 415 });
});
