import { withServer } from "./courses.ts";
import { cutSuite } from "./suite.ts";

await cutSuite(withServer.leading);
