import { createSignal, onCleanup } from "solid-js";
import { type SyncStatus } from "sssync";
import { problem } from "./store.ts";

const words: Readonly<Record<SyncStatus["phase"], string>> = {
  loading: "Opening your todos",
  ready: "Changes are stored on this device",
  degraded: "Changes live in this tab only",
  outdated: "A newer version of this app is at work. Reload the page",
  failed: "Your todos could not be opened",
  stopped: "Stopped. Reload the page to go on",
};
const roles: Readonly<Record<SyncStatus["role"], string>> = {
  candidate: "This tab is about to learn its part",
  leader: "This tab tidies up the storage, for all tabs",
  follower: "Another tab tidies up the storage",
};

export function StatusBar(props: { readonly status: SyncStatus }) {
  const [online, setOnline] = createSignal(navigator.onLine);
  const update = (): void => void setOnline(navigator.onLine);
  const events = ["online", "offline"] as const;
  for (const event of events) addEventListener(event, update);
  onCleanup(() => events.forEach((event) => removeEventListener(event, update)));

  const trouble = () => props.status.fault?.message ?? problem();
  const progress = () => {
    const it = props.status.migration;
    return it && `Bringing your todos up to date: ${Math.floor((100 * it.done) / it.total)} %`;
  };
  const message = () =>
    trouble() ??
    progress() ??
    `${words[props.status.phase]}${props.status.phase === "ready" && !online() ? ". You are offline, and that is fine" : ""}`;

  return (
    <aside class="status" aria-label="Status">
      <p
        role="status"
        data-testid="status"
        data-phase={props.status.phase}
        classList={{ trouble: trouble() !== undefined }}
      >
        {message()}
      </p>
      <dl>
        <div title={roles[props.status.role]}>
          <dt>Role</dt>
          <dd data-testid="role">{props.status.role}</dd>
        </div>
        <div title="Where changes are kept">
          <dt>Storage</dt>
          <dd data-testid="storage">{props.status.storage}</dd>
        </div>
        <div title="Changes that are not stored and decided yet">
          <dt>Pending</dt>
          <dd data-testid="pending">{props.status.pending}</dd>
        </div>
      </dl>
    </aside>
  );
}
