import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

/** A running node for `npx vite web`, which reloads what is edited. */
const node = process.env.OPENLEDGER_URL ?? "http://127.0.0.1:4000";

export default defineConfig({
  root: import.meta.dirname,
  plugins: [react(), tailwindcss()],
  build: {
    target: "es2023",
    // The policy that pages are served under allows no inline script, style or font.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    manifest: "manifest.json",
    license: { fileName: "licenses.md" },
  },
  server: { proxy: { "/v1": node, "/rpc": { target: node, ws: true }, "/openapi.json": node } },
});
