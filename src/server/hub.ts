/** Who waits for news of a space: live streams and long polls. */

/** Told of each new head, with tags where the app gave some. */
type Tell = (head: number, tags?: readonly string[]) => void;

export interface Hub {
  /** Until the function that it returns is called. */
  join(space: string, tell: Tell): () => void;
  tell(space: string, head: number, tags?: readonly string[]): void;
}

export function createHub(): Hub {
  const spaces = new Map<string, Set<Tell>>();
  return {
    join(space, tell) {
      const members = spaces.get(space) ?? new Set();
      spaces.set(space, members);
      members.add(tell);
      return () => {
        members.delete(tell);
        if (members.size === 0 && spaces.get(space) === members) spaces.delete(space);
      };
    },
    tell(space, head, tags) {
      // A copy: a member may leave while it is told.
      for (const tell of Array.from(spaces.get(space) ?? [])) tell(head, tags);
    },
  };
}
