import { fileURLToPath } from "node:url";

import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

import { oneFile } from "./one_file.ts";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** `--mode journeys` and `--mode report` each make one file in ../web_dist. */
export default defineConfig(({ mode }) => ({
  root: here("."),
  plugins: [svelte(), oneFile()],
  css: { preprocessorOptions: { scss: { style: "compressed", quietDeps: true } } },
  build: {
    outDir: here("../web_dist"),
    emptyOutDir: mode === "journeys",
    assetsInlineLimit: 0,
    cssCodeSplit: false,
    // Vite's own minifier for styles rejects what govuk-frontend writes; sass has compressed them already.
    cssMinify: false,
    modulePreload: { polyfill: false },
    rolldownOptions: { input: here(`./${mode}.html`) },
  },
}));
