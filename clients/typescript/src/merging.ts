// Two people have saved one document: what each did, joined object by object.
import type { Annotation, AnnotationDocument, DocumentItem } from "./models.js";

/** An object that both have touched. `mine` or `theirs` is null where that side deleted it. */
export interface Clash {
  readonly id: string;
  readonly mine: DocumentItem | null;
  readonly theirs: Annotation | null;
}

export type Resolution = "mine" | "theirs";
export type Resolve = (clash: Clash) => Resolution | Promise<Resolution>;
export type Entry = DocumentItem & { id: string };

const TRAITS = ["attributes", "visible", "z_order", "difficult", "occluded", "truncated"] as const;

/** Gives every new object an id, so that a save that is sent twice saves once. */
export function withIds(entries: readonly DocumentItem[]): Entry[] {
  return entries.map((entry) => ({ ...entry, id: entry.id ?? crypto.randomUUID() }));
}

/**
 * What to save over `theirs`, so that it holds the changes of both.
 *
 * base: the document that `mine` was made from. Only for objects that both have touched is `resolve` asked.
 */
export async function merge(
  base: AnnotationDocument,
  mine: readonly Entry[],
  theirs: AnnotationDocument,
  resolve: Resolve,
): Promise<Entry[]> {
  const before = new Map(base.annotations.map((one) => [one.id, one]));
  const after = new Map(theirs.annotations.map((one) => [one.id, one]));
  const wanted = new Map(mine.map((entry) => [entry.id, entry]));
  const merged: Entry[] = [];
  for (const [id, object] of after) {
    const original = before.get(id);
    const entry = wanted.get(id);
    if (original === undefined || (entry !== undefined && !isTouched(entry, original))) {
      merged.push(original === undefined && entry !== undefined ? entry : { id });
    } else if (isSame(object, original) || (await resolve({ id, mine: entry ?? null, theirs: object })) === "mine") {
      if (entry !== undefined) merged.push(entry);
    } else {
      merged.push({ id });
    }
  }
  for (const [id, entry] of wanted) {
    const original = before.get(id);
    if (after.has(id)) continue;
    if (original === undefined) {
      merged.push(entry);
    } else if (isTouched(entry, original) && (await resolve({ id, mine: entry, theirs: null })) === "mine") {
      merged.push(anew(entry, original));
    }
  }
  return merged;
}

/** Whether an entry changes the object that it was made from. */
function isTouched(entry: Entry, original: Annotation): boolean {
  return (
    isOther(entry.contour, original.contour) ||
    isOther(entry.contour_id, original.contour_id) ||
    isOther(entry.label_id, original.label.id) ||
    isOther(entry.label, original.label.name) ||
    TRAITS.some((name) => isOther(entry[name], original[name]))
  );
}

function isOther(given: unknown, original: unknown): boolean {
  return given !== undefined && given !== null && JSON.stringify(given) !== JSON.stringify(original);
}

/** Whether nobody has changed the object; another name or colour of its label is no change of it. */
function isSame(one: Annotation, other: Annotation): boolean {
  return JSON.stringify({ ...one, label: one.label.id }) === JSON.stringify({ ...other, label: other.label.id });
}

/** The object under a new id, with all it had: ids of what was deleted stay taken. */
function anew(entry: Entry, original: Annotation): Entry {
  const { contour, contour_id, attributes, visible, z_order, difficult, occluded, truncated } = original;
  const kept = { contour, contour_id, attributes, visible, z_order, difficult, occluded, truncated };
  const label = entry.label == null && entry.label_id == null ? { label_id: original.label.id } : {};
  return { ...kept, ...label, ...entry, id: crypto.randomUUID() };
}
