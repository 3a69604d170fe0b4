/** One operation of a JSON Patch (RFC 6902). Of its six kinds the server sends these three, and no other is applied. */
export interface Operation {
  readonly op: 'add' | 'remove' | 'replace';
  readonly path: string;
  readonly value?: unknown;
}

/** What each does: 1 puts a value in, 2 takes one away. */
const KINDS: Record<string, number> = { add: 1, remove: 2, replace: 3 };

/** A copy of `node` in which only what lies on the way to the place of the operation is new. */
function change(node: any, [key, ...rest]: any[], kind: number | undefined, value: unknown): unknown {
  if (kind && key === undefined) return value;
  if (rest.length) {
    value = change(node?.[key], rest, kind, value);
    kind = 3;
  }
  const isArray = Array.isArray(node);
  // Only what is there can be taken away.
  if (Object(node) !== node || !(kind! & 2 ? Object.hasOwn(node, key) : kind && (!isArray || key <= node.length))) throw { code: 'patch_failed' };
  if (isArray) return node.toSpliced(key, kind! >> 1, ...(kind! & 1 ? [value] : []));
  // Not assigned: `__proto__` is a member like any other.
  return kind! & 1 ? { ...node, [key]: value } : (({ [key]: _, ...others }) => others)(node);
}

/**
 * The document with this patch applied. The document itself is left as it is, and what the patch does not touch is
 * shared with it.
 *
 * @throws if the patch does not fit, or has an operation of another kind.
 */
export const applyPatch = (document: unknown, patch: readonly Operation[]): unknown =>
  patch.reduce(
    (node, { op, path, value }) =>
      change(node, path.split('/').slice(1).map((key) => key.replace(/~1/g, '/').replace(/~0/g, '~')), KINDS[op], value),
    document,
  );
