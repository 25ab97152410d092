import { queryOptions, useQuery, useQueryClient } from "@tanstack/react-query";
import { call } from "./call";

/** Who one is for the server. */
export interface Me {
  name: string;
  organisation_id: string;
  workspace_id: string;
  user_id: string | null;
  user_name: string | null;
  key_id: string;
  permissions: string[];
  is_operator: boolean;
}

export const meQuery = queryOptions({
  queryKey: ["me"],
  queryFn: ({ signal }) => call<Me>("/api/me", { signal }),
  staleTime: 60_000,
});

export const useMe = () => useQuery(meQuery).data;

/** Whether one may do something in the workspace of one's own; until that is known, the server is left to say. */
export function may(me: Me | undefined, permission: string): boolean {
  return !me || me.is_operator || me.permissions.includes(permission);
}

export const useMay = (permission: string): boolean => may(useMe(), permission);

/** Has the server keep which workspace a user works in, so that it is the same in every browser. */
export function useWorkIn(): (workspaceId: string) => void {
  const client = useQueryClient();
  const me = useMe();
  return (workspaceId) => {
    if (!me?.user_id || me.is_operator) return;
    void call("/api/me/workspace", { method: "PUT", body: { workspace_id: workspaceId } })
      .catch(() => undefined)
      .then(() => client.invalidateQueries({ queryKey: ["me"] }));
  };
}
