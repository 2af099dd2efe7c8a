import { alone } from "./courses.ts";
import { cutSuite } from "./suite.contract.ts";

for (const course of alone) await cutSuite(course);
