import App from "./App.svelte";
import { load } from "./dataset";
import { start } from "../shared/start";

void start(load, App);
