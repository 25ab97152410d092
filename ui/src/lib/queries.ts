import { QueryClient, queryOptions, useQuery } from "@tanstack/react-query";
import { fetchModels, fetchStatus } from "./api";
import { Failure } from "./failures";

const CALM_MS = 5_000;
const SLOW_MS = 30_000;

const TOO_MANY = 429;

/** Whether something may go well the next time: what the server refuses for a reason it will refuse again. */
export function mayPass(error: unknown): boolean {
  const status = error instanceof Failure ? error.facts.status : undefined;
  return status === undefined || status >= 500 || status === TOO_MANY;
}

/** Queries pause by themselves while the page is hidden. */
export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      refetchIntervalInBackground: false,
      retry: (count, error) => count < 2 && mayPass(error),
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
