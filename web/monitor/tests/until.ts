/** Waits for a condition, and fails with what was seen last when it does not come in time. */
export async function until<Value>(
  read: () => Value,
  isMet: (value: Value) => boolean,
  deadlineMs = 10_000,
): Promise<Value> {
  const end = Date.now() + deadlineMs;
  for (;;) {
    const value = read();
    if (isMet(value)) return value;
    if (Date.now() > end) throw new Error(`not in time; last seen: ${JSON.stringify(value)}`);
    await new Promise((done) => setTimeout(done, 5));
  }
}
