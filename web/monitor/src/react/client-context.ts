"use client";

import { createContext, createElement, type ReactNode, useContext, useRef } from "react";
import { type ClientOptions, ProcessClient } from "../client.js";

const Context = createContext<ProcessClient | null>(null);

/** The hook needs a client: give it one, or its options, or put a ProcessClientProvider above. */
export class ClientMissing extends Error {
  override readonly name = "ClientMissing";
}

/** Gives all hooks below it the same client. */
export function ProcessClientProvider(props: { client: ProcessClient; children?: ReactNode }) {
  return createElement(Context.Provider, { value: props.client }, props.children);
}

export interface ClientChoice extends Partial<ClientOptions> {
  /** The client; without it one is made from the other options, or the provider's is used. */
  readonly client?: ProcessClient | undefined;
}

/** The client chosen by the options or the provider. Raises ClientMissing. */
export function useProcessClient(choice: ClientChoice = {}): ProcessClient {
  const provided = useContext(Context);
  const own = useOwnClient(choice);
  const client = choice.client ?? own ?? provided;
  if (client === null)
    throw new ClientMissing("No client, no baseUrl, and no ProcessClientProvider above.");
  return client;
}

/** A client made from inline options: kept as long as the address is, always with the last token. */
function useOwnClient(choice: ClientChoice): ProcessClient | null {
  const last = useRef(choice);
  last.current = choice;
  const made = useRef<{ baseUrl: string; client: ProcessClient } | null>(null);
  const { client, baseUrl } = choice;
  if (client !== undefined || baseUrl === undefined) return null;
  if (made.current?.baseUrl !== baseUrl) {
    const token = (refused?: string) => {
      const { token = null } = last.current;
      return typeof token === "function" ? token(refused) : token;
    };
    const headers = () => last.current.headers?.() ?? {};
    made.current = { baseUrl, client: new ProcessClient({ ...choice, baseUrl, token, headers }) };
  }
  return made.current.client;
}
