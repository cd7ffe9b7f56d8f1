import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { build } from "vite";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import type { ProcessClient } from "../src/client.js";
import type { Process } from "../src/process.js";
import { Workspace } from "../src/workspace.js";
import { openBrowser } from "./browser.js";
import { clientOf } from "./follower.js";
import { Backend } from "./server/backend.js";
import type { FaultProxy } from "./server/fault-proxy.js";
import { until } from "./until.js";

let files: string;
let browser: Browser;
let backend: Backend;
let proxy: FaultProxy;
let client: ProcessClient;
let workspace: Workspace;
let page: Page;
let troubles: string[];

beforeAll(async () => {
  files = await mkdtemp(join(tmpdir(), "monitor-page-"));
  await build({
    root: join(import.meta.dirname, "page"),
    logLevel: "error",
    // React's development build: with it StrictMode mounts everything twice.
    mode: "development",
    define: { "process.env.NODE_ENV": '"development"' },
    build: { outDir: files, minify: false },
  });
  browser = await openBrowser();
});

afterAll(async () => {
  await browser?.close();
  await rm(files, { recursive: true, force: true });
});

beforeEach(async () => {
  backend = await Backend.up();
  proxy = backend.proxy;
  proxy.files = files;
  client = clientOf(proxy.baseUrl);
  workspace = new Workspace(client, 1);
  page = await browser.newPage();
  page.setDefaultTimeout(10_000);
  troubles = [];
  page.on("pageerror", (error) => troubles.push(String(error)));
});

afterEach(async () => {
  await page.close();
  await until(
    () => proxy.openStreams,
    (streams) => streams === 0,
  );
  await backend.down();
  expect(troubles).toEqual([]);
});

async function sleep(seconds: number, steps = 10): Promise<Process> {
  return await workspace.start({ type: "sleep", input: { seconds, steps } });
}

async function show(query: string): Promise<void> {
  await page.goto(`${proxy.origin}/?${query}`);
}

/** Waits until the page says this of the job. */
async function says(id: number, words: RegExp): Promise<void> {
  await page.waitForFunction(
    ([selector, source]) => {
      const text = document.querySelector(selector as string)?.textContent ?? "";
      return new RegExp(source as string).test(text);
    },
    [`[data-id="${id}"] output`, words.source],
    { timeout: 10_000, polling: 20 },
  );
}

async function turn(change: "hidden" | "visible"): Promise<void> {
  await page.evaluate((isHidden) => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => isHidden });
    document.dispatchEvent(new Event("visibilitychange"));
  }, change === "hidden");
}

test("in strict mode a job is followed to its end over one stream", async () => {
  const { id } = await sleep(30, 300);
  await show(`ids=${id},${id}`);
  await says(id, /^running [1-9]\d* live$/);
  await client.cancel(id);
  await says(id, /^cancelled \d+ done$/);
  expect(proxy.streamsAsked(id)).toBe(1);
  expect(proxy.pollsAsked(id)).toBe(0);
});

test("unmounting frees the stream, and nothing is asked any more", async () => {
  const { id } = await sleep(30);
  await show(`ids=${id}`);
  await says(id, / live$/);
  await page.getByText("unmount").click();
  await until(
    () => proxy.openStreams,
    (streams) => streams === 0,
  );
  const { length } = proxy.asked;
  await page.waitForTimeout(700);
  expect(proxy.asked.length).toBe(length);
});

test("cancel and retry work by a click, and a refusal is shown", async () => {
  const { id } = await workspace.start({ type: "fail", input: { message: "no" } });
  await show(`ids=${id}`);
  await says(id, /^failed .* done$/);
  const before = (await client.get(id)) as Process;
  await page.getByText("retry").click();
  await until(
    () => proxy.streamsAsked(id),
    (streams) => streams === 2,
  );
  await says(id, /^failed .* done$/);
  expect((await client.get(id))?.version).toBeGreaterThan(before.version);
  await page.getByText("cancel").click();
  await says(id, /^failed .* done ./);
});

test("a server that restarts is found again", async () => {
  const { id } = await sleep(30, 600);
  await show(`ids=${id}`);
  await says(id, /^running .* live$/);
  await proxy.down();
  await says(id, / reconnecting /);
  await proxy.up();
  await says(id, /^running .* live$/);
});

test("a stream that a proxy holds back becomes polls, and a stream again when it can", async () => {
  proxy.streams = "buffered";
  const { id } = await sleep(30, 600);
  await show(`ids=${id}`);
  await says(id, /^running .* polling$/);
  proxy.streams = "open";
  await says(id, /^running .* live$/);
});

test("a hidden tab closes its stream, and catches up when it is shown", async () => {
  const { id } = await sleep(30, 300);
  await show(`ids=${id}`);
  await says(id, /^running .* live$/);
  await turn("hidden");
  await until(
    () => proxy.openStreams,
    (streams) => streams === 0,
  );
  await client.cancel(id);
  expect(proxy.streamsAsked(id)).toBe(1);
  await turn("visible");
  await says(id, /^cancelled \d+ done$/);
});

test("the tray shows, cancels, reviews and dismisses jobs, by the keyboard alone", async () => {
  const { id } = await sleep(30, 600);
  const input = { value: { rows: 3 } };
  const draft = await workspace.start({ type: "draft", input });
  await show(`tray&workspace=1&ids=${id},${draft.id}`);
  const tray = page.getByRole("region", { name: "Jobs" });
  const rows = tray.getByRole("listitem");
  await tray.getByText("Needs your review").waitFor();
  await tray.getByText("Running").waitFor();
  await tray.getByRole("progressbar", { name: `sleep ${id}` }).waitFor();
  expect(await rows.count()).toBe(2);

  await page.getByRole("button", { name: `Cancel: sleep ${id}` }).focus();
  await page.keyboard.press("Enter");
  await rows.first().getByText("Cancelled").waitFor();
  await tray.getByRole("status").getByText(`sleep ${id}: Cancelled`).waitFor();
  expect(await focused()).toBe(String(id));

  await page.keyboard.press("ArrowDown");
  expect(await focused()).toBe(String(draft.id));
  await tray.getByRole("button", { name: "Approve" }).focus();
  await page.keyboard.press("Enter");
  await rows.last().getByText("Completed").waitFor();

  await page.getByRole("button", { name: `Dismiss: sleep ${id}` }).focus();
  await page.keyboard.press("Enter");
  await until(
    () => proxy.openStreams,
    (streams) => streams === 0,
  );
  expect(await rows.count()).toBe(1);

  const toggle = tray.getByRole("button", { name: /^Jobs/ });
  expect(await toggle.getAttribute("aria-expanded")).toBe("true");
  await page.getByRole("button", { name: `Dismiss: draft ${draft.id}` }).focus();
  await page.keyboard.press("Escape");
  expect(await toggle.getAttribute("aria-expanded")).toBe("false");
  expect(await rows.count()).toBe(0);
  expect(await page.evaluate(() => document.activeElement?.getAttribute("aria-expanded"))).toBe(
    "false",
  );
});

async function focused(): Promise<string | null> {
  return await page.evaluate(() => document.activeElement?.getAttribute("data-job") ?? null);
}
