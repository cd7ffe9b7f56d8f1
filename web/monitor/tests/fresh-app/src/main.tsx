import { type Process, ProcessClient } from "@procession/monitor";
import { JobTray } from "@procession/monitor/job-tray";
import "@procession/monitor/job-tray.css";
import { useProcessMonitor } from "@procession/monitor/react";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

const client = new ProcessClient({ baseUrl: "/api", token: () => "token" });
const id = Number(new URLSearchParams(location.search).get("id"));

function App() {
  const { process, status, progress, connection } = useProcessMonitor(id, { client });
  const known: Process | null = process;
  return (
    <>
      <p title={known?.type}>{`${status} ${progress} ${connection}`}</p>
      <JobTray ids={[id]} client={client} words={{ title: "Jobs" }} />
    </>
  );
}

createRoot(document.getElementById("root") as HTMLElement).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
