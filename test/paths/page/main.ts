/** A page of the paths in Chromium: the rival, or the tab under test. */
import { createRival } from "./rival.ts";
import { createSubject } from "./subject.ts";

Object.assign(globalThis, { own: location.hash === "#rival" ? createRival() : createSubject() });
