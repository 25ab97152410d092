import { Button } from "./button";

interface ShowOlderProps {
  list: { hasNextPage: boolean; isFetchingNextPage: boolean; fetchNextPage: () => unknown };
}

/** Asks for the next part of a list that comes page by page, the newest first; nothing where there is none. */
export function ShowOlder({ list }: ShowOlderProps) {
  return (
    list.hasNextPage && (
      <Button
        look="ghost"
        className="mt-2"
        disabled={list.isFetchingNextPage}
        onClick={() => void list.fetchNextPage()}
      >
        {list.isFetchingNextPage ? "One moment…" : "Show older ones"}
      </Button>
    )
  );
}
