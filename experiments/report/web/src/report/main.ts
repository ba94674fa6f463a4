import App from "./App.svelte";
import { load } from "./report";
import { start } from "../shared/start";

void start(load, App);
