import { QueryClient, queryOptions, useQuery } from "@tanstack/react-query";
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

const models = queryOptions({
  queryKey: ["models"],
  queryFn: ({ signal }) => fetchModels(signal),
  refetchInterval: SLOW_MS,
});

const status = queryOptions({
  queryKey: ["status"],
  queryFn: ({ signal }) => fetchStatus(signal),
  refetchInterval: CALM_MS,
});

export const useModels = () => useQuery(models);
export const useStatus = () => useQuery(status);

/** Asks for what every page needs while the page itself is still being drawn. */
export function prefetch(): void {
  void queryClient.prefetchQuery(models);
  void queryClient.prefetchQuery(status);
}
