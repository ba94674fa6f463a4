/** Open the data of the page, then show it; say in words when that cannot be done. */
import { type Component, mount } from "svelte";

import "./page.scss";

export async function start<Data>(
  load: (base64: string) => Promise<Data>,
  App: Component<{ data: Data }>,
): Promise<void> {
  const target = document.getElementById("app")!;
  try {
    const holder = document.getElementById("data")!;
    const data = await load(holder.textContent ?? "");
    // The text is megabytes long and no longer needed.
    holder.remove();
    target.replaceChildren();
    mount(App, { target, props: { data } });
    document.documentElement.dataset["ready"] = String(Math.round(performance.now()));
  } catch (error) {
    const message = document.createElement("main");
    const heading = document.createElement("h1");
    heading.textContent = "The page cannot be shown";
    const line = document.createElement("p");
    line.setAttribute("role", "alert");
    line.textContent = error instanceof Error ? error.message : String(error);
    message.append(heading, line);
    message.className = "wrap";
    target.replaceChildren(message);
  }
}
