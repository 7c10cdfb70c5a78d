// Background work: waiting for it, and following it.
import { EventSourceParserStream } from "eventsource-parser/stream";
import type { Client } from "openapi-fetch";
import type { paths } from "./contract.js";
import type { Job } from "./models.js";
import { problemOfJob } from "./problems.js";
import { sleep } from "./sending.js";
import { take } from "./taking.js";

// Less than proxies wait for an answer.
const WAIT_SECONDS = 25;
const PAUSE_MILLISECONDS = 1000;
// How often a stream may break off without one event before following it is given up.
const BREAKS = 5;

export interface WaitOptions {
  readonly signal?: AbortSignal;
}

const isFinal = (job: Job): boolean => ["succeeded", "failed", "cancelled"].includes(job.state);

export class Jobs {
  readonly #api: Client<paths>;

  constructor(api: Client<paths>) {
    this.#api = api;
  }

  /** The job when it has succeeded, however long it takes. Throws ProblemError when it fails or is cancelled. */
  async wait(jobId: string, options: WaitOptions = {}): Promise<Job> {
    for (;;) {
      const { data, response } = await this.#api.GET("/v1/jobs/{job_id}", {
        params: { path: { job_id: jobId }, header: { Prefer: `wait=${WAIT_SECONDS}` } },
        ...options,
      });
      const job = data as Job;
      if (job.state === "succeeded") return job;
      if (isFinal(job)) throw problemOfJob(job);
      if (!response.headers.has("Preference-Applied")) await sleep(PAUSE_MILLISECONDS, options.signal);
    }
  }

  /** Each new state of a job as it happens, the last one being final; lost connections are made again. */
  async *follow(jobId: string, options: WaitOptions = {}): AsyncGenerator<Job> {
    let last = "";
    for (let breaks = 0; breaks < BREAKS; breaks++) {
      if (breaks > 0) await sleep(PAUSE_MILLISECONDS, options.signal);
      for await (const text of this.#events(jobId, options)) {
        breaks = 0;
        const job = JSON.parse(text) as Job;
        if (text !== last) yield job;
        if (isFinal(job)) return;
        last = text;
      }
    }
    throw new Error(`The events of the job ${jobId} keep breaking off.`);
  }

  /** Asks that a job ends: at once while it waits, at its next stage while it runs. */
  cancel(jobId: string): Promise<Job> {
    return take(this.#api.POST("/v1/jobs/{job_id}/cancel", { params: { path: { job_id: jobId } } }));
  }

  async *#events(jobId: string, options: WaitOptions): AsyncGenerator<string> {
    const { data } = await this.#api.GET("/v1/jobs/{job_id}/events", {
      params: { path: { job_id: jobId } },
      parseAs: "stream",
      ...options,
    });
    const bytes = data as ReadableStream<BufferSource>;
    const events = bytes.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
    try {
      for await (const event of events) yield event.data;
    } catch (error) {
      // A connection that was lost; the server also ends a stream after ten minutes.
      if (options.signal?.aborted) throw error;
    }
  }
}
