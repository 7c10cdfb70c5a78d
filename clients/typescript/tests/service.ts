// The running service that the tests speak to, and what stories begin with.
import { randomUUID } from "node:crypto";
import { Fourpoint, take, type Dataset, type FourpointOptions, type Sample } from "../src/index.js";
import { disc } from "./photos.js";

function variable(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set; run \`make test-clients\`.`);
  return value;
}

export const BASE_URL = variable("FOURPOINT_BASE_URL");
export const TOKEN = variable("FOURPOINT_TOKEN");

export function client(options: Partial<FourpointOptions> = {}): Fourpoint {
  return new Fourpoint({ baseUrl: BASE_URL, token: TOKEN, ...options });
}

export function newDataset(fourpoint: Fourpoint): Promise<Dataset> {
  return take(fourpoint.api.POST("/v1/datasets", { body: { name: `TypeScript ${randomUUID()}` } }));
}

export async function newSample(fourpoint: Fourpoint): Promise<Sample> {
  const dataset = await newDataset(fourpoint);
  const [sample] = await fourpoint.uploads.send(dataset.id, [{ name: "disc.png", data: disc() }]);
  return sample as Sample;
}

export async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const found: Item[] = [];
  for await (const item of items) found.push(item);
  return found;
}
