import { queryOptions, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { call, callForAll, type Part } from "./call";
import type {
  Invitation,
  Key,
  KeyScopes,
  Member,
  NewInvitation,
  NewKey,
  Role,
  User,
  Workspace,
  WorkspaceSettings,
} from "./types";

export interface WorkspaceWish {
  slug: string;
  name: string;
  description: string;
  settings: Partial<WorkspaceSettings>;
  is_template: boolean;
  template_id?: string;
}

export interface KeyWish {
  name: string;
  workspace_id: string;
  scopes: Partial<KeyScopes>;
  tags: Record<string, string>;
  priority: Key["priority"];
  expires_at: number | null;
}

const at = (...parts: string[]) => `/api/${parts.map(encodeURIComponent).join("/")}`;

export const workspacesQuery = queryOptions({
  queryKey: ["workspaces"],
  queryFn: ({ signal }) => callForAll<Workspace>("/api/workspaces", {}, signal),
});

export const keysQuery = (workspaceId: string) =>
  queryOptions({
    queryKey: ["keys", workspaceId],
    queryFn: ({ signal }) => callForAll<Key>("/api/keys", { workspace_id: workspaceId }, signal),
    enabled: workspaceId !== "",
  });

export const membersQuery = (workspaceId: string) =>
  queryOptions({
    queryKey: ["members", workspaceId],
    queryFn: ({ signal }) => callForAll<Member>(at("workspaces", workspaceId, "members"), {}, signal),
    enabled: workspaceId !== "",
  });

export const usersQuery = queryOptions({
  queryKey: ["users"],
  queryFn: ({ signal }) => callForAll<User>("/api/users", {}, signal),
});

export const rolesQuery = queryOptions({
  queryKey: ["roles"],
  queryFn: ({ signal }) => callForAll<Role>("/api/roles", {}, signal),
});

export const invitationsQuery = (workspaceId: string) =>
  queryOptions({
    queryKey: ["invitations", workspaceId],
    queryFn: ({ signal }) => callForAll<Invitation>("/api/invitations", { workspace_id: workspaceId }, signal),
    enabled: workspaceId !== "",
  });

export const useWorkspaces = () => useQuery(workspacesQuery);

/** Does a thing, and has every list that it may have changed read again. */
export function useDoing<Wish, Done>(kinds: readonly string[], work: (wish: Wish) => Promise<Done>) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: work,
    onSettled: () => Promise.all(kinds.map((kind) => client.invalidateQueries({ queryKey: [kind] }))),
  });
}

export const createWorkspace = (body: WorkspaceWish) => call<Workspace>(at("workspaces"), { method: "POST", body });

export const updateWorkspace = ({ id, version }: Workspace, body: Partial<WorkspaceWish>) =>
  call<Workspace>(at("workspaces", id), { method: "PATCH", body, version });

export const archiveWorkspace = ({ id, version }: Workspace) =>
  call<Workspace>(at("workspaces", id, "archive"), { method: "POST", version });

export const restoreWorkspace = ({ id, version }: Workspace) =>
  call<Workspace>(at("workspaces", id, "restore"), { method: "POST", version });

export const exportWorkspace = (id: string, passphrase: string) =>
  call<Record<string, unknown>>(at("workspaces", id, "export"), {
    method: "POST",
    body: passphrase ? { passphrase } : {},
  });

export const importWorkspaces = (document: Record<string, unknown>, passphrase: string) =>
  call<Part<Workspace>>(at("workspaces", "import"), {
    method: "POST",
    body: passphrase ? { document, passphrase } : { document },
  });

export const createKey = (body: KeyWish) => call<NewKey>(at("keys"), { method: "POST", body });

export const rotateKey = ({ id, version }: Key, overlapS: number) =>
  call<NewKey>(at("keys", id, "rotate"), { method: "POST", body: { overlap_s: overlapS }, version });

export const revokeKey = ({ id }: Key) => call<Key>(at("keys", id, "revoke"), { method: "POST" });

export const updateKey = ({ id, version }: Key, body: Partial<Omit<KeyWish, "workspace_id">>) =>
  call<Key>(at("keys", id), { method: "PATCH", body, version });

export const createUser = (body: { name: string; kind: User["kind"]; email?: string }) =>
  call<User>(at("users"), { method: "POST", body });

export const createInvitation = (body: { email: string; role: string; workspace_id: string; lifetime_s: number }) =>
  call<NewInvitation>(at("invitations"), { method: "POST", body });

export const revokeInvitation = ({ id, version }: Invitation) =>
  call<Invitation>(at("invitations", id, "revoke"), { method: "POST", version });

export const createRole = (body: { name: string; permissions: string[] }) =>
  call<Role>(at("roles"), { method: "POST", body });

export const updateRole = ({ id, version }: Role, permissions: string[]) =>
  call<Role>(at("roles", id ?? ""), { method: "PATCH", body: { permissions }, version: version ?? undefined });

export const deleteRole = ({ id, version }: Role) =>
  call<Role>(at("roles", id ?? ""), { method: "DELETE", version: version ?? undefined });

export const addMember = (workspaceId: string, body: { user_id: string; role: string }) =>
  call<Member>(at("workspaces", workspaceId, "members"), { method: "POST", body });

export const changeMember = ({ workspace_id, user_id, version }: Member, role: string) =>
  call<Member>(at("workspaces", workspace_id, "members", user_id), { method: "PATCH", body: { role }, version });

export const removeMember = ({ workspace_id, user_id, version }: Member) =>
  call<Member>(at("workspaces", workspace_id, "members", user_id), { method: "DELETE", version });
