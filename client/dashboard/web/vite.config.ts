import { defineConfig } from "vite";
import { drawnAtlas } from "./atlas";

export default defineConfig({
  plugins: [drawnAtlas()],
  esbuild: { jsx: "automatic", jsxImportSource: "preact" },
  build: {
    target: "es2022",
    modulePreload: { polyfill: false },
    // Never as a data: address, which the content security policy forbids.
    assetsInlineLimit: 0,
  },
});
