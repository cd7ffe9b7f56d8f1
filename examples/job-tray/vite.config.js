import { defineConfig } from "vite";

/** The API is reached through the page's own origin, as behind a proxy in production. */
export default defineConfig({
  server: {
    proxy: { "/api": { target: process.env.PROCESSION_URL ?? "http://127.0.0.1:8000" } },
  },
  // The package is linked into this one: without this the page would get its React as well.
  resolve: { dedupe: ["react", "react-dom"] },
});
