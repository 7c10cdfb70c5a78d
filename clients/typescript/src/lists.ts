// Lists, page after page.
import type { Client } from "openapi-fetch";
import type { paths } from "./contract.js";

interface Page<Item> {
  items: Item[];
  next_cursor: string | null;
}

type PageAt<Path extends keyof paths> = paths[Path] extends {
  get: { responses: { 200: { content: { "application/json": infer Body extends Page<unknown> } } } };
}
  ? Body
  : never;

/** The addresses whose GET answers with a page. */
export type ListPath = {
  [Path in keyof paths]: [PageAt<Path>] extends [never] ? never : Path;
}[keyof paths];

export type ItemOf<Path extends ListPath> = PageAt<Path>["items"][number];

type ParametersOf<Path extends ListPath> = paths[Path] extends { get: { parameters: infer Parameters } }
  ? Parameters
  : never;

export type ListOptions<Path extends ListPath> = {
  readonly [Name in "path" | "query" as Name extends keyof ParametersOf<Path> ? Name : never]?: ParametersOf<Path>[Name &
    keyof ParametersOf<Path>];
} & { readonly signal?: AbortSignal };

type Ask = (
  path: string,
  init: { params: { path?: unknown; query: Record<string, unknown> }; signal?: AbortSignal },
) => Promise<{ data?: Page<unknown> }>;

/** Pages of a list, one request each, until the last one. What is counted is counted with the first page only. */
export async function* pages<Path extends ListPath>(
  api: Client<paths>,
  path: Path,
  options: ListOptions<Path>,
): AsyncGenerator<PageAt<Path>> {
  const ask = api.GET as unknown as Ask;
  const { path: names, query: filter, signal } = options as { path?: unknown; query?: object; signal?: AbortSignal };
  const query: Record<string, unknown> = { ...filter };
  for (;;) {
    const { data } = await ask(path, { params: { path: names, query }, signal });
    yield data as PageAt<Path>;
    if (!data?.next_cursor) return;
    query["cursor"] = data.next_cursor;
    delete query["count"];
  }
}
