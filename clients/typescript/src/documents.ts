// Annotation documents: opened, changed, and saved without overwriting anybody.
import type { Client } from "openapi-fetch";
import type { paths } from "./contract.js";
import { merge, withIds, type Resolve } from "./merging.js";
import type { AnnotationDocument, DocumentItem } from "./models.js";
import { StaleError } from "./problems.js";

// Of this many saves in a row, somebody else was quicker each time.
const MERGES = 5;

/** A document as it was read, and the tag of that state. */
export interface OpenDocument {
  readonly sampleId: string;
  readonly etag: string;
  readonly document: AnnotationDocument;
}

export interface SaveOptions {
  /** Asked about objects that somebody else has changed meanwhile as well. Without it, such a save throws StaleError. */
  readonly resolve?: Resolve;
}

// What openapi-fetch makes of the document forgets that a vertex has two numbers.
type Answer = Promise<{ data?: unknown; response: Response }>;

export class Documents {
  readonly #api: Client<paths>;

  constructor(api: Client<paths>) {
    this.#api = api;
  }

  /** Reads the objects of an image. */
  open(sampleId: string): Promise<OpenDocument> {
    return opened(sampleId, this.#api.GET("/v1/samples/{sample_id}/annotations", at(sampleId)));
  }

  /**
   * Saves all objects of an image as one revision. `{ id }` keeps an object as it is; what is not listed is deleted.
   *
   * Throws StaleError when somebody else has saved since, unless `resolve` is given: then the changes of both are
   * joined and saved.
   */
  async save(from: OpenDocument, entries: readonly DocumentItem[], options: SaveOptions = {}): Promise<OpenDocument> {
    let base = from;
    let wanted = withIds(entries);
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#put(base, wanted);
      } catch (error) {
        if (!(error instanceof StaleError) || options.resolve === undefined || attempt > MERGES) throw error;
        const current = await this.open(base.sampleId);
        wanted = await merge(base.document, wanted, current.document, options.resolve);
        base = current;
      }
    }
  }

  /** Takes the last save back; throws ProblemError `history_end` when there is none. */
  undo(from: OpenDocument): Promise<OpenDocument> {
    return opened(from.sampleId, this.#api.POST("/v1/samples/{sample_id}/undo", inState(from)));
  }

  /** Takes the last undo back; throws ProblemError `history_end` when there is none. */
  redo(from: OpenDocument): Promise<OpenDocument> {
    return opened(from.sampleId, this.#api.POST("/v1/samples/{sample_id}/redo", inState(from)));
  }

  #put(base: OpenDocument, annotations: DocumentItem[]): Promise<OpenDocument> {
    const init = { ...inState(base), body: { annotations } };
    return opened(base.sampleId, this.#api.PUT("/v1/samples/{sample_id}/annotations", init));
  }
}

function at(sampleId: string) {
  return { params: { path: { sample_id: sampleId } } };
}

function inState({ sampleId, etag }: OpenDocument) {
  return { params: { path: { sample_id: sampleId }, header: { "If-Match": etag } } };
}

async function opened(sampleId: string, answer: Answer): Promise<OpenDocument> {
  const { data, response } = await answer;
  return { sampleId, etag: response.headers.get("ETag") ?? "", document: data as AnnotationDocument };
}
