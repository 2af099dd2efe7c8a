import { withServer } from "./courses.ts";
import { cutSuite } from "./suite.contract.ts";

await cutSuite(withServer.leading);
