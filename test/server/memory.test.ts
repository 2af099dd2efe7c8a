import { memory } from "../../src/server/index.ts";
import { storageContract } from "./storage.contract.ts";

storageContract(async () => memory());
