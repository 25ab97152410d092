// @vitest-environment jsdom
import type { StreamController, StreamState } from "@narthex/client";
import { expect, it } from "vitest";
import { ExternalStore } from "@/lib/external-store";
import { NOT_LIVE } from "./conversation";
import { Watch } from "./watch";

/** A stream whose state the test sets. */
function stream(): { stream: StreamController; enter: (state: StreamState) => void } {
  const listeners = new Set<(state: StreamState) => void>();
  const onState = (listener: (state: StreamState) => void) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  };
  const fake = { state: "connecting", onState, progress: () => new Promise(() => undefined) };
  return {
    stream: fake as unknown as StreamController,
    enter: (state) => {
      for (const listener of listeners) listener(state);
    },
  };
}

it("tells how its answer stands, and nothing of it once the next one is shown", () => {
  const live = new ExternalStore(NOT_LIVE);
  const [first, second] = [stream(), stream()];
  const watches = [new Watch(first.stream, "a", live)];
  first.enter("streaming");
  expect(live.get()).toMatchObject({ turnId: "a", state: "streaming" });
  watches.push(new Watch(second.stream, "b", live));
  second.enter("streaming");
  first.enter("cancelled");
  expect(live.get()).toMatchObject({ turnId: "b", state: "streaming" });
  for (const watch of watches) watch.close();
  second.enter("done");
  expect(live.get()).toMatchObject({ turnId: "b", state: "streaming" });
});
