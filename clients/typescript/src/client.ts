// The client: every operation of the contract, typed, and what a labeling page needs around them.
import createClient, { type Client } from "openapi-fetch";
import type { paths } from "./contract.js";
import { Documents } from "./documents.js";
import { Jobs, type WaitOptions } from "./jobs.js";
import { pages, type ItemOf, type ListOptions, type ListPath } from "./lists.js";
import type { ContourRequest, Inference, Job } from "./models.js";
import { problemOf } from "./problems.js";
import { RETRYING, sending, type Fetch, type Retrying, type Token } from "./sending.js";
import { take } from "./taking.js";
import { Uploads } from "./uploads.js";

export interface FourpointOptions {
  /** Where the service is, without `/v1`. */
  readonly baseUrl: string;
  /** An API token or access token; a function is asked before each request. Left out: the service asks for none. */
  readonly token?: Token;
  /** The platform's own by default. */
  readonly fetch?: Fetch;
  readonly retrying?: Partial<Retrying>;
}

export interface InferOptions extends WaitOptions {
  /** How long one request is held at most; the outline is waited for however long it takes. */
  readonly waitSeconds?: number;
}

/** A client of one service. Every call throws ProblemError where the service refuses something. */
export class Fourpoint {
  /** Every operation of the contract, by method and path. */
  readonly api: Client<paths>;
  readonly documents: Documents;
  readonly jobs: Jobs;
  readonly uploads: Uploads;

  constructor(options: FourpointOptions) {
    const fetcher: Fetch = options.fetch ?? ((request) => fetch(request));
    const retrying = { ...RETRYING, ...options.retrying };
    this.api = createClient<paths>({
      baseUrl: options.baseUrl,
      fetch: sending(fetcher, options.token ?? null, retrying),
    });
    this.api.use({
      async onResponse({ response }) {
        if (response.status >= 400) throw await problemOf(response);
      },
    });
    this.documents = new Documents(this.api);
    this.jobs = new Jobs(this.api);
    this.uploads = new Uploads(this.api, sending(fetcher, null, retrying), options.baseUrl);
  }

  /** Everything in a list, however many pages it has. */
  async *items<Path extends ListPath>(path: Path, options: ListOptions<Path> = {}): AsyncGenerator<ItemOf<Path>> {
    for await (const page of pages(this.api, path, options)) yield* page.items as ItemOf<Path>[];
  }

  /** An outline from four extreme points or a box, however long it takes. */
  async inferContour(sampleId: string, wanted: ContourRequest, options: InferOptions = {}): Promise<Inference> {
    const { waitSeconds = 30, ...rest } = options;
    const { data, response } = await this.api.POST("/v1/samples/{sample_id}/contours", {
      params: { path: { sample_id: sampleId }, header: { Prefer: `wait=${waitSeconds}` } },
      body: wanted,
      ...rest,
    });
    if (response.status === 200) return data as Inference;
    const job = await this.jobs.wait((data as Job).id, rest);
    return job.result as unknown as Inference;
  }

  /** The bytes of an image; for a page, `URL.createObjectURL` makes an address of them. */
  image(sampleId: string): Promise<Blob> {
    const init = { params: { path: { sample_id: sampleId } }, parseAs: "blob" } as const;
    return take(this.api.GET("/v1/samples/{sample_id}/image", init));
  }

  /** A small upright picture of an image. */
  thumbnail(sampleId: string, size: 128 | 256 | 512 = 256): Promise<Blob> {
    const init = { params: { path: { sample_id: sampleId }, query: { size } }, parseAs: "blob" } as const;
    return take(this.api.GET("/v1/samples/{sample_id}/thumbnail", init));
  }
}
