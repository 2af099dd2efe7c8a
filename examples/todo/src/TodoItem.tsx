import { Show, createSignal, createUniqueId, onCleanup } from "solid-js";
import { deleteTodos, markTodo, renameTodo } from "./store.ts";

export interface Todo {
  readonly id: string;
  readonly text: string;
  readonly done: boolean;
}

const focusIn = (row: Element | null | undefined): boolean => {
  const toggle = row?.querySelector<HTMLElement>("[data-testid=todo-toggle]");
  toggle?.focus();
  return toggle !== null && toggle !== undefined;
};

/** `emptied` is called when the focus was on this todo, it goes, and there is no other to take the focus. */
export function TodoItem(props: { readonly todo: Todo; readonly emptied: () => void }) {
  const [editing, setEditing] = createSignal(false);
  const textId = createUniqueId();
  const [row, setRow] = createSignal<HTMLLIElement>();

  // Whoever deletes or hides it, here or in another tab: the keyboard goes on with a neighbour.
  onCleanup(() => {
    if (!row()?.contains(document.activeElement)) return;
    if (!focusIn(row()?.nextElementSibling) && !focusIn(row()?.previousElementSibling))
      props.emptied();
  });

  function stopEditing(words: string): void {
    // Taking the field away blurs it, which would save again, also what was cancelled.
    if (!editing()) return;
    const hadFocus = row()?.contains(document.activeElement) === true;
    setEditing(false);
    if (words !== "" && words !== props.todo.text) renameTodo(props.todo.id, words);
    if (hadFocus) focusIn(row());
  }

  function onEditKey(event: KeyboardEvent & { currentTarget: HTMLInputElement }): void {
    event.stopPropagation();
    if (event.isComposing) return;
    if (event.key === "Enter") stopEditing(event.currentTarget.value.trim());
    if (event.key === "Escape") stopEditing("");
  }

  function onKey(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    switch (event.key) {
      case "Enter":
        // On a button it is the button's.
        if (event.target instanceof HTMLButtonElement) return;
        setEditing(true);
        break;
      case "F2":
        setEditing(true);
        break;
      case "Delete":
        deleteTodos(props.todo.id);
        break;
      case "ArrowUp":
        focusIn(row()?.previousElementSibling);
        break;
      case "ArrowDown":
        focusIn(row()?.nextElementSibling);
        break;
      default:
        return;
    }
    event.preventDefault();
  }

  return (
    <li
      ref={setRow}
      data-testid="todo"
      tabindex="-1"
      classList={{ done: props.todo.done }}
      onKeyDown={onKey}
    >
      <input
        type="checkbox"
        data-testid="todo-toggle"
        checked={props.todo.done}
        aria-labelledby={textId}
        aria-describedby="todo-keys"
        onChange={({ currentTarget }) => {
          markTodo(props.todo.id, currentTarget.checked);
          // A change that was refused is not shown.
          currentTarget.checked = props.todo.done;
        }}
      />
      <Show
        when={editing()}
        fallback={
          <span id={textId} class="text" onDblClick={() => setEditing(true)}>
            {props.todo.text}
          </span>
        }
      >
        <input
          ref={(field) =>
            queueMicrotask(() => {
              field.focus();
              field.select();
            })
          }
          class="edit"
          aria-label="Edit todo"
          enterkeyhint="done"
          value={props.todo.text}
          onKeyDown={onEditKey}
          onBlur={(event) => stopEditing(event.currentTarget.value.trim())}
        />
      </Show>
      <button
        data-testid="todo-delete"
        aria-label={`Delete ${props.todo.text}`}
        onClick={() => deleteTodos(props.todo.id)}
      >
        <svg viewBox="0 0 16 16" aria-hidden="true">
          <path d="m4 4 8 8m0-8-8 8" />
        </svg>
      </button>
    </li>
  );
}
