/** Puts a new row. Without effect, and reported, when the id exists. */
export interface CreateAction<N extends string = string, R = { readonly id: string }> {
  readonly type: "create";
  readonly table: N;
  readonly row: R;
}

/** Merges properties into an existing row, shallowly. Without effect, and reported, when there is no such row. */
export interface UpdateAction<N extends string = string, R = { readonly id: string }> {
  readonly type: "update";
  readonly table: N;
  readonly row: R;
}

/** Puts a whole row, new or in place of the existing one. */
export interface UpsertAction<N extends string = string, R = { readonly id: string }> {
  readonly type: "upsert";
  readonly table: N;
  readonly row: R;
}

/** Removes a row. Without effect when there is no such row. */
export interface DeleteAction<N extends string = string> {
  readonly type: "delete";
  readonly table: N;
  readonly row: { readonly id: string };
}

export type Action = CreateAction | UpdateAction | UpsertAction | DeleteAction;

/**
 * Creates a row. When the id exists nothing happens, and `sync.on("noop")` reports it.
 *
 * @example
 * create("todos", { id: "t1", text: "Milk", done: false });
 */
export function create<const N extends string, const R extends { readonly id: string }>(
  table: N,
  row: R,
): CreateAction<N, R> {
  return { type: "create", table, row };
}

/**
 * Changes the given properties of an existing row. When there is none nothing happens, and `sync.on("noop")` reports it.
 *
 * @example
 * update("todos", { id: "t1", done: true });
 */
export function update<const N extends string, const R extends { readonly id: string }>(
  table: N,
  row: R,
): UpdateAction<N, R> {
  return { type: "update", table, row };
}

/**
 * Creates a row, or replaces the existing one as a whole.
 *
 * @example
 * upsert("settings", { id: "theme", value: "dark" });
 */
export function upsert<const N extends string, const R extends { readonly id: string }>(
  table: N,
  row: R,
): UpsertAction<N, R> {
  return { type: "upsert", table, row };
}

/**
 * Deletes a row, if it exists.
 *
 * @example
 * remove("todos", "t1");
 */
export function remove<const N extends string>(table: N, id: string): DeleteAction<N> {
  return { type: "delete", table, row: { id } };
}
