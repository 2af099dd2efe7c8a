import { createSignal, onCleanup } from "solid-js";
import { type SyncStatus } from "sssync";
import { isOff, switchNetwork } from "./network.ts";
import { problem, unsaved } from "./store.ts";

const words: Readonly<Record<Exclude<SyncStatus["phase"], "ready">, string>> = {
  loading: "Opening your todos",
  degraded: "Changes live in this tab only",
  outdated: "A newer version of this app is at work. Reload the page",
  failed: "Your todos could not be opened",
  stopped: "Stopped. Reload the page to go on",
};
/** What is on the device is safe; this is about the other devices. */
const syncWords: Readonly<Record<SyncStatus["sync"], string>> = {
  off: "Stored on this device",
  idle: "Stored, and in step with your other devices",
  live: "Stored, and in step with your other devices",
  pulling: "Asking for what others did",
  pushing: "Sending your changes",
  offline: "You are offline, and that is fine: changes are stored, and sent later",
  backoff: "The server does not answer. Changes are stored, and sent later",
  unauthorized: "Sign in again to send your changes. They are stored on this device",
  forbidden: "The server does not let you in. Changes are stored on this device",
  incompatible: "The server does not understand this app. Changes are stored on this device",
};
const roles: Readonly<Record<SyncStatus["role"], string>> = {
  candidate: "This tab is about to learn its part",
  leader: "This tab syncs and tidies up, for all tabs",
  follower: "Another tab syncs and tidies up",
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
    (props.status.phase === "ready"
      ? syncWords[online() && !isOff() ? props.status.sync : "offline"]
      : words[props.status.phase]);

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
        <div title="Changes of this tab that are not on the disk yet">
          <dt>Unsaved</dt>
          <dd data-testid="unsaved">{unsaved()}</dd>
        </div>
        <div title="What goes on with the server">
          <dt>Sync</dt>
          <dd data-testid="sync">{props.status.sync}</dd>
        </div>
        <div title="Changes of this tab that the server has not decided yet">
          <dt>To send</dt>
          <dd data-testid="pending">{props.status.pending}</dd>
        </div>
      </dl>
      <label
        class="network"
        title="Cuts this browser off the sync server, as if the plug was pulled"
      >
        <input
          type="checkbox"
          role="switch"
          data-testid="network"
          checked={!isOff()}
          onChange={({ currentTarget }) => switchNetwork(currentTarget.checked)}
        />
        Network
      </label>
    </aside>
  );
}
