/** The page of the browser tests: `?ids=1,2` chooses the jobs, `?tray` shows them in a tray. */
import { StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";
import { ProcessClient, Workspace } from "../../src/index.js";
import { ProcessClientProvider, useProcessMonitor } from "../../src/react/index.js";
import { JobTray } from "../../src/react/job-tray.js";
import "../../job-tray.css";

const asked = new URLSearchParams(location.search);
const brief = {
  firstByteMs: 1_000,
  stableMs: 50,
  pollMs: 100,
  pollMsMax: 300,
  probeMs: 500,
  retryMsMax: 300,
  hideMs: 50,
};
const client = new ProcessClient({ baseUrl: "/api", token: "token", limits: brief });
const number = asked.get("workspace");
const options = number === null ? {} : { workspace: new Workspace(client, Number(number)) };

function Followed({ id }: { id: number }) {
  const { status, progress, connection, error, cancel, retry } = useProcessMonitor(id, options);
  return (
    <p data-id={id}>
      <output>{`${status} ${progress} ${connection}${error ? ` ${error.message}` : ""}`}</output>
      <button type="button" onClick={cancel}>
        cancel
      </button>
      <button type="button" onClick={retry}>
        retry
      </button>
    </p>
  );
}

function Page() {
  const [ids, setIds] = useState((asked.get("ids") ?? "").split(",").map(Number));
  const dismiss = (id: number) => setIds(ids.filter((other) => other !== id));
  const review = ({ id }: { id: number }) => (
    <button type="button" onClick={() => client.review(id, { decision: "approve" })}>
      Approve
    </button>
  );
  return (
    <ProcessClientProvider client={client}>
      <button type="button" onClick={() => setIds([])}>
        unmount
      </button>
      {asked.has("tray") ? (
        <JobTray ids={ids} {...options} onDismiss={dismiss} renderReview={review} />
      ) : (
        ids.map((id, index) => <Followed key={`${id}-${String(index)}`} id={id} />)
      )}
    </ProcessClientProvider>
  );
}

const root = document.getElementById("root");
if (root === null) throw new Error("The page has no root.");
createRoot(root).render(
  <StrictMode>
    <Page />
  </StrictMode>,
);
