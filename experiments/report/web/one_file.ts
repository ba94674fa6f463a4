/** A Vite plugin that puts the script and the styles of a page into its HTML and seals it with a content policy. */
import { createHash } from "node:crypto";

import type { Plugin } from "vite";

/** Where Python puts the data; base64 only, so nothing in the data can end the element that holds it. */
export const PLACEHOLDER = "JOURNEYS_DATA_GOES_HERE";

const hash = (text: string): string => `'sha256-${createHash("sha256").update(text, "utf8").digest("base64")}'`;

/** The policy: only this script and these styles, told by their hashes; no request of any kind. */
export function policy(script: string, style: string): string {
  return [
    "default-src 'none'",
    `script-src ${hash(script)}`,
    `style-src ${hash(style)}`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
}

export function oneFile(): Plugin {
  return {
    name: "one-file",
    enforce: "post",
    apply: "build",
    generateBundle(_options, bundle) {
      const files = Object.values(bundle);
      const page = files.find((file) => file.type === "asset" && file.fileName.endsWith(".html"));
      const code = files.filter((file) => file.type === "chunk");
      const sheets = files.filter((file) => file.type === "asset" && file.fileName.endsWith(".css"));
      if (page?.type !== "asset" || code.length !== 1 || sheets.length !== 1) {
        throw new Error(`one-file: expected one page, one script, one style sheet; got ${Object.keys(bundle).join(", ")}`);
      }
      const script = code[0]!.code.replaceAll("</script", "<\\/script").replaceAll("<!--", "<\\!--").trim();
      const sheet = sheets[0]!;
      const style = sheet.type === "asset" ? String(sheet.source).trim() : "";
      if (/url\(|@import/.test(style)) throw new Error("one-file: a style asks for another file");
      const html = String(page.source)
        .replace(/\s*<script type="module"[^>]*><\/script>/, "")
        .replace(/\s*<link rel="stylesheet"[^>]*>/, "")
        .replace("<!-- policy -->", () => `<meta http-equiv="Content-Security-Policy" content="${policy(script, style)}">`)
        .replace("</head>", () => `<style>${style}</style>\n</head>`)
        .replace("</body>", () => `<script type="module">${script}</script>\n</body>`);
      if (html.split(PLACEHOLDER).length !== 2) throw new Error("one-file: the page must hold its placeholder once");
      page.source = html;
      for (const file of [...code, ...sheets]) delete bundle[file.fileName];
    },
  };
}
