import { ContractServer } from "./contract-server.js";
import { FaultProxy } from "./fault-proxy.js";

/**
 * The server the tests run against, behind a proxy that can break things: the one named by
 * PROCESSION_URL (without /api) and PROCESSION_TOKEN, else one inside the test.
 */
export class Backend {
  readonly proxy: FaultProxy;
  readonly #server: ContractServer | null;

  private constructor(proxy: FaultProxy, server: ContractServer | null) {
    this.proxy = proxy;
    this.#server = server;
  }

  static async up(): Promise<Backend> {
    const { PROCESSION_URL: url, PROCESSION_TOKEN: token = "" } = process.env;
    const server = url === undefined ? new ContractServer() : null;
    const upstream = server === null ? (url as string) : await server.listen();
    const proxy = new FaultProxy(upstream, server === null ? token : "token");
    await proxy.up();
    return new Backend(proxy, server);
  }

  async down(): Promise<void> {
    await this.proxy.down();
    await this.#server?.close();
  }
}
