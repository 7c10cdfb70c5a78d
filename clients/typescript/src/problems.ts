// What the API refuses, as typed errors.
import type { Changes, FieldProblem, Job, Problem } from "./models.js";

interface Facts {
  readonly code: string;
  readonly title: string;
  readonly detail: string;
  readonly status?: number | null;
  readonly errors?: readonly FieldProblem[];
  readonly request_id?: string | null;
  readonly job_id?: string | null;
}

/** A request that was refused, or a job that failed: branch on `code`, show `message` to a person. */
export class ProblemError extends Error {
  /** Never changes its meaning; docs/api.md lists all. */
  readonly code: string;
  readonly title: string;
  /** Of the answer; null when a job failed after the request had been accepted. */
  readonly status: number | null;
  /** What is wrong with which field: `pointer` is a JSON pointer into the body, or `?name` of a query parameter. */
  readonly errors: readonly FieldProblem[];
  /** Finds the request in the service's logs. */
  readonly requestId: string | null;
  readonly jobId: string | null;

  constructor(facts: Facts) {
    super(facts.detail);
    this.name = new.target.name;
    this.code = facts.code;
    this.title = facts.title;
    this.status = facts.status ?? null;
    this.errors = facts.errors ?? [];
    this.requestId = facts.request_id ?? null;
    this.jobId = facts.job_id ?? null;
  }

  /** What is said about one field, such as `/points/top`. */
  at(pointer: string): FieldProblem | undefined {
    return this.errors.find((error) => error.pointer === pointer);
  }
}

/** Somebody changed the resource since the state in `If-Match`. */
export class StaleError extends ProblemError {
  readonly currentEtag: string | null;
  /** Of annotation documents: what happened since. */
  readonly changes: Changes | null;

  constructor(problem: Problem) {
    super(problem);
    this.currentEtag = problem.current_etag ?? null;
    this.changes = problem.changes ?? null;
  }
}

/** The error that an answer stands for, whoever sent it. */
export async function problemOf(response: Response): Promise<ProblemError> {
  if (response.headers.get("Content-Type")?.startsWith("application/problem+json")) {
    const problem = (await response.json()) as Problem;
    return problem.status === 412 ? new StaleError(problem) : new ProblemError(problem);
  }
  // Not the API's words: a proxy's, most likely.
  return new ProblemError({
    code: `http_${response.status}`,
    title: response.statusText,
    detail: `The answer was ${response.status} ${response.statusText}, without a reason.`,
    status: response.status,
    request_id: response.headers.get("X-Request-ID"),
  });
}

/** The error that a job ended with. */
export function problemOfJob(job: Job): ProblemError {
  const error = (job.error ?? {}) as Partial<Facts>;
  return new ProblemError({
    code: error.code ?? job.state,
    title: error.title ?? `The job has ${job.state}`,
    detail: error.detail ?? `The job ${job.id} has ${job.state}.`,
    errors: error.errors ?? [],
    job_id: job.id,
  });
}
