// Uploads: through the API while they fit, else straight to the object store.
import type { Client } from "openapi-fetch";
import type { components, paths } from "./contract.js";
import type { UploadedSample, UploadReport } from "./models.js";
import { problemOf } from "./problems.js";
import type { Fetch } from "./sending.js";
import { take } from "./taking.js";

const MEBIBYTE = 2 ** 20;
// The limits of the service, where its operator has set no others.
const BATCH = { bytes: 8 * MEBIBYTE, files: 1000 };
const DIRECT = { bytes: 256 * MEBIBYTE, files: 200 };
const AT_ONCE = 4;

/** An image; a browser's `File` is one, too. */
export type ImageFile = File | { readonly name: string; readonly data: Blob };

export interface Progress {
  readonly files: number;
  readonly filesDone: number;
  readonly bytes: number;
  readonly bytesDone: number;
}

export interface UploadOptions {
  readonly onProgress?: (progress: Progress) => void;
  readonly signal?: AbortSignal;
}

type Slot = components["schemas"]["Slot"];

export class Uploads {
  readonly #api: Client<paths>;
  readonly #put: Fetch;
  readonly #baseUrl: string;

  /** put: sends a request without the token, which is nobody's business at the object store. */
  constructor(api: Client<paths>, put: Fetch, baseUrl: string) {
    this.#api = api;
    this.#put = put;
    this.#baseUrl = baseUrl;
  }

  /** What would become of each file, with a thumbnail; nothing is stored. At most one upload's worth of files. */
  check(datasetId: string, files: readonly ImageFile[]): Promise<UploadReport> {
    return this.#post(datasetId, files, true, undefined) as Promise<UploadReport>;
  }

  /**
   * Stores images, in the order of the files. What exceeds one request goes straight to the object store.
   *
   * Of more than 256 MB or 200 files, several uploads are made, each all or nothing. Throws ProblemError.
   */
  async send(datasetId: string, files: readonly ImageFile[], options: UploadOptions = {}): Promise<UploadedSample[]> {
    const total = { files: files.length, bytes: bytesOf(files) };
    let done = { filesDone: 0, bytesDone: 0 };
    const count = (file: ImageFile): void => {
      done = { filesDone: done.filesDone + 1, bytesDone: done.bytesDone + dataOf(file).size };
      options.onProgress?.({ ...total, ...done });
    };
    if (total.bytes <= BATCH.bytes && total.files <= BATCH.files) {
      const { items } = (await this.#post(datasetId, files, false, options.signal)) as { items: UploadedSample[] };
      files.forEach(count);
      return items;
    }
    const stored: UploadedSample[] = [];
    for (const some of inGroups(files)) stored.push(...(await this.#direct(datasetId, some, count, options.signal)));
    return stored;
  }

  #post(datasetId: string, files: readonly ImageFile[], validateOnly: boolean, signal: AbortSignal | undefined) {
    return take(
      this.#api.POST("/v1/datasets/{dataset_id}/samples", {
        params: { path: { dataset_id: datasetId }, query: { validate_only: validateOnly } },
        body: { files: files.map(dataOf) },
        bodySerializer: () => form(files),
        signal,
      }),
    );
  }

  async #direct(
    datasetId: string,
    files: readonly ImageFile[],
    count: (file: ImageFile) => void,
    signal: AbortSignal | undefined,
  ): Promise<UploadedSample[]> {
    const wanted = await Promise.all(files.map(announced));
    const upload = await take(
      this.#api.POST("/v1/datasets/{dataset_id}/uploads", {
        params: { path: { dataset_id: datasetId } },
        body: { files: wanted },
        signal,
      }),
    );
    const queue = files.map((file, index) => ({ file, slot: upload.files[index] as Slot }));
    const write = async (): Promise<void> => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        await this.#write(next.slot, next.file, signal);
        count(next.file);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, write));
    const path = { dataset_id: datasetId, upload_id: upload.id };
    return (await take(this.#api.POST("/v1/datasets/{dataset_id}/uploads/{upload_id}/register", { params: { path } })))
      .items;
  }

  async #write(slot: Slot, file: ImageFile, signal: AbortSignal | undefined): Promise<void> {
    const request = new Request(this.#address(slot), {
      method: slot.method,
      headers: slot.headers as Record<string, string>,
      body: dataOf(file),
      signal,
    });
    const answer = await this.#put(request);
    if (!answer.ok) throw await problemOf(answer);
    await answer.body?.cancel();
  }

  /** Where objects lie in a directory, the API itself takes the file, and the address is relative to the service. */
  #address(slot: Slot): string {
    return /^https?:/.test(slot.url) ? slot.url : this.#baseUrl.replace(/\/$/, "") + slot.url;
  }
}

function dataOf(file: ImageFile): Blob {
  return file instanceof Blob ? file : file.data;
}

function bytesOf(files: readonly ImageFile[]): number {
  return files.reduce((sum, file) => sum + dataOf(file).size, 0);
}

function form(files: readonly ImageFile[]): FormData {
  const form = new FormData();
  for (const file of files) form.append("files", dataOf(file), file.name);
  return form;
}

function* inGroups(files: readonly ImageFile[]): Generator<ImageFile[]> {
  let group: ImageFile[] = [];
  for (const file of files) {
    if (group.length === DIRECT.files || bytesOf([...group, file]) > DIRECT.bytes) {
      yield group;
      group = [];
    }
    group.push(file);
  }
  if (group.length > 0) yield group;
}

async function announced(file: ImageFile) {
  const data = dataOf(file);
  return { name: file.name, size_bytes: data.size, content_type: await mediaTypeOf(data) };
}

/** By the first bytes, as the service does; names and browsers say what they like. */
async function mediaTypeOf(data: Blob): Promise<"image/png" | "image/bmp" | "image/jpeg"> {
  const [first, second] = new Uint8Array(await data.slice(0, 2).arrayBuffer());
  if (first === 0x89) return "image/png";
  return first === 0x42 && second === 0x4d ? "image/bmp" : "image/jpeg";
}
