import { execFile } from "node:child_process";
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { build } from "vite";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Workspace } from "../src/workspace.js";
import { openBrowser } from "./browser.js";
import { clientOf } from "./follower.js";
import { Backend } from "./server/backend.js";

const PACKAGE = join(import.meta.dirname, "..");
/** What a page gets that imports this, minified and compressed, without React. */
const SIZES: [code: string, gzipBytesMax: number][] = [
  ['export { ProcessClient, ProcessMonitor } from "./dist/index.js";', 5_000],
  ['export * from "./dist/index.js";', 6_000],
  ['export * from "./dist/react/index.js";', 6_000],
  ['export * from "./dist/react/job-tray.js";', 8_000],
];

const execute = promisify(execFile);
let folder: string;
let packed: { filename: string; files: { path: string }[] };

async function npm(args: string[], cwd: string): Promise<string> {
  const env = { ...process.env, NODE_ENV: "" };
  const { stdout } = await execute("npm", args, { cwd, env, maxBuffer: 16_777_216 });
  return stdout;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "monitor-package-"));
  await npm(["run", "build", "--silent"], PACKAGE);
  const args = ["pack", "--json", "--ignore-scripts", "--pack-destination", folder];
  packed = JSON.parse(await npm(args, PACKAGE))[0];
}, 120_000);

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function gzipBytes(code: string): Promise<number> {
  const entry = join(folder, "entry.js");
  await writeFile(entry, code.replace("./dist", join(PACKAGE, "dist")));
  const result = await build({
    configFile: false,
    logLevel: "error",
    build: {
      write: false,
      rolldownOptions: {
        input: entry,
        preserveEntrySignatures: "strict",
        external: /^react/,
        output: { minify: true },
      },
    },
  });
  const outputs = Array.isArray(result) ? result : [result];
  const chunks = outputs.flatMap((made) => ("output" in made ? made.output : []));
  const text = chunks.map((chunk) => (chunk.type === "chunk" ? chunk.code : "")).join("");
  expect(text.length).toBeGreaterThan(1_000);
  return gzipSync(text, { level: 9 }).length;
}

test("the package holds what is published, and nothing else", () => {
  const files = packed.files.map(({ path }) => path);
  for (const path of ["README.md", "LICENSE", "job-tray.css", "dist/index.js", "dist/index.d.ts"])
    expect(files).toContain(path);
  const others = files.filter((path) => !/^(dist\/.*\.(js|d\.ts))$/.test(path));
  expect(others.toSorted()).toEqual(["LICENSE", "README.md", "job-tray.css", "package.json"]);
});

test.each(SIZES)("%s costs a page less than %i bytes", async (code, gzipBytesMax) => {
  expect(await gzipBytes(code)).toBeLessThan(gzipBytesMax);
});

test("the core needs no React", async () => {
  const files = (await readdir(join(PACKAGE, "dist"))).filter((name) => name.endsWith(".js"));
  for (const name of files)
    expect(await readFile(join(PACKAGE, "dist", name), "utf8")).not.toMatch(
      /from "react|\.\/react/,
    );
});

test("a fresh Vite app with React 18 installs, type-checks, builds and runs it", async () => {
  const app = join(folder, "app");
  await cp(join(import.meta.dirname, "fresh-app"), app, { recursive: true });
  const own = JSON.parse(await readFile(join(PACKAGE, "package.json"), "utf8"));
  const { typescript, vite } = own.devDependencies;
  const manifest = {
    private: true,
    type: "module",
    dependencies: {
      "@procession/monitor": `file:../${packed.filename}`,
      react: "18.3.1",
      "react-dom": "18.3.1",
    },
    devDependencies: { "@types/react": "^18", "@types/react-dom": "^18", typescript, vite },
  };
  await writeFile(join(app, "package.json"), JSON.stringify(manifest));
  await npm(["install", "--prefer-offline", "--no-audit", "--no-fund", "--no-package-lock"], app);
  await writeFile(join(app, "src", "readme.tsx"), await readmeCode());
  await npm(["exec", "--", "tsc", "-p", "."], app);
  await npm(["exec", "--", "vite", "build", "--logLevel", "error"], app);
  await runs(join(app, "dist"));
}, 180_000);

/** The README's code, with what its snippets leave to the reader. */
async function readmeCode(): Promise<string> {
  const readme = await readFile(join(PACKAGE, "README.md"), "utf8");
  const snippets = [...readme.matchAll(/```tsx?\n([\s\S]*?)```/g)].map(([, code]) => code);
  expect(snippets.length).toBe(4);
  return `import { type Process, type Snapshot, Workspace } from "@procession/monitor";
declare const session: { token: string };
declare const id: number, ids: number[];
declare const render: (snapshot: Snapshot) => void, remove: (id: number) => void;
declare const Review: (props: { of: Process }) => null;
${snippets.join("\n")}
export { Import };`;
}

/** The built app, in a browser, follows a job to its end. */
async function runs(files: string): Promise<void> {
  const backend = await Backend.up();
  const browser = await openBrowser();
  try {
    backend.proxy.files = files;
    const input = { seconds: 0.3, steps: 5 };
    const workspace = new Workspace(clientOf(backend.proxy.baseUrl), 1);
    const job = await workspace.start({ type: "sleep", input });
    const page = await browser.newPage();
    await page.goto(`${backend.proxy.origin}/?id=${job.id}`);
    await page.getByText("completed 100 done").waitFor({ timeout: 10_000 });
    await page.getByRole("region", { name: "Jobs" }).getByText("Completed").waitFor();
    expect(backend.proxy.streamsAsked(job.id)).toBe(1);
  } finally {
    await browser.close();
    await backend.down();
  }
}
