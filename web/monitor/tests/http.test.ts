import { expect, test } from "vitest";
import { CLOCK } from "../src/clock.js";
import { RequestRefused, ServerUnreachable } from "../src/errors.js";
import { Http, type TokenSource } from "../src/http.js";

type Answer = (request: { url: string; init: RequestInit; headers: Headers }) => Response;

/** Answers made by the test, in place of a network. */
function httpOf(answer: Answer, token?: string | TokenSource, headers?: Record<string, string>) {
  const fetch: typeof globalThis.fetch = async (url, init = {}) => {
    init.signal?.throwIfAborted();
    return answer({ url: String(url), init, headers: new Headers(init.headers) });
  };
  const more = headers === undefined ? undefined : () => headers;
  return new Http({ baseUrl: "http://server/api/", token, fetch, headers: more }, CLOCK);
}

const ok = () => new Response('{"a": 1}');
const unauthenticated = () => new Response('{"message": "Unauthenticated."}', { status: 401 });

test("a token, the caller's headers and a body are sent", async () => {
  const http = httpOf(
    ({ url, init, headers }) => {
      expect(url).toBe("http://server/api/processes");
      expect(headers.get("authorization")).toBe("Bearer t");
      expect(headers.get("x-audit-action")).toBe("import");
      expect(headers.get("content-type")).toBe("application/json");
      expect(init).toMatchObject({ method: "POST", body: '{"b":2}', cache: "no-store" });
      return ok();
    },
    "t",
    { "X-Audit-Action": "import" },
  );
  expect(await http.json("/processes", { method: "POST", body: { b: 2 } }, 1_000)).toEqual({
    a: 1,
  });
});

test("a file is sent as it is, in the time it may take", async () => {
  const file = new Blob(["a,b\n"], { type: "text/csv" });
  const http = httpOf(({ init, headers }) => {
    expect(init.body).toBe(file);
    expect(headers.has("content-type")).toBe(false);
    return ok();
  });
  await http.json("/uploads?name=a.csv", { method: "POST", body: file }, 1_000);
});

test("without a token none is sent: the session's cookie is", async () => {
  const http = httpOf(({ init, headers }) => {
    expect(headers.has("authorization")).toBe(false);
    expect(init.credentials).toBe("same-origin");
    return ok();
  });
  await http.json("/me", {}, 1_000);
});

test("requests refused together are renewed together, and sent once more", async () => {
  let current = "old";
  const calls: (string | undefined)[] = [];
  const token: TokenSource = async (refused) => {
    calls.push(refused);
    if (refused !== undefined) {
      await new Promise((done) => setTimeout(done, 5));
      current = "new";
    }
    return current;
  };
  const http = httpOf(
    ({ headers }) => (headers.get("authorization") === "Bearer new" ? ok() : unauthenticated()),
    token,
  );
  await Promise.all([1, 2, 3].map(() => http.json("/me", {}, 1_000)));
  expect(calls.filter((refused) => refused === "old").length).toBe(1);
});

test("a new token that is refused too is the end: it is not renewed for ever", async () => {
  let asked = 0;
  const http = httpOf(
    () => {
      asked += 1;
      return unauthenticated();
    },
    (refused) => (refused === undefined ? "old" : "new"),
  );
  await expect(http.json("/me", {}, 1_000)).rejects.toMatchObject({
    status: 401,
    message: "Unauthenticated.",
  });
  expect(asked).toBe(2);
});

test("a fixed token is not sent twice", async () => {
  let asked = 0;
  const http = httpOf(() => {
    asked += 1;
    return unauthenticated();
  }, "t");
  await expect(http.json("/me", {}, 1_000)).rejects.toThrow(RequestRefused);
  expect(asked).toBe(1);
});

test("a refusal carries the message, the fields and the wait the server asks for", async () => {
  const body = '{"message": "Invalid.", "errors": {"type": ["unknown"]}}';
  const http = httpOf(() => new Response(body, { status: 422, headers: { "Retry-After": "7" } }));
  await expect(http.json("/processes", {}, 1_000)).rejects.toMatchObject({
    name: "RequestRefused",
    message: "Invalid.",
    errors: { type: ["unknown"] },
    retryAfterMs: 7_000,
  });
});

test.each([
  ["<h1>Bad gateway</h1>", "soon"],
  ['{"message": 5, "errors": "x"}', "-1"],
  ["null", ""],
])("a refusal in other words is one all the same: %s", async (body, wait) => {
  const http = httpOf(() => new Response(body, { status: 502, headers: { "Retry-After": wait } }));
  await expect(http.json("/me", {}, 1_000)).rejects.toMatchObject({
    message: "The server answered 502.",
    errors: {},
    retryAfterMs: null,
  });
});

test("a wait longer than a timer can be is cut", async () => {
  const headers = { "Retry-After": "999999999" };
  const http = httpOf(() => new Response("", { status: 503, headers }));
  await expect(http.json("/me", {}, 1_000)).rejects.toMatchObject({ retryAfterMs: 300_000 });
});

test("no network, an answer that is not JSON, and one that does not come are unreachable", async () => {
  const broken = httpOf(() => {
    throw new TypeError("fetch failed");
  });
  await expect(broken.json("/me", {}, 1_000)).rejects.toThrow(ServerUnreachable);
  const html = httpOf(() => new Response("<p>sign in</p>"));
  await expect(html.json("/me", {}, 1_000)).rejects.toThrow("The answer is not JSON.");
  const never = httpOf(({ init }) => {
    const body = new ReadableStream({
      start: (controller) => init.signal?.addEventListener("abort", () => controller.error("cut")),
    });
    return new Response(body);
  });
  await expect(never.json("/me", {}, 20)).rejects.toThrow("The server did not answer in time.");
});

test("a token that does not come is waited for no longer than an answer", async () => {
  const never = new Promise<string>(() => {});
  await expect(httpOf(ok, () => never).json("/me", {}, 20)).rejects.toThrow(
    "did not answer in time",
  );
});

test("a request that is given up rejects with the caller's reason", async () => {
  const reason = new Error("unmounted");
  await expect(httpOf(ok).json("/me", {}, 1_000, AbortSignal.abort(reason))).rejects.toBe(reason);
});
