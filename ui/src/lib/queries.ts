import { QueryClient, useQuery } from "@tanstack/react-query";
import { fetchModels, fetchStatus } from "./api";
import { Failure } from "./failures";

const CALM_MS = 5_000;
const SLOW_MS = 30_000;

/** Queries pause by themselves while the page is hidden. */
export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      refetchIntervalInBackground: false,
      retry: (count, error) => count < 2 && !(error instanceof Failure && error.facts.status === 401),
      staleTime: 2_000,
    },
  },
});

/** Asks again for what an answer may have changed: counts, memory, and whether a model is loaded. */
export function refresh(): void {
  void queryClient.invalidateQueries();
}

export function useModels() {
  return useQuery({
    queryKey: ["models"],
    queryFn: ({ signal }) => fetchModels(signal),
    refetchInterval: SLOW_MS,
  });
}

export function useStatus(intervalMs: number = CALM_MS) {
  return useQuery({
    queryKey: ["status"],
    queryFn: ({ signal }) => fetchStatus(signal),
    refetchInterval: intervalMs,
  });
}
