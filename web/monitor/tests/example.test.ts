import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "vite";
import { expect, test } from "vitest";
import { openBrowser } from "./browser.js";
import { clientOf } from "./follower.js";
import { Backend } from "./server/backend.js";

const PACKAGE = join(import.meta.dirname, "..");
const EXAMPLE = join(PACKAGE, "..", "..", "examples", "job-tray");

/** The example's page, with the package as it is and the package's own React. */
async function buildExample(outDir: string): Promise<void> {
  const source = (path: string) => join(PACKAGE, "src", path);
  const react = (name: string) => join(PACKAGE, "node_modules", name);
  await build({
    root: EXAMPLE,
    configFile: false,
    logLevel: "error",
    resolve: {
      alias: [
        { find: "@procession/monitor/job-tray.css", replacement: join(PACKAGE, "job-tray.css") },
        { find: "@procession/monitor/job-tray", replacement: source("react/job-tray.tsx") },
        { find: "@procession/monitor", replacement: source("index.ts") },
        { find: /^react$/, replacement: react("react") },
        { find: "react-dom/client", replacement: react("react-dom/client.js") },
        { find: "react/jsx-runtime", replacement: react("react/jsx-runtime.js") },
      ],
    },
    build: { outDir, emptyOutDir: true },
  });
}

test("the example's page signs in, starts jobs, shows them and reviews a draft", async () => {
  const files = await mkdtemp(join(tmpdir(), "monitor-example-"));
  const backend = await Backend.up();
  const browser = await openBrowser();
  try {
    await buildExample(files);
    backend.proxy.files = files;
    const page = await browser.newPage();
    page.setDefaultTimeout(15_000);
    await page.goto(backend.proxy.origin);
    await page.getByLabel("API token").fill("token");
    await page.getByRole("button", { name: "Sign in" }).click();

    await page.getByLabel("Job", { exact: true }).selectOption("sleep");
    await page.getByRole("button", { name: "Start", exact: true }).click();
    const tray = page.getByRole("region", { name: "Jobs" });
    await tray.getByRole("progressbar").waitFor();

    await page.getByLabel("Job", { exact: true }).selectOption("draft");
    await page.getByRole("button", { name: "Start", exact: true }).click();
    await page.getByRole("textbox", { name: "Draft" }).fill('{"rows": 2}');
    await tray.getByRole("button", { name: "Approve" }).click();
    const job = tray.getByRole("listitem").first();
    await job.getByText("Completed").waitFor();

    const id = Number(await job.getAttribute("data-job"));
    const result = (await clientOf(backend.proxy.baseUrl).get(id))?.result_summary;
    expect(result).toMatchObject({ decision: "approve", edits: { rows: 2 } });
    expect(backend.proxy.openStreams).toBe(1);
  } finally {
    await browser.close();
    await backend.down();
    await rm(files, { recursive: true, force: true });
  }
});
