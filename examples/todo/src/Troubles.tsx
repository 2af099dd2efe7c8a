import { For, type JSX, Show, createSignal, from, onCleanup } from "solid-js";
import { type Fault, type SyncStatus } from "sssync";
import { type Engine } from "./store.ts";

interface Advice {
  readonly title: string;
  readonly text: string;
  readonly actions: readonly ("retry" | "reload" | "save" | "startOver" | "dismiss")[];
}

/** What a person should know, and can do. What passes by itself within seconds is in the status bar only. */
const advice: Readonly<Partial<Record<Fault["code"], Advice>>> = {
  storage_full: {
    title: "This device is out of space",
    text: "Your last changes are kept in this tab, and are stored by themselves as soon as there is space. Leave this tab open, and delete files or data that you do not need.",
    actions: ["retry", "save"],
  },
  storage_blocked: {
    title: "Another tab is in the way",
    text: "A tab with an older version of this app holds your todos. Close the other tabs of this app: this one goes on by itself.",
    actions: [],
  },
  storage_unavailable: {
    title: "This browser does not let the app store anything",
    text: "The app goes on as soon as it may. Private windows, blocked site data or a full disk are the usual reasons.",
    actions: ["reload", "save"],
  },
  memory_only: {
    title: "Nothing is stored",
    text: "This browser does not let the app store data. Your todos live in this tab, and are gone when you close it.",
    actions: ["save"],
  },
  outdated: {
    title: "There is a newer version of this app",
    text: "Another tab runs it already. Nothing is lost: reload this tab to go on.",
    actions: ["reload"],
  },
  load_failed: {
    title: "Your todos could not be read",
    text: "Nothing was changed or deleted. Save a copy of what is there before you start over.",
    actions: ["reload", "save", "startOver"],
  },
  data_lost: {
    title: "Your todos were deleted from this device",
    text: "Somebody cleared the data of this site, or the browser did. Changes that were on their way have been stored again.",
    actions: ["dismiss"],
  },
};

const labels: Readonly<Record<Advice["actions"][number], string>> = {
  retry: "Try again now",
  reload: "Reload",
  save: "Save a copy",
  startOver: "Delete everything and start over",
  dismiss: "All right",
};

/** A file for the person to keep. */
function download(name: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  const link = Object.assign(document.createElement("a"), { href: url, download: name });
  link.click();
  URL.revokeObjectURL(url);
}

/** A collection as it is now. */
const listed = <Item,>(collection: {
  list(): readonly Item[];
  subscribe(listener: () => void): () => void;
}) =>
  from<readonly Item[]>((set) => {
    set(collection.list());
    return collection.subscribe(() => set(collection.list()));
  });

/** What a change was, for a person. */
const deeds: Readonly<Record<string, string>> = {
  todoAdded: "Adding a todo",
  todoRenamed: "Renaming a todo",
  todoMarked: "Marking a todo",
  todoDeleted: "Deleting a todo",
  textSizeSet: "Setting the text size",
};

interface Piece {
  readonly id: string;
  readonly what: JSX.Element;
}

/** What waits for a decision, each with the two things that can be done about it. */
function Pieces(props: {
  readonly of: readonly Piece[];
  readonly collection: {
    retry(id: string): Promise<void>;
    discard(id: string): Promise<void>;
  };
  readonly testIds?: { readonly piece: string; readonly discard: string };
  readonly attempt: (work: Promise<unknown>) => void;
}) {
  return (
    <ul class="pieces">
      <For each={props.of}>
        {({ id, what }) => (
          <li data-testid={props.testIds?.piece}>
            <span>{what}</span>
            <span class="actions">
              <button onClick={() => props.attempt(props.collection.retry(id))}>Try again</button>
              <button
                data-testid={props.testIds?.discard}
                onClick={() => props.attempt(props.collection.discard(id))}
              >
                Discard
              </button>
            </span>
          </li>
        )}
      </For>
    </ul>
  );
}

export function Troubles(props: { readonly sync: Engine; readonly status: SyncStatus }) {
  const [dismissed, setDismissed] = createSignal<number>();
  const [failure, setFailure] = createSignal<string>();
  const fault = () => {
    const it = props.status.fault;
    return it === null || it.at === dismissed() ? undefined : it;
  };
  const found = () => {
    const it = fault();
    return it && advice[it.code];
  };

  function attempt(work: Promise<unknown>): void {
    setFailure(undefined);
    work.catch((error: unknown) => setFailure(error instanceof Error ? error.message : ""));
  }

  function act(action: Advice["actions"][number]): void {
    const { sync } = props;
    switch (action) {
      case "retry": {
        const [first] = sync.outbox.list();
        if (first !== undefined) attempt(sync.outbox.retry(first.id));
        break;
      }
      case "reload":
        location.reload();
        break;
      case "save":
        download("todos.json", JSON.stringify(sync.export(), null, 2));
        break;
      case "startOver":
        if (confirm("Delete all todos on this device? This cannot be undone."))
          attempt(sync.destroy({ force: true }).then(() => location.reload()));
        break;
      case "dismiss":
        setDismissed(fault()?.at);
    }
  }

  const damaged = listed(props.sync.quarantine);
  const refused = listed(props.sync.rejected);
  onCleanup(() => setFailure(undefined));

  return (
    <>
      <Show when={found()}>
        {(it) => (
          <section
            class="trouble-card"
            role="alert"
            data-testid="trouble"
            data-fault={fault()?.code}
          >
            <h2>{it().title}</h2>
            <p>{it().text}</p>
            <div class="actions">
              <For each={it().actions}>
                {(action) => (
                  <button data-testid={`trouble-${action}`} onClick={() => act(action)}>
                    {labels[action]}
                  </button>
                )}
              </For>
            </div>
          </section>
        )}
      </Show>

      <Show when={(damaged() ?? []).length > 0}>
        <section class="trouble-card" data-testid="quarantine" aria-label="Damaged data">
          <h2>Some of your data is damaged</h2>
          <p>
            It was set aside, and nothing of it is deleted. Everything else works. Save a copy if
            you want to show it to somebody who can mend it.
          </p>
          <Pieces
            of={(damaged() ?? []).map(({ id, reason }) => ({
              id,
              what: (
                <>
                  <code>{id}</code> {reason}
                </>
              ),
            }))}
            collection={props.sync.quarantine}
            testIds={{ piece: "quarantined", discard: "quarantine-discard" }}
            attempt={attempt}
          />
          <div class="actions">
            <button
              data-testid="quarantine-save"
              onClick={() => download("damaged.json", props.sync.quarantine.export())}
            >
              Save a copy
            </button>
          </div>
        </section>
      </Show>

      <Show when={(refused() ?? []).length > 0}>
        <section class="trouble-card" data-testid="rejected" aria-label="Changes that did not fit">
          <h2>Some changes no longer fit</h2>
          <p>
            Another tab or device was faster, and changed what they were about. They were taken
            back.
          </p>
          <Pieces
            of={(refused() ?? []).map(({ event, message }) => ({
              id: event.id,
              what: `${deeds[event.name] ?? event.name}: ${message}`,
            }))}
            collection={props.sync.rejected}
            testIds={{ piece: "refused", discard: "refused-discard" }}
            attempt={attempt}
          />
        </section>
      </Show>

      <Show when={failure()}>
        {(it) => (
          <p class="trouble-card" role="alert">
            {it()}
          </p>
        )}
      </Show>
    </>
  );
}
