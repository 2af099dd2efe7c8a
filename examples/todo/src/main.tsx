import { render } from "solid-js/web";
import { App } from "./App.tsx";
import { keepForOffline } from "./offline.ts";

const root = document.querySelector("#app");
if (root === null) throw new Error("Expected the page to have #app, got none");
render(() => <App />, root);
void keepForOffline();
